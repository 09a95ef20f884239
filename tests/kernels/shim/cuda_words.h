// The words of CUDA C++ that the kernels use, for g++: qualifiers, vector types, intrinsics. The engines that run
// threads (cuda_cpu.h, cuda_threads.h) add barriers, shuffles and atomics.
//
// Build with -ffp-contract=off: g++ would form its own fused multiply-adds, and results would no longer round like
// device code compiled with -fmad=false. expf, logf and tanhf are the C library's and differ from CUDA's in the last
// bits. Subnormals are kept, where CuPy's -ftz=true flushes them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
// Blocks run one at a time, so that one static copy is the block's.
#define __shared__ static

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) longlong2 {
    long long x, y;
};
static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}
static inline longlong2 make_longlong2(long long x, long long y)
{
    return {x, y};
}

using std::max;
using std::min;

static inline float __int_as_float(int bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

static const unsigned FULL_WARP = 0xffffffffu;
