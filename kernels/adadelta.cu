// Adadelta over flat buffers, all parameters in one launch.
#include "update.cuh"

struct Adadelta {
    // Columns of the control table, in the order of Adadelta.columns.
    enum { LR, RHO, KEEP, EPS, WEIGHT_DECAY, COLUMNS };

    static __device__ __forceinline__ void update(float& p, float g, float& square, float& travel, const float* c,
                                                  int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], flags);
        square = fmaf(square, c[RHO], g * g * c[KEEP]);
        const float step = sqrtf(travel + c[EPS]) / sqrtf(square + c[EPS]) * g;
        travel = fmaf(travel, c[RHO], step * step * c[KEEP]);
        p = fmaf(-c[LR], step, p);
    }
};

// One step; `square` and `travel` are the averages of g^2 and step^2.
extern "C" __global__ void adadelta_f32(float* p, const float* g, float* square, float* travel, long long n,
                                        float* average, const double* table, int classes, int columns, int capacity,
                                        unsigned int* state, const unsigned char* live, const double* total, int flags)
{
    update_all<Adadelta>(p, g, {n, average, {table, classes, columns, capacity, state},
                         live, total, flags}, square, travel);
}
