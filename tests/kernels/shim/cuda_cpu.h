// Runs kernels on the CPU, deterministically: every CUDA thread is a fiber, and barriers and shuffles switch fibers.
//
//     #include "cuda_cpu.h"
//     ... the unmodified text of a .cu file ...
//     CPU_EXPORT(adam_f32)        // -> int cpu_adam_f32(void** args, gx, gy, gz, bx, by, bz, reverse)
//
// A warp goes on when all of its live lanes wait at a warp operation, a block when all of its live threads wait at a
// barrier. `reverse` runs blocks and threads from last to first: a result that changes is a race. An access to a
// forbidden page ends the launch instead of the process, and so does a trap of -fsanitize=undefined: a float4 at an
// address that is not its, an index past the end of shared memory.
//
// Limits: blocks run one after the other; shuffles take full masks; fibers are not pre-empted, so atomics come in a
// fixed order and fences do nothing. What a memory model allows beyond that, cuda_order.h looks for (-DMEMORY_ORDER),
// and cuda_threads.h.
#pragma once
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#include "cuda_words.h"
#ifdef MEMORY_ORDER
#include "cuda_order.h"
#define IN_ENGINE order::Engine in_engine
#define ORDER(event) order::event
#else
#define UNTRACKED
#define IN_ENGINE
#define ORDER(event)
#endif

namespace cpu {

enum State { FRESH, RUNNABLE, AT_BARRIER, AT_WARP_OP, DONE };
enum Verdict {
    GOOD,
    BARRIER_WITHOUT_EXITED,  // threads had left the kernel when the others passed a barrier
    SHUFFLE_WITHOUT_EXITED,  // the same for a warp operation, whose mask names all lanes
    DIFFERENT_BARRIERS,      // threads of a block waited at barriers of different lines
    DEADLOCK,                // some wait at a barrier, some at a warp operation, and nobody can go on
    FAULT,                   // a forbidden page was touched
    TRAP,                    // the sanitizer found undefined behaviour
    UNORDERED                // an access that nothing orders behind another thread's
};

struct Fiber {
    ucontext_t start;
    jmp_buf resume;
    void* stack;
    bool started;
    unsigned thread;  // which thread of the block it runs
};

struct Thread {
    State state;
    int line;  // of the barrier it waits at
    Fiber* fiber;
};

inline const size_t STACK = 64 * 1024;
inline dim3 thread_index, block_index, block_size, grid_size;
inline void (*kernel)(void*);
inline void* kernel_args;
inline std::vector<Thread> threads;    // of the block that runs
inline std::vector<Fiber*> idle;       // fibers outlive threads and launches, because making one costs more
inline uint64_t slots[32][32];         // exchange area of the shuffles: [warp][lane]
inline Fiber* current;
inline jmp_buf scheduler;
inline sigjmp_buf escape;
inline unsigned verdict;

// Every change of stack is one of these two; setjmp and longjmp cost no system call, swapcontext two.
__attribute__((noinline)) inline void to_scheduler()
{
    if (_setjmp(current->resume) == 0)
        _longjmp(scheduler, 1);
}

UNTRACKED inline void run_kernel()
{
    ORDER(tracking = true);
    kernel(kernel_args);
    ORDER(tracking = false);
}

inline void fiber_main()
{
    for (;;) {
        run_kernel();
        threads[current->thread].state = DONE;
        to_scheduler();
    }
}

__attribute__((noinline)) inline void to_fiber()
{
    if (_setjmp(scheduler) != 0)
        return;
    if (current->started)
        _longjmp(current->resume, 1);
    current->started = true;
    setcontext(&current->start);
}

UNTRACKED inline void wait_at(State why, int line)
{
    IN_ENGINE;
    threads[current->thread].state = why;
    threads[current->thread].line = line;
    to_scheduler();
}

__attribute__((noinline)) inline void prepare(ucontext_t* context, void* stack)
{
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK;
    makecontext(context, fiber_main, 0);
}

inline Fiber* take_fiber()
{
    if (!idle.empty()) {
        Fiber* fiber = idle.back();
        idle.pop_back();
        return fiber;
    }
    Fiber* fiber = new Fiber();
    fiber->stack = malloc(STACK);
    prepare(&fiber->start, fiber->stack);
    return fiber;
}

inline void run_thread(unsigned i)
{
    if (threads[i].state == FRESH) {
        threads[i].fiber = take_fiber();
        threads[i].fiber->thread = i;
        threads[i].state = RUNNABLE;
    }
    current = threads[i].fiber;
    ORDER(me = i);
    ORDER(stack = (const char*)current->stack);
    thread_index = dim3(i % block_size.x, i / block_size.x % block_size.y, i / block_size.x / block_size.y);
    to_fiber();
    if (threads[i].state == DONE)
        idle.push_back(threads[i].fiber);
}

inline void judge(Verdict found)
{
    verdict = std::max<unsigned>(verdict, found);
}

// Let go on all threads in [first, last) if every live one waits for `what`.
inline bool release(unsigned first, unsigned last, State what)
{
    int line = -1;
    bool exited = false, mixed = false;
    for (unsigned i = first; i < last; i++) {
        if (threads[i].state == DONE) {
            exited = true;
            continue;
        }
        if (threads[i].state != what)
            return false;
        mixed |= line >= 0 && line != threads[i].line;
        line = threads[i].line;
    }
    if (line < 0)
        return false;
    if (exited)
        judge(what == AT_BARRIER ? BARRIER_WITHOUT_EXITED : SHUFFLE_WITHOUT_EXITED);
    if (mixed && what == AT_BARRIER)
        judge(DIFFERENT_BARRIERS);
    if (what == AT_BARRIER) {
        ORDER(barrier([](unsigned i) { return threads[i].state == AT_BARRIER; }));
    }
    for (unsigned i = first; i < last; i++)
        if (threads[i].state == what)
            threads[i].state = RUNNABLE;
    return true;
}

// False at a deadlock.
inline bool run_block(unsigned n, bool reverse)
{
    threads.assign(n, Thread{FRESH, -1, nullptr});
    for (;;) {
        unsigned live = 0;
        bool progress = false;
        for (unsigned k = 0; k < n; k++) {
            const unsigned i = reverse ? n - 1 - k : k;
            if (threads[i].state == FRESH || threads[i].state == RUNNABLE) {
                run_thread(i);
                progress = true;
            }
            live += threads[i].state != DONE;
        }
        if (!live)
            return true;
        for (unsigned first = 0; first < n; first += 32)
            progress |= release(first, std::min(n, first + 32), AT_WARP_OP);
        progress |= release(0, n, AT_BARRIER);
        if (!progress)
            return false;
    }
}

// Fibers that are in the middle of a kernel cannot be used again.
inline void abandon()
{
    for (Thread& t : threads)
        if (t.fiber && t.state != DONE) {
            free(t.fiber->stack);
            delete t.fiber;
        }
    threads.clear();
}

inline void on_signal(int number)
{
    siglongjmp(escape, number == SIGSEGV || number == SIGBUS ? FAULT : TRAP);
}

inline unsigned launch(void (*body)(void*), void* args, dim3 grid, dim3 block, bool reverse)
{
    kernel = body;
    kernel_args = args;
    grid_size = grid;
    block_size = block;
    verdict = GOOD;
    const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    struct sigaction mine = {}, before[4];
    mine.sa_handler = on_signal;
    for (int i = 0; i < 4; i++)
        sigaction(caught[i], &mine, &before[i]);
    ORDER(stack_size = STACK);
    ORDER(begin_launch([] { siglongjmp(escape, UNORDERED); }));
    const int found = sigsetjmp(escape, 1);
    if (found == 0) {
        const unsigned long long blocks = (unsigned long long)grid.x * grid.y * grid.z;
        for (unsigned long long k = 0; k < blocks; k++) {
            const unsigned long long b = reverse ? blocks - 1 - k : k;
            block_index = dim3(b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y);
            ORDER(begin_block(b, block.x * block.y * block.z, blocks));
            if (!run_block(block.x * block.y * block.z, reverse)) {
                judge(DEADLOCK);
                abandon();
                break;
            }
        }
    } else {
        judge((Verdict)found);
        abandon();
    }
    for (int i = 0; i < 4; i++)
        sigaction(caught[i], &before[i], nullptr);
    return verdict;
}

// Publish a value, wait for the warp, read another lane's, and wait again, so that no lane overwrites a slot that is
// still to be read.
template <class T> UNTRACKED inline T shuffle(unsigned mask, T value, unsigned source, int line)
{
    IN_ENGINE;
    static_assert(sizeof(T) <= 8, "shuffles move at most eight bytes");
    if (mask != FULL_WARP)
        abort();
    const unsigned lane = current->thread & 31, warp = current->thread >> 5;
    memcpy(&slots[warp][lane], &value, sizeof value);
    wait_at(AT_WARP_OP, line);
    memcpy(&value, &slots[warp][source & 31], sizeof value);
    wait_at(AT_WARP_OP, line);
    return value;
}

// Unpacks void** exactly as cuLaunchKernel does: by the kernel's own parameter types.
template <class K> struct Call;
template <class... A> struct Call<void (*)(A...)> {
    void (*entry)(A...);
    void** args;

    template <size_t... I> void apply(std::index_sequence<I...>)
    {
        entry(*reinterpret_cast<std::remove_reference_t<A>*>(args[I])...);
    }
    static void run(void* self)
    {
        static_cast<Call*>(self)->apply(std::index_sequence_for<A...>{});
    }
};

}  // namespace cpu

#define threadIdx (cpu::thread_index)
#define blockIdx (cpu::block_index)
#define blockDim (cpu::block_size)
#define gridDim (cpu::grid_size)
#define __syncthreads() cpu::wait_at(cpu::AT_BARRIER, __LINE__)
#define __shfl_xor_sync(mask, value, with) \
    cpu::shuffle(mask, value, (cpu::current->thread & 31) ^ (unsigned)(with), __LINE__)

UNTRACKED static inline void __threadfence()
{
    IN_ENGINE;
    ORDER(fence());
}

UNTRACKED static inline unsigned atomicInc(unsigned* counter, unsigned top)
{
    IN_ENGINE;
    ORDER(atomic(counter));
    const unsigned old = *counter;
    *counter = old >= top ? 0 : old + 1;
    return old;
}

#define CPU_EXPORT(entry)                                                                                            \
    extern "C" __attribute__((visibility("default"))) unsigned cpu_##entry(                                          \
        void** args, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, int reverse)      \
    {                                                                                                                \
        cpu::Call<decltype(&entry)> call{&entry, args};                                                              \
        return cpu::launch(&decltype(call)::run, &call, dim3(gx, gy, gz), dim3(bx, by, bz), reverse != 0);           \
    }                                                                                                                \
    extern "C" __attribute__((visibility("default"))) void where_##entry(unsigned* where)                            \
    {                                                                                                                \
        where[0] = cpu::block_index.x;                                                                               \
        where[1] = cpu::thread_index.x;                                                                              \
    }
