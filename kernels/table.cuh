// The control table of an optimizer: (capacity, classes, columns) doubles in device memory, one row a step to come.
#include "ticket.cuh"

// Elements that share a live byte: 0 for "leave alone", else the class plus one.
#define LIVE_SHIFT 6
#define MAX_CLASSES 255

// The current row, rounded once to float, in shared memory: COLUMNS numbers a class. The last block to have read it
// moves the cursor state[0] on; state[1] is the ticket.
template <int COLUMNS>
__device__ __forceinline__ const float* load_row(const double* table, int classes, int columns, int capacity,
                                                 unsigned int* state)
{
    __shared__ float row[MAX_CLASSES * COLUMNS];
    const double* source = table + (long long)(state[0] % (unsigned int)capacity) * classes * columns;
    const int count = min(classes, MAX_CLASSES) * COLUMNS;
    for (int i = threadIdx.x; i < count; i += blockDim.x)
        row[i] = (float)source[(long long)(i / COLUMNS) * columns + i % COLUMNS];
    __syncthreads();
    if (threadIdx.x == 0 && draws_last_ticket(&state[1]))
        state[0]++;
    return row;
}

// The coefficients of an element, given its live byte (not 0).
template <int COLUMNS> __device__ __forceinline__ const float* coefficients(const float* row, int live)
{
    return row + (live - 1) * COLUMNS;
}
