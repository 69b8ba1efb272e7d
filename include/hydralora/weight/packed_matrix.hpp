// The right factor of a product, laid out once as the micro-kernel reads it (panel/), so that no call has to pack it again.
//
//   y (T, cols) = x (T, depth) M,  M (depth, cols) = op(m)       T tokens
#pragma once

#include "../panel/product.hpp"
#include "frozen_weight.hpp"

namespace hydralora {

/// How panels hold their elements: as floats, or as the bfloat16 that the matrix is stored in, at half the memory. bfloat16
/// alone gives the numbers that floats give; with bfloat16_dots the other side of a product is rounded to bfloat16 as well
/// (a relative error of some 2^-9 a term), which processors with AVX512_BF16 multiply at twice the speed. in_place: there are
/// no panels but in a product, which makes them a part at a time of the matrix as it is stored; that must outlive it.
enum class PanelStorage { compute, bfloat16, bfloat16_dots, in_place };

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

    /// Rows of M from `first` on = op(part), a view of elements or of blocks.
    template <class V>
    void put(B& be, Index first, const V& part) {
        const View<B> m = memory_.view();
        ops::widen(be, part, op_ == Op::none ? m.row_slice(first, part.rows) : m.col_slice(first, part.cols));
    }

    /// y (T, cols) = x (T, depth) M + bias, or y += x M; bias (1, cols), or empty, which it is where y is added to
    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        be.gemm(Op::none, op_, 1, x, memory_.view(), static_cast<AccumScalar<B>>(mode == Grad::accumulate ? 1 : 0), y);
        if (bias.empty()) return;
        be.rows(y.rows, functor::AddBias<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{bias.data, y.data, y.cols, y.ld});
    }
    /// y = x M + x_rest rest + bias, or y += that
    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias, const PackedMatrix& rest,
                  ConstView<B> x_rest) const {
        multiply(be, x, y, mode, bias);
        rest.multiply(be, x_rest, y, Grad::accumulate, {});
    }

private:
    Op op_;
    ActivationBuffer<B> memory_;  // m
};

/// The form in panels, of float or bfloat16, or in place.
template <Backend B>
requires has_panels<B>
class PackedMatrix<B> {
public:
    PackedMatrix(B& be, Op op, Index depth, Index cols, PanelStorage storage = PanelStorage::compute)
        : op_(op),
          storage_(storage),
          at_(storage == PanelStorage::compute ? panel::layout_of<float>(depth, cols)
                                               : panel::layout_of<bfloat16>(depth, cols)) {
        if (storage == PanelStorage::compute)
            floats_ = Buffer<B, float>(be, 1, at_.size());
        else if (storage != PanelStorage::in_place)
            halves_ = Buffer<B, bfloat16>(be, 1, at_.size());
    }

    [[nodiscard]] Index depth() const { return at_.depth; }
    [[nodiscard]] Index cols() const { return at_.cols; }
    [[nodiscard]] Index bytes() const {
        return floats_.size() * static_cast<Index>(sizeof(float)) +
               halves_.size() * static_cast<Index>(sizeof(bfloat16));
    }

    /// Panels of bfloat16 take what is stored so and round the rest. In place, the part is all of the matrix.
    template <class V>
    void put(B& be, Index first, const V& part) {
        check((op_ == Op::none ? part.cols : part.rows) == at_.cols &&
                  first + (op_ == Op::none ? part.rows : part.cols) <= at_.depth,
              "PackedMatrix: a part of (", part.rows, ", ", part.cols, ") from ", first, " on, expected depth ",
              at_.depth, " and ", at_.cols, " columns");
        if (storage_ == PanelStorage::in_place) {
            check((op_ == Op::none ? part.rows : part.cols) == at_.depth,
                  "PackedMatrix: a part put in place, expected the whole matrix");
            stored_ = StoredView<B>(part);
        } else if (storage_ == PanelStorage::compute) {
            panel::put(be, at_, floats_.view().data, op_, first, part);
        } else {
            panel::put(be, at_, halves_.view().data, op_, first, part);
        }
    }

    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        check(x.cols == at_.depth && y.cols == at_.cols && x.rows == y.rows, "PackedMatrix: x is (", x.rows, ", ",
              x.cols, ") and y (", y.rows, ", ", y.cols, "), expected (T, ", at_.depth, ") and (T, ", at_.cols, ")");
        const float* const added = bias.empty() ? nullptr : bias.data;
        if (storage_ == PanelStorage::in_place) {
            ops::stored_product(be, x, op_, stored_, mode == Grad::accumulate ? 1.0f : 0.0f, y);
            if (!bias.empty()) be.rows(y.rows, functor::AddBias<float, float, float>{bias.data, y.data, y.cols, y.ld});
        } else if (storage_ == PanelStorage::compute) {
            panel::multiply(be, at_, floats_.view().data, 1, x, y, mode, added);
        } else {
            panel::multiply(be, at_, halves_.view().data, 1, x, y, mode, added,
                            storage_ == PanelStorage::bfloat16 ? panel::LeftSide::as_it_is : panel::LeftSide::rounded);
        }
    }

    /// y = x M + x_rest rest + bias, or y += that; rest: of floats, with as many columns
    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias, const PackedMatrix& rest,
                  ConstView<B> x_rest) const {
        const bool decoded = storage_ == PanelStorage::in_place && stored_.storage() == Storage::blocks &&
                             (op_ == Op::none || x.rows >= panel::few_tokens);
        if (!decoded) {
            multiply(be, x, y, mode, bias);
            return rest.multiply(be, x_rest, y, Grad::accumulate, {});
        }
        stored_.visit([&](auto m) {
            if constexpr (is_quant_view<decltype(m)>)
                panel::multiply(be, 1, x, op_, m, y, mode, bias.empty() ? nullptr : bias.data,
                                {&rest.at_, rest.floats_.view().data, x_rest});
        });
    }

private:
    Op op_;
    PanelStorage storage_;
    panel::Layout at_;
    Buffer<B, float> floats_;     // either
    Buffer<B, bfloat16> halves_;  // or
    StoredView<B> stored_;        // or
};

}  // namespace hydralora
