// Fills host views with numbers that no test can get right by accident, the same on every machine and for every element
// type.
#pragma once

#include <cstdint>
#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>

namespace test {

/// Uniform in [-size, size), a sequence of its own for each `stream`; element (i, j) depends on i, j and the stream
/// alone.
template <class T>
void fill_random(hydralora::MatrixView<T> m, std::uint32_t stream, double size = 1) {
    const hydralora::RandomKey key{hydralora::Seed{2024}, stream, 0};
    for (hydralora::Index i = 0; i < m.rows; ++i)
        for (hydralora::Index j = 0; j < m.cols; ++j) {
            const auto at = static_cast<std::uint64_t>(i) << 32 | static_cast<std::uint64_t>(j);
            m(i, j) = static_cast<T>(size * (2 * hydralora::uniform<double>(key, at) - 1));
        }
}

/// Integers in [0, bound).
inline void fill_ids(hydralora::MatrixView<std::int32_t> m, std::uint32_t stream, std::int32_t bound) {
    const hydralora::RandomKey key{hydralora::Seed{2024}, stream, 1};
    for (hydralora::Index i = 0; i < m.rows; ++i)
        for (hydralora::Index j = 0; j < m.cols; ++j)
            m(i, j) = static_cast<std::int32_t>(hydralora::uniform_below(
                key, static_cast<std::uint64_t>(i * m.cols + j), static_cast<std::uint32_t>(bound)));
}

}  // namespace test
