// RMSNorm (Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv 1910.07467, eq. 4), forward and backward.
// T tokens, d width.
#pragma once

#include <cmath>

#include "../concept.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {

/// out = w * x / rms
template <class A>
struct ScaleByRms {
    A inv;
    HYDRALORA_HD void operator()(A value, A w, A& out) const { out = w * (value * inv); }
};

/// y (T, d) = w * x / sqrt(mean(x^2) + eps); keeps 1 / sqrt(...).
template <class T, class P, class A>
struct RmsNorm {
    const T* x;
    const P* weight;
    T* y;
    A* inv_rms;
    Index width, ldx, ldy, ld_inv;
    A eps;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const T* in = x + t * ldx;
        const auto square = [](A value) { return value * value; };
        const A squares = row_sum<A>(group, width, square, in);
        const A inv = A{1} / std::sqrt(squares / static_cast<A>(width) + eps);
        if (group.rank() == 0) inv_rms[t * ld_inv] = inv;
        row_map<A>(group, width, ScaleByRms<A>{inv}, in, weight, Out{y + t * ldy});
    }
};

/// The same y from what RmsNorm kept, with its bits.
template <class T, class P, class A>
struct RmsNormAgain {
    const T* x;
    const P* weight;
    const A* inv_rms;
    T* y;
    Index width, ldx, ld_inv, ldy;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_map<A>(group, width, ScaleByRms<A>{inv_rms[t * ld_inv]}, x + t * ldx, weight, Out{y + t * ldy});
    }
};

/// dx (T, d) = w dy / rms - x mean(w dy x) / rms^3, or dx += that.
template <class T, class P, class A>
struct RmsNormBackward {
    const T* x;
    const P* weight;
    const A* inv_rms;
    const T* dy;
    T* dx;
    Index width, ldx, ld_inv, ld_dy, ld_dx;
    bool add;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const T* in = x + t * ldx;
        const T* g = dy + t * ld_dy;
        T* out = dx + t * ld_dx;
        const A inv = inv_rms[t * ld_inv];
        const auto product = [](A w, A back, A value) { return w * back * value; };
        const A along = row_sum<A>(group, width, product, weight, g, in);
        const A mean = inv * inv * inv * along / static_cast<A>(width);
        const auto gradient = [inv, mean](A w, A back, A value) { return inv * w * back - mean * value; };
        if (add) {
            const auto sum = [&gradient](A w, A back, A value, A& to) { to += gradient(w, back, value); };
            row_map<A>(group, width, sum, weight, g, in, out);
        } else {
            const auto set = [&gradient](A w, A back, A value, A& to) { to = gradient(w, back, value); };
            row_map<A>(group, width, set, weight, g, in, Out{out});
        }
    }
};

/// partial (slabs, d): sum over the tokens of a slab of dy x / rms. A row of the launch is one slab of one block of
/// columns.
template <class T, class A>
struct RmsNormWeightSlab {
    static constexpr Index block = 32;
    const T* x;
    const A* inv_rms;
    const T* dy;
    A* partial;
    Index tokens, width, ldx, ld_inv, ld_dy, slab, blocks;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index task) const {
        const Index s = task / blocks, first = (task - s * blocks) * block;
        const Index cols = first + block < width ? block : width - first;
        const Index end = (s + 1) * slab < tokens ? (s + 1) * slab : tokens;
        alignas(16) A sums[block] = {};
        for (Index t = s * slab; t < end; ++t) {
            const T* in = x + t * ldx + first;
            const T* g = dy + t * ld_dy + first;
            const A inv = inv_rms[t * ld_inv];
            const auto term = [inv](A back, A value, A& sum) { sum += back * (value * inv); };
            row_map<A>(group, cols, term, g, in, sums + 0);
        }
        const A* const made = sums;
        row_map<A>(group, cols, Set{}, made, Out{partial + s * width + first});
    }
};

/// total (1, d) += the rows of partial (slabs, d), one after another.
template <class P, class A>
struct AddSlabs {
    const A* partial;
    P* total;
    Index slabs, width;

    HYDRALORA_HD void operator()(Index j) const {
        P sum = total[j];
        for (Index s = 0; s < slabs; ++s) sum = static_cast<P>(static_cast<A>(sum) + partial[s * width + j]);
        total[j] = sum;
    }
};

}  // namespace functor

namespace ops {

/// y (T, d) = weight (1, d) * x (T, d) * inv_rms, inv_rms (T, 1) = 1 / sqrt(mean over d of x^2 + eps). In place is
/// fine.
template <Backend B>
void rms_norm(B& be, ConstView<B> x, ConstParamView<B> weight, double eps, View<B> y, AccumView<B> inv_rms) {
    if constexpr (requires { be.rms_norm(x, weight, eps, y, inv_rms); }) {
        be.rms_norm(x, weight, eps, y, inv_rms);
    } else {
        using A = AccumScalar<B>;
        be.rows(x.rows,
                functor::RmsNorm<Scalar<B>, ParamScalar<B>, A>{x.data, weight.data, y.data, inv_rms.data, x.cols, x.ld,
                                                               y.ld, inv_rms.ld, static_cast<A>(eps)});
    }
}

/// y (T, d) of rms_norm once more, from the inv_rms that it gave.
template <Backend B>
void rms_norm_again(B& be, ConstView<B> x, ConstParamView<B> weight, ConstAccumView<B> inv_rms, View<B> y) {
    if constexpr (requires { be.rms_norm_again(x, weight, inv_rms, y); }) {
        be.rms_norm_again(x, weight, inv_rms, y);
    } else {
        be.rows(x.rows, functor::RmsNormAgain<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{
                            x.data, weight.data, inv_rms.data, y.data, x.cols, x.ld, inv_rms.ld, y.ld});
    }
}

/// dx (T, d) = or += the gradient of rms_norm for x. dx may be dy.
template <Backend B>
void rms_norm_backward(B& be, ConstView<B> x, ConstParamView<B> weight, ConstAccumView<B> inv_rms, ConstView<B> dy,
                       View<B> dx, Grad mode = Grad::overwrite) {
    if constexpr (requires { be.rms_norm_backward(x, weight, inv_rms, dy, dx, mode); }) {
        be.rms_norm_backward(x, weight, inv_rms, dy, dx, mode);
    } else {
        be.rows(x.rows, functor::RmsNormBackward<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{
                            x.data, weight.data, inv_rms.data, dy.data, dx.data, x.cols, x.ld, inv_rms.ld, dy.ld, dx.ld,
                            mode == Grad::accumulate});
    }
}

/// dweight (1, d) += sum over tokens of dy x inv_rms: slabs of be.slab_rows() tokens, added one after another.
template <Backend B>
void rms_norm_weight_gradient(B& be, ConstView<B> x, ConstAccumView<B> inv_rms, ConstView<B> dy, ParamView<B> dweight) {
    if constexpr (requires { be.rms_norm_weight_gradient(x, inv_rms, dy, dweight); }) {
        be.rms_norm_weight_gradient(x, inv_rms, dy, dweight);
    } else {
        using A = AccumScalar<B>;
        using Slab = functor::RmsNormWeightSlab<Scalar<B>, A>;
        const Index slab = be.slab_rows(), slabs = (x.rows + slab - 1) / slab;
        const Index blocks = (x.cols + Slab::block - 1) / Slab::block;
        Scratch<B> scratch(be);
        const auto partial = scratch.template matrix<A>(slabs, x.cols);  // (slabs, d)
        be.rows(slabs * blocks, Slab{x.data, inv_rms.data, dy.data, partial.data, x.rows, x.cols, x.ld, inv_rms.ld,
                                     dy.ld, slab, blocks});
        be.each(x.cols, functor::AddSlabs<ParamScalar<B>, A>{partial.data, dweight.data, slabs, x.cols});
    }
}

}  // namespace ops

}  // namespace hydralora
