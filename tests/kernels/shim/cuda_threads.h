// Runs kernels with one std::thread for each CUDA thread of a block. Slow and not deterministic; its one purpose is to
// put ThreadSanitizer on a kernel, which then names the line of a data race.
//
//     #include "cuda_threads.h"
//     ... the unmodified text of .cu files ...
//     int main() { launch(grid, block, [&] { row_sum_f32(x, out, rows, columns); }); }
//
// Build: g++ -std=c++20 -O1 -g -fsanitize=thread (C++20 for std::barrier). One-dimensional; blocks run in order.
#pragma once
#include <atomic>
#include <barrier>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "cuda_words.h"

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;
inline std::barrier<>* block_barrier;
inline std::vector<std::unique_ptr<std::barrier<>>> warp_barriers;
inline uint64_t shuffle_slots[32][32];  // [warp][lane]

static inline void __syncthreads()
{
    block_barrier->arrive_and_wait();
}

// Blocks run one after the other and are joined in between, which orders more than a fence would.
static inline void __threadfence() {}

static inline unsigned atomicInc(unsigned* counter, unsigned top)
{
    std::atomic_ref<unsigned> cell(*counter);
    unsigned old = cell.load();
    while (!cell.compare_exchange_weak(old, old >= top ? 0 : old + 1)) {
    }
    return old;
}

template <class T> static inline T __shfl_xor_sync(unsigned, T value, int with)
{
    static_assert(sizeof(T) <= 8, "shuffles move at most eight bytes");
    const unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    memcpy(&shuffle_slots[warp][lane], &value, sizeof value);
    warp_barriers[warp]->arrive_and_wait();
    memcpy(&value, &shuffle_slots[warp][(lane ^ (unsigned)with) & 31], sizeof value);
    warp_barriers[warp]->arrive_and_wait();
    return value;
}

template <class Kernel> void launch(unsigned grid, unsigned block, Kernel kernel)
{
    for (unsigned b = 0; b < grid; b++) {
        std::barrier<> barrier(block);
        block_barrier = &barrier;
        warp_barriers.clear();
        for (unsigned first = 0; first < block; first += 32)
            warp_barriers.push_back(std::make_unique<std::barrier<>>((std::ptrdiff_t)std::min(32u, block - first)));
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < block; t++)
            threads.emplace_back([=, barrier_of_block = block_barrier] {
                threadIdx = dim3(t, 0, 0);
                blockIdx = dim3(b, 0, 0);
                blockDim = dim3(block);
                gridDim = dim3(grid);
                kernel();
                barrier_of_block->arrive_and_drop();  // who has left holds nobody up
            });
        for (std::thread& t : threads)
            t.join();
    }
}
