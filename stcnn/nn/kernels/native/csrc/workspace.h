// Memory that stays with the thread, so that its pages are touched once; on large pages where there are any.
// Nothing may be read before it is written: tests compile with UNWRITTEN=0xff, of which all numbers are no numbers.
#pragma once
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>

#ifndef UNWRITTEN
#define UNWRITTEN 0
#endif

template <class Layout>
static Layout& workspace() {
    constexpr size_t PAGE = size_t(2) << 20, SIZE = (sizeof(Layout) + PAGE - 1) / PAGE * PAGE;
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    static thread_local const std::unique_ptr<void, Free> own([] {
        void* memory = std::aligned_alloc(PAGE, SIZE);
        if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        madvise(memory, SIZE, MADV_HUGEPAGE);
#endif
        return std::memset(memory, UNWRITTEN, SIZE);
    }());
    return *static_cast<Layout*>(own.get());
}
