// One kernel instead of two: the last block of a grid finishes what all blocks have begun.

// Draw a ticket: true for one block a launch, the last to come. The counter is back at 0 afterwards. Call it from one
// thread of each block, after a barrier behind which the block's work lies.
__device__ __forceinline__ bool draws_last_ticket(unsigned int* ticket)
{
    __threadfence();
    return atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
}

// True in all threads of the last block; it sees what every other block wrote before. Call it from all threads, once
// a kernel.
__device__ __forceinline__ bool last_block(unsigned int* ticket)
{
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        last = draws_last_ticket(ticket);
    __syncthreads();
    __threadfence();
    return last;
}
