// How alike adapters are: cosines of their matrices, taken as flat vectors, in double.
//
// "The A's of different tasks are alike" (arXiv 2404.19245, figure 3) may mean no more than a common start: compare the
// changes A - A0 too. And unlike B_i are not yet heads with different tasks: see routing_health.hpp.
//   r rank, N heads, M matrices
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "dense.hpp"

namespace hydralora {

namespace similarity_detail {

template <class T, class U>
void check_shapes(std::string_view what, MatrixView<T> a, MatrixView<U> b) {
    check(a.shape() == b.shape(), what, ": one matrix is (", a.rows, ", ", a.cols, "), the other (", b.rows, ", ",
          b.cols, "), expected one shape; compare adapters of the same linear layer and rank");
}

/// Divides by the Euclidean norm; a zero vector stays.
inline void normalise(std::vector<double>& v) {
    double largest = 0;
    for (const double x : v) largest = std::max(largest, std::abs(x));
    if (largest == 0) return;
    for (double& x : v) x /= largest;  // squares neither overflow nor vanish
    const double norm = std::sqrt(dense_detail::dot(v.data(), v.data(), static_cast<Index>(v.size())));
    for (double& x : v) x /= norm;
}

/// M unit vectors -> their cosines (M, M).
[[nodiscard]] inline DoubleMatrix cosines(std::vector<std::vector<double>> vectors) {
    const auto m = static_cast<Index>(vectors.size());
    DoubleMatrix result(m, m);
    for (auto& v : vectors) normalise(v);
    for (Index i = 0; i < m; ++i)
        for (Index j = i; j < m; ++j) {
            const auto &a = vectors[static_cast<std::size_t>(i)], &b = vectors[static_cast<std::size_t>(j)];
            const double product = dense_detail::dot(a.data(), b.data(), static_cast<Index>(a.size()));
            result(i, j) = result(j, i) = i == j && product > 0 ? 1 : std::clamp(product, -1.0, 1.0);
        }
    return result;
}

}  // namespace similarity_detail

/// The cosine of each pair of matrices of one shape (M, M). A matrix of zeros, as B at the start of training, has no
/// direction: its cosines are 0, with itself too.
template <class T>
[[nodiscard]] DoubleMatrix pairwise_cosine(std::span<const MatrixView<T>> matrices) {
    check(!matrices.empty(), "pairwise_cosine: no matrix, expected at least one");
    std::vector<std::vector<double>> vectors;
    for (const auto& m : matrices) {
        similarity_detail::check_shapes("pairwise_cosine", matrices[0], m);
        vectors.push_back(dense_detail::copy_finite("pairwise_cosine", m).values);
    }
    return similarity_detail::cosines(std::move(vectors));
}

/// The cosine of each pair of changes m - start (M, M): of training, where `start` is what all of them began with.
template <class T, class U>
[[nodiscard]] DoubleMatrix pairwise_cosine_of_change(std::span<const MatrixView<T>> matrices, MatrixView<U> start) {
    check(!matrices.empty(), "pairwise_cosine_of_change: no matrix, expected at least one");
    const DoubleMatrix from = dense_detail::copy_finite("pairwise_cosine_of_change: start", start);
    std::vector<std::vector<double>> vectors;
    for (const auto& m : matrices) {
        similarity_detail::check_shapes("pairwise_cosine_of_change", m, start);
        vectors.push_back(dense_detail::copy_finite("pairwise_cosine_of_change", m).values);
        dense_detail::add_multiple(vectors.back().data(), -1, from.values.data(), from.rows * from.cols);
    }
    return similarity_detail::cosines(std::move(vectors));
}

template <class T, class U>
[[nodiscard]] double cosine(MatrixView<T> a, MatrixView<U> b) {
    similarity_detail::check_shapes("cosine", a, b);
    return similarity_detail::cosines(
        {dense_detail::copy_finite("cosine", a).values, dense_detail::copy_finite("cosine", b).values})(0, 1);
}

/// The cosine of each pair of heads (N, N) of B (out, N*r), which has them side by side.
template <class T>
[[nodiscard]] DoubleMatrix head_cosine(MatrixView<T> b, Index heads) {
    check(heads >= 1 && b.cols > 0 && b.cols % heads == 0, "head_cosine: B is (", b.rows, ", ", b.cols, ") for ", heads,
          " heads, expected N * r columns, a multiple of the heads");
    std::vector<MatrixView<T>> views;
    for (Index i = 0; i < heads; ++i) views.push_back(b.col_slice(i * (b.cols / heads), b.cols / heads));
    return pairwise_cosine(std::span<const MatrixView<T>>(views));
}

/// The mean over pairs i < j of a matrix of cosines (M, M); 0 for a single one, which has no pair.
[[nodiscard]] inline double mean_of_pairs(const DoubleMatrix& cosines) {
    double sum = 0;
    for (Index i = 0; i < cosines.rows; ++i)
        for (Index j = i + 1; j < cosines.rows; ++j) sum += cosines(i, j);
    const Index pairs = cosines.rows * (cosines.rows - 1) / 2;
    return pairs > 0 ? sum / static_cast<double>(pairs) : 0;
}

}  // namespace hydralora
