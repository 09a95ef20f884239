// Softmax cross-entropy of (rows, columns) logits with integer labels, in two launches: forward and backward.
#include "grid.cuh"
#include "team.cuh"
#include "ticket.cuh"

__device__ __forceinline__ float weight(const float* factor, long long row, float scale)
{
    return factor ? factor[row] * scale : scale;
}

__device__ __forceinline__ bool is_class(long long label, int columns)
{
    return label >= 0 && label < columns;
}

// row_loss[i] = scale * factor[i] * (logsumexp(row i) - row i[label]), and loss[0] = their sum.
// probability = softmax of the rows: what the backward needs. `factor`, `probability` and `loss` (then `ticket` too)
// may be null. A label outside [0, columns) makes its row's loss nan. `probability` must not be `logits`.
extern "C" __global__ void softmax_cross_entropy_f32(const float* logits, const long long* labels, const float* factor,
                                                     float scale, float* probability, float* row_loss, float* loss,
                                                     unsigned int* ticket, long long rows, int columns)
{
    each_row(rows, columns, [&](long long row, auto team) {
        const float* z = logits + row * columns;
        float* e = probability ? probability + row * columns : nullptr;
        const float top = team.template fold<Largest>(-infinity(), columns, [&](int j) { return z[j]; });
        const float total = team.template fold<Add>(0.0f, columns, [&](int j) {
            const float value = expf(z[j] - top);
            if (e)
                e[j] = value;
            return value;
        });
        if (e)
            team.each(columns, [&](int j) { e[j] = e[j] / total; });
        if (team.leader()) {
            const long long label = labels[row];
            const float picked = is_class(label, columns) ? z[label] - top : not_a_number();
            row_loss[row] = (logf(total) - picked) * weight(factor, row, scale);
        }
    });
    if (loss && last_block(ticket)) {
        const double sum = ordered_sum(row_loss, rows);
        if (threadIdx.x == 0)
            loss[0] = (float)sum;
    }
}

// out = (probability - onehot(label)) * g * factor * scale; g is one number, or one a row where `per_row`.
// `out` may be `probability`. A label outside [0, columns) makes its row nan.
extern "C" __global__ void softmax_cross_entropy_backward_f32(const float* g, const float* probability,
                                                              const long long* labels, const float* factor,
                                                              float scale, float* out, long long rows, int columns,
                                                              int per_row)
{
    if (columns == 0)
        return;
    for (Cells at(columns); at.row < rows; at.next()) {
        const long long i = at.row * columns + at.column, label = labels[at.row];
        const float hit = is_class(label, columns) ? (label == at.column ? 1.0f : 0.0f) : not_a_number();
        out[i] = (probability[i] - hit) * (g[per_row ? at.row : 0] * weight(factor, at.row, scale));
    }
}
