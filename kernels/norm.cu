// Global gradient norm and clipping. The norm stays on the device.
#include "grid.cuh"
#include "reduce.cuh"
#include "ticket.cuh"

// The square of a float is exact in double, so only the additions round.
__device__ __forceinline__ double add_square(double sum, float x)
{
    return fma((double)x, (double)x, sum);
}

// total[0] = sum of x^2, or += where `accumulate`. `partial` has a slot for each block.
extern "C" __global__ void sum_of_squares_f32(const float* x, long long n, double* partial, double* total,
                                              unsigned int* ticket, int accumulate)
{
    double sum = 0.0;
    long long done = 0;
    if (aligned16(x)) {
        const float4* x4 = (const float4*)x;
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const float4 X = x4[i];
            sum = add_square(add_square(add_square(add_square(sum, X.x), X.y), X.z), X.w);
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size())
        sum = add_square(sum, x[i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
    if (last_block(ticket)) {
        const double all = ordered_sum(partial, gridDim.x);
        if (threadIdx.x == 0)
            total[0] = accumulate ? total[0] + all : all;
    }
}

// g *= min(1, max_norm / (norm + 1e-6)) with norm = sqrt(total). Every element becomes nan where the norm is nan.
extern "C" __global__ void clip_by_norm_f32(float* g, long long n, const double* total, const double* max_norm,
                                            float* norm_out)
{
    __shared__ float shared_scale;
    if (threadIdx.x == 0) {
        const double norm = sqrt(total[0]);
        shared_scale = (float)(max_norm[0] / (norm + 1e-6));
        if (blockIdx.x == 0)
            norm_out[0] = (float)norm;
    }
    __syncthreads();
    const float scale = shared_scale;
    if (scale >= 1.0f)
        return;
    long long done = 0;
    if (aligned16(g)) {
        float4* g4 = (float4*)g;
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const float4 G = g4[i];
            g4[i] = make_float4(G.x * scale, G.y * scale, G.z * scale, G.w * scale);
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size())
        g[i] = g[i] * scale;
}
