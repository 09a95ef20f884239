// One kernel instead of two: the last block of a grid finishes what all blocks have begun.

// Draw a ticket: true for one block a launch, the last to come. The counter is back at 0 afterwards. Call it from one
// thread of each block, after a barrier behind which the block's work lies: the first fence hands on that thread's
// writes and all that the barrier has shown it, the second makes those of the other blocks seen by it, and by its block
// after one more barrier.
__device__ __forceinline__ bool draws_last_ticket(unsigned int* ticket)
{
    __threadfence();
    if (atomicInc(ticket, gridDim.x - 1) != gridDim.x - 1)
        return false;
    __threadfence();
    return true;
}

// True in all threads of the last block; it sees what every other block wrote before. Call it from all threads, once
// a kernel.
__device__ __forceinline__ bool last_block(unsigned int* ticket)
{
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0)
        last = draws_last_ticket(ticket);
    __syncthreads();
    return last;
}
