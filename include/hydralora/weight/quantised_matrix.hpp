// A frozen matrix that is quantised here and owned, in NF4 or int8, for QLoRA (arXiv 2305.14314): a quarter or half of the
// memory of 16 bits, decoded by products as they read it.
#pragma once

#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../quant/encode.hpp"
#include "../quant/nested_scales.hpp"
#include "frozen_weight.hpp"

namespace hydralora {

/// How NF4 keeps the scales of its blocks: as floats, at 4.5 bits an element in all, or quantised once more ("double
/// quantisation"), at 4.13.
enum class Nf4Scales { floats, nested };

/// Codes of 4 bits: places in a table made for normally distributed numbers.
struct Nf4 {
    Index block = 64;  ///< elements that share a scale; there is a kernel for 64, QLoRA's, alone
    Nf4Scales scales = Nf4Scales::floats;

    [[nodiscard]] constexpr QuantFormat format() const {
        if (block != 64) fail("Nf4: block = ", block, ", expected 64");
        return scales == Nf4Scales::nested ? QuantFormat::nf4_nested : QuantFormat::nf4;
    }
};

/// Codes of 8 bits, -127 to 127, and a float scale for each 64 elements of a row: 8.5 bits an element, an error of half a
/// scale at most.
struct Int8 {
    [[nodiscard]] static constexpr QuantFormat format() { return QuantFormat::int8; }
};

/// Owns a quantised matrix (out, in); a FrozenWeight, and by view() whatever else takes a StoredView.
template <Backend B>
class QuantisedMatrix {
public:
    QuantisedMatrix() = default;
    /// name: of the matrix, for messages. Throws for numbers that are not finite, and for a matrix that is in blocks already.
    QuantisedMatrix(B& be, const std::type_identity_t<StoredView<B>>& m, QuantFormat format,
                    std::string_view name = "the matrix")
        : format_(format), rows_(m.rows), cols_(m.cols), blocks_(be, m.rows, row_bytes(format, m.cols)) {
        m.visit([&](const auto& view) {
            if constexpr (is_quant_view<std::decay_t<decltype(view)>>)
                fail("quantise: ", name, " is in ", name_of(view.format),
                     " already, expected float, bfloat16 or float16; use it as it is");
            else
                encode_as(be, view, name);
        });
    }

    /// A copy of a host's matrix in the memory of another backend.
    template <Backend Host>
    requires(std::is_same_v<typename Host::space, host> && !std::is_same_v<Host, B>)
        QuantisedMatrix(B& be, const QuantisedMatrix<Host>& m)
        : format_(m.format()), rows_(m.rows()), cols_(m.cols()), blocks_(be, m.rows(), row_bytes(format_, cols_)) {
        const auto from = m.view();
        be.upload(host_view(from.data, rows_, blocks_.cols()), blocks_.view());
        if (from.side == nullptr) return;
        side_ = Buffer<B, float>(be, 1, m.side_size());
        be.upload(host_view(from.side, 1, side_.cols()), side_.view());
    }

    [[nodiscard]] QuantFormat format() const { return format_; }
    [[nodiscard]] Index rows() const { return rows_; }
    [[nodiscard]] Index cols() const { return cols_; }
    /// Of memory held, in bytes.
    [[nodiscard]] Index bytes() const { return blocks_.size() + side_.size() * static_cast<Index>(sizeof(float)); }
    /// The same of a matrix that is not there yet.
    [[nodiscard]] static Index planned_bytes(Shape shape, QuantFormat format) {
        const Index blocks = shape.rows * (row_bytes(format, shape.cols) / block_size(format).bytes);
        return blocks * block_size(format).bytes +
               (format == QuantFormat::nf4_nested
                    ? quant::NestedScales::size(blocks) * static_cast<Index>(sizeof(float))
                    : Index{0});
    }

    /// Floats beside the blocks.
    [[nodiscard]] Index side_size() const { return side_.size(); }

    /// Must not outlive the matrix, which may be moved.
    [[nodiscard]] QuantView<typename B::space> view() const {
        return {blocks_.view().data, format_, rows_, cols_, {}, side_.view().data};
    }

    void apply(B& be, ConstView<B> x, View<B> y) const { DenseWeight<B>{view()}.apply(be, x, y); }
    void apply_transposed(B& be, ConstView<B> dy, View<B> dx, Grad mode = Grad::overwrite) const {
        DenseWeight<B>{view()}.apply_transposed(be, dy, dx, mode);
    }

private:
    template <class V>
    void encode_as(B& be, const V& m, std::string_view name) {
        switch (format_) {
            case QuantFormat::nf4:
                return encode<quant::NF4>(be, m, name);
            case QuantFormat::nf4_nested:
                return encode<quant::NestedNF4>(be, m, name);
            case QuantFormat::int8:
                return encode<quant::Int8>(be, m, name);
            default:
                fail("quantise: ", name, " to ", name_of(format_), ", expected NF4, NF4_NESTED or INT8");
        }
    }

    template <class Format, class T>
    void encode(B& be, const MatrixView<T, typename B::space>& m, std::string_view name) {
        constexpr bool nested = std::is_same_v<Format, quant::NestedNF4>;
        if (m.empty()) return;
        const Index blocks = (cols_ + Format::elements - 1) / Format::elements;
        Buffer<B, std::int32_t> strange(be, 1, rows_);
        Buffer<B, float> scales(be, nested ? rows_ : 0, blocks);
        be.rows(rows_,
                functor::EncodeRow<Format, std::remove_const_t<T>>{
                    m.data, cols_, m.ld, blocks_.view().data, blocks_.cols(), scales.view().data, strange.view().data});
        check_finite(be, strange, name);
        if constexpr (nested) nest(be, scales);
    }

    void check_finite(B& be, const Buffer<B, std::int32_t>& strange, std::string_view name) const {
        std::vector<std::int32_t> found(static_cast<std::size_t>(rows_));
        be.download(strange.view(), host_view(found.data(), 1, rows_));
        for (std::size_t i = 0; i < found.size(); ++i)
            check(found[i] == 0, "quantise: row ", i, " of ", name, " (", rows_, ", ", cols_,
                  ") has a number that is not finite as a float, which has no place among codes; expected finite "
                  "numbers");
    }

    /// By the host: of 64 numbers one is left.
    void nest(B& be, const Buffer<B, float>& scales) {
        std::vector<float> values(static_cast<std::size_t>(scales.size()));
        be.download(scales.view(), host_view(values.data(), scales.rows(), scales.cols()));
        const quant::Nested nested = quant::nest_scales(values);
        side_ = Buffer<B, float>(be, 1, static_cast<Index>(nested.side.size()));
        be.upload(host_view(nested.side.data(), 1, side_.cols()), side_.view());
        Buffer<B, std::int32_t> codes(be, scales.shape());
        be.upload(host_view(nested.codes.data(), codes.rows(), codes.cols()), codes.view());
        be.rows(rows_, functor::PutScaleCodes{codes.view().data, blocks_.view().data, codes.cols(),
                                              quant::NestedNF4::bytes, blocks_.cols()});
    }

    QuantFormat format_ = QuantFormat::nf4;
    Index rows_ = 0, cols_ = 0;
    Buffer<B, std::uint8_t> blocks_;
    Buffer<B, float> side_;  // of nested scales
};

/// quantise(be, matrix, Nf4{.block = 64}), Nf4{.scales = Nf4Scales::nested} or Int8{}: row by row from whatever type the matrix is stored
/// in, which is not needed afterwards.
template <Backend B, class Kind>
[[nodiscard]] QuantisedMatrix<B> quantise(B& be, const std::type_identity_t<StoredView<B>>& m, Kind kind,
                                          std::string_view name = "the matrix") {
    return {be, m, kind.format(), name};
}

}  // namespace hydralora
