// The functions of cuBLAS that minigrad calls, on the host: same names, parameters, status codes. Calls are noted.
// With WITH_CUBLAS_HEADER the types are NVIDIA's, so that a compiler can compare the definitions with the declarations.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

#ifdef WITH_CUBLAS_HEADER
#include <cublas_v2.h>
#else
typedef struct cublasContext* cublasHandle_t;
typedef struct CUstream_st* cudaStream_t;
typedef enum {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_INVALID_VALUE = 7,
    CUBLAS_STATUS_EXECUTION_FAILED = 13,
    CUBLAS_STATUS_NOT_SUPPORTED = 15,
} cublasStatus_t;
typedef enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 } cublasOperation_t;
typedef enum { CUDA_R_32F = 0, CUDA_R_64F = 1 } cudaDataType;
typedef enum {
    CUBLAS_COMPUTE_32F = 68,
    CUBLAS_COMPUTE_64F = 70,
    CUBLAS_COMPUTE_32F_FAST_TF32 = 77
} cublasComputeType_t;
typedef enum { CUBLAS_GEMM_DEFAULT = -1 } cublasGemmAlgo_t;
#endif

enum { CREATE, DESTROY, SET_STREAM, SET_WORKSPACE, GEMM, GEMM_BATCHED, KINDS };

// What a real handle remembers.
struct cublasContext {
    int64_t number;
    int64_t device;
    cudaStream_t stream;
    void* workspace;
    size_t workspace_bytes;
};

// One call, as the tests read it.
struct Event {
    int64_t kind, thread, handle, device, stream, workspace, workspace_bytes;
    int64_t op_a, op_b, m, n, k, ld_a, ld_b, ld_c, step_a, step_b, step_c, batch, compute;
};

static std::mutex mutex;
static std::vector<Event> events;
static std::set<cublasHandle_t> live;
static int64_t created = 0;
static int fail_with[KINDS] = {};
static thread_local int current_device = 0;  // as with CUDA, each thread has its own

static int64_t thread_number() {
    static std::atomic<int64_t> last{0};
    static thread_local const int64_t mine = ++last;
    return mine;
}

// Notes a call; its status is what a test asked for, or an error of the handle.
static cublasStatus_t note(int kind, cublasHandle_t handle, Event event = {}) {
    std::lock_guard<std::mutex> lock(mutex);
    const bool valid = live.count(handle) == 1;
    event.kind = kind;
    event.thread = thread_number();
    if (valid) {
        event.handle = handle->number;
        event.device = handle->device;
        event.stream = reinterpret_cast<intptr_t>(handle->stream);
        event.workspace = reinterpret_cast<intptr_t>(handle->workspace);
        event.workspace_bytes = static_cast<int64_t>(handle->workspace_bytes);
    }
    events.push_back(event);
    if (fail_with[kind]) return static_cast<cublasStatus_t>(fail_with[kind]);
    if (!valid) return CUBLAS_STATUS_NOT_INITIALIZED;
    return handle->device == current_device ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

// C = alpha op(A) op(B) + beta C in column-major order, with sums in a wider type.
template <class T, class Wide>
static void product(cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k, const void* alpha_,
                    const void* a_, int64_t ld_a, const void* b_, int64_t ld_b, const void* beta_, void* c_,
                    int64_t ld_c) {
    const T *a = static_cast<const T*>(a_), *b = static_cast<const T*>(b_);
    const T alpha = *static_cast<const T*>(alpha_), beta = *static_cast<const T*>(beta_);
    T* c = static_cast<T*>(c_);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            Wide sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += static_cast<Wide>(op_a == CUBLAS_OP_N ? a[i + p * ld_a] : a[p + i * ld_a]) *
                       (op_b == CUBLAS_OP_N ? b[p + j * ld_b] : b[j + p * ld_b]);
            T& out = c[i + j * ld_c];
            out = static_cast<T>(alpha * sum + (beta == 0 ? 0 : beta * static_cast<Wide>(out)));
        }
}

static const void* shifted(const void* start, int64_t bytes) { return static_cast<const char*>(start) + bytes; }

static cublasStatus_t run(int kind, cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n,
                          int k, const void* alpha, const void* a, cudaDataType type_a, int ld_a, int64_t step_a,
                          const void* b, cudaDataType type_b, int ld_b, int64_t step_b, const void* beta, void* c,
                          cudaDataType type_c, int ld_c, int64_t step_c, int batch, cublasComputeType_t compute) {
    Event event = {};
    event.op_a = op_a, event.op_b = op_b, event.m = m, event.n = n, event.k = k, event.compute = compute;
    event.ld_a = ld_a, event.ld_b = ld_b, event.ld_c = ld_c, event.batch = batch;
    event.step_a = step_a, event.step_b = step_b, event.step_c = step_c;
    const cublasStatus_t status = note(kind, handle, event);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const bool single = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    if (!single && compute != CUBLAS_COMPUTE_64F) return CUBLAS_STATUS_NOT_SUPPORTED;
    const cudaDataType wanted = single ? CUDA_R_32F : CUDA_R_64F;
    if (type_a != wanted || type_b != wanted || type_c != wanted) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m < 0 || n < 0 || k < 0 || batch < 0 || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    if ((op_a != CUBLAS_OP_N && op_a != CUBLAS_OP_T) || (op_b != CUBLAS_OP_N && op_b != CUBLAS_OP_T))
        return CUBLAS_STATUS_INVALID_VALUE;
    const int rows_a = op_a == CUBLAS_OP_N ? m : k, rows_b = op_b == CUBLAS_OP_N ? k : n;
    if (ld_a < (rows_a > 1 ? rows_a : 1) || ld_b < (rows_b > 1 ? rows_b : 1) || ld_c < (m > 1 ? m : 1))
        return CUBLAS_STATUS_INVALID_VALUE;
    const int64_t item = single ? 4 : 8;
    for (int64_t i = 0; i < batch; i++) {
        const void *a_i = shifted(a, i * step_a * item), *b_i = shifted(b, i * step_b * item);
        void* c_i = const_cast<void*>(shifted(c, i * step_c * item));
        if (single)
            product<float, double>(op_a, op_b, m, n, k, alpha, a_i, ld_a, b_i, ld_b, beta, c_i, ld_c);
        else
            product<double, long double>(op_a, op_b, m, n, k, alpha, a_i, ld_a, b_i, ld_b, beta, c_i, ld_c);
    }
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    std::lock_guard<std::mutex> lock(mutex);
    Event event = {};
    event.kind = CREATE;
    event.thread = thread_number();
    event.device = current_device;
    if (fail_with[CREATE]) {
        events.push_back(event);
        return static_cast<cublasStatus_t>(fail_with[CREATE]);
    }
    *handle = new cublasContext{++created, current_device, nullptr, nullptr, 0};
    live.insert(*handle);
    event.handle = created;
    events.push_back(event);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    const cublasStatus_t status = note(DESTROY, handle);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    std::lock_guard<std::mutex> lock(mutex);
    live.erase(handle);
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    const cublasStatus_t status = note(SET_STREAM, handle);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    handle->stream = stream;
    handle->workspace = nullptr;  // "unconditionally resets the workspace back to the default workspace pool"
    handle->workspace_bytes = 0;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
    const cublasStatus_t status = note(SET_WORKSPACE, handle);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (reinterpret_cast<uintptr_t>(workspace) % 256) return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    handle->workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType type_a, int ld_a, const void* b,
                            cudaDataType type_b, int ld_b, const void* beta, void* c, cudaDataType type_c, int ld_c,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    if (algorithm != CUBLAS_GEMM_DEFAULT) return CUBLAS_STATUS_INVALID_VALUE;
    return run(GEMM, handle, op_a, op_b, m, n, k, alpha, a, type_a, ld_a, 0, b, type_b, ld_b, 0, beta, c, type_c, ld_c,
               0, 1, compute);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                          int n, int k, const void* alpha, const void* a, cudaDataType type_a, int ld_a,
                                          long long int step_a, const void* b, cudaDataType type_b, int ld_b,
                                          long long int step_b, const void* beta, void* c, cudaDataType type_c,
                                          int ld_c, long long int step_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algorithm) {
    if (algorithm != CUBLAS_GEMM_DEFAULT) return CUBLAS_STATUS_INVALID_VALUE;
    return run(GEMM_BATCHED, handle, op_a, op_b, m, n, k, alpha, a, type_a, ld_a, step_a, b, type_b, ld_b, step_b, beta,
               c, type_c, ld_c, step_c, batch, compute);
}

// ---- for the tests ---------------------------------------------------------------------------------------------------

int64_t stand_in_event_fields() { return sizeof(Event) / sizeof(int64_t); }

int64_t stand_in_event_count() {
    std::lock_guard<std::mutex> lock(mutex);
    return static_cast<int64_t>(events.size());
}

void stand_in_read_events(Event* into, int64_t count) {
    std::lock_guard<std::mutex> lock(mutex);
    for (int64_t i = 0; i < count; i++) into[i] = events[i];
}

// Forgets events and failures, not handles.
void stand_in_reset() {
    std::lock_guard<std::mutex> lock(mutex);
    events.clear();
    for (int& status : fail_with) status = 0;
}

// Every further call of a kind returns this status; 0 ends it.
void stand_in_fail(int kind, int status) {
    std::lock_guard<std::mutex> lock(mutex);
    fail_with[kind] = status;
}

int64_t stand_in_live_handles() {
    std::lock_guard<std::mutex> lock(mutex);
    return static_cast<int64_t>(live.size());
}

void stand_in_forget_handles() {
    std::lock_guard<std::mutex> lock(mutex);
    for (cublasHandle_t handle : live) delete handle;
    live.clear();
}

// Returns the device that was current before.
int stand_in_set_device(int device) {
    const int before = current_device;
    current_device = device;
    return before;
}

}  // extern "C"
