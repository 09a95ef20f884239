// NAdam over flat buffers, all parameters in one launch.
#include "update.cuh"

struct NAdam {
    // Columns of the control table, in the order of NAdam.columns. The last two are the rates of gradient and momentum.
    enum { BETA1, KEEP1, BETA2, KEEP2, EPS, WEIGHT_DECAY, SHRINK, OF_GRADIENT, OF_MOMENTUM, COLUMNS };

    static __device__ __forceinline__ void update(float& p, float g, float& m, float& v, const float* c, int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], c[SHRINK], flags);
        m = fmaf(m, c[BETA1], g * c[KEEP1]);
        v = fmaf(v, c[BETA2], g * g * c[KEEP2]);
        p = p - fmaf(m, c[OF_MOMENTUM], g * c[OF_GRADIENT]) / (sqrtf(v) + c[EPS]);
    }
};

// One step.
extern "C" __global__ void nadam_f32(float* p, const float* g, float* m, float* v, long long n, float* average,
                                     const double* table, int classes, int columns, int capacity, unsigned int* state,
                                     const unsigned char* live, const double* total, int flags)
{
    update_all<NAdam>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, m, v);
}
