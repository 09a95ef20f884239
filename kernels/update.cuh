// The walk of an optimizer over its flat buffers. What an optimizer adds is the formula of one element.
#include "grid.cuh"
#include "table.cuh"

// The flags of all optimizers; those of one alone begin at 8. SKIP: a spoilt total leaves everything as it is.
enum { SKIP = 1, DECAY = 2, DECOUPLED = 4 };

// The gradient to descend by, with the weight decay in it.
__device__ __forceinline__ float descent(float p, float g, float decay, int flags)
{
    return flags & DECAY ? fmaf(p, decay, g) : g;
}

// The same, and where DECOUPLED the weight decay shrinks p instead.
__device__ __forceinline__ float descent(float& p, float g, float decay, float shrink, int flags)
{
    if (!(flags & DECOUPLED))
        return descent(p, g, decay, flags);
    if (flags & DECAY)
        p = p * shrink;
    return g;
}

// An element of a buffer, or four, on the way through registers. Of the null pointer it is 0 and stays there.
template <class Value> struct Slot {
    Value* place;
    Value value;

    __device__ __forceinline__ Slot(float* buffer, long long i)
        : place(buffer ? (Value*)buffer + i : nullptr), value(buffer ? *place : Value{})
    {
    }

    __device__ __forceinline__ void put() const
    {
        if (place)
            *place = value;
    }
};

// One element: the formula, then the average of the parameter.
template <class Formula, class... Floats>
__device__ __forceinline__ void update_one(float& p, float g, float& average, const float* c, int flags,
                                           Floats&... states)
{
    const float* shared = c + Formula::COLUMNS;
    Formula::update(p, g * shared[SCALE], states..., c, flags);
    average = fmaf(average, shared[EMA_KEEP], p * shared[EMA_GAIN]);
}

template <class Formula, class... Slots>
__device__ __forceinline__ void update(Slot<float> p, float g, Slot<float> average, const float* c, int flags,
                                       Slots... states)
{
    update_one<Formula>(p.value, g, average.value, c, flags, states.value...);
    p.put();
    average.put();
    (states.put(), ...);
}

template <class Formula, class... Slots>
__device__ __forceinline__ void update(Slot<float4> p, float4 g, Slot<float4> average, const float* c, int flags,
                                       Slots... states)
{
    update_one<Formula>(p.value.x, g.x, average.value.x, c, flags, states.value.x...);
    update_one<Formula>(p.value.y, g.y, average.value.y, c, flags, states.value.y...);
    update_one<Formula>(p.value.z, g.z, average.value.z, c, flags, states.value.z...);
    update_one<Formula>(p.value.w, g.w, average.value.w, c, flags, states.value.w...);
    p.put();
    average.put();
    (states.put(), ...);
}

// What an entry hands on besides the buffers of its formula.
struct Walk {
    long long n;
    float* average;
    Control control;
    const unsigned char* live;
    const double* total;
    int flags;
};

// One step of Formula::update(p, g, state of the element..., coefficients, flags), which has Formula::COLUMNS
// coefficients. Elements whose live byte is 0 are left alone; buffers not in use are null.
template <class Formula, class... Floats>
__device__ __forceinline__ void update_all(float* p, const float* g, Walk walk, Floats*... states)
{
    const int COLUMNS = Formula::COLUMNS;
    const long long n = walk.n;
    float* const average = walk.average;
    const unsigned char* const live = walk.live;
    const bool skipped = walk.flags & SKIP && is_spoilt(walk.total);
    const float* row = load_row<COLUMNS>(walk.control, walk.total, skipped);
    if (skipped)
        return;
    long long done = 0;
    if (aligned16(p) && aligned16(g) && (aligned16(states) && ...) && aligned16(average)) {
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const int alive = live[i >> (LIVE_SHIFT - 2)];
            if (alive)
                update<Formula>(Slot<float4>(p, i), ((const float4*)g)[i], Slot<float4>(average, i),
                                coefficients<COLUMNS>(row, alive), walk.flags, Slot<float4>(states, i)...);
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size()) {
        const int alive = live[i >> LIVE_SHIFT];
        if (alive)
            update<Formula>(Slot<float>(p, i), g[i], Slot<float>(average, i), coefficients<COLUMNS>(row, alive),
                            walk.flags, Slot<float>(states, i)...);
    }
}
