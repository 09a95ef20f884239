// Adam and AdamW over flat buffers, all parameters in one launch.
#include "update.cuh"

struct Adam {
    // Columns of the control table, in the order of Adam.columns.
    enum { BETA1, KEEP1, BETA2, KEEP2, EPS, STEP_SIZE, WEIGHT_DECAY, SHRINK, COLUMNS };
    enum { AMSGRAD = 8 };

    static __device__ __forceinline__ void update(float& p, float g, float& m, float& v, float& largest, const float* c,
                                                  int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], c[SHRINK], flags);
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
};

// One step; `largest` is null without AMSGRAD.
extern "C" __global__ void adam_f32(float* p, const float* g, float* m, float* v, float* largest, long long n,
                                    float* average, const double* table, int classes, int columns, int capacity,
                                    unsigned int* state, const unsigned char* live, const double* total, int flags)
{
    update_all<Adam>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, m, v, largest);
}
