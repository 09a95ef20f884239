// Adam and AdamW over flat buffers, all parameters in one launch.
#include "grid.cuh"
#include "table.cuh"

// Columns of the control table, in the order of Adam.columns.
enum { BETA1, KEEP1, BETA2, KEEP2, EPS, STEP_SIZE, WEIGHT_DECAY, SHRINK, COLUMNS };
enum { DECOUPLED = 1, AMSGRAD = 2, MAXIMIZE = 4, DECAY = 8 };

__device__ __forceinline__ void update(float& p, float g, float& m, float& v, float& largest, const float* c, int flags)
{
    if (flags & MAXIMIZE)
        g = -g;
    if (flags & DECAY) {
        if (flags & DECOUPLED)
            p = p * c[SHRINK];
        else
            g = fmaf(p, c[WEIGHT_DECAY], g);
    }
    m = fmaf(m, c[BETA1], g * c[KEEP1]);
    v = fmaf(v, c[BETA2], g * g * c[KEEP2]);
    float second = v;
    if (flags & AMSGRAD) {
        if (v > largest || v != v)  // nan stays nan
            largest = v;
        second = largest;
    }
    p = fmaf(-c[STEP_SIZE], m / (sqrtf(second) + c[EPS]), p);
}

// One step. `largest` may be null without AMSGRAD. Elements whose live byte is 0 are left alone.
extern "C" __global__ void adam_f32(float* p, const float* g, float* m, float* v, float* largest, long long n,
                                    const double* table, int classes, int columns, int capacity, unsigned int* state,
                                    const unsigned char* live, int flags)
{
    const float* row = load_row<COLUMNS>(table, classes, columns, capacity, state);
    const bool amsgrad = flags & AMSGRAD;
    long long done = 0;
    if (aligned16(p) && aligned16(g) && aligned16(m) && aligned16(v) && (!amsgrad || aligned16(largest))) {
        float4* p4 = (float4*)p;
        const float4* g4 = (const float4*)g;
        float4* m4 = (float4*)m;
        float4* v4 = (float4*)v;
        float4* largest4 = (float4*)largest;
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const int alive = live[i >> (LIVE_SHIFT - 2)];
            if (!alive)
                continue;
            const float* c = coefficients<COLUMNS>(row, alive);
            float4 P = p4[i], G = g4[i], M = m4[i], V = v4[i];
            float4 L = amsgrad ? largest4[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            update(P.x, G.x, M.x, V.x, L.x, c, flags);
            update(P.y, G.y, M.y, V.y, L.y, c, flags);
            update(P.z, G.z, M.z, V.z, L.z, c, flags);
            update(P.w, G.w, M.w, V.w, L.w, c, flags);
            p4[i] = P;
            m4[i] = M;
            v4[i] = V;
            if (amsgrad)
                largest4[i] = L;
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size()) {
        const int alive = live[i >> LIVE_SHIFT];
        if (!alive)
            continue;
        float largest_i = amsgrad ? largest[i] : 0.0f;
        update(p[i], g[i], m[i], v[i], largest_i, coefficients<COLUMNS>(row, alive), flags);
        if (amsgrad)
            largest[i] = largest_i;
    }
}
