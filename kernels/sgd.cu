// Stochastic gradient descent over flat buffers, all parameters in one launch.
#include "grid.cuh"
#include "table.cuh"

// Columns of the control table, in the order of SGD.columns. The gain is 1 at the first step and 1 - dampening later
// (times lr where the velocity holds it): the host fills it in, so the kernel knows no first step.
enum { LR, MOMENTUM, GAIN, WEIGHT_DECAY, COLUMNS };
enum { HAS_MOMENTUM = 1, NESTEROV = 2, MAXIMIZE = 4, DECAY = 8, VELOCITY_HOLDS_LR = 16 };

__device__ __forceinline__ void update(float& p, float g, float& velocity, const float* c, int flags)
{
    if (flags & MAXIMIZE)
        g = -g;
    if (flags & DECAY)
        g = fmaf(p, c[WEIGHT_DECAY], g);
    if (!(flags & HAS_MOMENTUM)) {
        p = fmaf(-c[LR], g, p);
        return;
    }
    velocity = fmaf(velocity, c[MOMENTUM], g * c[GAIN]);
    if (flags & VELOCITY_HOLDS_LR)
        p = p - (flags & NESTEROV ? fmaf(velocity, c[MOMENTUM], g * c[LR]) : velocity);
    else
        p = fmaf(-c[LR], flags & NESTEROV ? fmaf(velocity, c[MOMENTUM], g) : velocity, p);
}

// One step. `velocity` may be null without HAS_MOMENTUM. Elements whose live byte is 0 are left alone.
extern "C" __global__ void sgd_f32(float* p, const float* g, float* velocity, long long n, const double* table,
                                   int classes, int columns, int capacity, unsigned int* state,
                                   const unsigned char* live, int flags)
{
    const float* row = load_row<COLUMNS>(table, classes, columns, capacity, state);
    const bool momentum = flags & HAS_MOMENTUM;
    long long done = 0;
    if (aligned16(p) && aligned16(g) && (!momentum || aligned16(velocity))) {
        float4* p4 = (float4*)p;
        const float4* g4 = (const float4*)g;
        float4* velocity4 = (float4*)velocity;
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const int alive = live[i >> (LIVE_SHIFT - 2)];
            if (!alive)
                continue;
            const float* c = coefficients<COLUMNS>(row, alive);
            float4 P = p4[i], G = g4[i];
            float4 V = momentum ? velocity4[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            update(P.x, G.x, V.x, c, flags);
            update(P.y, G.y, V.y, c, flags);
            update(P.z, G.z, V.z, c, flags);
            update(P.w, G.w, V.w, c, flags);
            p4[i] = P;
            if (momentum)
                velocity4[i] = V;
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size()) {
        const int alive = live[i >> LIVE_SHIFT];
        if (!alive)
            continue;
        float velocity_i = momentum ? velocity[i] : 0.0f;
        update(p[i], g[i], velocity_i, coefficients<COLUMNS>(row, alive), flags);
        if (momentum)
            velocity[i] = velocity_i;
    }
}
