// Rows of a table by their numbers: a batch of examples, or their labels.
#include "grid.cuh"

template <class T>
__device__ __forceinline__ void copy_rows(const T* table, const long long* rows, T* out, long long count,
                                          long long width, long long height, T missing)
{
    for (Cells at(width); at.row < count; at.next()) {
        const long long row = rows[at.row];
        out[at.row * width + at.column] = row >= 0 && row < height ? table[row * width + at.column] : missing;
    }
}

// By 16 bytes at a time where that fits.
template <class T, class Vector>
__device__ __forceinline__ void gather(const T* table, const long long* rows, T* out, long long count, long long width,
                                       long long height, T missing, Vector missing_vector)
{
    const int lanes = sizeof(Vector) / sizeof(T);
    if (width == 0)
        return;
    if (width % lanes == 0 && aligned16(table) && aligned16(out))
        copy_rows((const Vector*)table, rows, (Vector*)out, count, width / lanes, height, missing_vector);
    else
        copy_rows(table, rows, out, count, width, height, missing);
}

// out[i] = table[rows[i]] for a (height, width) table and `count` rows. A row outside [0, height) gives nan.
extern "C" __global__ void gather_rows_f32(const float* table, const long long* rows, float* out, long long count,
                                           long long width, long long height)
{
    const float nan = not_a_number();
    gather(table, rows, out, count, width, height, nan, make_float4(nan, nan, nan, nan));
}

// The same for 64-bit integers. A row outside [0, height) gives -1, which is no label.
extern "C" __global__ void gather_rows_i64(const long long* table, const long long* rows, long long* out,
                                           long long count, long long width, long long height)
{
    gather(table, rows, out, count, width, height, -1ll, make_longlong2(-1, -1));
}
