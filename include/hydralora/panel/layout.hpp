// The right factor of a product, laid out as the micro-kernel reads it.
//
//   M (depth, cols), cut along its depth into blocks, a block along its columns into panels of the kernel's width, filled
//   up with zeros: [block][panel][depth of the block][width], of 16 bits [depth of the block / 2][width][2]
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "../backend/concept.hpp"
#include "kernel.hpp"

namespace hydralora::panel {

/// Where the elements of M (depth, cols) lie.
struct Layout {
    Index depth, cols;
    Index pair = 1;                      // depths that stand together
    Index width = kernel<float>().cols;  // of a panel
    Index panels = (cols + width - 1) / width;
    Index block = even_share(depth);  // depth of all blocks but the last
    Index blocks = std::max(Index{1}, (depth + block - 1) / block);

    [[nodiscard]] Index paired(Index n) const { return (n + pair - 1) / pair * pair; }
    [[nodiscard]] Index size() const { return paired(depth) * panels * width; }
    [[nodiscard]] Index depth_of(Index b) const { return std::min(block, depth - b * block); }
    /// Where a panel's part of block b begins.
    [[nodiscard]] Index place_of(Index b, Index panel) const {
        return (b * block * panels + panel * paired(depth_of(b))) * width;
    }
    /// And there element (k, j) of panels of P.
    template <class P>
    [[nodiscard]] Index place_in_panel(Index k, Index j) const {
        return sizeof(P) == 2 ? (k / 2 * width + j) * 2 + k % 2 : k * width + j;
    }
    /// Columns of a panel that are M's.
    [[nodiscard]] Index width_of(Index panel) const { return std::min(width, cols - panel * width); }

private:
    /// Even, whatever the pair, so that the cut does not depend on it.
    [[nodiscard]] static Index even_share(Index depth) {
        const Index parts = std::max(Index{1}, (depth + usual_depth / 2 - 1) / usual_depth);
        return std::max(Index{2}, ((depth + parts - 1) / parts + 1) / 2 * 2);
    }
};

/// That of panels of P, float or bfloat16.
template <class P>
[[nodiscard]] Layout layout_of(Index depth, Index cols) {
    return {depth, cols, sizeof(P) == 2 ? 2 : 1};
}

namespace layout_detail {

template <class P, class S>
P converted(S value) {
    if constexpr (std::is_same_v<P, S>)
        return value;
    else
        return static_cast<P>(widened<float>(value));
}

/// to (width) = `count` floats, then zeros. Eight at a time, a count that the compiler sees: a call costs more than the copy.
inline void copy_line(const float* from, Index count, Index width, float* to) {
    if (count == width) {
        for (Index j = 0; j < width; j += 8) std::memcpy(to + j, from + j, 8 * sizeof(float));
    } else {
        std::copy_n(from, count, to);
        std::fill_n(to + count, width - count, 0.0f);
    }
}

/// Depths [k0, k0 + count) of a panel at `to`, whose column j is from[j * ld + k].
template <class P, class S>
void put_turned(const Layout& at, P* to, Index k0, Index count, const S* from, Index ld, Index width) {
    constexpr Index run =
        16;  // elements in a row of a cache line; rows may be so far apart that they push each other out
    for (Index k = 0; k < count; k += run)
        for (Index j = 0; j < width; ++j) {
            const S* const row = from + j * ld + k;
            for (Index i = 0; i < std::min(run, count - k); ++i)
                to[at.place_in_panel<P>(k0 + k + i, j)] = converted<P>(row[i]);
        }
}

}  // namespace layout_detail

/// One panel: rows [first, ...) of M = op(part), `part` (rows, cols) with Op::none, (cols, rows) with Op::transpose. P float,
/// or bfloat16, which takes what is stored so and rounds the rest.
template <class P, class S>
void put_panel(const Layout& at, P* memory, Op op, Index first, MatrixView<const S> part, Index panel) {
    const Index col = panel * at.width, width = at.width_of(panel), count = op == Op::none ? part.rows : part.cols;
    for (Index k = 0; k < count;) {
        const Index block = (first + k) / at.block, begin = block * at.block, k0 = first + k - begin;
        const Index n = std::min(count, begin + at.depth_of(block) - first) - k;
        P* const to = memory + at.place_of(block, panel);
        if (op == Op::transpose)
            layout_detail::put_turned(at, to, k0, n, part.data + col * part.ld + k, part.ld, width);
        for (Index i = 0; i < n; ++i) {
            if constexpr (std::is_same_v<P, float> && std::is_same_v<S, float>) {
                if (op == Op::none) {
                    layout_detail::copy_line(part.row(k + i) + col, width, at.width, to + (k0 + i) * at.width);
                    continue;
                }
            }
            if (op == Op::none)
                for (Index j = 0; j < width; ++j)
                    to[at.place_in_panel<P>(k0 + i, j)] = layout_detail::converted<P>(part(k + i, col + j));
            for (Index j = width; j < at.width; ++j) to[at.place_in_panel<P>(k0 + i, j)] = P{};
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
