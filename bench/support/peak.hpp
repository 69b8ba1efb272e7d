// Limits of the machine, measured in the process that is judged by them: multiply-adds in registers and copying.
//
// The kernels are GCC/clang vector extensions under target attributes, chosen at run time, so a program built without
// -march=native finds the same limit. Elsewhere than on x86 a 16-byte vector in the compiler's own instructions: NEON.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "clock.hpp"

namespace bench {

/// Limits on some number of threads, each the best of several bursts.
struct Peak {
    double flops = 0;  ///< float operations a second, a multiply-add counted as two
    double bytes = 0;  ///< bytes a second read plus written by copying memory that no cache holds
};

namespace peak_detail {

inline constexpr int chains = 12;  // independent sums: more than latency times issue of any processor we know

/// Makes the value opaque to the compiler, so that a loop is neither folded nor dropped.
template <class V>
void keep(V& value) {
    asm volatile("" : "+m"(value));
}

// The bodies differ in target and width only. A common template would be lowered to the build's own instructions before
// it is inlined into its target.
#if defined(__x86_64__)
[[gnu::target("avx512f"), gnu::noinline]] inline void multiply_add_avx512(long steps) {
    typedef float Vector __attribute__((vector_size(64)));
    Vector sums[chains] = {}, a = Vector{} + 0.999999f, b = Vector{} + 1e-7f;
    keep(a);
    for (long i = 0; i < steps; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) sums[c] = sums[c] * a + b;
    }
    for (Vector& sum : sums) keep(sum);
}

[[gnu::target("avx2,fma"), gnu::noinline]] inline void multiply_add_avx2(long steps) {
    typedef float Vector __attribute__((vector_size(32)));
    Vector sums[chains] = {}, a = Vector{} + 0.999999f, b = Vector{} + 1e-7f;
    keep(a);
    for (long i = 0; i < steps; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) sums[c] = sums[c] * a + b;
    }
    for (Vector& sum : sums) keep(sum);
}
#endif

[[gnu::noinline]] inline void multiply_add_generic(long steps) {
    typedef float Vector __attribute__((vector_size(16)));
    Vector sums[chains] = {}, a = Vector{} + 0.999999f, b = Vector{} + 1e-7f;
    keep(a);
    for (long i = 0; i < steps; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) sums[c] = sums[c] * a + b;
    }
    for (Vector& sum : sums) keep(sum);
}

struct Kernel {
    std::string_view name;
    void (*run)(long steps);
    int lanes;
};

inline Kernel kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {"AVX-512", multiply_add_avx512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"AVX2", multiply_add_avx2, 8};
    return {"SSE", multiply_add_generic, 4};
#else
    return {"16-byte vectors", multiply_add_generic, 4};
#endif
}

/// The sum over the threads of what part(thread) returns, all started together; the best of `bursts`.
inline double best_sum(int threads, int bursts, const std::function<double(int)>& part) {
    double best = 0;
    for (int burst = 0; burst < bursts; ++burst) {
        std::vector<double> rates(static_cast<std::size_t>(threads));
        std::vector<std::thread> workers;
        std::atomic<int> ready{0};
        for (int i = 0; i < threads; ++i) {
            workers.emplace_back([&, i] {
                ready.fetch_add(1);
                while (ready.load() < threads) std::this_thread::yield();
                rates[static_cast<std::size_t>(i)] = part(i);
            });
        }
        for (auto& worker : workers) worker.join();
        double sum = 0;
        for (const double rate : rates) sum += rate;
        best = std::max(best, sum);
    }
    return best;
}

inline double measure_flops(int threads) {
    const Kernel k = kernel();
    constexpr long steps = 2'000'000;  // some 10 ms
    const double work = 2.0 * static_cast<double>(steps) * chains * k.lanes;
    return best_sum(threads, 12, [&](int) {
        const double start = seconds();
        k.run(steps);
        return work / (seconds() - start);
    });
}

inline double measure_bytes(int threads) {
    constexpr std::size_t size = std::size_t{96} << 20;  // of each side, beyond any cache
    // Value-initialised, so the pages are there.
    const auto from = std::make_unique<std::byte[]>(size), to = std::make_unique<std::byte[]>(size);
    const std::size_t share = size / static_cast<std::size_t>(threads);
    return best_sum(threads, 8, [&](int i) {
        const std::size_t begin = share * static_cast<std::size_t>(i);
        const double start = seconds();
        std::memcpy(to.get() + begin, from.get() + begin, share);
        return 2.0 * static_cast<double>(share) / (seconds() - start);
    });
}

}  // namespace peak_detail

/// The instructions the peak is measured with.
[[nodiscard]] inline std::string_view peak_instructions() { return peak_detail::kernel().name; }

/// The limits on that many threads; measured at the first call.
[[nodiscard]] inline const Peak& peak(int threads) {
    static std::map<int, Peak> known;
    const auto found = known.find(threads);
    if (found != known.end()) return found->second;
    const Peak measured{peak_detail::measure_flops(threads), peak_detail::measure_bytes(threads)};
    return known.emplace(threads, measured).first->second;
}

}  // namespace bench
