// A router that starts from the components of the data: ridge regression of each token's label on the inputs of a layer.
//
//   T tokens, n of them with a label, K labels, N heads; X (n, in), Y (n, N) one-hot, label l on head l mod N
//   (X^T X + lambda I) W^T = X^T (Y - mean Y),   lambda = ridge + share * trace(X^T X) / in
// without intercept, then W minus its mean row, to which the softmax is blind, scaled to a given deviation of the logits.
// The tokens are seen once and not kept: X^T X and the sum of x for each label are all that is held.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../analysis/cholesky.hpp"
#include "../analysis/dense.hpp"
#include "../backend/compose/pool_logits.hpp"
#include "../backend/concept.hpp"
#include "../backend/group.hpp"
#include "../core/check.hpp"
#include "../core/view.hpp"
#include "config.hpp"

namespace hydralora {

namespace router_probe_detail {
/// Of a number, or of one stored in 16 bits.
template <class T>
[[nodiscard]] double to_double(T value) {
    if constexpr (std::is_arithmetic_v<T>)
        return static_cast<double>(value);
    else
        return static_cast<double>(static_cast<float>(value));
}
}  // namespace router_probe_detail

/// Where other adapters train below, inputs move, and rows that lean on directions in which x hardly varies soon choose at
/// random: a ridge in proportion to x, and gates that are not yet sharp, keep what was found. For inputs that stay as they are
/// share = 0 and logit_std = 6 tell a little more.
struct RouterProbeOptions {
    double ridge = 1;      ///< above 0
    double share = 1;      ///< of the mean diagonal of X^T X, added to the ridge
    double logit_std = 2;  ///< of the logits over tokens and heads of the sample
};

class RouterProbe {
public:
    /// Takes bytes(in, labels).
    RouterProbe(Index in, Index labels);
    [[nodiscard]] static Index bytes(Index in, Index labels) {
        return static_cast<Index>(sizeof(double)) * in * (in + labels + block);
    }

    /// Tokens x (T, in) with their labels (1, T) in [0, labels); a token with a negative one is left out. Throws for a number
    /// that is not finite, before anything is added.
    template <class T, class L>
    void add(MatrixView<T> x, MatrixView<L> labels);

    /// With a label, added so far.
    [[nodiscard]] Index tokens() const { return tokens_; }

    /// The rows (heads, in) of a router. Throws unless every head has tokens and a linear map of x tells the heads apart.
    [[nodiscard]] DoubleMatrix rows(Index heads, const RouterProbeOptions& options = {}) const;

private:
    static constexpr Index panel = 8, tile = 4;  // columns packed side by side, rows of X^T X made at once
    static constexpr Index block = 256;          // tokens summed at once

    void add_block(Index tokens);

    Index in_, tokens_ = 0;
    DoubleMatrix gram_;           // (in, in): X^T X, the lower triangle in tiles; padded to whole panels
    DoubleMatrix sums_;           // (K, in): of the x of each label
    std::vector<Index> counts_;   // (K)
    std::vector<double> packed_;  // (in / panel, block, panel): tokens of a block, column panel by column panel
};

inline RouterProbe::RouterProbe(Index in, Index labels) : in_(in) {
    check(in >= 1, "RouterProbe: in = ", in, ", expected at least 1");
    check(labels >= 1, "RouterProbe: labels = ", labels, ", expected at least 1");
    const Index padded = (in + panel - 1) / panel * panel;
    gram_ = DoubleMatrix(padded, padded);
    sums_ = DoubleMatrix(labels, in);
    counts_.resize(static_cast<std::size_t>(labels));
    packed_.resize(static_cast<std::size_t>(padded * block));
}

template <class T, class L>
void RouterProbe::add(MatrixView<T> x, MatrixView<L> labels) {
    using router_probe_detail::to_double;
    check(x.cols == in_, "RouterProbe: x has ", x.cols, " columns, expected in = ", in_);
    check(labels.rows == 1 && labels.cols == x.rows, "RouterProbe: labels are (", labels.rows, ", ", labels.cols,
          "), expected (1, ", x.rows, "), one for each token");
    for (Index t = 0; t < x.rows; ++t) {
        const auto label = static_cast<Index>(labels(0, t));
        check(label < sums_.rows, "RouterProbe: token ", t, " has label ", label, ", expected below ", sums_.rows);
        for (Index j = 0; label >= 0 && j < in_; ++j)
            check(std::isfinite(to_double(x(t, j))), "RouterProbe: x(", t, ", ", j, ") is ", to_double(x(t, j)),
                  ", expected a finite number");
    }
    Index waiting = 0;
    for (Index t = 0; t < x.rows; ++t) {
        const auto label = static_cast<Index>(labels(0, t));
        if (label < 0) continue;
        double* sum = sums_.row(label);
        for (Index j = 0; j < in_; ++j) {
            const auto value = to_double(x(t, j));
            packed_[static_cast<std::size_t>((j / panel * block + waiting) * panel + j % panel)] = value;
            sum[j] += value;
        }
        ++counts_[static_cast<std::size_t>(label)];
        if (++waiting < block) continue;
        add_block(waiting);
        waiting = 0;
    }
    add_block(waiting);
}

/// X^T X += that of the packed tokens.
inline void RouterProbe::add_block(Index tokens) {
    tokens_ += tokens;
    for (Index i = 0; i < gram_.rows && tokens > 0; i += tile)
        for (Index j = 0; j <= i; j += panel) {
            double sum[tile][panel] = {};
            const double* a = packed_.data() + i / panel * block * panel + i % panel;
            const double* b = packed_.data() + j / panel * block * panel;
            for (Index t = 0; t < tokens; ++t, a += panel, b += panel)
                for (Index p = 0; p < tile; ++p)
                    for (Index q = 0; q < panel; ++q) sum[p][q] += a[p] * b[q];
            for (Index p = 0; p < tile; ++p)
                for (Index q = 0; q < panel; ++q) gram_(i + p, j + q) += sum[p][q];
        }
}

inline DoubleMatrix RouterProbe::rows(Index heads, const RouterProbeOptions& options) const {
    check(heads >= 2, "RouterProbe: heads = ", heads, ", expected at least 2: one head is not chosen");
    check(options.ridge > 0 && std::isfinite(options.ridge), "RouterProbe: ridge = ", options.ridge,
          ", expected a number above 0");
    check(options.share >= 0 && std::isfinite(options.share), "RouterProbe: share = ", options.share,
          ", expected 0 or more");
    check(options.logit_std > 0 && std::isfinite(options.logit_std), "RouterProbe: logit_std = ", options.logit_std,
          ", expected a number above 0");
    check(tokens_ > 0, "RouterProbe: no token with a label was added, expected at least one a head");
    const Index labels = sums_.rows;
    const auto seen = static_cast<Index>(std::count_if(counts_.begin(), counts_.end(), [](Index n) { return n > 0; }));
    check(seen >= 2, "RouterProbe: all ", tokens_, " tokens have one label, expected at least 2 to tell apart");
    check(labels >= heads, "RouterProbe: ", labels, " labels for ", heads,
          " heads, expected at least one a head; ask for at most ", labels, " heads");

    DoubleMatrix found(heads, in_);  // sums of x a head, then the right-hand sides, then W
    std::vector<double> total(static_cast<std::size_t>(in_)), share(static_cast<std::size_t>(heads));
    for (Index l = 0; l < labels; ++l) {
        dense_detail::add_multiple(found.row(l % heads), 1, sums_.row(l), in_);
        dense_detail::add_multiple(total.data(), 1, sums_.row(l), in_);
        share[static_cast<std::size_t>(l % heads)] +=
            static_cast<double>(counts_[static_cast<std::size_t>(l)]) / static_cast<double>(tokens_);
    }
    double whole = 0, told = 0;  // squared norms: of the sums, and of what is left of them
    for (Index h = 0; h < heads; ++h) {
        const double mean = share[static_cast<std::size_t>(h)];
        check(mean > 0, "RouterProbe: head ", h, " of ", heads,
              " has no token of its labels in the sample; take a larger sample or ask for fewer heads");
        double* row = found.row(h);
        whole += dense_detail::dot(row, row, in_);
        dense_detail::add_multiple(row, -mean, total.data(), in_);
        told += dense_detail::dot(row, row, in_);
    }
    constexpr double rounding = 1e-10;  // of sums of numbers that were floats
    check(told > rounding * rounding * whole,
          "RouterProbe: the mean of x is the same for every head, so the logits have variance 0; the labels cannot be "
          "told from this layer's inputs");

    double ridge = options.ridge;
    for (Index i = 0; i < in_; ++i) ridge += options.share * gram_(i, i) / static_cast<double>(in_);
    DoubleMatrix factor(in_, in_);
    for (Index i = 0; i < in_; ++i) {
        std::copy(gram_.row(i), gram_.row(i) + i + 1, factor.row(i));
        factor(i, i) += ridge;
    }
    cholesky(factor);
    cholesky_solve(factor, found);

    for (Index j = 0; j < in_; ++j) {
        double mean = 0;
        for (Index h = 0; h < heads; ++h) mean += found(h, j) / static_cast<double>(heads);
        for (Index h = 0; h < heads; ++h) found(h, j) -= mean;
    }
    // The logits of a token have mean 0, so their variance is the mean of w X^T X w^T over tokens and heads.
    double squares = 0;
    for (Index h = 0; h < heads; ++h) {
        const double* w = found.row(h);
        for (Index i = 0; i < in_; ++i)
            squares += w[i] * (2 * dense_detail::dot(gram_.row(i), w, i) + gram_(i, i) * w[i]);
    }
    const double deviation = std::sqrt(squares / static_cast<double>(tokens_ * heads));
    check(deviation > 0 && std::isfinite(deviation), "RouterProbe: the logits have deviation ", deviation,
          ", expected a finite number above 0; lower ridge = ", options.ridge, " or share = ", options.share);
    for (double& value : found.values) value *= options.logit_std / deviation;
    return found;
}

/// x (T, in) in place becomes what a router with RouterPooling::context reads: the mean over each token's document up to it.
/// starts: as in PassSequences.
template <class T>
void pool_context(MatrixView<T> x, Index sequences, MatrixView<const std::int32_t> starts = {}) {
    check(sequences >= 1 && x.rows % sequences == 0, "pool_context: ", x.rows, " tokens do not make ", sequences,
          " sequences of equal length");
    check(starts.empty() || starts.shape() == Shape{1, x.rows}, "pool_context: starts is (", starts.rows, ", ",
          starts.cols, "), expected (1, ", x.rows, ") or empty");
    const functor::PoolLogits<T> pool{x.data, starts.data, nullptr, x.rows / sequences, x.cols, x.ld, 0};
    for (Index s = 0; s < sequences; ++s) pool(Solo{}, s);
}

/// router (N, in) of the backend's parameters = rows.
template <Backend B>
void put_router(B& be, const DoubleMatrix& rows, ParamView<B> router) {
    check(rows.view().shape() == router.shape(), "put_router: the rows are (", rows.rows, ", ", rows.cols,
          "), expected those of the router, (", router.rows, ", ", router.cols, ")");
    std::vector<ParamScalar<B>> values(rows.values.size());
    std::transform(rows.values.begin(), rows.values.end(), values.begin(),
                   [](double value) { return static_cast<ParamScalar<B>>(value); });
    be.upload(host_view(values.data(), rows.rows, rows.cols), router);
}

}  // namespace hydralora
