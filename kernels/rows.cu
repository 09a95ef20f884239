// Reductions over the last axis of (rows, columns): many short rows, or some wide ones.
#include "grid.cuh"
#include "team.cuh"

// out[i] = sum of row i; 0 without columns.
extern "C" __global__ void row_sum_f32(const float* x, float* out, long long rows, int columns)
{
    each_row(rows, columns, [&](long long row, auto team) {
        const float* values = x + row * columns;
        const float sum = team.template fold<Add>(0.0f, columns, [&](int j) { return values[j]; });
        if (team.leader())
            out[row] = sum;
    });
}

// out[i] = the largest of row i, nan where one is nan; -infinity without columns.
extern "C" __global__ void row_max_f32(const float* x, float* out, long long rows, int columns)
{
    each_row(rows, columns, [&](long long row, auto team) {
        const float* values = x + row * columns;
        const float top = team.template fold<Largest>(-infinity(), columns, [&](int j) { return values[j]; });
        if (team.leader())
            out[row] = top;
    });
}
