// Stochastic gradient descent over flat buffers, all parameters in one launch.
#include "update.cuh"

struct SGD {
    // Columns of the control table, in the order of SGD.columns. The gain is 1 at the first step and 1 - dampening
    // later (times lr where the velocity holds it): the host fills it in, so the kernel knows no first step.
    enum { LR, MOMENTUM, GAIN, WEIGHT_DECAY, COLUMNS };
    enum { HAS_MOMENTUM = 8, NESTEROV = 16, VELOCITY_HOLDS_LR = 32 };

    static __device__ __forceinline__ void update(float& p, float g, float& velocity, const float* c, int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], flags);
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
};

// One step; `velocity` is null without HAS_MOMENTUM.
extern "C" __global__ void sgd_f32(float* p, const float* g, float* velocity, long long n, float* average,
                                   const double* table, int classes, int columns, int capacity, unsigned int* state,
                                   const unsigned char* live, const double* total, int flags)
{
    update_all<SGD>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, velocity);
}
