// Products by the micro-kernels, on the threads and the scratch memory of a backend of floats.
//
// An element of a result is a sum over each block of the depth in order, then over the blocks in order, whatever tile, slab
// or thread computes it: its bits do not depend on the rows beside it nor on the number of threads.
#pragma once

#include <algorithm>
#include <type_traits>

#include "layout.hpp"

namespace hydralora::panel {

/// Elements of a right side that a product packs at a time: what stays in a last-level cache.
inline constexpr Index most_packed = Index{1} << 20;
/// And those that each thread decodes at a time (decoded_product.hpp).
inline constexpr Index most_decoded = Index{1} << 18;

/// Products of fewer rows with a matrix as it is stored are made row by row of it: packing would cost more than they do.
inline constexpr Index few_tokens = 4;

/// What a product with panels of bfloat16 does with the left side: rounded to bfloat16 too, it is multiplied by the
/// processor's dot products of bfloat16 where there are any; the sums are floats in any case.
enum class LeftSide { as_it_is, rounded };

namespace product_detail {

inline constexpr Index slab_rows = 144;                  // the most of the left side that a thread goes through at once
inline constexpr Index few_panels = 8, few_rows = 24;    // so few panels read so many rows in turn: a first-level cache
inline constexpr Index sums_rows = 96, sums_cols = 256;  // of a task's part of a sum over tokens
inline constexpr Index sums_right_size = usual_depth * most_cols, sums_turned_size = sums_rows * sums_cols;

/// Memory of one thread: a slab's block of the left side, a tile at the edge of the result, a row of zeros.
struct Workspace {
    static constexpr Index left_size = (slab_rows + most_rows) * left_ld, edge_size = most_rows * most_cols;
    static constexpr Index size = left_size + edge_size + most_cols;

    float *left, *edge, *zeros;

    explicit Workspace(float* memory) : left(memory), edge(left + left_size), zeros(edge + edge_size) {
        std::fill_n(zeros, most_cols, 0.0f);
    }
};

/// A tile whose panel is wider than what is left of the result: by way of a whole one.
template <class Step, class S>
void multiply_edge(const Step& step, Tile<S> tile, Index width, Index panel_width, float* edge) {
    float* const to = tile.to;
    const Index ld = tile.ld_to;
    for (Index i = 0; i < tile.rows; ++i) std::copy_n(tile.start + i * tile.ld_start, width, edge + i * panel_width);
    tile.start = tile.to = edge;
    tile.ld_start = tile.ld_to = panel_width;
    step.multiply(tile);
    for (Index i = 0; i < tile.rows; ++i) std::copy_n(edge + i * panel_width, width, to + i * ld);
}

/// `to` (rows, width of the panel) = start + left (rows, depth) right, all rows of a slab. ld_start 0: one row for all. Unless
/// the rows are a multiple of the kernel's, some behind them are read.
template <class S>
void multiply_panel(const Kernel<S>& kernel, Index rows, Index depth, const float* left, Index ld_left, const S* right,
                    Index ld_right, Index width, const float* start, Index ld_start, float* to, Index ld_to,
                    float* edge) {
    for (Index t = 0; t < rows;) {
        const auto& step = kernel.step_for(rows - t);
        const Index taken = std::min(step.rows, rows - t);
        const Tile<S> tile{taken,          depth,    left + t * ld_left,   ld_left,
                           right,          ld_right, start + t * ld_start, ld_start,
                           to + t * ld_to, ld_to};
        if (width == kernel.cols)
            step.multiply(tile);
        else
            multiply_edge(step, tile, width, kernel.cols, edge);
        t += taken;
    }
}

/// A row of the left block, filled up with a zero to an even depth.
inline void copy_scaled(const float* from, Index n, float alpha, float* to) {
    if (alpha == 1)
        std::copy_n(from, n, to);
    else
        std::transform(from, from + n, to, [alpha](float value) { return alpha * value; });
    to[n] = 0;
}

/// The same rounded to bfloat16: in pairs, or, where no kernel takes those, as floats.
inline void copy_rounded(const float* from, Index n, float alpha, bool pairs, float* to) {
    copy_scaled(from, n, alpha, to);
    if (pairs)
        for (Index k = 0; k < n; k += 2) to[k / 2] = bit_cast<float>(bfloat16_pair(to[k], to[k + 1]));
    else
        for (Index k = 0; k < n; ++k) to[k] = static_cast<float>(bfloat16(to[k]));
}

/// Depths that a product packs at a time: all, or in pieces.
[[nodiscard]] inline Index piece_of(Index depth) {
    constexpr Index deepest = most_packed / (4 * most_cols);
    const Index pieces = std::max(Index{1}, (depth + deepest - 1) / deepest);
    return pieces == 1 ? depth : ((depth + pieces - 1) / pieces + 1) / 2 * 2;
}

/// What the tasks of a product have in common: y (T, cols) = alpha x (T, depth) M + bias, or y += that without a bias.
template <class P>
struct Product {
    const Layout& at;
    const P* memory;  // of M in panels
    float alpha;
    Grad mode;
    const float* bias;
    LeftSide side;

    /// Panels [first, last) of some rows, by one thread.
    void multiply(MatrixView<const float> x, MatrixView<float> y, Index first, Index last,
                  const Workspace& work) const {
        const Kernel<P>* pairs = nullptr;
        if constexpr (std::is_same_v<P, bfloat16>) pairs = side == LeftSide::rounded ? dot_kernel() : nullptr;
        const Kernel<P>& kernel = pairs != nullptr ? *pairs : panel::kernel<P>();
        const Index in_place = reads_in_place(x) ? x.rows / kernel.rows() * kernel.rows() : 0;
        const Index group = last - first <= few_panels ? few_rows : slab_rows;
        for (Index t = 0; t < in_place; t += group) {
            const Index count = std::min(group, in_place - t);
            for (Index block = 0; block < at.blocks; ++block)
                multiply_block(kernel, block, x.row(t) + block * at.block, x.ld, y.row_slice(t, count), first, last,
                               work);
        }
        if (in_place == x.rows) return;
        for (Index block = 0; block < at.blocks; ++block) {
            const Index depth = at.depth_of(block);
            for (Index t = in_place; t < x.rows; ++t) {
                const float* const from = x.row(t) + block * at.block;
                float* const to = work.left + (t - in_place) * left_ld;
                if (side == LeftSide::rounded)
                    copy_rounded(from, depth, alpha, pairs != nullptr, to);
                else
                    copy_scaled(from, depth, alpha, to);
            }
            multiply_block(kernel, block, work.left, left_ld, y.row_slice(in_place, x.rows - in_place), first, last,
                           work);
        }
    }

private:
    /// x is read where it lies, but for rows that are no whole tile, where it is changed on the way, and where its rows fall on
    /// the same sets of a cache: those are copied a block at a time.
    [[nodiscard]] bool reads_in_place(MatrixView<const float> x) const {
        return std::is_same_v<P, float> && alpha == 1 && side == LeftSide::as_it_is && x.ld % 1024 != 0;
    }

    void multiply_block(const Kernel<P>& kernel, Index block, const float* left, Index ld_left, MatrixView<float> y,
                        Index first, Index last, const Workspace& work) const {
        const bool onto_y = block > 0 || mode == Grad::accumulate;
        for (Index panel = first; panel < last; ++panel) {
            const Index col = panel * at.width;
            float* const to = y.data + col;
            const float* const row = bias == nullptr ? work.zeros : bias + col;
            multiply_panel(kernel, y.rows, at.depth_of(block), left, ld_left, memory + at.place_of(block, panel),
                           at.width, at.width_of(panel), onto_y ? to : row, onto_y ? y.ld : 0, to, y.ld, work.edge);
        }
    }
};

}  // namespace product_detail

/// Bytes of scratch memory that products take at most.
[[nodiscard]] constexpr Index workspace_bytes(Index threads) {
    using namespace product_detail;
    return Index{sizeof(float)} * (std::max(most_packed, threads * most_decoded) +
                                   threads * (Workspace::size + sums_right_size + sums_turned_size));
}

/// y (T, cols) = alpha x (T, depth) M + bias, or y += that without a bias; bias (cols) or null, M in panels, x as it is or
/// rounded. Tasks are slabs of tokens and runs of panels, so many that all threads have work.
template <class B, class P>
void multiply(B& be, const Layout& at, const P* memory, float alpha, MatrixView<const float> x, MatrixView<float> y,
              Grad mode, const float* bias = nullptr, LeftSide side = LeftSide::as_it_is) {
    using namespace product_detail;
    if (y.empty()) return;
    const Index slabs = (y.rows + slab_rows - 1) / slab_rows;
    const Index rows = ((y.rows + slabs - 1) / slabs + most_rows - 1) / most_rows * most_rows;
    const Index wanted = (2 * be.threads() + slabs - 1) / slabs;
    const bool few = y.rows * at.size() < Index{1} << 16;
    const Index runs = be.threads() == 1 || few ? 1 : std::min(wanted, at.panels);
    Scratch<B> scratch(be);
    const auto spaces = scratch.template matrix<float>(be.threads(), Workspace::size);
    const Product<P> product{at, memory, alpha, mode, bias, side};
    be.tasks(slabs * runs, [&](Index task, int worker) {
        const Index slab = task / runs, run = task % runs, row = slab * rows, count = std::min(rows, y.rows - row);
        if (count <= 0) return;
        product.multiply(x.row_slice(row, count), y.row_slice(row, count), at.panels * run / runs,
                         at.panels * (run + 1) / runs, Workspace(spaces.row(worker)));
    });
}

/// c (m, n) = alpha a (m, k) op(b) (k, n), or c += that: b, of any stored type, is packed on the way, a part at a time.
template <class B, class S>
void multiply(B& be, float alpha, MatrixView<const float> a, Op op_b, MatrixView<const S> b, MatrixView<float> c,
              Grad mode) {
    const Index deep = product_detail::piece_of(a.cols);
    const Index fit = most_packed / std::max(Index{1}, deep) / most_cols * most_cols;
    const Index most = std::max(fit, most_cols), chunks = (c.cols + most - 1) / most;
    const Index cols = chunks <= 1 ? c.cols : ((c.cols + chunks - 1) / chunks + most_cols - 1) / most_cols * most_cols;
    Scratch<B> scratch(be);
    const auto memory = scratch.template matrix<float>(1, Layout{deep, cols}.size());
    for (Index col = 0; col < c.cols; col += cols) {
        Index k = 0;
        do {
            const Index depth = std::min(deep, a.cols - k), count = std::min(cols, c.cols - col);
            const Layout at{depth, count};
            put(be, at, memory.data, op_b, 0,
                op_b == Op::none ? b.row_slice(k, depth).col_slice(col, count)
                                 : b.row_slice(col, count).col_slice(k, depth));
            multiply(be, at, static_cast<const float*>(memory.data), alpha, a.col_slice(k, depth),
                     c.col_slice(col, count), k == 0 ? mode : Grad::accumulate);
            k += deep;
        } while (k < a.cols);
    }
}

/// c (m, n) += alpha a^T (m, T) b (T, n): a sum over T tokens, slab by slab of be.slab_rows() (a long one in parts), each
/// slab's sum made from 0 and added in order. The narrower side is turned, so it may be c^T that the kernel computes.
template <class B>
void add_sums(B& be, float alpha, MatrixView<const float> a, MatrixView<const float> b, MatrixView<float> c) {
    using namespace product_detail;
    if (c.empty()) return;
    const bool turned = b.cols < a.cols;
    const auto narrow = turned ? b : a, wide = turned ? a : b;
    const auto& kernel = panel::kernel<float>();
    const Index width = kernel.cols;
    const Index rows = sums_rows, parts = (narrow.cols + rows - 1) / rows;  // of a task's part of c or c^T
    const Index share = (wide.cols * parts + 4 * be.threads() - 1) / (4 * be.threads());
    const Index cols = std::min(sums_cols, (share + width - 1) / width * width), runs = (wide.cols + cols - 1) / cols;
    const bool in_place = wide.ld % 128 != 0;  // else a panel's lines fall on the same sets of a cache
    Scratch<B> scratch(be);
    const auto spaces =
        scratch.template matrix<float>(be.threads(), Workspace::size + sums_right_size + sums_turned_size);
    be.tasks(parts * runs, [&](Index task, int worker) {
        const Workspace work(spaces.row(worker));
        float* const right = spaces.row(worker) + Workspace::size;  // a panel of `wide` (tokens, width)
        float* const c_turned = right + sums_right_size;            // the task's part of c^T (m, cols)
        const Index i0 = task / runs * rows, j0 = task % runs * cols;
        const Index m = std::min(rows, narrow.cols - i0), last = std::min(wide.cols, j0 + cols);
        float* const to = turned ? c_turned : c.row(i0) + j0;
        const Index ld = turned ? cols : c.ld;
        if (turned)
            for (Index j = j0; j < last; ++j)
                for (Index i = 0; i < m; ++i) to[i * ld + j - j0] = c(j, i0 + i);
        Index depth = 0;
        for (Index first = 0; first < wide.rows; first += depth) {
            depth = std::min({be.slab_rows() - first % be.slab_rows(), usual_depth, wide.rows - first});
            const auto block = wide.row_slice(first, depth).col_slice(j0, last - j0);
            for (Index t = 0; t < depth; ++t)
                for (Index i = 0; i < m; ++i) work.left[i * left_ld + t] = alpha * narrow(first + t, i0 + i);
            for (Index col = 0; col < block.cols; col += width) {
                const Index count = std::min(width, block.cols - col);
                const bool there = in_place && count == width;
                for (Index t = 0; t < depth; ++t) {
                    __builtin_prefetch(block.row(t) + col + width);  // the next panel's lines are far from one another
                    if (!there) layout_detail::copy_line(block.row(t) + col, count, width, right + t * width);
                }
                multiply_panel(kernel, m, depth, work.left, left_ld, there ? block.data + col : right,
                               there ? block.ld : width, count, to + col, ld, to + col, ld, work.edge);
            }
        }
        if (turned)
            for (Index j = j0; j < last; ++j)
                for (Index i = 0; i < m; ++i) c(j, i0 + i) = to[i * ld + j - j0];
    });
}

}  // namespace hydralora::panel
