// Whether the time of something grows in proportion to its size, on a machine that does other things too.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace test {

/// What compilers say of themselves under -fsanitize=address.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

template <class Run>
[[nodiscard]] double seconds_of(Run&& run) {
    const auto start = std::chrono::steady_clock::now();
    run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Times {
    double small, large;  // seconds, each the least of several
    [[nodiscard]] double ratio() const { return large / small; }
};

/// The times of two sizes of the same work. Other work on the machine only adds to a time, so the least is measured:
/// `small` three times, then both until `large` takes at most `most_ratio` times as long, eight rounds are over, or it takes seconds.
template <class Small, class Large>
[[nodiscard]] Times times_of(Small&& small, Large&& large, double most_ratio) {
    Times times{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    for (int warm = 0; warm < 2; ++warm) times.small = std::min(times.small, seconds_of(small));
    for (int round = 0; round < 8; ++round) {
        times.small = std::min(times.small, seconds_of(small));
        times.large = std::min(times.large, seconds_of(large));
        if (times.ratio() <= most_ratio || times.large > 5) break;
    }
    return times;
}

}  // namespace test
