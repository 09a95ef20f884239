// The threads that share a row of a matrix: a warp, or a whole block where rows are wide.
#include "reduce.cuh"

// From this many columns on a row is worth a block.
#define WIDE 4096

// Both give bits that depend on neither grid nor block.
struct Warp {
    // Op over start and value(j), j < count; every lane gets the result.
    template <class Op, class Value> __device__ __forceinline__ float fold(float start, int count, Value value) const
    {
        float x = start;
        for (int j = threadIdx.x & 31; j < count; j += 32)
            x = Op::of(x, value(j));
        return warp_reduce<Op>(x);
    }

    // visit(j) for j < count, after a fold: what it wrote at j can be read here.
    template <class Visit> __device__ __forceinline__ void each(int count, Visit visit) const
    {
        for (int j = threadIdx.x & 31; j < count; j += 32)
            visit(j);
    }

    __device__ __forceinline__ bool leader() const
    {
        return (threadIdx.x & 31) == 0;
    }
};

struct Block {
    float (&slots)[SLOTS];  // in shared memory

    template <class Op, class Value> __device__ __forceinline__ float fold(float start, int count, Value value) const
    {
        for (int i = threadIdx.x; i < SLOTS; i += blockDim.x) {
            float x = start;
            for (int j = i; j < count; j += SLOTS)
                x = Op::of(x, value(j));
            slots[i] = x;
        }
        return tree_reduce<Op>(slots);
    }

    template <class Visit> __device__ __forceinline__ void each(int count, Visit visit) const
    {
        for (int j = threadIdx.x; j < count; j += blockDim.x)
            visit(j);
    }

    __device__ __forceinline__ bool leader() const
    {
        return threadIdx.x == 0;
    }
};

// visit(row, team) for every row of a matrix by the team that suits its width.
template <class Visit> __device__ __forceinline__ void each_row(long long rows, int columns, Visit visit)
{
    __shared__ float slots[SLOTS];
    if (columns < WIDE)
        for (long long row = grid_index() >> 5; row < rows; row += grid_size() >> 5)
            visit(row, Warp{});
    else
        for (long long row = blockIdx.x; row < rows; row += gridDim.x)
            visit(row, Block{slots});
}
