// Lion over flat buffers, all parameters in one launch.
#include "update.cuh"

struct Lion {
    // Columns of the control table, in the order of Lion.columns.
    enum { LR, BETA1, KEEP1, BETA2, KEEP2, SHRINK, COLUMNS };

    static __device__ __forceinline__ void update(float& p, float g, float& m, const float* c, int flags)
    {
        g = descent(p, g, 0.0f, c[SHRINK], flags);
        const float ahead = fmaf(m, c[BETA1], g * c[KEEP1]);
        m = fmaf(m, c[BETA2], g * c[KEEP2]);
        const float sign = ahead > 0.0f ? 1.0f : ahead < 0.0f ? -1.0f : ahead;  // 0 and nan are their own
        p = fmaf(-c[LR], sign, p);
    }
};

// One step.
extern "C" __global__ void lion_f32(float* p, const float* g, float* m, long long n, float* average,
                                    const double* table, int classes, int columns, int capacity, unsigned int* state,
                                    const unsigned char* live, const double* total, int flags)
{
    update_all<Lion>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, m);
}
