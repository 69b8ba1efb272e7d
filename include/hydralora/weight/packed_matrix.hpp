// The right factor of a product, laid out once as the micro-kernel reads it, so that no call has to pack it again.
//
//   y (T, cols) = x (T, depth) M,  M (depth, cols) = op(m)       T tokens
//
// M is cut along its depth into blocks, a block along its columns into panels of the kernel's width, filled up with zeros:
// [block][panel][depth of the block][width]. An element of y is a sum over each block in order, then over the blocks in
// order, whatever tile, slab or thread computes it: its bits do not depend on the rows beside it.
//
// Not for nvcc, whose front end does not take the kernel's vectors: a .cu file does not see this type, nor PackedWeight.
#pragma once

#if !defined(__CUDACC__)

#include <algorithm>
#include <type_traits>

#include "../panel/kernel.hpp"
#include "frozen_weight.hpp"

namespace hydralora {

/// How panels hold their elements: as floats, or as the bfloat16 that the matrix is stored in, at half the memory.
enum class PanelStorage { compute, bfloat16 };

/// Whether products on backend B run on panels. Elsewhere PackedMatrix is a plain matrix and its product the backend's.
template <class B>
inline constexpr bool has_panels =
    TaskBackend<B>&& std::is_same_v<Scalar<B>, float>&& std::is_same_v<ParamScalar<B>, float>;

/// The plain form: m as it is put, in the compute type; `storage` is not looked at.
template <Backend B>
class PackedMatrix {
public:
    /// M = op(m), zero at first: m is (depth, cols) with Op::none, (cols, depth) with Op::transpose.
    PackedMatrix(B& be, Op op, Index depth, Index cols, PanelStorage = PanelStorage::compute)
        : op_(op), memory_(be, op == Op::none ? Shape{depth, cols} : Shape{cols, depth}) {}

    [[nodiscard]] Index depth() const { return op_ == Op::none ? memory_.rows() : memory_.cols(); }
    [[nodiscard]] Index cols() const { return op_ == Op::none ? memory_.cols() : memory_.rows(); }
    [[nodiscard]] Index bytes() const { return memory_.size() * static_cast<Index>(sizeof(Scalar<B>)); }

    /// Rows of M from `first` on = op(part).
    template <class S>
    void put(B& be, Index first, ViewOf<B, const S> part) {
        const View<B> m = memory_.view();
        be.cast(part, op_ == Op::none ? m.row_slice(first, part.rows) : m.col_slice(first, part.cols));
    }

    /// y = x M + bias, or y += that; bias (1, cols) or empty
    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        be.gemm(Op::none, op_, 1, x, memory_.view(), static_cast<AccumScalar<B>>(mode == Grad::accumulate ? 1 : 0), y);
        if (bias.empty()) return;
        be.rows(y.rows, functor::AddBias<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{bias.data, y.data, y.cols, y.ld});
    }

private:
    Op op_;
    ActivationBuffer<B> memory_;  // m
};

/// The form in panels, of float or bfloat16.
template <Backend B>
requires has_panels<B>
class PackedMatrix<B> {
public:
    PackedMatrix(B& be, Op op, Index depth, Index cols, PanelStorage storage = PanelStorage::compute)
        : op_(op),
          storage_(storage),
          depth_(depth),
          cols_(cols),
          blocks_(std::max(Index{1}, (depth + panel_depth / 2 - 1) / panel_depth)),
          block_((depth + blocks_ - 1) / blocks_),
          width_(panel::kernel<float>().cols),
          panels_((cols + width_ - 1) / width_) {
        if (storage == PanelStorage::compute)
            floats_ = Buffer<B, float>(be, depth, panels_ * width_);
        else
            halves_ = Buffer<B, bfloat16>(be, depth, panels_ * width_);
    }

    [[nodiscard]] Index depth() const { return depth_; }
    [[nodiscard]] Index cols() const { return cols_; }
    [[nodiscard]] Index bytes() const {
        return floats_.size() * static_cast<Index>(sizeof(float)) +
               halves_.size() * static_cast<Index>(sizeof(bfloat16));
    }

    /// Panels of bfloat16 take what is stored so and round the rest.
    template <class S>
    void put(B& be, Index first, MatrixView<const S> part) {
        check((op_ == Op::none ? part.cols : part.rows) == cols_ &&
                  first + (op_ == Op::none ? part.rows : part.cols) <= depth_,
              "PackedMatrix: a part of (", part.rows, ", ", part.cols, ") from ", first, " on, expected depth ", depth_,
              " and ", cols_, " columns");
        if (storage_ == PanelStorage::compute)
            put_in(be, floats_.view().data, first, part);
        else
            put_in(be, halves_.view().data, first, part);
    }

    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        if (storage_ == PanelStorage::compute)
            multiply_by(be, floats_.view().data, x, y, mode, bias);
        else
            multiply_by(be, halves_.view().data, x, y, mode, bias);
    }

private:
    static constexpr Index panel_depth = panel::usual_depth, left_ld = panel::left_ld;
    static constexpr Index most_rows = 144;                                        // of a slab of tokens
    static constexpr Index tile_rows = 12, tile_cols = 32;                         // the largest of all kernels
    static constexpr Index left_size = (most_rows + tile_rows) * left_ld;          // a slab's block of x
    static constexpr Index memory_size = left_size + (tile_rows + 1) * tile_cols;  // a tile at the edge; a row of zeros

    [[nodiscard]] Index depth_of(Index block) const { return std::min(block_, depth_ - block * block_); }
    /// Where a panel's part of a block begins, in elements.
    [[nodiscard]] Index place_of(Index block, Index panel) const {
        return (block * block_ * panels_ + panel * depth_of(block)) * width_;
    }

    template <class P, class S>
    void put_in(B& be, P* memory, Index first, MatrixView<const S> part) {
        const Index count = op_ == Op::none ? part.rows : part.cols;
        be.tasks(panels_, [&](Index panel, int) {
            const Index col = panel * width_, width = std::min(width_, cols_ - col);
            for (Index k = 0; k < count; ++k) {
                const Index block = (first + k) / block_;
                P* line = memory + place_of(block, panel) + (first + k - block * block_) * width_;
                for (Index j = 0; j < width; ++j) {
                    const S value = op_ == Op::none ? part(k, col + j) : part(col + j, k);
                    if constexpr (std::is_same_v<P, S>)
                        line[place_in_line<P>(j)] = value;
                    else
                        line[place_in_line<P>(j)] = static_cast<P>(widened<float>(value));
                }
            }
        });
    }

    /// Halves stand in pairs, one of the line's first half and one of its second: what fills a word of the kernel's.
    template <class P>
    [[nodiscard]] Index place_in_line(Index j) const {
        const Index half = width_ / 2;
        return sizeof(P) == 4 ? j : j < half ? 2 * j : 2 * (j - half) + 1;
    }

    /// Tasks are slabs of tokens, fixed by the shape, and runs of panels, so many that all threads have work.
    template <class P>
    void multiply_by(B& be, const P* memory, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        if (y.empty()) return;
        const Index slabs = (y.rows + most_rows - 1) / most_rows;
        const Index rows = ((y.rows + slabs - 1) / slabs + tile_rows - 1) / tile_rows * tile_rows;
        const Index wanted = (2 * be.threads() + slabs - 1) / slabs;
        const Index runs = be.threads() == 1 ? 1 : std::min(wanted, panels_);
        Scratch<B> scratch(be);
        const auto left = scratch.template matrix<float>(be.threads(), memory_size);
        be.tasks(slabs * runs, [&](Index task, int worker) {
            const Index slab = task / runs, run = task % runs, row = slab * rows, count = std::min(rows, y.rows - row);
            if (count <= 0) return;
            multiply_slab(memory, x.row_slice(row, count), y.row_slice(row, count), mode, bias, panels_ * run / runs,
                          panels_ * (run + 1) / runs, left.row(worker));
        });
    }

    /// Panels [first, last) of a slab, by one thread.
    template <class P>
    void multiply_slab(const P* memory, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias, Index first,
                       Index last, float* left) const {
        const auto& kernel = panel::kernel<P>();
        float* const edge = left + left_size;
        float* const zeros = edge + tile_rows * tile_cols;
        std::fill_n(zeros, tile_cols, 0.0f);
        for (Index block = 0; block < blocks_; ++block) {
            const Index depth = depth_of(block);
            for (Index t = 0; t < x.rows; ++t) std::copy_n(x.row(t) + block * block_, depth, left + t * left_ld);
            const bool onto_y = block > 0 || mode == Grad::accumulate;
            for (Index panel = first; panel < last; ++panel) {
                const Index col = panel * width_, width = std::min(width_, cols_ - col);
                const float* const row = bias.empty() ? zeros : bias.data + col;
                for (Index t = 0; t < x.rows;) {
                    const auto& step = kernel.step_for(x.rows - t);
                    const Index rows = std::min(step.rows, x.rows - t);
                    float* const to = y.data + t * y.ld + col;
                    const float* const start = onto_y ? to : row;
                    panel::Tile<P> tile{
                        rows, depth, left + t * left_ld, memory + place_of(block, panel), start, onto_y ? y.ld : 0,
                        to,   y.ld};
                    if (width == width_)
                        step.multiply(tile);
                    else
                        multiply_edge(step, tile, width, edge);
                    t += rows;
                }
            }
        }
    }

    /// A panel that is wider than what is left of y: by way of a whole tile.
    template <class Step, class P>
    void multiply_edge(const Step& step, panel::Tile<P> tile, Index width, float* edge) const {
        float* const to = tile.to;
        const Index ld = tile.ld_to;
        for (Index i = 0; i < tile.rows; ++i) std::copy_n(tile.start + i * tile.ld_start, width, edge + i * width_);
        tile.start = tile.to = edge;
        tile.ld_start = tile.ld_to = width_;
        step.multiply(tile);
        for (Index i = 0; i < tile.rows; ++i) std::copy_n(edge + i * width_, width, to + i * ld);
    }

    Op op_;
    PanelStorage storage_;
    Index depth_, cols_, blocks_, block_, width_, panels_;
    Buffer<B, float> floats_;     // either
    Buffer<B, bfloat16> halves_;  // or
};

}  // namespace hydralora

#endif  // !__CUDACC__
