// Dropout masks from a counter in device memory: the same mask as on the host, at every replay of a graph a new one.
#include "grid.cuh"
#include "philox.cuh"

// A Philox block gives eight 32-bit words, low half first: the elements 8 i to 8 i + 7.
#define WORDS 8

// Bytes 0 or 1 for one word of the generator: whether each half is at least the threshold.
__device__ __forceinline__ Word keep_two(Word word, Word threshold)
{
    const Word low = (word & 0xffffffffull) >= threshold, high = (word >> 32) >= threshold;
    return low | high << 8;
}

// The eight mask bytes of a Philox block.
__device__ __forceinline__ Word keep_eight(const Word* state, Word block, Word threshold)
{
    const Counter x = philox(state, block);
    return keep_two(x.a, threshold) | keep_two(x.b, threshold) << 16 | keep_two(x.c, threshold) << 32 |
           keep_two(x.d, threshold) << 48;
}

__device__ __forceinline__ float masked(float x, Word keep, int byte, float scale)
{
    return x * (float)(int)(keep >> 8 * byte & 1) * scale;
}

// mask[i] = (32-bit word i behind the state) >= threshold. The state is left as it is.
extern "C" __global__ void keep_mask(unsigned char* mask, long long n, const unsigned long long* state,
                                     unsigned long long threshold)
{
    const bool whole = ((unsigned long long)mask & 7) == 0;
    for (long long block = grid_index(); block * WORDS < n; block += grid_size()) {
        const Word keep = keep_eight(state, block, threshold);
        const long long first = block * WORDS;
        if (whole && first + WORDS <= n) {
            *(Word*)(mask + first) = keep;
            continue;
        }
#pragma unroll 1
        for (int k = 0; k < WORDS && first + k < n; k++)
            mask[first + k] = (unsigned char)(keep >> 8 * k & 1);
    }
}

// The same mask, and out = x * mask * scale. `out` may be x.
extern "C" __global__ void dropout_f32(const float* x, float* out, unsigned char* mask, long long n,
                                       const unsigned long long* state, unsigned long long threshold, float scale)
{
    const bool whole = aligned16(x) && aligned16(out) && ((unsigned long long)mask & 7) == 0;
    for (long long block = grid_index(); block * WORDS < n; block += grid_size()) {
        const Word keep = keep_eight(state, block, threshold);
        const long long first = block * WORDS;
        if (whole && first + WORDS <= n) {
            const float4 X = *(const float4*)(x + first), Y = *(const float4*)(x + first + 4);
            *(Word*)(mask + first) = keep;
            *(float4*)(out + first) = make_float4(masked(X.x, keep, 0, scale), masked(X.y, keep, 1, scale),
                                                  masked(X.z, keep, 2, scale), masked(X.w, keep, 3, scale));
            *(float4*)(out + first + 4) = make_float4(masked(Y.x, keep, 4, scale), masked(Y.y, keep, 5, scale),
                                                      masked(Y.z, keep, 6, scale), masked(Y.w, keep, 7, scale));
            continue;
        }
#pragma unroll 1
        for (int k = 0; k < WORDS && first + k < n; k++) {
            mask[first + k] = (unsigned char)(keep >> 8 * k & 1);
            out[first + k] = masked(x[first + k], keep, k, scale);
        }
    }
}

// The counter moves on by `blocks`, over all 256 bits. One thread.
extern "C" __global__ void advance_philox(unsigned long long* state, long long blocks)
{
    if (grid_index() > 0)
        return;
    const Counter x = add(counter_of(state), (Word)blocks);
    state[2] = x.a;
    state[3] = x.b;
    state[4] = x.c;
    state[5] = x.d;
}
