// Calls one function of a shared library with memory that another program has sent, and sends the memory back.
//
// The message on standard input, all counts int64: libraries (paths); functions (library, name); regions (size, where it
// began modulo ALIGNMENT, bytes); pointers (region and offset in which an address stands; region it leads to, or -1 for
// a function; offset there, or number of the function); the call (function, a float, six numbers or addresses, each as
// region and offset; region -1: a number). The answer: what the function returns, and the bytes of all regions.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <vector>

constexpr size_t ALIGNMENT = 64;

static void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
}

static void receive(void* to, size_t size) {
    if (size && std::fread(to, size, 1, stdin) != 1) fail("the message is too short");
}
static int64_t number() {
    int64_t n;
    receive(&n, sizeof n);
    return n;
}
static std::string text() {
    std::string s(size_t(number()), ' ');
    receive(s.data(), s.size());
    return s;
}
static void send(const void* from, size_t size) {
    if (size && std::fwrite(from, size, 1, stdout) != 1) fail("the answer cannot be written");
}

struct Region {
    char* start;
    size_t size;
};

static Region region() {
    const size_t size = size_t(number()), behind = size_t(number());
    char* memory = static_cast<char*>(std::aligned_alloc(ALIGNMENT, (behind + size + ALIGNMENT) / ALIGNMENT * ALIGNMENT));
    if (!memory) fail("there is no memory");
    receive(memory + behind, size);
    return {memory + behind, size};
}

using Function = int64_t (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, float);

int main() {
    std::vector<void*> libraries, functions;
    for (int64_t n = number(); n > 0; n--) {
        libraries.push_back(dlopen(text().c_str(), RTLD_NOW | RTLD_LOCAL));
        if (!libraries.back()) fail(dlerror());
    }
    for (int64_t n = number(); n > 0; n--) {
        void* library = libraries.at(size_t(number()));
        functions.push_back(dlsym(library, text().c_str()));
        if (!functions.back()) fail(dlerror());
    }
    std::vector<Region> regions;
    for (int64_t n = number(); n > 0; n--) regions.push_back(region());
    for (int64_t n = number(); n > 0; n--) {
        char* where = regions.at(size_t(number())).start;
        where += number();
        const int64_t target = number(), offset = number();
        *reinterpret_cast<void**>(where) = target < 0 ? functions.at(size_t(offset)) : regions.at(size_t(target)).start + offset;
    }
    const Function function = reinterpret_cast<Function>(functions.at(size_t(number())));
    double decimal;
    receive(&decimal, sizeof decimal);
    int64_t arguments[6];
    for (int64_t& argument : arguments) {
        const int64_t target = number(), value = number();
        argument = target < 0 ? value : reinterpret_cast<int64_t>(regions.at(size_t(target)).start + value);
    }
    const int64_t answer = function(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], float(decimal));
    send(&answer, sizeof answer);
    for (const Region& r : regions) send(r.start, r.size);
}
