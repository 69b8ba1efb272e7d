// Causal attention with grouped key/value heads (Ainslie et al., "GQA", arXiv 2305.13245), training and decoding alike.
// S sequences, L queries and K keys each, D head_dim.
#pragma once

#include <cmath>
#include <cstdint>

#include "../backend/compose/attention.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// heads: of the queries; kv_heads: of keys and values, a divisor of heads; head_dim: elements of each.
struct AttentionConfig {
    Index heads = 0;
    Index kv_heads = 0;  ///< divides heads; query head h uses key/value head h / (heads / kv_heads)
    Index head_dim = 0;
    Index window = 0;  ///< a query at position i sees keys j with i - window < j <= i; 0: all up to i
    double scale = 0;  ///< factor of q k^T; 0: 1 / sqrt(head_dim)
};

/// o = softmax(scale q k^T) v. Query i of a sequence stands at position K - L + i and sees keys 0 .. that, or the last
/// ones of these in its window, so decoding against a cache of keys is the same call. With a window the work is that of
/// the keys seen. The bits of a sequence do not depend on the others in the call.
template <Backend B>
class Attention {
public:
    /// What backward needs besides q, k, v and o.
    struct Cache {
        AccumBuffer<B> log_sum_exp;  // (S*L, heads)
    };

    explicit Attention(const AttentionConfig& config) : config_(config) {
        check(config.heads >= 1 && config.kv_heads >= 1 && config.heads % config.kv_heads == 0,
              "Attention: heads = ", config.heads, ", kv_heads = ", config.kv_heads,
              ", expected heads to be a multiple of kv_heads");
        check(config.head_dim >= 1, "Attention: head_dim = ", config.head_dim, ", expected at least 1");
        check(config.window >= 0, "Attention: window = ", config.window, ", expected 0 (none) or more");
        check(config.scale >= 0 && std::isfinite(config.scale), "Attention: scale = ", config.scale,
              ", expected 0 (1 / sqrt(head_dim)) or more");
    }

    /// o (S*L, heads*D) from q (S*L, heads*D), k and v (S*K, kv_heads*D). kv_stride_rows: rows from one sequence's keys
    /// to the next one's in the memory of k and v, for a cache with room to spare; 0: K. k.rows stays S*K then.
    /// starts (1, S*L), where sequences hold several documents: the first key that each query sees; see TokenBatch.
    void forward(B& be, Index sequences, ConstView<B> q, ConstView<B> k, ConstView<B> v, View<B> o, Cache& cache,
                 Index kv_stride_rows = 0, ViewOf<B, const std::int32_t> starts = {}) const {
        AttentionShape shape = shape_of(sequences, q.shape(), k.shape(), starts);
        check(kv_stride_rows == 0 || kv_stride_rows >= shape.keys, "Attention: kv_stride_rows = ", kv_stride_rows,
              ", expected 0 or at least the ", shape.keys, " keys of a sequence");
        shape.kv_stride_rows = kv_stride_rows;
        same_shape("v", v.shape(), "k", k.shape());
        same_shape("o", o.shape(), "q", q.shape());
        cache.log_sum_exp.resize(be, q.rows, config_.heads);
        ops::attention(be, shape, q, k, v, o, cache.log_sum_exp.view());
    }

    /// dq (S*L, heads*D), dk and dv (S*K, kv_heads*D), overwritten, from do_ (S*L, heads*D) and what forward took and
    /// gave.
    void backward(B& be, Index sequences, ConstView<B> q, ConstView<B> k, ConstView<B> v, ConstView<B> o,
                  ConstView<B> do_, const Cache& cache, View<B> dq, View<B> dk, View<B> dv,
                  ViewOf<B, const std::int32_t> starts = {}) const {
        const AttentionShape shape = shape_of(sequences, q.shape(), k.shape(), starts);
        same_shape("v", v.shape(), "k", k.shape());
        same_shape("o", o.shape(), "q", q.shape());
        same_shape("do", do_.shape(), "q", q.shape());
        same_shape("dq", dq.shape(), "q", q.shape());
        same_shape("dk", dk.shape(), "k", k.shape());
        same_shape("dv", dv.shape(), "k", k.shape());
        check(cache.log_sum_exp.shape() == Shape{q.rows, config_.heads}, "Attention: the cache is of ",
              cache.log_sum_exp.rows(), " tokens, q has ", q.rows, ": pass the cache that forward filled");
        ops::attention_backward(be, shape, q, k, v, o, do_, cache.log_sum_exp.view(), dq, dk, dv);
    }

    [[nodiscard]] const AttentionConfig& config() const { return config_; }

private:
    [[nodiscard]] AttentionShape shape_of(Index sequences, Shape q, Shape k,
                                          ViewOf<B, const std::int32_t> starts) const {
        const Index width = config_.heads * config_.head_dim, kv_width = config_.kv_heads * config_.head_dim;
        check(q.cols == width, "Attention: q has ", q.cols, " columns, expected heads * head_dim = ", width);
        check(k.cols == kv_width, "Attention: k has ", k.cols, " columns, expected kv_heads * head_dim = ", kv_width);
        check(sequences >= 1 && q.rows % sequences == 0 && k.rows % sequences == 0, "Attention: ", sequences,
              " sequences of ", q.rows, " queries and ", k.rows, " keys, expected a whole number of each a sequence");
        check(q.rows <= k.rows, "Attention: ", q.rows, " queries and ", k.rows,
              " keys, expected at least as many keys");
        check(starts.empty() || (starts.shape() == Shape{1, q.rows} && q.rows == k.rows), "Attention: starts is (",
              starts.rows, ", ", starts.cols, ") for ", q.rows, " queries and ", k.rows,
              " keys, expected one for each query, and no keys before them; or empty");
        return {sequences,
                q.rows / sequences,
                k.rows / sequences,
                config_.heads,
                config_.kv_heads,
                config_.head_dim,
                0,
                starts.empty() ? nullptr : starts.data,
                config_.window,
                config_.scale};
    }

    static void same_shape(const char* name, Shape shape, const char* other, Shape expected) {
        check(shape == expected, "Attention: ", name, " is (", shape.rows, ", ", shape.cols,
              "), expected the shape of ", other, ", (", expected.rows, ", ", expected.cols, ")");
    }

    AttentionConfig config_;
};

}  // namespace hydralora
