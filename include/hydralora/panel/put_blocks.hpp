// Panels of a matrix of blocks (quant/): decoded on the way into them.
#pragma once

#include "../quant/decode.hpp"
#include "layout.hpp"

namespace hydralora::panel {

/// A part of M = op(m), of blocks: depths [k, k + count), columns [col, col + cols). col: of Op::none a multiple of 32.
struct BlockPart {
    Op op;
    const QuantView<host>& m;
    Index k, count, col, cols;
};

namespace layout_detail {

/// Line k of a panel = `count` floats, then zeros, as P.
template <class P>
void put_line(const Layout& at, P* panel, Index k, const float* from, Index count) {
    if constexpr (std::is_same_v<P, float>)
        copy_line(from, count, at.width, panel + k * at.width);
    else
        for (Index j = 0; j < at.width; ++j)
            panel[at.place_in_panel<P>(k, j)] = j < count ? converted<P>(from[j]) : P{};
}

/// One panel of M = m^T: rows [col, col + width) of m become its columns.
template <class P>
void put_turned_blocks(const Layout& at, P* panel, const BlockPart& part, Index col, Index width) {
    Index i = 0;
    while (i < part.count) {
        const Index k = part.k + i, inside = k % quant_run;
        if constexpr (std::is_same_v<P, float>) {
            if (inside == 0 && width == at.width)
                return quant::decode_turned(part.m, col, width, k, part.count - i, panel + i * at.width, at.width);
        }
        // what is left of a run whose first elements another block of the depth has; or a panel that is not full, or not float
        float tile[quant_run * most_cols];
        const Index lines = std::min(quant_run - inside, part.count - i);
        quant::decode_turned(part.m, col, width, k - inside, std::min(quant_run, part.m.cols - (k - inside)), tile,
                             most_cols);
        for (Index t = 0; t < lines; ++t) put_line(at, panel, i + t, tile + (inside + t) * most_cols, width);
        i += lines;
    }
}

/// Panels of M = m, `deep` lines from one to the next.
template <class P>
void put_block_lines(const Layout& at, P* panels, Index deep, const BlockPart& part) {
    float tile[quant_run * quant_run];
    for (Index i = 0; i < part.count; i += quant_run) {
        const Index lines = std::min(quant_run, part.count - i);
        for (Index col = 0; col < part.cols; col += quant_run) {
            const Index count = std::min(quant_run, part.cols - col);
            if constexpr (std::is_same_v<P, float>) {
                if (count == quant_run && at.width >= 16) {
                    const Index panel = col / at.width, apart = at.width == 16 ? deep * at.width : 16;
                    quant::decode_apart(part.m, part.k + i, lines, part.col + col,
                                        panels + panel * deep * at.width + i * at.width + col % at.width, at.width,
                                        apart);
                    continue;
                }
            }
            quant::decode(part.m, part.k + i, lines, part.col + col, count, tile, quant_run);
            for (Index j = 0; j < count; j += at.width) {
                P* const panel = panels + (col + j) / at.width * deep * at.width;
                for (Index t = 0; t < lines; ++t)
                    put_line(at, panel, i + t, tile + t * quant_run + j, std::min(at.width, count - j));
            }
        }
    }
}

}  // namespace layout_detail

/// The first lines of the panels of one block of the depth, `deep` lines from one panel to the next, all in float or bfloat16.
template <class P>
void put_part(const Layout& at, P* panels, Index deep, const BlockPart& part) {
    using namespace layout_detail;
    if (part.op == Op::none) return put_block_lines(at, panels, deep, part);
    for (Index col = 0; col < part.cols; col += at.width)
        put_turned_blocks(at, panels + col * deep, part, part.col + col, std::min(at.width, part.cols - col));
}

/// The part as the first rows of a matrix in panels, by the threads of the backend.
template <class B, class P>
void put_blocks(B& be, const Layout& at, P* memory, const BlockPart& part) {
    const Index wide = std::max(at.width, quant_run), runs = (at.cols + wide - 1) / wide;
    be.tasks(at.blocks * runs, [&](Index task, int) {
        const Index block = task / runs, col = task % runs * wide, k = block * at.block, deep = at.depth_of(block);
        const Index count = std::min(deep, part.count - k);
        if (count > 0)
            put_part(at, memory + at.place_of(block, col / at.width), at.paired(deep),
                     {part.op, part.m, part.k + k, count, part.col + col, std::min(wide, at.cols - col)});
    });
}

/// Rows of M from `first` on = op(m). `first` is 0: what is stored in blocks stands before what is trained.
template <class B, class P>
void put(B& be, const Layout& at, P* memory, Op op, Index first, const QuantView<host>& m) {
    check(first == 0, "panel::put: a matrix of blocks from row ", first, " on, expected 0");
    put_blocks(be, at, memory, {op, m, 0, op == Op::none ? m.rows : m.cols, 0, at.cols});
}

}  // namespace hydralora::panel
