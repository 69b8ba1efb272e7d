// The right factor of a product as codes of 8 bits: what blocks hold (quant/), laid out once as the micro-kernel reads it, a
// code an element and a scale (and in some formats an offset) for sixteen of them. The same values as the blocks' to the last
// bit, in twice their memory at most; nothing has to be unpacked or turned any more.
//
//   M (depth, cols) = op(m) in panels of the kernel's width: codes [panel][depth][width]; of m^T scales [panel][depth / 16][width],
//   of m [panel][depth][width / 16, 1 at least]
#pragma once

#include <algorithm>

#include "../backend/buffer.hpp"
#include "../quant/decode.hpp"
#include "layout.hpp"

namespace hydralora::panel {

/// Whether matrices of a format can be held so: all in blocks but NF4, whose values are no multiples of a scale.
[[nodiscard]] inline bool has_codes(QuantFormat format) {
    return block_size(format).elements > 1 && format != QuantFormat::nf4 && format != QuantFormat::nf4_nested;
}
/// Whether its runs have offsets.
[[nodiscard]] inline bool has_offsets(QuantFormat format) {
    return with_format(format, [](auto f) {
        using F = decltype(f);
        return std::is_same_v<F, quant::Q4_1> || std::is_same_v<F, quant::Q5_1> || std::is_same_v<F, quant::Q2_K> ||
               std::is_same_v<F, quant::Q4_K> || std::is_same_v<F, quant::Q5_K>;
    });
}

template <Backend B>
class CodePanels {
public:
    CodePanels() = default;
    /// Throws unless has_codes(m.format).
    CodePanels(B& be, Op op, const QuantView<host>& m) : CodePanels(op, m.shape(), m.format) {
        check(has_codes(m.format), "CodePanels: a matrix in ", name_of(m.format),
              ", whose values are no codes of 8 bits times a scale; use it in place");
        codes_ = Buffer<B, std::int8_t>(be, 1, code_count());
        scales_ = Buffer<B, float>(be, 1, scale_count());
        if (has_offsets(m.format)) offsets_ = Buffer<B, float>(be, 1, scale_count());
        be.tasks((m.rows + quant_run - 1) / quant_run, [&](Index task, int) {
            const QuantView<host>::Rows rows(m);
            with_format(m.format, [&](auto format) {
                for (Index i = task * quant_run; i < std::min(m.rows, (task + 1) * quant_run); ++i)
                    for (Index j = 0; j < m.cols; j += quant_run) {
                        if constexpr (!quant::is_plain<decltype(format)>) {
                            quant::Run run;
                            quant::unpack_run(format, rows[i], j, run);
                            for (int e = 0; e < quant_run; ++e)
                                run.code[e] =
                                    quant::code_of(static_cast<int>(quant::value_of<decltype(format)>(run.code[e])));
                            put_run(run, i, j, std::min(quant_run, m.cols - j));
                        }
                    }
            });
        });
    }

    [[nodiscard]] Index bytes() const {
        return codes_.size() + (scales_.size() + offsets_.size()) * static_cast<Index>(sizeof(float));
    }
    /// The same of a matrix that is not there yet.
    [[nodiscard]] static Index planned_bytes(Op op, Shape m, QuantFormat format) {
        const CodePanels planned(op, m, format);
        return planned.code_count() +
               planned.scale_count() * static_cast<Index>(sizeof(float)) * (has_offsets(format) ? 2 : 1);
    }

    /// Depths [k, k + count) of the panels of columns [col, col + cols), `deep` lines from one panel to the next. col: a
    /// multiple of the width.
    void put_part(float* panels, Index deep, Index k, Index count, Index col, Index cols) const {
        for (Index j = 0; j < cols; j += width_, panels += deep * width_) {
            const Index panel = (col + j) / width_;
            const std::int8_t* const codes = codes_.view().data + (panel * depth_ + k) * width_;
            const Index place = panel * groups_ * across_;
            const float* const scales = scales_.view().data + place;
            const float* const offsets = offsets_.size() > 0 ? offsets_.view().data + place : nullptr;
            if (op_ == Op::transpose)
                quant::expand_columns(codes, scales, offsets, k, count, width_, panels);
            else
                quant::expand_rows(codes, scales + k * across_, offsets != nullptr ? offsets + k * across_ : nullptr,
                                   count, width_, panels);
        }
    }

private:
    CodePanels(Op op, Shape m, QuantFormat)
        : op_(op),
          depth_(op == Op::none ? m.rows : m.cols),
          panels_(((op == Op::none ? m.cols : m.rows) + width_ - 1) / width_),
          groups_(op == Op::none ? depth_ : (depth_ + 15) / 16),
          across_(op == Op::none ? std::max(Index{1}, width_ / 16) : width_) {}

    [[nodiscard]] Index code_count() const { return panels_ * depth_ * width_; }
    [[nodiscard]] Index scale_count() const { return panels_ * groups_ * across_; }

    /// Elements [j, j + count) of row i of m.
    void put_run(const quant::Run& run, Index i, Index j, Index count) {
        const bool turned = op_ == Op::transpose;
        for (Index e = 0; e < count; ++e) {
            const Index k = turned ? j + e : i, c = turned ? i : j + e, panel = c / width_, w = c % width_;
            codes_.view().data[(panel * depth_ + k) * width_ + w] = run.code[e];
            const Index place = panel * groups_ * across_ + (turned ? k / 16 * across_ + w : k * across_ + w / 16);
            scales_.view().data[place] = run.scale[e / 16];
            if (offsets_.size() > 0) offsets_.view().data[place] = run.offset[e / 16];
        }
    }

    Op op_ = Op::none;
    Index width_ = kernel<float>().cols;
    Index depth_ = 0, panels_ = 0;
    Index groups_ = 0, across_ = 0;  // scales of a panel: so many times so many
    Buffer<B, std::int8_t> codes_;
    Buffer<B, float> scales_, offsets_;
};

}  // namespace hydralora::panel
