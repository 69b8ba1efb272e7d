// Products whose right factor is in blocks, or in panels of codes: its panels are made in the product, a part at a time.
//
// A task has some columns of the result. It decodes what they need into memory of its thread and multiplies all rows by that,
// so that no panel crosses from one core's caches to another's. The bits are those of the same product of floats.
#pragma once

#include "code_panels.hpp"
#include "product.hpp"
#include "put_blocks.hpp"

namespace hydralora::panel {

/// A further product with a matrix in panels: x (m, depth) M (depth, n).
struct PanelTerm {
    const Layout* at = nullptr;  // null: there is none
    const float* memory = nullptr;
    MatrixView<const float> x = {};
};

namespace product_detail {

/// c (m, n) = alpha a (m, k) M + bias + rest, or c += that without a bias; put(panels, deep, k, count, col, cols) makes depths
/// [k, k + count) of the panels of columns [col, col + cols), `deep` lines from one to the next.
template <class B, class Put>
void multiply_decoded(B& be, float alpha, MatrixView<const float> a, MatrixView<float> c, Grad mode, const float* bias,
                      const PanelTerm& rest, const Put& put) {
    if (c.empty()) return;
    const Index deep = piece_of(a.cols), unit = std::max(kernel<float>().cols, quant_run);
    const Index units = (c.cols + unit - 1) / unit,
                fit = std::max(Index{1}, most_decoded / std::max(Index{1}, deep) / unit);
    const Index runs = std::min(units, std::max((units + fit - 1) / fit, 2 * Index{be.threads()}));
    Scratch<B> scratch(be);
    const Index most = (units + runs - 1) / runs * unit;  // columns of a task
    const auto spaces = scratch.template matrix<float>(be.threads(), Workspace::size + Layout{deep, most}.size());
    be.tasks(runs, [&](Index run, int worker) {
        const Workspace work(spaces.row(worker));
        float* const panels = spaces.row(worker) + Workspace::size;
        const Index larger = units % runs;  // so many tasks have a unit more: the first, so that all threads end alike
        const Index col = (units / runs * run + std::min(run, larger)) * unit;
        const Index count = std::min(c.cols - col, (units / runs + (run < larger ? 1 : 0)) * unit);
        Index k = 0;
        do {
            const Layout at{std::min(deep, a.cols - k), count};
            for (Index block = 0; block < at.blocks && at.depth > 0; ++block)
                put(panels + at.place_of(block, 0), at.depth_of(block), k + block * at.block, at.depth_of(block), col,
                    count);
            const Product<float> product{at,
                                         panels,
                                         alpha,
                                         k == 0 ? mode : Grad::accumulate,
                                         k == 0 && bias != nullptr ? bias + col : nullptr,
                                         LeftSide::as_it_is};
            for (Index row = 0; row < c.rows; row += slab_rows) {
                const Index rows = std::min(slab_rows, c.rows - row);
                product.multiply(a.row_slice(row, rows).col_slice(k, at.depth),
                                 c.row_slice(row, rows).col_slice(col, count), 0, at.panels, work);
            }
            k += deep;
        } while (k < a.cols);
        if (rest.at == nullptr) return;
        const Product<float> further{*rest.at, rest.memory, 1, Grad::accumulate, nullptr, LeftSide::as_it_is};
        const Index width = rest.at->width;
        for (Index row = 0; row < c.rows; row += slab_rows) {
            const Index rows = std::min(slab_rows, c.rows - row);
            further.multiply(rest.x.row_slice(row, rows), c.row_slice(row, rows), col / width,
                             (col + count + width - 1) / width, work);
        }
    });
}

}  // namespace product_detail

/// c (m, n) = alpha a (m, k) op(b) (k, n) + bias (n) or null + rest, or c += that without a bias: b in blocks.
template <class B>
void multiply(B& be, float alpha, MatrixView<const float> a, Op op_b, const QuantView<host>& b, MatrixView<float> c,
              Grad mode, const float* bias = nullptr, const PanelTerm& rest = {}) {
    product_detail::multiply_decoded(be, alpha, a, c, mode, bias, rest,
                                     [&](float* panels, Index deep, Index k, Index count, Index col, Index cols) {
                                         put_part(Layout{deep, cols}, panels, deep, {op_b, b, k, count, col, cols});
                                     });
}

/// The same with M in panels of codes.
template <class B>
void multiply(B& be, float alpha, MatrixView<const float> a, const CodePanels<B>& m, MatrixView<float> c, Grad mode,
              const float* bias = nullptr, const PanelTerm& rest = {}) {
    product_detail::multiply_decoded(be, alpha, a, c, mode, bias, rest,
                                     [&](float* panels, Index deep, Index k, Index count, Index col, Index cols) {
                                         m.put_part(panels, deep, k, count, col, cols);
                                     });
}

}  // namespace hydralora::panel
