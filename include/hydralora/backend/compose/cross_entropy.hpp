// Cross-entropy behind the output projection, chunked over tokens: a chunk has whole rows of the vocabulary, so the
// loss, the gradient of the logits (in their place) and the gradients behind it come from one pass and nothing is made
// twice. T tokens, V vocabulary, d width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "exponential.hpp"
#include "row_loops.hpp"
#include "stored_product.hpp"

namespace hydralora {

/// A label that asks for nothing: no loss, gradient exactly zero. torch.nn.CrossEntropyLoss's default.
inline constexpr std::int32_t ignored_label = -100;

namespace functor {

/// losses[t] = log(sum(exp(logits))) - logits[label], 0 where ignored; with `gradient` the logits become
/// scale * (softmax(logits) - one_hot(label)), 0 where ignored.
template <class T, class A, class L>
struct SoftmaxCrossEntropy {
    static constexpr bool wide_rows = true;  // a GPU gives each a block of threads

    T* logits;  // (T, V)
    const std::int32_t* labels;
    L* losses;
    Index vocabulary, ld;
    A scale;
    bool gradient;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        T* row = logits + t * ld;
        const Index label = labels[t];
        if (label < 0) {
            if (gradient) row_fill(group, Index{0}, vocabulary, row, T{});
            if (group.rank() == 0) losses[t] = L{0};
            return;
        }
        const A target = static_cast<A>(row[label]);  // read by all before row_max lets any of them write
        const T* const values = row;
        const A top = row_max<A>(group, vocabulary, values);
        A sum;
        if (gradient) {
            const auto weigh = [top](A& logit) { logit = exponential(logit - top); };
            row_map<A>(group, vocabulary, weigh, row);
            sum = row_sum<A>(group, vocabulary, Itself{}, values);
            row_map<A>(group, vocabulary, MultiplyBy<A>{scale / sum}, row);
            if (row_owner(group, label) == group.rank())
                row[label] = static_cast<T>(static_cast<A>(row[label]) - scale);
        } else {
            const auto weight = [top](A logit) { return exponential(logit - top); };
            sum = row_sum<A>(group, vocabulary, weight, values);
        }
        if (group.rank() == 0)
            losses[t] = static_cast<L>(std::log(static_cast<double>(sum)) +
                                       (static_cast<double>(top) - static_cast<double>(target)));
    }
};

/// Term i of a sum is values[i].
template <class T>
struct Values {
    const T* values;
    HYDRALORA_HD T operator()(Index i) const { return values[i]; }
};

}  // namespace functor

namespace ops {

/// losses (1, T) = -log softmax(logits (T, V))[label], 0 for ignored_label; other labels (1, T) are in [0, V).
template <Backend B, class L>
void softmax_cross_entropy(B& be, View<B> logits, ViewOf<B, const std::int32_t> labels,
                           MatrixView<L, typename B::space> losses) {
    if constexpr (requires { be.softmax_cross_entropy(logits, labels, losses); }) {
        be.softmax_cross_entropy(logits, labels, losses);
    } else {
        be.rows(logits.rows,
                functor::SoftmaxCrossEntropy<Scalar<B>, AccumScalar<B>, L>{
                    logits.data, labels.data, losses.data, logits.cols, logits.ld, AccumScalar<B>{0}, false});
    }
}

/// The same, and the logits become scale times their gradient of the loss, exactly 0 for ignored_label.
template <Backend B, class L>
void softmax_cross_entropy_gradient(B& be, View<B> logits, ViewOf<B, const std::int32_t> labels, AccumScalar<B> scale,
                                    MatrixView<L, typename B::space> losses) {
    if constexpr (requires { be.softmax_cross_entropy_gradient(logits, labels, scale, losses); }) {
        be.softmax_cross_entropy_gradient(logits, labels, scale, losses);
    } else {
        be.rows(logits.rows, functor::SoftmaxCrossEntropy<Scalar<B>, AccumScalar<B>, L>{
                                 logits.data, labels.data, losses.data, logits.cols, logits.ld, scale, true});
    }
}

}  // namespace ops

namespace cross_entropy_detail {

inline constexpr Index most_logits = Index{1}
                                     << 20;  // held at a time; a backend with other wishes has a most_logits(),
inline constexpr Index least_tokens = 256;   // unless these need more: each chunk reads the whole weight

template <class B>
[[nodiscard]] Index most_logits_of(const B& be) {
    if constexpr (requires { be.most_logits(); })
        return be.most_logits();
    else
        return most_logits;
}

/// visit(first token, tokens, logits (tokens, V), labels (1, tokens)) chunk by chunk: whole slabs, cut from the first
/// token.
template <Backend B, class Visit>
void for_each_chunk(B& be, ConstView<B> h, const StoredView<B>& weight, ViewOf<B, const std::int32_t> labels,
                    Visit&& visit) {
    const Index slab = be.slab_rows();
    const Index wanted = std::max(least_tokens, most_logits_of(be) / std::max<Index>(1, weight.rows));
    const Index chunk = std::max<Index>(1, wanted / slab) * slab;
    Scratch<B> scratch(be);
    const auto memory = scratch.template matrix<Scalar<B>>(std::min(chunk, h.rows), weight.rows);  // (chunk, V)
    for (Index t = 0; t < h.rows; t += chunk) {
        const Index n = std::min(chunk, h.rows - t);
        const View<B> logits = memory.row_slice(0, n);  // (n, V)
        ops::stored_product(be, h.row_slice(t, n), Op::transpose, weight, AccumScalar<B>{0}, logits);
        visit(t, n, logits, labels.col_slice(t, n));
    }
}

}  // namespace cross_entropy_detail

namespace ops {

/// per_token (1, T) = -log softmax(h weight^T)[label], 0 where ignored. h (T, d), weight (V, d), labels (1, T).
template <Backend B>
void lm_head_token_losses(B& be, ConstView<B> h, const StoredView<B>& weight, ViewOf<B, const std::int32_t> labels,
                          AccumView<B> per_token) {
    if constexpr (requires { be.lm_head_token_losses(h, weight, labels, per_token); }) {
        be.lm_head_token_losses(h, weight, labels, per_token);
    } else {
        cross_entropy_detail::for_each_chunk(
            be, h, weight, labels, [&](Index t, Index n, View<B> logits, auto chunk_labels) {
                softmax_cross_entropy<B, AccumScalar<B>>(be, logits, chunk_labels, per_token.col_slice(t, n));
            });
    }
}

/// loss_sum (1, 1) += sum over tokens of -log softmax(h weight^T)[label]: slabs of be.slab_rows() tokens, one after
/// another.
template <Backend B>
void lm_head_loss(B& be, ConstView<B> h, const StoredView<B>& weight, ViewOf<B, const std::int32_t> labels,
                  ViewOf<B, double> loss_sum) {
    if constexpr (requires { be.lm_head_loss(h, weight, labels, loss_sum); }) {
        be.lm_head_loss(h, weight, labels, loss_sum);
    } else {
        Scratch<B> scratch(be);
        const auto losses = scratch.template matrix<double>(1, h.rows);  // (1, T)
        cross_entropy_detail::for_each_chunk(
            be, h, weight, labels, [&](Index t, Index n, View<B> logits, auto chunk_labels) {
                softmax_cross_entropy<B, double>(be, logits, chunk_labels, losses.col_slice(t, n));
            });
        be.reduce(h.rows, functor::Values<double>{losses.data}, loss_sum);
    }
}

/// lm_head_loss, and dh (T, d) = scale times the sum's gradient for h, and dweight (V, d) += that for the weight, slab
/// by slab (an empty view: not wanted). dh may be h.
template <Backend B>
void lm_head_cross_entropy(B& be, ConstView<B> h, const StoredView<B>& weight, ViewOf<B, const std::int32_t> labels,
                           double scale, ViewOf<B, double> loss_sum, View<B> dh, ParamView<B> dweight) {
    if constexpr (requires { be.lm_head_cross_entropy(h, weight, labels, scale, loss_sum, dh, dweight); }) {
        be.lm_head_cross_entropy(h, weight, labels, scale, loss_sum, dh, dweight);
    } else {
        using A = AccumScalar<B>;
        Scratch<B> scratch(be);
        const auto losses = scratch.template matrix<double>(1, h.rows);  // (1, T)
        cross_entropy_detail::for_each_chunk(
            be, h, weight, labels, [&](Index t, Index n, View<B> logits, auto chunk_labels) {
                softmax_cross_entropy_gradient<B, double>(be, logits, chunk_labels, static_cast<A>(scale),
                                                          losses.col_slice(t, n));
                if (!dweight.empty()) be.gemm(Op::transpose, Op::none, A{1}, logits, h.row_slice(t, n), A{1}, dweight);
                stored_product(be, ConstView<B>(logits), Op::none, weight, A{0}, dh.row_slice(t, n));
            });
        be.reduce(h.rows, functor::Values<double>{losses.data}, loss_sum);
    }
}

}  // namespace ops

}  // namespace hydralora
