// The right factor of a product, laid out as the micro-kernel reads it.
//
//   M (depth, cols), cut along its depth into blocks, a block along its columns into panels of the kernel's width, filled
//   up with zeros: [block][panel][depth of the block][width]
#pragma once

#include <algorithm>
#include <type_traits>

#include "../backend/concept.hpp"
#include "kernel.hpp"

namespace hydralora::panel {

/// Where the elements of M (depth, cols) lie.
struct Layout {
    Index depth, cols;
    Index width = kernel<float>().cols;  // of a panel
    Index panels = (cols + width - 1) / width;
    Index blocks = std::max(Index{1}, (depth + usual_depth / 2 - 1) / usual_depth);
    Index block = (depth + blocks - 1) / blocks;  // depth of all blocks but the last

    [[nodiscard]] Index size() const { return depth * panels * width; }
    [[nodiscard]] Index depth_of(Index b) const { return std::min(block, depth - b * block); }
    /// Where a panel's part of block b begins.
    [[nodiscard]] Index place_of(Index b, Index panel) const {
        return (b * block * panels + panel * depth_of(b)) * width;
    }
    /// Columns of a panel that are M's.
    [[nodiscard]] Index width_of(Index panel) const { return std::min(width, cols - panel * width); }
};

/// Where column j of a panel stands in a line: halves stand in pairs, one of the line's first half and one of its second,
/// which is what fills a word of the kernel's.
template <class P>
[[nodiscard]] constexpr Index place_in_line(Index j, Index width) {
    const Index half = width / 2;
    return sizeof(P) == 4 ? j : j < half ? 2 * j : 2 * (j - half) + 1;
}

namespace layout_detail {

template <class P, class S>
P converted(S value) {
    if constexpr (std::is_same_v<P, S>)
        return value;
    else
        return static_cast<P>(widened<float>(value));
}

/// `count` lines of a panel, whose column j is from[j * ld + line].
template <class P, class S>
void put_turned(P* lines, Index panel_width, Index count, const S* from, Index ld, Index width) {
    constexpr Index run =
        16;  // elements in a row of a cache line; rows may be so far apart that they push each other out
    for (Index k = 0; k < count; k += run)
        for (Index j = 0; j < width; ++j) {
            const S* const row = from + j * ld + k;
            P* const to = lines + k * panel_width + place_in_line<P>(j, panel_width);
            if (k + run <= count)
                for (Index i = 0; i < run; ++i) to[i * panel_width] = converted<P>(row[i]);
            else
                for (Index i = 0; i < count - k; ++i) to[i * panel_width] = converted<P>(row[i]);
        }
}

}  // namespace layout_detail

/// One panel: rows [first, ...) of M = op(part), `part` (rows, cols) with Op::none, (cols, rows) with Op::transpose. P float,
/// or bfloat16, which takes what is stored so and rounds the rest.
template <class P, class S>
void put_panel(const Layout& at, P* memory, Op op, Index first, MatrixView<const S> part, Index panel) {
    const Index col = panel * at.width, width = at.width_of(panel), count = op == Op::none ? part.rows : part.cols;
    for (Index k = 0; k < count;) {
        const Index block = (first + k) / at.block, begin = block * at.block;
        const Index n = std::min(count, begin + at.depth_of(block) - first) - k;
        P* const lines = memory + at.place_of(block, panel) + (first + k - begin) * at.width;
        if (op == Op::transpose)
            layout_detail::put_turned(lines, at.width, n, part.data + col * part.ld + k, part.ld, width);
        for (Index i = 0; i < n; ++i) {
            P* const line = lines + i * at.width;
            if (op == Op::none)
                for (Index j = 0; j < width; ++j)
                    line[place_in_line<P>(j, at.width)] = layout_detail::converted<P>(part(k + i, col + j));
            for (Index j = width; j < at.width; ++j) line[place_in_line<P>(j, at.width)] = P{};
        }
        k += n;
    }
}

/// All panels, by the threads of the backend.
template <class B, class P, class S>
void put(B& be, const Layout& at, P* memory, Op op, Index first, MatrixView<const S> part) {
    be.tasks(at.panels, [&](Index panel, int) { put_panel(at, memory, op, first, part, panel); });
}

}  // namespace hydralora::panel
