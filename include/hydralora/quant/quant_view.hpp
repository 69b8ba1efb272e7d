// A frozen matrix in blocks, in somebody else's memory.
#pragma once

#include <type_traits>

#include "blocks.hpp"

namespace hydralora {

/// How the rows of a matrix lie in memory: as they are numbered, or, as GGUF files of llama models have q and k, so that of
/// each head of head_dim rows the two halves alternate (row i and i + head_dim / 2 become 2i and 2i + 1; convert_hf_to_gguf.py,
/// LlamaModel.permute).
struct RowOrder {
    Index head_dim = 0;  ///< 0: as they are numbered

    /// Where row i lies.
    [[nodiscard]] HYDRALORA_HD constexpr Index place_of(Index i) const {
        if (head_dim == 0) return i;
        const Index head = i / head_dim * head_dim, inside = i - head, half = head_dim / 2;
        return head + (inside < half ? 2 * inside : 2 * (inside - half) + 1);
    }
};

/// A (rows, cols) matrix of blocks, which may be a part of one; its memory may be a mapped file. Whoever reads it decodes what
/// he reads, piece by piece: there is no second copy.
template <class Space = host>
struct QuantView {
    using space = Space;

    const std::uint8_t* data = nullptr;  // row 0 of the whole matrix
    QuantFormat format = QuantFormat::f32;
    Index rows = 0, cols = 0;
    Index ld = 0;  // bytes from row to row
    RowOrder order{};
    const float* side = nullptr;         // where scales are nested: what they are made with (own_blocks.hpp)
    Index first_row = 0, first_col = 0;  // of this part in the whole; first_col a multiple of a block's elements

    constexpr QuantView() = default;
    /// The whole matrix, its rows one after another.
    QuantView(const std::uint8_t* bytes, QuantFormat f, Index r, Index c, RowOrder o = {}, const float* s = nullptr)
        : data(bytes), format(f), rows(r), cols(c), ld(row_bytes(f, c)), order(o), side(s) {}

    /// The rows of this part; element first_col is the first of each.
    struct Rows {
        const std::uint8_t* begin;
        const float* side;
        RowOrder order;
        Index ld, blocks, first_row, first_block;  // blocks: of a whole row

        HYDRALORA_HD explicit Rows(const QuantView& m)
            : side(m.side), order(m.order), ld(m.ld), first_row(m.first_row) {
            const BlockSize block = block_size(m.format);
            first_block = m.first_col / block.elements;
            blocks = side != nullptr ? ld / block.bytes : 0;
            begin = m.data + first_block * block.bytes;
        }
        [[nodiscard]] HYDRALORA_HD quant::BlockRow operator[](Index i) const {
            const Index place = order.place_of(first_row + i);
            return {begin + place * ld, side, place * blocks + first_block};
        }
    };
    [[nodiscard]] HYDRALORA_HD quant::BlockRow row(Index i) const { return Rows(*this)[i]; }

    /// One element, for which its run is decoded: whoever wants many asks for rows.
    [[nodiscard]] HYDRALORA_HD float operator()(Index i, Index j) const {
        const Index col = j / quant_run * quant_run;
        float run[quant_run];
        const quant::BlockRow blocks = row(i);
        with_format(format, [&](auto f) {
            quant::decode_run(f, blocks, col, cols - col < quant_run ? cols - col : quant_run, run);
        });
        return run[j - col];
    }

    [[nodiscard]] QuantView row_slice(Index begin, Index count) const {
        QuantView part = *this;
        part.first_row += begin;
        part.rows = count;
        return part;
    }
    /// begin: a multiple of a block's elements
    [[nodiscard]] QuantView col_slice(Index begin, Index count) const {
        QuantView part = *this;
        part.first_col += begin;
        part.cols = count;
        return part;
    }

    [[nodiscard]] constexpr Shape shape() const { return {rows, cols}; }
    [[nodiscard]] constexpr Index size() const { return rows * cols; }
    [[nodiscard]] constexpr bool empty() const { return rows == 0 || cols == 0; }
};

template <class V>
inline constexpr bool is_quant_view = false;
template <class Space>
inline constexpr bool is_quant_view<QuantView<Space>> = true;

namespace functor {

/// Row i of `to` (cols), of type T, = row i of a matrix of blocks, or row ids[i].
template <class T, class Space>
struct DecodeRow {
    QuantView<Space> from;
    T* to;
    Index ld;
    const std::int32_t* ids = nullptr;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index i) const {
        const quant::BlockRow row = from.row(ids != nullptr ? ids[i] : i);
        T* const target = to + i * ld;
        with_format(from.format, [&](auto format) {
            for (Index col = group.rank() * quant_run; col < from.cols; col += group.size() * quant_run) {
                const Index count = from.cols - col < quant_run ? from.cols - col : quant_run;
                float run[quant_run];
                quant::decode_run(format, row, col, count, run);
                for (Index j = 0; j < count; ++j) target[col + j] = static_cast<T>(run[j]);
            }
        });
    }
};

}  // namespace functor

}  // namespace hydralora
