// Products on Thrust's host systems, as plain loops that vectorise: what holds the rest of the backend to account where
// there is no GPU. The CPU's fast backend is EigenBackend.
#pragma once

#include <algorithm>

#include "../backend/concept.hpp"

namespace hydralora::functor {

/// One tile of c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c, sums in A. Every element is made by one call, its
/// terms in order; with a transposed (a sum over tokens) slab by slab, each slab's sum added to c.
template <class A, class TA, class TB, class TC>
struct ProductTile {
    static constexpr Index rows = 16, cols = 128, lanes = 16;

    const TA* a;
    const TB* b;
    TC* c;
    Index m, n, k, lda, ldb, ldc;
    A alpha, beta;
    Index slab;
    bool transpose_a, transpose_b;

    [[nodiscard]] static Index across(Index n) { return (n + cols - 1) / cols; }
    [[nodiscard]] static Index count(Index m, Index n) { return (m + rows - 1) / rows * across(n); }

    void operator()(Index tile) const {
        const Index i0 = tile / across(n) * rows, i1 = std::min(m, i0 + rows);
        const Index j0 = tile % across(n) * cols, j1 = std::min(n, j0 + cols);
        const Index step = transpose_a ? slab : std::max<Index>(k, 1);
        A sums[cols];
        for (Index i = i0; i < i1; ++i) {
            for (Index j = j0; j < j1; ++j)
                if (beta == A{0}) c[i * ldc + j] = static_cast<TC>(A{0});
            A factor = beta;
            for (Index begin = 0; begin < k || begin == 0; begin += step) {
                add_terms(i, j0, j1, begin, std::min(k, begin + step), sums);
                for (Index j = j0; j < j1; ++j) {
                    const A before = factor == A{0} ? A{0} : factor * widened<A>(c[i * ldc + j]);
                    c[i * ldc + j] = static_cast<TC>(before + alpha * sums[j - j0]);
                }
                factor = A{1};
            }
        }
    }

private:
    /// sums[j - j0] = the terms [begin, end) of element (i, j)
    void add_terms(Index i, Index j0, Index j1, Index begin, Index end, A* sums) const {
        if (transpose_b) {
            for (Index j = j0; j < j1; ++j) sums[j - j0] = dot(a + i * lda, b + j * ldb, begin, end);
            return;
        }
        std::fill(sums, sums + (j1 - j0), A{0});
        for (Index p = begin; p < end; ++p) {
            const A left = widened<A>(transpose_a ? a[p * lda + i] : a[i * lda + p]);
            const TB* right = b + p * ldb + j0;
            for (Index j = 0; j < j1 - j0; ++j) sums[j] += left * widened<A>(right[j]);
        }
    }

    [[nodiscard]] static A dot(const TA* x, const TB* y, Index begin, Index end) {
        A sum[lanes] = {};
        Index p = begin;
        for (; p + lanes <= end; p += lanes)
            for (Index l = 0; l < lanes; ++l) sum[l] += widened<A>(x[p + l]) * widened<A>(y[p + l]);
        for (; p < end; ++p) sum[0] += widened<A>(x[p]) * widened<A>(y[p]);
        for (Index width = lanes / 2; width > 0; width /= 2)
            for (Index l = 0; l < width; ++l) sum[l] += sum[l + width];
        return sum[0];
    }
};

}  // namespace hydralora::functor
