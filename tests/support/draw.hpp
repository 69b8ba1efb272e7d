// Random choices for property tests, and how many trials a tier runs.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <hydralora/core/view.hpp>
#include <initializer_list>
#include <random>

namespace test {

/// Trials of a property: more of them with HYDRALORA_LONG in the environment.
inline int trials(int usual, int in_long_tier) {
    return std::getenv("HYDRALORA_LONG") != nullptr ? in_long_tier : usual;
}

/// A stream of choices, a function of its seed alone.
class Draw {
public:
    explicit Draw(std::uint64_t seed) : engine_(seed) {}

    /// Uniform in [0, 1).
    double unit() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }
    double normal() { return std::sqrt(-2 * std::log(1 - unit())) * std::cos(6.283185307179586 * unit()); }
    /// Uniform integer, both ends included.
    hydralora::Index integer(hydralora::Index least, hydralora::Index most) {
        return least + static_cast<hydralora::Index>(unit() * static_cast<double>(most - least + 1));
    }
    bool coin() { return unit() < 0.5; }
    template <class T>
    T one_of(std::initializer_list<T> values) {
        return values.begin()[integer(0, static_cast<hydralora::Index>(values.size()) - 1)];
    }
    template <class T>
    void normal(hydralora::MatrixView<T> m, double scale = 1) {
        for (hydralora::Index i = 0; i < m.rows; ++i)
            for (hydralora::Index j = 0; j < m.cols; ++j) m(i, j) = static_cast<T>(scale * normal());
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace test
