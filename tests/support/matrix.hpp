// Host matrices for tests: filled with numbers or random, with unused columns that must stay as they are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <hydralora/core/view.hpp>
#include <random>
#include <vector>

namespace test {

using hydralora::Index;
using hydralora::MatrixView;

/// A (rows, cols) matrix with `pad` columns beyond them that hold `marker`.
template <class T>
struct Matrix {
    static constexpr T marker = T{77};

    Index rows = 0, cols = 0, ld = 0;
    std::vector<T> data;

    Matrix(Index r, Index c, Index pad = 0)
        : rows(r), cols(c), ld(c + pad), data(static_cast<std::size_t>(r * (c + pad)), marker) {
        fill(T{0});
    }

    void fill(T value) {
        for (Index i = 0; i < rows; ++i) std::fill_n(view().row(i), cols, value);
    }
    MatrixView<T> view() { return {data.data(), rows, cols, ld}; }
    MatrixView<const T> view() const { return {data.data(), rows, cols, ld}; }
    MatrixView<const T> cview() const { return view(); }
    T& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i * ld + j)]; }
    const T& operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i * ld + j)]; }

    [[nodiscard]] bool padding_untouched() const {
        for (Index i = 0; i < rows; ++i)
            for (Index j = cols; j < ld; ++j)
                if ((*this)(i, j) != marker) return false;
        return true;
    }
};

/// Uniform in [-1, 1), the same for float and double up to rounding.
template <class T>
Matrix<T> random_matrix(Index rows, Index cols, unsigned seed, Index pad = 0) {
    Matrix<T> m(rows, cols, pad);
    std::mt19937 engine(seed);
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) m(i, j) = static_cast<T>(std::ldexp(static_cast<double>(engine()), -31) - 1.0);
    return m;
}

template <class T, class U>
bool same_bits(MatrixView<T> a, MatrixView<U> b) {
    static_assert(sizeof(T) == sizeof(U));
    if (a.shape() != b.shape()) return false;
    for (Index i = 0; i < a.rows; ++i)
        if (std::memcmp(a.row(i), b.row(i), static_cast<std::size_t>(a.cols) * sizeof(T)) != 0) return false;
    return true;
}

/// Largest |a - b|; infinite where one is NaN.
template <class T, class U>
double max_difference(MatrixView<T> a, MatrixView<U> b) {
    double most = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) {
            const double d = std::abs(static_cast<double>(a(i, j)) - static_cast<double>(b(i, j)));
            most = d <= most ? most : std::isnan(d) ? INFINITY : d;
        }
    return most;
}

}  // namespace test
