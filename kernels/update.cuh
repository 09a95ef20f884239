// The walk of an optimizer over its flat buffers. What an optimizer adds is the formula of one element.
#include "grid.cuh"
#include "table.cuh"

// The flags of all optimizers; those of one alone begin at 8.
enum { MAXIMIZE = 1, DECAY = 2, DECOUPLED = 4 };

// The gradient to descend by, with the weight decay in it.
__device__ __forceinline__ float descent(float p, float g, float decay, int flags)
{
    if (flags & MAXIMIZE)
        g = -g;
    return flags & DECAY ? fmaf(p, decay, g) : g;
}

// The same, and where DECOUPLED the weight decay shrinks p instead.
__device__ __forceinline__ float descent(float& p, float g, float decay, float shrink, int flags)
{
    if (!(flags & DECOUPLED))
        return descent(p, g, decay, flags);
    if (flags & DECAY)
        p = p * shrink;
    return flags & MAXIMIZE ? -g : g;
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

template <class Formula, class... Slots>
__device__ __forceinline__ void update(Slot<float> p, float g, const float* c, int flags, Slots... states)
{
    Formula::update(p.value, g, states.value..., c, flags);
    p.put();
    (states.put(), ...);
}

template <class Formula, class... Slots>
__device__ __forceinline__ void update(Slot<float4> p, float4 g, const float* c, int flags, Slots... states)
{
    Formula::update(p.value.x, g.x, states.value.x..., c, flags);
    Formula::update(p.value.y, g.y, states.value.y..., c, flags);
    Formula::update(p.value.z, g.z, states.value.z..., c, flags);
    Formula::update(p.value.w, g.w, states.value.w..., c, flags);
    p.put();
    (states.put(), ...);
}

// One step of Formula::update(p, g, state of the element..., coefficients, flags), which has Formula::COLUMNS
// coefficients. Elements whose live byte is 0 are left alone; state buffers not in use are null.
template <class Formula, class... Floats>
__device__ __forceinline__ void update_all(float* p, const float* g, long long n, Control control,
                                           const unsigned char* live, int flags, Floats*... states)
{
    const int COLUMNS = Formula::COLUMNS;
    const float* row = load_row<COLUMNS>(control);
    long long done = 0;
    if (aligned16(p) && aligned16(g) && (aligned16(states) && ...)) {
        const long long vectors = n >> 2;
        for (long long i = grid_index(); i < vectors; i += grid_size()) {
            const int alive = live[i >> (LIVE_SHIFT - 2)];
            if (alive)
                update<Formula>(Slot<float4>(p, i), ((const float4*)g)[i], coefficients<COLUMNS>(row, alive), flags,
                                Slot<float4>(states, i)...);
        }
        done = vectors << 2;
    }
#pragma unroll 1
    for (long long i = done + grid_index(); i < n; i += grid_size()) {
        const int alive = live[i >> LIVE_SHIFT];
        if (alive)
            update<Formula>(Slot<float>(p, i), g[i], coefficients<COLUMNS>(row, alive), flags,
                            Slot<float>(states, i)...);
    }
}
