// Adamax over flat buffers, all parameters in one launch.
#include "update.cuh"

struct Adamax {
    // Columns of the control table, in the order of Adamax.columns.
    enum { BETA1, KEEP1, BETA2, EPS, STEP_SIZE, WEIGHT_DECAY, COLUMNS };

    static __device__ __forceinline__ void update(float& p, float g, float& m, float& largest, const float* c,
                                                  int flags)
    {
        g = descent(p, g, c[WEIGHT_DECAY], flags);
        m = fmaf(m, c[BETA1], g * c[KEEP1]);
        largest = largest * c[BETA2];
        const float size = fabsf(g) + c[EPS];
        if (size > largest || size != size)  // nan stays nan
            largest = size;
        p = fmaf(-c[STEP_SIZE], m / largest, p);
    }
};

// One step.
extern "C" __global__ void adamax_f32(float* p, const float* g, float* m, float* largest, long long n, float* average,
                                      const double* table, int classes, int columns, int capacity, unsigned int* state,
                                      const unsigned char* live, const double* total, int flags)
{
    update_all<Adamax>(p, g, {n, average, {table, classes, columns, capacity, state}, live, total, flags}, m, largest);
}
