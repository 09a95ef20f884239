// Whether each access of a kernel is ordered behind what other threads did at its address: by the barriers of a block,
// and between blocks by fence, atomic, atomic, fence. Part of cuda_cpu.h under -DMEMORY_ORDER.
//
// Blocks run one after the other there, so that a fence which is missing changes no result. Here every thread has a
// vector clock: what it may count on. A barrier joins those of its block; an atomic hands over, from thread to thread,
// what its threads had fenced before, and the receiver may count on it after a fence of its own. This is the model of
// C++ with relaxed atomics, and PTX's for bar.sync, fence and atom. Shuffles order nothing.
//
// -fsanitize=thread puts a call in front of every access. The functions that it calls are these, not its library's.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#define UNTRACKED __attribute__((no_sanitize("thread")))

// This library's own variables, shared memory among them, which is new in each block.
extern char __bss_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

namespace order {

typedef std::vector<unsigned> Clock;  // of each thread of the grid, how much has happened there

struct Thread {
    Clock now, fenced, heard;  // heard: by atomics, behind which no fence has come yet
};

struct Cell {
    unsigned writer = 0, written = 0;
    std::vector<std::pair<unsigned, unsigned>> readers;  // and when; since it was written
};

inline std::vector<Thread> threads;  // of the block that runs
inline unsigned first, me;           // number of its first thread in the grid, and of the one that runs in the block
inline const char* stack;            // of that thread
inline size_t stack_size;
inline std::unordered_map<const void*, Clock> atomics;
inline std::unordered_map<const char*, Cell> global, shared;
inline bool tracking;
inline void (*complain)();

inline void join(Clock& into, const Clock& from)
{
    for (size_t i = 0; i < into.size(); i++)
        into[i] = std::max(into[i], from[i]);
}

inline void begin_launch(void (*on_fault)())
{
    tracking = false;
    complain = on_fault;
    atomics.clear();
    global.clear();
}

inline void begin_block(unsigned block, unsigned size, unsigned blocks)
{
    shared.clear();
    first = block * size;
    const Clock nothing(size * blocks);
    threads.assign(size, Thread{nothing, nothing, nothing});
    for (unsigned i = 0; i < size; i++)
        threads[i].now[first + i] = 1;
}

template <class Waits> void barrier(Waits waits)
{
    Clock all(threads[0].now.size());
    for (unsigned i = 0; i < threads.size(); i++)
        if (waits(i))
            join(all, threads[i].now);
    for (unsigned i = 0; i < threads.size(); i++)
        if (waits(i)) {
            threads[i].now = all;
            threads[i].now[first + i]++;
        }
}

inline void fence()
{
    Thread& t = threads[me];
    join(t.now, t.heard);
    t.fenced = t.now;
    t.now[first + me]++;
}

inline void atomic(const void* address)
{
    Clock& passed = atomics.try_emplace(address, threads[me].now.size()).first->second;
    join(threads[me].heard, passed);
    join(passed, threads[me].fenced);
}

inline void touch(const char* address, size_t size, bool writes)
{
    if (address >= stack && address < stack + stack_size)
        return;
    auto& cells = address >= __bss_start && address < _end ? shared : global;
    const Clock& now = threads[me].now;
    for (size_t i = 0; i < size; i++) {
        Cell& cell = cells[address + i];
        bool ordered = now[cell.writer] >= cell.written;
        unsigned* mine = nullptr;
        for (auto& [reader, when] : cell.readers) {
            ordered &= !writes || now[reader] >= when;
            if (reader == first + me)
                mine = &when;
        }
        if (!ordered)
            complain();
        if (writes)
            cell = Cell{first + me, now[first + me], {}};
        else if (mine)
            *mine = now[first + me];
        else
            cell.readers.emplace_back(first + me, now[first + me]);
    }
}

UNTRACKED inline void access(void* address, size_t size, bool writes)
{
    if (!tracking)
        return;
    tracking = false;
    touch((const char*)address, size, writes);
    tracking = true;
}

// While it lives, accesses are the engine's and not the kernel's.
struct Engine {
    bool before;
    UNTRACKED Engine() : before(tracking)
    {
        tracking = false;
    }
    UNTRACKED ~Engine()
    {
        tracking = before;
    }
};

}  // namespace order

extern "C" {
#define ANSWER(size)                                               \
    UNTRACKED void __tsan_read##size(void* p)                      \
    {                                                              \
        order::access(p, size, false);                             \
    }                                                              \
    UNTRACKED void __tsan_write##size(void* p)                     \
    {                                                              \
        order::access(p, size, true);                              \
    }                                                              \
    UNTRACKED void __tsan_unaligned_read##size(void* p)            \
    {                                                              \
        order::access(p, size, false);                             \
    }                                                              \
    UNTRACKED void __tsan_unaligned_write##size(void* p)           \
    {                                                              \
        order::access(p, size, true);                              \
    }
ANSWER(1)
ANSWER(2)
ANSWER(4)
ANSWER(8)
ANSWER(16)
#undef ANSWER
UNTRACKED void __tsan_read_range(void* p, size_t size)
{
    order::access(p, size, false);
}
UNTRACKED void __tsan_write_range(void* p, size_t size)
{
    order::access(p, size, true);
}
UNTRACKED void __tsan_init() {}
UNTRACKED void __tsan_func_entry(void*) {}
UNTRACKED void __tsan_func_exit() {}
UNTRACKED void __tsan_vptr_update(void*, void*) {}
UNTRACKED void __tsan_vptr_read(void*) {}
}
