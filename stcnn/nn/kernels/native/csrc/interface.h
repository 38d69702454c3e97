// Sizes of the structs that cross the border to Python, which compares them with its own when it loads the library
// (interface.py). SIZES(Forward, Maps) defines `struct_size`: bytes of the struct of that number, -1 behind the last.
#pragma once
#include <cstdint>

template <class... Structs>
static int32_t size_of(int32_t number) {
    const int32_t sizes[] = {int32_t(sizeof(Structs))...};
    return number < int32_t(sizeof...(Structs)) ? sizes[number] : -1;
}

#define SIZES(...) \
    extern "C" int32_t struct_size(int32_t number) { return size_of<__VA_ARGS__>(number); }
