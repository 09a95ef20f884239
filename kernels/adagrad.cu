// Adagrad over flat buffers, all parameters in one launch.
#include "update.cuh"

struct Adagrad {
    // Columns of the control table, in the order of Adagrad.columns.
    enum { LR, EPS, WEIGHT_DECAY, COLUMNS };

    static __device__ __forceinline__ void update(float& p, float g, float& sum, const float* c, int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], flags);
        sum = fmaf(g, g, sum);
        p = fmaf(-c[LR], g / (sqrtf(sum) + c[EPS]), p);
    }
};

// One step.
extern "C" __global__ void adagrad_f32(float* p, const float* g, float* sum, long long n, float* average,
                                       const double* table, int classes, int columns, int capacity, unsigned int* state,
                                       const unsigned char* live, const double* total, int flags)
{
    update_all<Adagrad>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, sum);
}
