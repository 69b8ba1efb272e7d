// Attention of floats for few queries against many keys, as in decoding: the work is reading keys and values, each once for
// the whole group of query heads, where they lie. The running softmax is that of attention.hpp.
#pragma once

#include "attention.hpp"

namespace hydralora::panel_attention {

/// Whether packing the keys would cost more than it saves.
[[nodiscard]] inline bool few(const AttentionShape& shape) {
    return shape.queries == 1 || shape.queries * (shape.heads / shape.kv_heads) < 8;
}

/// One query of a head, and what it has so far.
struct FewRow {
    static constexpr Index block = 256;  // keys whose scores are held at a time

    const float* q;
    Index first, last;  // keys [first, last) are seen
    float* out;         // (D)
    float top = -infinity, sum = 0;

    /// Keys [begin, begin + k.rows), at most a block of them.
    [[gnu::always_inline]] void attend(MatrixView<const float> k, MatrixView<const float> v, Index begin, float scale) {
        alignas(64) float weights[block];
        const Index from = std::clamp(first - begin, Index{0}, k.rows), n = std::min(last - begin, k.rows) - from;
        if (n <= 0) return;
        const Index whole = parts_of(n, functor::row_run) * functor::row_run, D = k.cols;
        for (Index j = 0; j < n; ++j)
            weights[j] = scale * functor::row_sum<float>(Solo{}, D, functor::Product{}, q, k.row(from + j));
        for (Index j = n; j < whole; ++j) weights[j] = -infinity;
        const float highest = std::max(top, functor::row_max<float>(Solo{}, n, weights));
        if (highest != top && sum != 0) {
            const float factor = functor::power_of_two(top - highest);
            sum *= factor;
            functor::row_map<float>(Solo{}, D, functor::MultiplyBy<float>{factor}, out);
        }
        top = highest;
        sum += weigh(weights, whole, top);
        Index j = 0;
        for (; j + 4 <= n; j += 4) {
            const float *w = weights + j, w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
            const auto add = [=](float a, float b, float c, float d, float& to) {
                to += (w0 * a + w1 * b) + (w2 * c + w3 * d);
            };
            functor::row_map<float>(Solo{}, D, add, v.row(from + j), v.row(from + j + 1), v.row(from + j + 2),
                                    v.row(from + j + 3), out);
        }
        for (; j < n; ++j) {
            const auto add = [weight = weights[j]](float value, float& to) { to += weight * value; };
            functor::row_map<float>(Solo{}, D, add, v.row(from + j), out);
        }
    }
};

/// ops::attention of floats. A task is a head of keys, or, where these are too few for the threads, some of its queries.
template <class B>
void forward_few(B& be, const AttentionShape& shape, MatrixView<const float> q, MatrixView<const float> k,
                 MatrixView<const float> v, MatrixView<float> o, MatrixView<float> log_sum_exp) {
    const Index D = shape.head_dim, L = shape.queries, K = shape.keys, group = shape.heads / shape.kv_heads;
    const Index heads = shape.sequences * shape.kv_heads, rows = group * L;
    if (heads == 0 || L == 0) return;
    const Index parts = std::clamp(parts_of(be.threads(), heads), Index{1}, rows), most = parts_of(rows, parts);
    const float scale = static_cast<float>(shape.scale()) * log2_of_e;
    Scratch<B> scratch(be);
    const auto states = scratch.template matrix<FewRow>(be.threads(), most);
    be.tasks(heads * parts, [&](Index task, int worker) {
        const Index s = task / parts / shape.kv_heads, kv = task / parts % shape.kv_heads;
        const Index begin = task % parts * most, end = std::min(rows, begin + most);
        const auto of = [&](auto x) { return x.row_slice(s * shape.kv_stride(), K).col_slice(kv * D, D); };
        const auto keys = of(k), values = of(v);
        const auto row = [first = states.row(worker), begin](Index r) -> FewRow& { return first[r - begin]; };
        const auto token = [&](Index r) { return s * L + r % L; };
        const auto head = [&](Index r) { return kv * group + r / L; };
        for (Index r = begin; r < end; ++r) {
            const Index t = token(r), in_window = shape.first_key(r % L);
            const Index first =
                shape.starts == nullptr ? in_window : std::max(in_window, static_cast<Index>(shape.starts[t]));
            row(r) = {q.row(t) + head(r) * D, first, K - L + r % L + 1, o.row(t) + head(r) * D};
            std::fill_n(row(r).out, D, 0.0f);
        }
        for (Index key = shape.first_key(0) / FewRow::block * FewRow::block; key < K; key += FewRow::block) {
            const Index n = std::min(FewRow::block, K - key);
            in_vectors([&] {
                for (Index r = begin; r < end; ++r)
                    row(r).attend(keys.row_slice(key, n), values.row_slice(key, n), key, scale);
            });
        }
        for (Index r = begin; r < end; ++r) {
            for (Index d = 0; d < D; ++d) row(r).out[d] /= row(r).sum;
            log_sum_exp(token(r), head(r)) = (row(r).top + std::log2(row(r).sum)) / log2_of_e;
        }
    });
}

}  // namespace hydralora::panel_attention
