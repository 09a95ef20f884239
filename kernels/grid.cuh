// Where a thread stands in the grid, and how it walks over more work than there are threads.

__device__ __forceinline__ long long grid_index()
{
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ long long grid_size()
{
    return (long long)gridDim.x * blockDim.x;
}

// Whether float4 accesses are allowed. The null pointer is aligned.
__device__ __forceinline__ bool aligned16(const void* pointer)
{
    return ((unsigned long long)pointer & 15) == 0;
}

__device__ __forceinline__ float not_a_number()
{
    return __int_as_float(0x7fc00000);
}

__device__ __forceinline__ float infinity()
{
    return __int_as_float(0x7f800000);
}

// The cells of a matrix that belong to this thread, row by row. One division at the start instead of one a cell.
struct Cells {
    long long row, column, row_step, column_step, columns;

    // columns > 0
    __device__ __forceinline__ explicit Cells(long long width)
        : row(grid_index() / width), column(grid_index() % width), row_step(grid_size() / width),
          column_step(grid_size() % width), columns(width)
    {
    }

    __device__ __forceinline__ void next()
    {
        row += row_step;
        column += column_step;
        if (column >= columns) {
            column -= columns;
            row++;
        }
    }
};
