// The way back of attention of floats on the micro-kernels (Dao, "FlashAttention-2", arXiv 2307.08691, algorithm 2). All of
// a query head stands in panels, and blocks of keys go over it, each over the blocks of queries that see it. Everything is
// made with a row for each key, S^T = K Q^T and dP^T = V dO^T, so that of the five products none needs its factors turned:
//
//   dV += P^T dO      dK += dS^T Q      dQ^T += K^T dS^T
//
// Sums are made block by block in one order, over the heads of a group in theirs, whatever thread makes them.
#pragma once

#include "attention.hpp"

namespace hydralora::panel_attention {

/// Shape of one head's way back, and where its parts lie in a thread's memory.
struct BackwardSpace {
    static constexpr Index most_keys = 48, most_queries = 256;  // of a block
    static constexpr Index left_rows = most_keys + panel::most_rows;

    Index queries, head_dim;
    Index width = panel::kernel<float>().cols;
    Index columns = parts_of(queries, width) * width;  // queries, filled up
    Index dims = parts_of(head_dim, width) * width;    // head_dim, filled up
    float *q_turned, *do_turned, *dq_turned;           // [panel of queries][D][W]
    float *q, *d_o;                                    // [panel of D][query][W]
    float *log_sum_exp, *delta;                        // (queries)
    float *keys, *values, *p, *ds;                     // left sides: (key, D), (key, query)
    float* keys_turned;                                // left side (D, key)
    float* ds_panels;                                  // [panel of queries][key][W]
    float *dk, *dv;                                    // (key, dims)

    BackwardSpace(Index L, Index D, float* memory) : queries(L), head_dim(D) {
        const auto take = [&](Index size) {
            const Index begin = std::exchange(taken_, taken_ + parts_of(size, 16) * 16);
            return memory == nullptr ? nullptr : memory + begin;
        };
        for (float** part : {&q_turned, &do_turned, &dq_turned}) *part = take(columns * head_dim);
        for (float** part : {&q, &d_o}) *part = take(columns * dims);
        for (float** part : {&log_sum_exp, &delta}) *part = take(columns);
        for (float** part : {&keys, &values, &p, &ds}) *part = take(left_rows * panel::left_ld);
        keys_turned = take((head_dim + panel::most_rows) * panel::left_ld);
        ds_panels = take(most_keys * most_queries);
        for (float** part : {&dk, &dv}) *part = take(most_keys * dims);
    }
    [[nodiscard]] static Index size(Index L, Index D) { return BackwardSpace(L, D, nullptr).taken_; }

private:
    Index taken_ = 0;
};

/// A query head: all but dq and the gradients of its keys and values are read.
struct QueryHead {
    MatrixView<const float> q, o, d_o, log_sum_exp;  // (L, D), and (L, 1)
    MatrixView<const float> k, v;                    // (K, D)
    MatrixView<float> dq, dk, dv;
    Grad mode;                   // of dk and dv
    const std::int32_t* starts;  // (L) or null
    Index reach;                 // keys a query sees at most

    /// Keys before the one that query 0 stands at.
    [[nodiscard]] Index before() const { return k.rows - q.rows; }
};

/// Panels of a query head, and delta = rowsum(dO * O). What fills up has a probability of 0.
inline void prepare(const QueryHead& head, const BackwardSpace& space) {
    const Index L = space.queries, filling = space.columns - L;
    put_turned_panels(head.q, space.width, space.q_turned);
    put_turned_panels(head.d_o, space.width, space.do_turned);
    std::fill_n(space.dq_turned, space.columns * space.head_dim, 0.0f);
    for (const auto& [from, to] : {std::pair{head.q, space.q}, std::pair{head.d_o, space.d_o}})
        put_panels(from, space.width, to, space.columns);
    in_vectors([&] {
        for (Index i = 0; i < L; ++i) {
            space.log_sum_exp[i] = head.log_sum_exp(i, 0) * log2_of_e;
            space.delta[i] =
                functor::row_sum<float>(Solo{}, space.head_dim, functor::Product{}, head.d_o.row(i), head.o.row(i));
        }
    });
    std::fill_n(space.log_sum_exp + L, filling, infinity);
    std::fill_n(space.delta + L, filling, 0.0f);
}

/// A block of keys and a block of queries.
struct Blocks {
    Index first_key, keys, first_query, queries;  // queries: in whole panels
};

/// Scores and dP of some rows become P and dS, dS in panels besides; both 0 where a query does not see the key.
[[gnu::always_inline]] inline void weigh_back(const QueryHead& head, const Blocks& at, const Rows& rows,
                                              const BackwardSpace& space) {
    const Index W = space.width;
    const float* const log_sum_exp = space.log_sum_exp + at.first_query;
    const float* const delta = space.delta + at.first_query;
    const auto gradients = [](float sum, float mean, float& score, float& back, float& copy) {
        score = functor::power_of_two(score - sum);
        back = score * (back - mean);
        copy = back;
    };
    for (Index row = rows.row; row < rows.row + rows.rows; ++row) {
        float* const p = space.p + row * panel::left_ld;
        float* const ds = space.ds + row * panel::left_ld;
        const Index key = at.first_key + row;
        const Index own = key - head.before() - at.first_query;  // the query that stands there
        const Index seen = std::clamp(own, rows.begin, rows.end), last = std::clamp(own + head.reach, seen, rows.end);
        std::fill(p + rows.begin, p + seen, -infinity);
        std::fill(p + last, p + rows.end, -infinity);
        if (head.starts != nullptr)
            for (Index i = seen; i < std::min(last, space.queries - at.first_query); ++i)
                if (head.starts[at.first_query + i] > key) p[i] = -infinity;
        for (Index i = rows.begin; i < rows.end; i += W)
            functor::row_map<float>(Solo{}, W, gradients, log_sum_exp + i, delta + i, p + i, ds + i,
                                    functor::Out{space.ds_panels + (i / W * at.keys + row) * W});
    }
}

/// What a block of queries gives to a block of keys, and takes from it.
inline void go_back(const QueryHead& head, const Blocks& at, const BackwardSpace& space) {
    const auto& kernel = panel::kernel<float>();
    const Index W = space.width, D = space.head_dim, ld = panel::left_ld;
    static constexpr float zeros[panel::most_cols] = {};
    const RowsOfBlock<BackwardSpace::most_keys> block(kernel, at.keys, [&](Index row, Index count) {
        const Index own = at.first_key + row - head.before() - at.first_query;
        return Range{std::max(own, Index{0}), std::min(own + count - 1 + head.reach, at.queries)};
    });
    for (Index col = 0; col < at.queries; col += W)
        for (const Rows& rows : block)
            if (rows.begin <= col && col < rows.end) {
                const Index place = (at.first_query + col) * D, to = rows.row * ld + col;
                rows.multiply(D, space.keys + rows.row * ld, space.q_turned + place, zeros, 0, space.p + to, ld);
                rows.multiply(D, space.values + rows.row * ld, space.do_turned + place, zeros, 0, space.ds + to, ld);
            }
    in_vectors([&] {
        for (const Rows& rows : block) weigh_back(head, at, rows, space);
    });
    for (Index dim = 0; dim < space.dims; dim += W)
        for (const Rows& rows : block) {
            const Index left = rows.row * ld + rows.begin, depth = rows.end - rows.begin;
            const Index right = dim * space.columns + (at.first_query + rows.begin) * W;
            float* const dv = space.dv + rows.row * space.dims + dim;
            float* const dk = space.dk + rows.row * space.dims + dim;
            rows.multiply(depth, space.p + left, space.d_o + right, dv, space.dims, dv, space.dims);
            rows.multiply(depth, space.ds + left, space.q + right, dk, space.dims, dk, space.dims);
        }
    for (Index col = 0; col < at.queries; col += W) {
        const Index seen = head.before() + at.first_query + col + W - at.first_key;  // by the last of the panel
        const Index from = std::max(seen - W + 1 - head.reach, Index{0});            // by the first
        const Index depth = std::min(seen, at.keys) - from;
        if (depth <= 0) continue;
        float* const dq = space.dq_turned + (at.first_query + col) * D;
        for (Index d = 0; d < D;) {
            const auto& step = kernel.step_for(D - d);
            const Index taken = std::min(step.rows, D - d);
            step.multiply({taken, depth, space.keys_turned + d * ld + from, ld,
                           space.ds_panels + col * at.keys + from * W, W, dq + d * W, W, dq + d * W, W});
            d += taken;
        }
    }
}

/// dq, dk and dv of one query head.
inline void back(const QueryHead& head, float scale, const BackwardSpace& space) {
    const Index W = space.width, L = space.queries, D = space.head_dim, ld = panel::left_ld;
    prepare(head, space);
    for (Index key = 0; key < head.k.rows; key += space.most_keys) {
        const Index keys = std::min(space.most_keys, head.k.rows - key);
        put_scaled(head.k.row_slice(key, keys), scale * log2_of_e, space.keys, ld);
        put_scaled(head.v.row_slice(key, keys), 1, space.values, ld);
        turn(head.k.row_slice(key, keys), space.keys_turned, ld);
        std::fill_n(space.dk, keys * space.dims, 0.0f);
        std::fill_n(space.dv, keys * space.dims, 0.0f);
        for (Index first = 0; first < L; first += space.most_queries) {
            const Index queries = std::min(space.most_queries, L - first);
            if (key > head.before() + first + queries - 1) continue;          // after all of them
            if (key + keys + head.reach <= head.before() + first + 1) break;  // before the windows of all, and so on
            if (head.starts != nullptr &&
                *std::min_element(head.starts + first, head.starts + first + queries) >= key + keys)
                continue;  // before the documents of all of them
            go_back(head, {key, keys, first, parts_of(queries, W) * W}, space);
        }
        put_scaled({space.dk, 1, keys * space.dims}, scale, space.dk, 0);
        const auto give = [&](const float* sums, MatrixView<float> to) {
            in_vectors([&] {
                for (Index j = 0; j < keys; ++j) {
                    const float* const row = sums + j * space.dims;
                    if (head.mode == Grad::accumulate)
                        functor::row_map<float>(Solo{}, D, functor::AddTo{}, row, to.row(key + j));
                    else
                        functor::row_map<float>(Solo{}, D, functor::Set{}, row, functor::Out{to.row(key + j)});
                }
            });
        };
        give(space.dk, head.dk);
        give(space.dv, head.dv);
    }
    for (Index col = 0; col < L; col += W) {
        float* const dq = space.dq_turned + col * D;
        put_scaled({dq, 1, D * W}, scale, dq, 0);
        turn({dq, D, std::min(W, L - col), W}, head.dq.row(col), head.dq.ld);
    }
}

/// ops::attention_backward of floats, D <= panel::most_depth. A task is a head of keys with its group of query heads, or,
/// where these are too few for the threads, a query head; the sums over a group are the same.
template <class B>
void backward(B& be, const AttentionShape& shape, MatrixView<const float> q, MatrixView<const float> k,
              MatrixView<const float> v, MatrixView<const float> o, MatrixView<const float> d_o,
              MatrixView<const float> log_sum_exp, MatrixView<float> dq, MatrixView<float> dk, MatrixView<float> dv) {
    const Index D = shape.head_dim, L = shape.queries, K = shape.keys, group = shape.heads / shape.kv_heads;
    const Index heads = shape.sequences * shape.kv_heads;
    const bool apart = heads < be.threads() && group > 1;
    Scratch<B> scratch(be);
    const auto spaces = scratch.template matrix<float>(be.threads(), BackwardSpace::size(L, D));
    const auto parts = scratch.template matrix<float>(apart ? heads * (group - 1) * 2 : 0, K * D);  // dk, dv
    const auto part_of = [&](Index head, Index member, Index which) {
        return MatrixView<float>(parts.row((head * (group - 1) + member - 1) * 2 + which), K, D);
    };
    const auto run = [&](Index head, Index member, int worker) {
        const Index s = head / shape.kv_heads, kv = head % shape.kv_heads, h = kv * group + member;
        const auto queries = [&](auto x) { return x.row_slice(s * L, L).col_slice(h * D, D); };
        const auto keys = [&](auto x) { return x.row_slice(s * K, K).col_slice(kv * D, D); };
        const bool aside = apart && member > 0;
        back({queries(q), queries(o), queries(d_o), log_sum_exp.row_slice(s * L, L).col_slice(h, 1), keys(k), keys(v),
              queries(dq), aside ? part_of(head, member, 0) : keys(dk), aside ? part_of(head, member, 1) : keys(dv),
              member > 0 && !aside ? Grad::accumulate : Grad::overwrite,
              shape.starts == nullptr ? nullptr : shape.starts + s * L, shape.reach()},
             static_cast<float>(shape.scale()), BackwardSpace(L, D, spaces.row(worker)));
    };
    if (!apart) {
        be.tasks(heads, [&](Index head, int worker) {
            for (Index member = 0; member < group; ++member) run(head, member, worker);
        });
        return;
    }
    be.tasks(heads * group, [&](Index task, int worker) { run(task / group, task % group, worker); });
    be.rows(heads * K, [&](const Solo& solo, Index row) {
        const Index head = row / K, token = head / shape.kv_heads * K + row % K, col = head % shape.kv_heads * D;
        for (Index member = 1; member < group; ++member) {
            const float *const of_k = part_of(head, member, 0).row(row % K), *const of_v =
                                                                                 part_of(head, member, 1).row(row % K);
            functor::row_map<float>(solo, D, functor::AddTo{}, of_k, dk.row(token) + col);
            functor::row_map<float>(solo, D, functor::AddTo{}, of_v, dv.row(token) + col);
        }
    });
}

}  // namespace hydralora::panel_attention
