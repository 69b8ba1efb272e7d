// Causal attention with grouped key/value heads, blocked over queries: forward keeps the log-sum-exp of each row of
// scores alone, backward makes the probabilities again from it (Dao, "FlashAttention-2", arXiv 2307.08691, algorithms 1
// and 2). S sequences, L queries and K keys each, D head_dim, G = heads / kv_heads query heads that share a key/value
// head.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../concept.hpp"
#include "exponential.hpp"
#include "row_loops.hpp"

namespace hydralora {

/// Query i of a sequence stands at position keys - queries + i and sees keys 0 .. that. Row j of sequence s lies at row
/// s * kv_stride_rows + j of k and v (0: keys), so keys can be the filled part of a longer cache. Where a sequence holds
/// several documents, query t sees keys from starts[t] on, the first of its document. With a window, a query sees the last
/// `window` of its keys alone, its own among them.
struct AttentionShape {
    Index sequences = 1, queries = 0, keys = 0, heads = 1, kv_heads = 1, head_dim = 0;
    Index kv_stride_rows = 0;
    const std::int32_t* starts = nullptr;  // (sequences * queries), in the backend's memory
    Index window = 0;                      // 0: all keys
    double score_scale = 0;                // factor of q k^T, 0: 1 / sqrt(head_dim)

    [[nodiscard]] Index kv_stride() const { return kv_stride_rows > 0 ? kv_stride_rows : keys; }
    [[nodiscard]] double scale() const {
        return score_scale > 0 ? score_scale : 1.0 / std::sqrt(static_cast<double>(head_dim));
    }
    /// Whether there is a query that does not see a key for the window.
    [[nodiscard]] bool slides() const { return window > 0 && window < keys; }
    /// Keys that a query sees at most.
    [[nodiscard]] Index reach() const { return slides() ? window : keys; }
    /// The first key in the window of query i.
    [[nodiscard]] Index first_key(Index i) const { return std::max<Index>(keys - queries + i + 1 - reach(), 0); }
};

/// How attention is cut: queries a block, and scores held at a time unless one sequence needs more. These are for a CPU's
/// caches; a backend with other wishes has a member `attention_cut()`. The first changes how sums over keys are rounded in
/// backward, the second nothing.
struct AttentionCut {
    Index queries = 64, scores = Index{1} << 19;
};

namespace attention_detail {

/// One query head of each group, a block of queries, some sequences: matrix b = (sequence, kv head) has `rows` rows of
/// scores, of the keys from `first_key` on.
struct Block {
    Index rows, cols;     // of a matrix of scores: queries of the block, keys that any of them sees
    Index first_key;      // of the block's first query
    Index reach;          // keys a query sees at most
    Index first_visible;  // behind the last key that the block's first query sees
    Index first_token;    // row of q of the block's first query in the first sequence
    Index queries, kv_heads, group, member;
    const std::int32_t* starts;

    struct Place {
        Index token, head, first, visible;  // columns [first, visible) are seen
    };
    HYDRALORA_HD Place place(Index row) const {
        const Index b = row / rows, i = row - b * rows;
        const Index sequence = b / kv_heads, kv_head = b - sequence * kv_heads;
        const Index token = first_token + sequence * queries + i;
        const Index visible = first_visible + i, in_window = visible > reach ? visible - reach : 0;
        const Index start = starts == nullptr ? 0 : static_cast<Index>(starts[token]);
        const Index first = start > in_window ? start : in_window;
        return {token, kv_head * group + member, first - first_key, visible - first_key};
    }
};

}  // namespace attention_detail

namespace functor {

/// A row of scores becomes probabilities, 0 where the query does not see the key; keeps log(sum(exp(scores))).
template <class T, class A>
struct CausalSoftmax {
    T* scores;  // (S * kv_heads * rows, cols)
    A* log_sum_exp;
    Index ld_log_sum_exp;
    attention_detail::Block block;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index row) const {
        const auto [token, head, first, visible] = block.place(row);
        const Index n = visible - first;
        T* all = scores + row * block.cols;
        T* s = all + first;
        const A top = row_max<A>(group, n, s);
        const auto weigh = [top](A& score) { score = exponential(score - top); };
        row_map<A>(group, n, weigh, s);
        const A sum = row_sum<A>(group, n, Itself{}, static_cast<const T*>(s));
        row_map<A>(group, n, MultiplyBy<A>{A{1} / sum}, s);
        row_fill(group, Index{0}, first, all, T{});
        row_fill(group, visible, block.cols, all, T{});
        if (group.rank() == 0) log_sum_exp[token * ld_log_sum_exp + head] = top + std::log(sum);
    }
};

/// Rows of scores and of dP become P = exp(score - log_sum_exp) and dS = P (dP - delta), both 0 where nothing is seen.
template <class T, class A>
struct CausalSoftmaxBackward {
    T* scores;
    T* dp;
    const A* log_sum_exp;
    const A* delta;  // (tokens, heads): sum over the head of do o
    Index ld_log_sum_exp, ld_delta;
    attention_detail::Block block;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index row) const {
        const auto [token, head, first, visible] = block.place(row);
        T* all_p = scores + row * block.cols;
        T* all_d = dp + row * block.cols;
        T* p = all_p + first;
        T* d = all_d + first;
        const A top = log_sum_exp[token * ld_log_sum_exp + head], mean = delta[token * ld_delta + head];
        const auto gradients = [top, mean](A& score, A& back) {
            score = exponential(score - top);
            back = score * (back - mean);
        };
        row_map<A>(group, visible - first, gradients, p, d);
        row_fill(group, Index{0}, first, all_p, T{});
        row_fill(group, visible, block.cols, all_p, T{});
        row_fill(group, Index{0}, first, all_d, T{});
        row_fill(group, visible, block.cols, all_d, T{});
    }
};

/// delta (T, heads) = sum over each head of a token of x y
template <class T, class A>
struct HeadDots {
    const T* x;
    const T* y;
    A* delta;
    Index heads, head_dim, ldx, ldy, ld_delta;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        for (Index h = 0; h < heads; ++h) {
            const T* a = x + t * ldx + h * head_dim;
            const T* b = y + t * ldy + h * head_dim;
            const A dot = row_sum<A>(group, head_dim, Product{}, a, b);
            if (group.rank() == 0) delta[t * ld_delta + h] = dot;
        }
    }
};

}  // namespace functor

namespace attention_detail {

template <class B>
[[nodiscard]] AttentionCut cut_of(const B& be) {
    if constexpr (requires { be.attention_cut(); })
        return be.attention_cut();
    else
        return {};
}

/// Cuts the work: visit(s, n, q0, block) for n sequences from s and the block of queries from q0, last block first. The
/// cut of a sequence does not depend on the others.
template <class Visit>
void for_each_block(const AttentionCut& cut, const AttentionShape& shape, Visit&& visit) {
    const Index most_rows = std::min(cut.queries, shape.queries);
    const Index widest = shape.kv_heads * most_rows * std::min(shape.keys, shape.reach() + most_rows - 1);
    const Index together =
        std::clamp(cut.scores / std::max<Index>(widest, 1), Index{1}, std::max<Index>(shape.sequences, 1));
    const Index blocks = (shape.queries + cut.queries - 1) / cut.queries;
    for (Index s = 0; s < shape.sequences; s += together) {
        for (Index b = blocks - 1; b >= 0; --b) {
            const Index q0 = b * cut.queries, rows = std::min(cut.queries, shape.queries - q0);
            const Index before = shape.keys - shape.queries + q0, first = shape.first_key(q0);
            visit(s, std::min(together, shape.sequences - s), q0,
                  Block{rows, before + rows - first, first, shape.reach(), before + 1, s * shape.queries + q0,
                        shape.queries, shape.kv_heads, shape.heads / shape.kv_heads, 0, shape.starts});
        }
    }
}

/// The heads of x (tokens, heads * D) as a batch over (sequence, kv head): `rows` rows from `row`, head kv_head * group
/// + member.
template <class T, class Space>
Batched<T, Space> heads_of(MatrixView<T, Space> x, Index row, Index rows, Index stride_rows, Index head_dim,
                           Index group, Index member) {
    return {{x.data + row * x.ld + member * head_dim, rows, head_dim, x.ld}, stride_rows * x.ld, group * head_dim};
}

/// A contiguous (count * rows, cols) matrix as a batch over (sequence, kv head) of (rows, cols).
template <class T, class Space>
Batched<T, Space> scores_of(T* data, Block block) {
    return {{data, block.rows, block.cols}, block.kv_heads * block.rows * block.cols, block.rows * block.cols};
}

/// ops::attention by batched products and a softmax between them.
template <Backend B>
void compose(B& be, const AttentionShape& shape, ConstView<B> q, ConstView<B> k, ConstView<B> v, View<B> o,
             AccumView<B> log_sum_exp) {
    using T = Scalar<B>;
    using A = AccumScalar<B>;
    using space = typename B::space;
    const Index stride = shape.kv_stride(), D = shape.head_dim;
    for_each_block(cut_of(be), shape, [&](Index s, Index n, Index q0, Block block) {
        Scratch<B> scratch(be);
        const BatchCount batch{n, shape.kv_heads};
        const auto memory =
            scratch.template matrix<T>(n * shape.kv_heads * block.rows, block.cols);  // (n*kv_heads*rows, cols)
        const auto p = scores_of<T, space>(memory.data, block);
        const Index first = s * stride + block.first_key;
        const auto keys = heads_of(k, first, block.cols, stride, D, 1, 0);
        const auto values = heads_of(v, first, block.cols, stride, D, 1, 0);
        for (; block.member < block.group; ++block.member) {
            const Index row = s * shape.queries + q0;
            const auto queries = heads_of(q, row, block.rows, shape.queries, D, block.group, block.member);
            const auto out = heads_of(o, row, block.rows, shape.queries, D, block.group, block.member);
            be.gemm_batched(batch, Op::none, Op::transpose, static_cast<A>(shape.scale()), queries, keys, A{0}, p);
            be.rows(memory.rows, functor::CausalSoftmax<T, A>{memory.data, log_sum_exp.data, log_sum_exp.ld, block});
            be.gemm_batched(batch, Op::none, Op::none, A{1}, p, values, A{0}, out);
        }
    });
}

/// ops::attention_backward, likewise.
template <Backend B>
void compose_backward(B& be, const AttentionShape& shape, ConstView<B> q, ConstView<B> k, ConstView<B> v,
                      ConstView<B> o, ConstView<B> do_, ConstAccumView<B> log_sum_exp, View<B> dq, View<B> dk,
                      View<B> dv) {
    using T = Scalar<B>;
    using A = AccumScalar<B>;
    using space = typename B::space;
    const Index D = shape.head_dim, K = shape.keys;
    const A scale = static_cast<A>(shape.scale());
    Scratch<B> kept(be);
    const auto delta = kept.template matrix<A>(q.rows, shape.heads);  // (S*L, heads)
    be.rows(q.rows, functor::HeadDots<T, A>{do_.data, o.data, delta.data, shape.heads, D, do_.ld, o.ld, delta.ld});
    if (shape.slides()) {  // no block reaches every key
        be.fill(dk, T{});
        be.fill(dv, T{});
    }
    for_each_block(cut_of(be), shape, [&](Index s, Index n, Index q0, Block block) {
        Scratch<B> scratch(be);
        const BatchCount batch{n, shape.kv_heads};
        const auto memory =
            scratch.template matrix<T>(n * shape.kv_heads * block.rows, block.cols);  // (n*kv_heads*rows, cols)
        const auto gradient =
            scratch.template matrix<T>(n * shape.kv_heads * block.rows, block.cols);  // (n*kv_heads*rows, cols)
        const auto p = scores_of<T, space>(memory.data, block);
        const auto dp = scores_of<T, space>(gradient.data, block);
        const Index first = s * K + block.first_key;
        const auto keys = heads_of(k, first, block.cols, K, D, 1, 0),
                   values = heads_of(v, first, block.cols, K, D, 1, 0);
        const auto dkeys = heads_of(dk, first, block.cols, K, D, 1, 0),
                   dvalues = heads_of(dv, first, block.cols, K, D, 1, 0);
        const bool last_block = q0 + block.rows == shape.queries;  // the first one visited
        for (; block.member < block.group; ++block.member) {
            const Index row = s * shape.queries + q0;
            const auto queries = heads_of(q, row, block.rows, shape.queries, D, block.group, block.member);
            const auto dqueries = heads_of(dq, row, block.rows, shape.queries, D, block.group, block.member);
            const auto dout = heads_of(do_, row, block.rows, shape.queries, D, block.group, block.member);
            const A add = last_block && block.member == 0 ? A{0} : A{1};
            be.gemm_batched(batch, Op::none, Op::transpose, scale, queries, keys, A{0}, p);
            be.gemm_batched(batch, Op::none, Op::transpose, A{1}, dout, values, A{0}, dp);
            be.rows(memory.rows, functor::CausalSoftmaxBackward<T, A>{memory.data, gradient.data, log_sum_exp.data,
                                                                      delta.data, log_sum_exp.ld, delta.ld, block});
            be.gemm_batched(batch, Op::transpose, Op::none, A{1}, p, dout, add, dvalues);
            be.gemm_batched(batch, Op::transpose, Op::none, scale, dp, queries, add, dkeys);
            be.gemm_batched(batch, Op::none, Op::none, scale, dp, keys, A{0}, dqueries);
        }
    });
}

}  // namespace attention_detail

namespace ops {

/// o (S*L, heads*D) = softmax(scale q k^T) v, causal; q like o, k and v (S*K, kv_heads*D). log_sum_exp (S*L,
/// heads).
template <Backend B>
void attention(B& be, const AttentionShape& shape, ConstView<B> q, ConstView<B> k, ConstView<B> v, View<B> o,
               AccumView<B> log_sum_exp) {
    if constexpr (requires { be.attention(shape, q, k, v, o, log_sum_exp); }) {
        be.attention(shape, q, k, v, o, log_sum_exp);
    } else {
        attention_detail::compose(be, shape, q, k, v, o, log_sum_exp);
    }
}

/// dq (S*L, heads*D), dk, dv (S*K, kv_heads*D) from do_ (S*L, heads*D), what forward took and what it gave; overwrites.
/// Only for k and v without gaps (kv_stride_rows = 0 or keys).
template <Backend B>
void attention_backward(B& be, const AttentionShape& shape, ConstView<B> q, ConstView<B> k, ConstView<B> v,
                        ConstView<B> o, ConstView<B> do_, ConstAccumView<B> log_sum_exp, View<B> dq, View<B> dk,
                        View<B> dv) {
    if constexpr (requires { be.attention_backward(shape, q, k, v, o, do_, log_sum_exp, dq, dk, dv); }) {
        be.attention_backward(shape, q, k, v, o, do_, log_sum_exp, dq, dk, dv);
    } else {
        attention_detail::compose_backward(be, shape, q, k, v, o, do_, log_sum_exp, dq, dk, dv);
    }
}

}  // namespace ops

}  // namespace hydralora
