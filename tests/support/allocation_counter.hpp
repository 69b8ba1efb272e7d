// Counts heap allocations of this program. Include it in one translation unit of a test.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace test {

inline std::atomic<long>& allocation_count() {
    static std::atomic<long> count{0};
    return count;
}

/// Heap allocations, of all threads, while f runs.
template <class F>
long allocations(F&& f) {
    const long before = allocation_count();
    f();
    return allocation_count() - before;
}

inline void* counted(std::size_t bytes, std::size_t alignment) noexcept {
    ++allocation_count();
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

inline void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
    void* p = counted(bytes == 0 ? 1 : bytes, alignment);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}

}  // namespace test

// Not inlined: g++ would see malloc's memory in delete, or new's in free, and warn of a mismatch.
[[gnu::noinline]] void* operator new(std::size_t n) { return test::counted_or_throw(n, alignof(std::max_align_t)); }
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
    return test::counted_or_throw(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    return test::counted(n, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return test::counted(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
