// The control table of an optimizer: (capacity, classes, columns) doubles in device memory, one row a step to come.
#include "ticket.cuh"

// Elements that share a live byte: 0 for "leave alone", else the class plus one.
#define LIVE_SHIFT 6
#define MAX_CLASSES 255

// The table, and its state: cursor and ticket.
struct Control {
    const double* table;
    int classes, columns, capacity;
    unsigned int* state;
};

// The current row, rounded once to float, in shared memory: COLUMNS numbers a class. The last block to have read it
// moves the cursor state[0] on; state[1] is the ticket.
template <int COLUMNS> __device__ __forceinline__ const float* load_row(Control at)
{
    __shared__ float row[MAX_CLASSES * COLUMNS];
    const double* source = at.table + (long long)(at.state[0] % (unsigned int)at.capacity) * at.classes * at.columns;
    const int count = min(at.classes, MAX_CLASSES) * COLUMNS;
    for (int i = threadIdx.x; i < count; i += blockDim.x)
        row[i] = (float)source[(long long)(i / COLUMNS) * at.columns + i % COLUMNS];
    __syncthreads();
    if (threadIdx.x == 0 && draws_last_ticket(&at.state[1]))
        at.state[0]++;
    return row;
}

// The coefficients of an element, given its live byte (not 0).
template <int COLUMNS> __device__ __forceinline__ const float* coefficients(const float* row, int live)
{
    return row + (live - 1) * COLUMNS;
}
