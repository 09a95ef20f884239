// Philox4x64-10 (Salmon et al. 2011), bit for bit the generator of numpy.random.Philox.

// One 64-bit word, and a full counter; the first word is the least significant one.
typedef unsigned long long Word;
struct Counter {
    Word a, b, c, d;
};

__device__ __forceinline__ Counter add(Counter x, Word blocks)
{
    x.a += blocks;
    if (x.a < blocks && ++x.b == 0 && ++x.c == 0)
        ++x.d;
    return x;
}

// state = key[2], counter[4]
__device__ __forceinline__ Counter counter_of(const Word* state)
{
    return {state[2], state[3], state[4], state[5]};
}

// Block `index` behind the state. NumPy moves the counter on before it makes a block, so the first has counter + 1.
__device__ __forceinline__ Counter philox(const Word* state, Word index)
{
    Word key0 = state[0], key1 = state[1];
    Counter x = add(add(counter_of(state), index), 1);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const Word high0 = __umul64hi(0xD2E7470EE14C6C93ull, x.a), low0 = 0xD2E7470EE14C6C93ull * x.a;
        const Word high1 = __umul64hi(0xCA5A826395121157ull, x.c), low1 = 0xCA5A826395121157ull * x.c;
        x = {high1 ^ x.b ^ key0, low1, high0 ^ x.d ^ key1, low0};
        key0 += 0x9E3779B97F4A7C15ull;
        key1 += 0xBB67AE8584CAA73Bull;
    }
    return x;
}
