// The output projection of a language model and its loss as one layer. V vocabulary, d width, T tokens.
#pragma once

#include <cstdint>

#include "../backend/compose/cross_entropy.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// Throws unless every label is ignored_label or in [0, vocabulary). The layer trusts labels: check where they come in.
inline void check_labels(MatrixView<const std::int32_t> labels, Index vocabulary) {
    for (Index i = 0; i < labels.rows; ++i)
        for (Index t = 0; t < labels.cols; ++t)
            check(labels(i, t) == ignored_label || (labels(i, t) >= 0 && labels(i, t) < vocabulary),
                  "LmHeadCrossEntropy: label ", labels(i, t), " at (", i, ", ", t, "), expected ", ignored_label,
                  " or at least 0 and below the vocabulary of ", vocabulary);
}

/// logits = h weight^T and the sum over tokens of -log softmax(logits)[label], in bounded memory: chunks of whole slabs
/// of tokens. labels (1, T) are those of the row itself (shifted by the caller); ignored_label gives no loss and no
/// gradient. Sees the weight (V, d), owns nothing.
template <Backend B>
class LmHeadCrossEntropy {
public:
    explicit LmHeadCrossEntropy(StoredView<B> weight) : weight_(weight) {
        check(!weight.empty(), "LmHeadCrossEntropy: weight is (", weight.rows, ", ", weight.cols,
              "), expected (vocabulary, width)");
    }

    /// loss_sum (1, 1) += the loss of h (T, d), slabs of be.slab_rows() tokens one after another.
    void loss(B& be, ConstView<B> h, ViewOf<B, const std::int32_t> labels, ViewOf<B, double> loss_sum) const {
        check_shapes(h.shape(), labels.shape());
        check_sum(loss_sum.shape());
        ops::lm_head_loss(be, h, weight_, labels, loss_sum);
    }

    /// loss, and dh (T, d) = scale * d(sum)/dh; dweight (V, d) += scale * d(sum)/dweight, slab by slab (an empty view:
    /// not wanted). dh may be h. One over the number of counted tokens is the scale that makes it the mean's gradient.
    void loss_and_gradient(B& be, ConstView<B> h, ViewOf<B, const std::int32_t> labels, double scale,
                           ViewOf<B, double> loss_sum, View<B> dh, ParamView<B> dweight) const {
        check_shapes(h.shape(), labels.shape());
        check_sum(loss_sum.shape());
        check(dh.shape() == h.shape(), "LmHeadCrossEntropy: dh is (", dh.rows, ", ", dh.cols, "), expected (", h.rows,
              ", ", h.cols, ")");
        check(dweight.empty() || dweight.shape() == weight_.shape(), "LmHeadCrossEntropy: dweight is (", dweight.rows,
              ", ", dweight.cols, "), expected (", weight_.rows, ", ", weight_.cols, ") or empty");
        ops::lm_head_cross_entropy(be, h, weight_, labels, scale, loss_sum, dh, dweight);
    }

    /// per_token (1, T) = each token's loss, 0 where ignored.
    void token_losses(B& be, ConstView<B> h, ViewOf<B, const std::int32_t> labels, AccumView<B> per_token) const {
        check_shapes(h.shape(), labels.shape());
        check(per_token.shape() == Shape{1, h.rows}, "LmHeadCrossEntropy: per_token is (", per_token.rows, ", ",
              per_token.cols, "), expected (1, ", h.rows, ")");
        ops::lm_head_token_losses(be, h, weight_, labels, per_token);
    }

private:
    void check_shapes(Shape h, Shape labels) const {
        check(h.cols == weight_.cols, "LmHeadCrossEntropy: h has ", h.cols, " columns, expected the weight's ",
              weight_.cols);
        check(labels == Shape{1, h.rows}, "LmHeadCrossEntropy: labels is (", labels.rows, ", ", labels.cols,
              "), expected (1, ", h.rows, ")");
    }

    static void check_sum(Shape shape) {
        check(shape == Shape{1, 1}, "LmHeadCrossEntropy: loss_sum is (", shape.rows, ", ", shape.cols,
              "), expected (1, 1)");
    }

    StoredView<B> weight_;
};

}  // namespace hydralora
