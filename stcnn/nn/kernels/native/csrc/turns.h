// Threads that deal the blocks of a clip among themselves and take turns where one block follows from the one before.
#pragma once
#include <cstdint>
#include <sched.h>

// Waits until so many blocks are through.
inline void wait_for(const int64_t* done, int64_t blocks) {
    for (int times = 0; __atomic_load_n(done, __ATOMIC_ACQUIRE) < blocks; times++)
        if (times > 1000) sched_yield();
}
inline void pass_on(int64_t* done, int64_t blocks) { __atomic_store_n(done, blocks, __ATOMIC_RELEASE); }
