// Softmax cross-entropy of (rows, columns) logits with integer labels, in two launches: forward and backward.
#include "grid.cuh"
#include "team.cuh"
#include "ticket.cuh"

// What a row counts: nothing where its label is `ignored`.
__device__ __forceinline__ float weight(const float* factor, long long row, float scale, long long label,
                                        long long ignored)
{
    if (label == ignored)
        return 0.0f;
    return factor ? factor[row] * scale : scale;
}

__device__ __forceinline__ bool is_class(long long label, int columns)
{
    return label >= 0 && label < columns;
}

// How many labels are not `ignored`; every block counts them all.
__device__ __forceinline__ double count_kept(const long long* labels, long long rows, long long ignored)
{
    double count = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x)
        count += labels[row] == ignored ? 0.0 : 1.0;
    return block_sum(count);  // whole numbers: exact in any order
}

// row_loss[i] = scale * factor[i] * (logsumexp(row i) - row i[label]), 0 where the label is `ignored`, and loss[0] =
// their sum, divided by the number of rows that are not ignored where `kept` is given (it gets that number; nan
// without any). probability = softmax of the rows: what the backward needs; or, where `gradient`, the gradient of
// loss[0] with respect to the logits, so that nothing is left to the backward (this wants `probability`, and reads the
// labels in every block: for few rows). `factor`, `probability`, `kept` and `loss` (then `ticket` too) may be null. Any
// other label outside [0, columns) makes its row's loss nan. `probability` must not be `logits`.
extern "C" __global__ void softmax_cross_entropy_f32(const float* logits, const long long* labels, const float* factor,
                                                     float scale, long long ignored, float* probability,
                                                     float* row_loss, float* loss, float* kept, unsigned int* ticket,
                                                     long long rows, int columns, int gradient)
{
    const float share = gradient && kept ? scale / (float)count_kept(labels, rows, ignored) : scale;
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
        const long long label = labels[row];
        if (e && gradient) {
            const float row_weight = weight(factor, row, share, label, ignored);
            const float missing = is_class(label, columns) || label == ignored ? 0.0f : not_a_number();
            team.each(columns, [&](int j) {
                e[j] = label == ignored ? 0.0f : (e[j] / total - (label == j ? 1.0f : missing)) * row_weight;
            });
        } else if (e) {
            team.each(columns, [&](int j) { e[j] = e[j] / total; });
        }
        if (team.leader()) {
            const float picked = is_class(label, columns) ? z[label] - top : not_a_number();
            const float loss_of_row = (logf(total) - picked) * weight(factor, row, scale, label, ignored);
            row_loss[row] = label == ignored ? 0.0f : loss_of_row;
        }
    });
    if (loss && last_block(ticket)) {
        const double sum = ordered_sum(row_loss, rows);
        const double count = kept ? count_kept(labels, rows, ignored) : 1.0;
        if (threadIdx.x == 0) {
            if (kept)
                kept[0] = (float)count;
            loss[0] = (float)(kept ? sum / count : sum);
        }
    }
}

// out = (probability - onehot(label)) * g * factor * scale, 0 where the label is `ignored`, divided by kept[0] where
// that is given; g is one number, or one a row where `per_row`. `out` may be `probability`. Any other label outside
// [0, columns) makes its row nan.
extern "C" __global__ void softmax_cross_entropy_backward_f32(const float* g, const float* probability,
                                                              const long long* labels, const float* factor,
                                                              float scale, long long ignored, const float* kept,
                                                              float* out, long long rows, int columns, int per_row)
{
    if (columns == 0)
        return;
    const float share = kept ? scale / kept[0] : scale;
    for (Cells at(columns); at.row < rows; at.next()) {
        const long long i = at.row * columns + at.column, label = labels[at.row];
        const float hit = is_class(label, columns) ? (label == at.column ? 1.0f : 0.0f) : not_a_number();
        const float row_weight = weight(factor, at.row, share, label, ignored);
        out[i] = label == ignored ? 0.0f : (probability[i] - hit) * (g[per_row ? at.row : 0] * row_weight);
    }
}
