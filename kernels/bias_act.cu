// What follows a matrix product in a linear layer: bias and activation, and the way back.
#include "grid.cuh"
#include "ticket.cuh"
#include "ticket.cuh"
#include "ticket.cuh"

enum { NONE, RELU, TANH };

__device__ __forceinline__ float activate(float z, int activation)
{
    if (activation == RELU)
        return z <= 0.0f ? 0.0f : z;  // nan stays nan
    if (activation == TANH)
        return tanhf(z);
    return z;
}

// Element i of the gradient before the activation, whose slope follows from its output. `out` is not read without one.
__device__ __forceinline__ float before_activation(const float* g, const float* out, long long i, int activation)
{
    if (activation == NONE)
        return g[i];
    return g[i] * (activation == RELU ? (out[i] > 0.0f ? 1.0f : 0.0f) : fmaf(-out[i], out[i], 1.0f));
}

// z = activation(z + bias) in place on a (rows, columns) matrix; `bias` may be null.
extern "C" __global__ void bias_act_f32(float* z, const float* bias, long long rows, int columns, int activation)
{
    if (columns == 0)
        return;
    if (columns % 4 == 0 && aligned16(z) && aligned16(bias)) {
        float4* z4 = (float4*)z;
        const float4* bias4 = (const float4*)bias;
        for (Cells at(columns / 4); at.row < rows; at.next()) {
            float4 Z = z4[at.row * at.columns + at.column];
            if (bias) {
                const float4 B = bias4[at.column];
                Z = make_float4(Z.x + B.x, Z.y + B.y, Z.z + B.z, Z.w + B.w);
            }
            z4[at.row * at.columns + at.column] = make_float4(activate(Z.x, activation), activate(Z.y, activation),
                                                              activate(Z.z, activation), activate(Z.w, activation));
        }
    } else {
        for (Cells at(columns); at.row < rows; at.next()) {
            float* cell = z + at.row * columns + at.column;
            *cell = activate(bias ? *cell + bias[at.column] : *cell, activation);
        }
    }
}

// Threads that add up one column: fixed, so that neither grid nor block decides the order of the additions.
#define ROW_LANES 32
#define TILE 32

// done(column, sum) for each column of a tile, with the sum of value(i) over the rows from first to last, i being the
// index of the cell. Lane r adds up the rows first + r, first + r + ROW_LANES, ...; then the lanes are added up in their
// order. All threads of a block must call it; `sums` is shared memory, and free again afterwards.
template <class Value, class Done>
__device__ __forceinline__ void sum_columns(float (&sums)[ROW_LANES][TILE], int tile, int columns, long long first,
                                            long long last, Value value, Done done)
{
    const int lane = threadIdx.x & 31;
    const long long column = (long long)tile * TILE + lane, end = last * columns, step = (long long)ROW_LANES * columns;
    for (int row_lane = threadIdx.x >> 5; row_lane < ROW_LANES; row_lane += blockDim.x >> 5) {
        float sum = 0.0f;
        if (column < columns)
            for (long long i = (first + row_lane) * columns + column; i < end; i += step)
                sum += value(i);
        sums[row_lane][lane] = sum;
    }
    __syncthreads();
    if (threadIdx.x < TILE && column < columns) {
        float sum = sums[0][lane];
        for (int i = 1; i < ROW_LANES; i++)
            sum += sums[i][lane];
        done(column, sum);
    }
    __syncthreads();
}

// gz = g * slope of the activation, and gbias = its column sums, or += where `accumulate`. Either may be null; gz may
// be g. `out` may be null without an activation. The rows are cut into bands of `band`: each writes its sums to a row of
// `partial`, which has as many rows as there are bands, and the last block adds those up. Where `partial` is null, and
// `ticket` too, one band is all.
extern "C" __global__ void bias_act_backward_f32(const float* g, const float* out, float* gz, float* gbias,
                                                 float* partial, unsigned int* ticket, long long rows, int columns,
                                                 long long band, int activation, int accumulate)
{
    __shared__ float sums[ROW_LANES][TILE];
    if (!gbias) {
        if (gz)
            for (long long i = grid_index(); i < rows * columns; i += grid_size())
                gz[i] = before_activation(g, out, i, activation);
        return;
    }
    const int tiles = (int)(((long long)columns + TILE - 1) / TILE);
    const long long bands = partial ? (rows + band - 1) / band : 1;
    const auto write = [=](long long column, float sum) {
        gbias[column] = accumulate ? gbias[column] + sum : sum;
    };
    for (long long job = blockIdx.x; job < bands * tiles; job += gridDim.x) {
        const long long first = partial ? job / tiles * band : 0;
        sum_columns(
            sums, (int)(job % tiles), columns, first, partial ? min(first + band, rows) : rows,
            [=](long long i) {
                const float value = before_activation(g, out, i, activation);
                if (gz)
                    gz[i] = value;
                return value;
            },
            [=](long long column, float sum) {
                if (partial)
                    partial[job / tiles * columns + column] = sum;
                else
                    write(column, sum);
            });
    }
    if (partial && last_block(ticket))
        for (int tile = 0; tile < tiles; tile++)
            sum_columns(sums, tile, columns, 0, bands, [=](long long i) { return partial[i]; }, write);
}
