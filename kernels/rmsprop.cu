// RMSprop over flat buffers, all parameters in one launch.
#include "update.cuh"

struct RMSprop {
    // Columns of the control table, in the order of RMSprop.columns.
    enum { LR, ALPHA, KEEP, EPS, MOMENTUM, WEIGHT_DECAY, COLUMNS };
    enum { HAS_MOMENTUM = 8, CENTERED = 16 };

    static __device__ __forceinline__ void update(float& p, float g, float& square, float& velocity, float& mean,
                                                  const float* c, int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], flags);
        square = fmaf(square, c[ALPHA], g * g * c[KEEP]);
        float second = square;
        if (flags & CENTERED) {
            mean = fmaf(mean, c[ALPHA], g * c[KEEP]);
            second = fmaf(-mean, mean, square);
            if (second < 0.0f)  // by rounding; nan stays nan
                second = 0.0f;
        }
        float step = g / (sqrtf(second) + c[EPS]);
        if (flags & HAS_MOMENTUM)
            velocity = step = fmaf(velocity, c[MOMENTUM], step);
        p = fmaf(-c[LR], step, p);
    }
};

// One step; `velocity` is null without HAS_MOMENTUM, `mean` without CENTERED.
extern "C" __global__ void rmsprop_f32(float* p, const float* g, float* square, float* velocity, float* mean,
                                       long long n, float* average, const double* table, int classes, int columns,
                                       int capacity, unsigned int* state, const unsigned char* live,
                                       const double* total, int flags)
{
    update_all<RMSprop>(p, g, {n, average, {table, classes, columns, capacity, state},
                        live, total, flags}, square, velocity, mean);
}
