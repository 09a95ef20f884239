// Sums and maxima in an order that the arguments alone decide, never the schedule.

struct Add {
    template <class T> static __device__ __forceinline__ T of(T a, T b)
    {
        return a + b;
    }
};

// nan if either is
struct Largest {
    static __device__ __forceinline__ float of(float a, float b)
    {
        return a > b || a != a ? a : b;
    }
};

// Over the 32 lanes of a warp; every lane gets the result. All lanes must call it.
template <class Op, class T> __device__ __forceinline__ T warp_reduce(T x)
{
    for (int mask = 16; mask > 0; mask >>= 1)
        x = Op::of(x, __shfl_xor_sync(0xffffffffu, x, mask));
    return x;
}

// Partial results of a block. Their number is fixed, so that a result does not depend on the size of the block.
#define SLOTS 1024

// Over SLOTS values in shared memory, in a tree; every thread gets the result, and the slots are free again.
template <class Op, class T> __device__ __forceinline__ T tree_reduce(T (&slots)[SLOTS])
{
    __syncthreads();
    for (int half = SLOTS / 2; half > 0; half >>= 1) {
        for (int i = threadIdx.x; i < half; i += blockDim.x)
            slots[i] = Op::of(slots[i], slots[i + half]);
        __syncthreads();
    }
    const T result = slots[0];
    __syncthreads();
    return result;
}

// The sum of an array in double precision by one block; every thread gets it.
template <class T> __device__ __forceinline__ double ordered_sum(const T* x, long long n)
{
    __shared__ double slots[SLOTS];
    for (int i = threadIdx.x; i < SLOTS; i += blockDim.x) {
        double sum = 0.0;
        for (long long j = i; j < n; j += SLOTS)
            sum += (double)x[j];
        slots[i] = sum;
    }
    return tree_reduce<Add>(slots);
}

// The sum of one value a thread over the block; every thread gets it. Depends on the size of the block.
__device__ __forceinline__ double block_sum(double x)
{
    __shared__ double warps[32];
    const int lane = threadIdx.x & 31;
    x = warp_reduce<Add>(x);
    if (lane == 0)
        warps[threadIdx.x >> 5] = x;
    __syncthreads();
    x = warp_reduce<Add>(lane < (int)(blockDim.x >> 5) ? warps[lane] : 0.0);
    __syncthreads();
    return x;
}
