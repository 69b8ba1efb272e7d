// Causal attention of floats on the micro-kernels of panel/ (Dao, "FlashAttention-2", arXiv 2307.08691, algorithm 1): keys
// and values of a head stand in panels, a block of queries goes over them block by block and keeps of each row the running
// maximum, sum and weighted values. The blocks of keys are the same for every query, and what a row does not see counts as
// exactly zero: a query's result depends on nothing but the query and its keys.
//
// L queries, K keys, D head_dim; W the panels' width.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../backend/compose/attention.hpp"
#include "../panel/kernel.hpp"
#include "../core/vector_loops.hpp"

namespace hydralora::panel_attention {

inline constexpr float infinity = HUGE_VALF, log2_of_e = 1.44269504088896341f;  // scores are in powers of two

[[nodiscard]] constexpr Index parts_of(Index n, Index size) { return (n + size - 1) / size; }

/// Asks for row i, which may lie on another page, where no processor looks by itself.
inline void prefetch_row(MatrixView<const float> from, Index i) {
    constexpr Index line = 16;
    if (i < from.rows)
        for (Index j = 0; j < from.cols; j += line) __builtin_prefetch(from.row(i) + j);
}
inline constexpr Index rows_ahead = 8;

/// to[j * ld + i] = from(i, j)
inline void turn(MatrixView<const float> from, float* to, Index ld) {
    Index rows = 0, cols = 0;  // what is done by squares of four
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
    typedef float Four __attribute__((vector_size(16)));
    typedef float Loose __attribute__((vector_size(16), aligned(4), may_alias));  // at any address
    rows = from.rows / 4 * 4;
    cols = from.cols / 4 * 4;
    const auto square = [&](Index i, Index j) {
        const auto row = [&](Index r) { return Four(*reinterpret_cast<const Loose*>(from.row(i + r) + j)); };
        const auto put = [&](Index r, Four v) { *reinterpret_cast<Loose*>(to + (j + r) * ld + i) = v; };
        const Four a = row(0), b = row(1), c = row(2), d = row(3);
        const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const Four ba = __builtin_shufflevector(a, b, 2, 6, 3, 7), dc = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        put(0, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
        put(1, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
        put(2, __builtin_shufflevector(ba, dc, 0, 1, 4, 5));
        put(3, __builtin_shufflevector(ba, dc, 2, 3, 6, 7));
    };
    // Rows that lie far apart push each other out of a cache: these in the outer loop.
    if (from.ld > ld)
        for (Index i = 0; i < rows; i += 4) {
            for (Index r = 0; r < 4; ++r) prefetch_row(from, i + r + rows_ahead);
            for (Index j = 0; j < cols; j += 4) square(i, j);
        }
    else
        for (Index j = 0; j < cols; j += 4)
            for (Index i = 0; i < rows; i += 4) square(i, j);
#endif
#endif
    for (Index i = 0; i < from.rows; ++i)
        for (Index j = i < rows ? cols : 0; j < from.cols; ++j) to[j * ld + i] = from(i, j);
}

/// The columns of a matrix in panels, [panel][row][W] of so many rows, filled up with zeros.
inline void put_panels(MatrixView<const float> from, Index width, float* to, Index rows) {
    in_vectors([&] {
        for (Index i = 0; i < rows; ++i) {
            prefetch_row(from, i + rows_ahead);
            for (Index col = 0; col < from.cols; col += width) {
                float* const out = to + (col / width * rows + i) * width;
                const Index count = i < from.rows ? std::min(width, from.cols - col) : 0;
                functor::row_map<float>(Solo{}, count, functor::Set{}, from.row(i) + col, functor::Out{out});
                for (Index j = count; j < width; ++j) out[j] = 0;
            }
        }
    });
}

/// Its rows in panels, [panel][column][W], likewise.
inline void put_turned_panels(MatrixView<const float> from, Index width, float* to) {
    for (Index row = 0; row < from.rows; row += width, to += from.cols * width) {
        const Index count = std::min(width, from.rows - row);
        if (count < width) std::fill_n(to, from.cols * width, 0.0f);
        turn(from.row_slice(row, count), to, width);
    }
}

/// factor times a matrix.
inline void put_scaled(MatrixView<const float> from, float factor, float* to, Index ld) {
    in_vectors([&] {
        const auto scaled = [factor](float value, float& out) { out = value * factor; };
        for (Index i = 0; i < from.rows; ++i) {
            prefetch_row(from, i + rows_ahead);
            functor::row_map<float>(Solo{}, from.cols, scaled, from.row(i), functor::Out{to + i * ld});
        }
    });
}

/// Rows of a block that one call of the kernel takes, and the columns [begin, end), in whole panels, where it is wanted.
struct Rows {
    const panel::Kernel<float>::Step* step;
    Index width;  // of a panel
    Index row, rows, begin, end;

    void multiply(Index depth, const float* left, const float* right, const float* start, Index ld_start, float* to,
                  Index ld_to) const {
        step->multiply({rows, depth, left, panel::left_ld, right, width, start, ld_start, to, ld_to});
    }
};

/// The rows of a block, cut so; wanted(first row, rows) gives the columns, none where begin >= end.
template <Index most>
struct RowsOfBlock {
    Rows items[most / 2 + 1];
    int count = 0;

    template <class Wanted>
    RowsOfBlock(const panel::Kernel<float>& kernel, Index rows, const Wanted& wanted) {
        for (Index row = 0; row < rows;) {
            const auto& step = kernel.step_for(rows - row);
            const Index taken = std::min(step.rows, rows - row);
            const auto [begin, end] = wanted(row, taken);
            const Index from = begin / kernel.cols * kernel.cols, to = parts_of(end, kernel.cols) * kernel.cols;
            if (begin < end) items[count++] = {&step, kernel.cols, row, taken, from, to};
            row += taken;
        }
    }
    [[nodiscard]] const Rows* begin() const { return items; }
    [[nodiscard]] const Rows* end() const { return items + count; }
};

struct Range {
    Index begin, end;
};

/// Keys and values of a head (K, D) in panels, block by block.
struct PackedHead {
    static constexpr Index block = panel::most_depth;  // keys whose scores are held at a time

    Index keys, head_dim;
    Index width = panel::kernel<float>().cols;
    Index dim_panels = parts_of(head_dim, width);

    [[nodiscard]] Index blocks() const { return parts_of(keys, block); }
    [[nodiscard]] Index keys_of(Index b) const { return std::min(block, keys - b * block); }
    /// Where a block's keys begin, [panel][D][W], and its values, [panel][key][W].
    [[nodiscard]] Index keys_at(Index b) const { return b * block * (head_dim + dim_panels * width); }
    [[nodiscard]] Index values_at(Index b) const { return keys_at(b) + parts_of(keys_of(b), width) * width * head_dim; }
    [[nodiscard]] Index size() const {
        return blocks() == 0 ? 0 : values_at(blocks() - 1) + keys_of(blocks() - 1) * dim_panels * width;
    }

    void put(Index b, MatrixView<const float> k, MatrixView<const float> v, float* memory) const {
        put_turned_panels(k.row_slice(b * block, keys_of(b)), width, memory + keys_at(b));
        put_panels(v.row_slice(b * block, keys_of(b)), width, memory + values_at(b), keys_of(b));
    }
};

/// Some queries of a head in turn: q and o (n, D), n <= most.
struct Queries {
    static constexpr Index most = 48;

    MatrixView<const float> q;
    MatrixView<float> o, log_sum_exp;  // (n, D), (n, 1)
    Index seen;                        // keys before this are what the first one sees, the next one sees one more
    Index reach;                       // and of these the last ones, so many
    const std::int32_t* starts;        // or null

    [[nodiscard]] Index first_of(Index i) const {
        const Index in_window = std::max<Index>(seen + i - reach, 0);
        return starts == nullptr ? in_window : std::max(in_window, static_cast<Index>(starts[i]));
    }
    [[nodiscard]] Index first_of(Index row, Index count) const {
        Index first = first_of(row);
        for (Index i = row + 1; i < row + count; ++i) first = std::min(first, first_of(i));
        return first;
    }
};

/// Memory of one thread in forward.
struct ForwardSpace {
    static constexpr Index left_size = (Queries::most + panel::most_rows) * panel::left_ld;

    float *queries, *scores;  // (most, left_ld)
    float* out;               // (most, W * dim_panels)
    float zeros[panel::most_cols] = {}, tops[Queries::most], sums[Queries::most];

    explicit ForwardSpace(float* memory) : queries(memory), scores(memory + left_size), out(scores + left_size) {}
    [[nodiscard]] static Index size(const PackedHead& head) {
        return 2 * left_size + Queries::most * head.dim_panels * head.width;
    }
};

/// n scores, a multiple of eight, become 2^(score - top), where top is the maximum so far: returns their sum.
[[gnu::always_inline]] inline float weigh(float* scores, Index n, float top) {
    float lanes[functor::row_run] = {};
    for (Index j = 0; j < n; j += functor::row_run)
        for (int l = 0; l < functor::row_run; ++l) {
            const float weight = functor::power_of_two(scores[j + l] - top);
            scores[j + l] = weight;
            lanes[l] += weight;
        }
    functor::row_detail::combine_lanes<functor::row_run>(lanes, [](float a, float b) { return a + b; });
    return lanes[0];
}

/// Scores of a block's rows become weights; what rows have so far is scaled to the new maxima.
[[gnu::always_inline]] inline void weigh_rows(const Queries& queries, Index first_key, Index keys, const Rows* begin,
                                              const Rows* end, Index ld_out, ForwardSpace& space) {
    for (const Rows* rows = begin; rows != end; ++rows)
        for (Index i = rows->row; i < rows->row + rows->rows; ++i) {
            float* const scores = space.scores + i * panel::left_ld;
            const Index first = std::clamp(queries.first_of(i) - first_key, rows->begin, rows->end);
            const Index last = std::clamp(std::min(queries.seen + i - first_key, keys), rows->begin, rows->end);
            if (first >= last) {
                std::fill(scores + rows->begin, scores + rows->end, 0.0f);
                continue;
            }
            std::fill(scores + rows->begin, scores + first, -infinity);
            std::fill(scores + last, scores + rows->end, -infinity);
            float* const row = scores + rows->begin;
            const Index n = rows->end - rows->begin;
            const float top = std::max(space.tops[i], functor::row_max<float>(Solo{}, n, row));
            if (top != space.tops[i] && space.sums[i] != 0) {
                const float factor = functor::power_of_two(space.tops[i] - top);
                space.sums[i] *= factor;
                functor::row_map<float>(Solo{}, ld_out, functor::MultiplyBy<float>{factor}, space.out + i * ld_out);
            }
            space.tops[i] = top;
            space.sums[i] += weigh(row, n, top);
        }
}

/// o = softmax(q k^T scale) v for some queries of a head.
inline void attend(const PackedHead& head, const float* memory, float scale, const Queries& queries,
                   ForwardSpace& space) {
    const auto& kernel = panel::kernel<float>();
    const Index n = queries.q.rows, W = kernel.cols, D = head.head_dim, ld_out = head.dim_panels * W;
    put_scaled(queries.q, scale * log2_of_e, space.queries, panel::left_ld);
    std::fill_n(space.out, n * ld_out, 0.0f);
    std::fill_n(space.tops, n, -infinity);
    std::fill_n(space.sums, n, 0.0f);
    for (Index b = queries.first_of(0, n) / head.block; b * head.block < queries.seen + n - 1; ++b) {
        const Index first = b * head.block, keys = head.keys_of(b);
        const RowsOfBlock<Queries::most> block(kernel, n, [&](Index row, Index count) {
            return Range{std::max(queries.first_of(row, count) - first, Index{0}),
                         std::min(queries.seen + row + count - 1 - first, keys)};
        });
        for (Index col = 0; col < keys; col += W)
            for (const Rows& rows : block)
                if (rows.begin <= col && col < rows.end)
                    rows.multiply(D, space.queries + rows.row * panel::left_ld, memory + head.keys_at(b) + col * D,
                                  space.zeros, 0, space.scores + rows.row * panel::left_ld + col, panel::left_ld);
        in_vectors([&] { weigh_rows(queries, first, keys, block.begin(), block.end(), ld_out, space); });
        for (Index p = 0; p < head.dim_panels; ++p)
            for (const Rows& rows : block) {
                float* const to = space.out + rows.row * ld_out + p * W;
                rows.multiply(std::min(rows.end, keys) - rows.begin,
                              space.scores + rows.row * panel::left_ld + rows.begin,
                              memory + head.values_at(b) + (p * keys + rows.begin) * W, to, ld_out, to, ld_out);
            }
    }
    in_vectors([&] {
        for (Index i = 0; i < n; ++i) {
            const float* const out = space.out + i * ld_out;
            const auto scaled = [factor = 1 / space.sums[i]](float value, float& to) { to = value * factor; };
            functor::row_map<float>(Solo{}, D, scaled, out, functor::Out{queries.o.row(i)});
            queries.log_sum_exp(i, 0) = (space.tops[i] + std::log2(space.sums[i])) / log2_of_e;
        }
    });
}

/// ops::attention of floats, D <= panel::most_depth. Some heads at a time are packed, then their queries shared out.
template <class B>
void forward(B& be, const AttentionShape& shape, MatrixView<const float> q, MatrixView<const float> k,
             MatrixView<const float> v, MatrixView<float> o, MatrixView<float> log_sum_exp) {
    constexpr Index packed_a_thread = Index{1} << 17;  // of floats, unless one head has more
    const Index D = shape.head_dim, L = shape.queries, stride = shape.kv_stride(), group = shape.heads / shape.kv_heads;
    const PackedHead head{shape.keys, D};
    const Index heads = shape.sequences * shape.kv_heads, blocks = parts_of(L, Queries::most);
    if (heads == 0 || L == 0) return;
    const Index together =
        std::clamp(be.threads() * packed_a_thread / std::max<Index>(head.size(), 1), Index{1}, heads);
    Scratch<B> scratch(be);
    const auto packed = scratch.template matrix<float>(together, head.size());
    const auto spaces = scratch.template matrix<float>(be.threads(), ForwardSpace::size(head));
    const float scale = static_cast<float>(shape.scale());
    const Index first_block = shape.first_key(0) / head.block, packed_blocks = head.blocks() - first_block;
    for (Index first = 0; first < heads; first += together) {
        const Index count = std::min(together, heads - first);
        be.tasks(count * packed_blocks, [&](Index task, int) {
            const Index i = task / packed_blocks, s = (first + i) / shape.kv_heads, h = (first + i) % shape.kv_heads;
            const auto of = [&](MatrixView<const float> x) {
                return x.row_slice(s * stride, shape.keys).col_slice(h * D, D);
            };
            head.put(first_block + task % packed_blocks, of(k), of(v), packed.row(i));
        });
        be.tasks(count * group * blocks, [&](Index task, int worker) {
            const Index i = task / (group * blocks), s = (first + i) / shape.kv_heads;
            const Index h = (first + i) % shape.kv_heads * group + task / blocks % group;
            const Index row = (blocks - 1 - task % blocks) * Queries::most, n = std::min(Queries::most, L - row);
            const Index token = s * L + row;  // the last queries first: they have the most keys
            ForwardSpace space(spaces.row(worker));
            attend(head, packed.row(i), scale,
                   {q.row_slice(token, n).col_slice(h * D, D), o.row_slice(token, n).col_slice(h * D, D),
                    log_sum_exp.row_slice(token, n).col_slice(h, 1), shape.keys - L + row + 1, shape.reach(),
                    shape.starts == nullptr ? nullptr : shape.starts + token},
                   space);
        });
    }
}

}  // namespace hydralora::panel_attention
