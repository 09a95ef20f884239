// The control table of an optimizer: (capacity, classes, columns) doubles in device memory, one row a step to come.
#include "ticket.cuh"

// Elements that share a live byte: 0 for "leave alone", else the class plus one.
#define LIVE_SHIFT 6
#define MAX_CLASSES 255

// The columns behind those of a formula: what the gradient is multiplied by (negative where one ascends), the norm to
// clip to, and the factors of old average and new parameter in the average of the parameters.
enum { SCALE, MAX_NORM, EMA_KEEP, EMA_GAIN, SHARED_COLUMNS };

// The table, and its state: cursor, ticket, and the number of steps that were skipped.
struct Control {
    const double* table;
    int classes, columns, capacity;
    unsigned int* state;
};

// Whether the sum of squares of all gradients shows one that is no number. Null: nobody has looked.
__device__ __forceinline__ bool is_spoilt(const double* total)
{
    const unsigned int exponent = total ? (unsigned int)(*(const unsigned long long*)total >> 52) & 0x7ff : 0;
    return exponent == 0x7ff;
}

// `scale`, or less of it where that many gradients together are longer than `max_norm`.
__device__ __forceinline__ double clipped(double scale, double max_norm, double total)
{
    const double share = max_norm / (sqrt(total) * fabs(scale) + 1e-6);
    return share < 1.0 || share != share ? scale * share : scale;
}

// The current row, rounded once to float, in shared memory: COLUMNS numbers and the shared ones for each class. The
// last block to have read it moves the cursor state[0] on, and where the step is skipped state[2] too, so that the next
// step finds this row again; state[1] is the ticket.
template <int COLUMNS> __device__ __forceinline__ const float* load_row(Control at, const double* total, bool skipped)
{
    const int WIDTH = COLUMNS + SHARED_COLUMNS;
    __shared__ float row[MAX_CLASSES * WIDTH];
    const unsigned int cursor = at.state[0] % (unsigned int)at.capacity;
    const long long number = cursor - min(cursor, at.state[2]);
    const double* source = at.table + number * at.classes * at.columns;
    const int count = min(at.classes, MAX_CLASSES) * WIDTH;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        const double* of_class = source + (long long)(i / WIDTH) * at.columns;
        const int column = i % WIDTH;
        double value = of_class[column];
        if (total && column == COLUMNS + SCALE)
            value = clipped(value, of_class[COLUMNS + MAX_NORM], *total);
        row[i] = (float)value;
    }
    __syncthreads();
    if (threadIdx.x == 0 && draws_last_ticket(&at.state[1])) {
        at.state[0]++;
        if (skipped)
            at.state[2]++;
    }
    return row;
}

// The coefficients of an element, given its live byte (not 0).
template <int COLUMNS> __device__ __forceinline__ const float* coefficients(const float* row, int live)
{
    return row + (live - 1) * (COLUMNS + SHARED_COLUMNS);
}
