// The adapter's inner work on each token: gate the heads, mix them, and the way back.
//
//   T tokens, r rank, N heads, G = 1 (one A x for all heads) or N (one a head); s scaling
//   z[t, i*r + j] = s g[t, i] u[t, i*r*(G > 1) + j]
//   du = s sum_i g_i dz_i      dg_i = s u . dz_i      dl = g * (dg - sum(g * dg))
// (arXiv 2404.19245, eq. 3 and 4, in factorised form: no (T, out) tensor a head.)
#pragma once

#include <cmath>
#include <type_traits>

#include "../concept.hpp"
#include "exponential.hpp"
#include "row_loops.hpp"

namespace hydralora {

/// How gates come from logits.
enum class GateRule { constant, softmax, top_k, assigned };

namespace functor {

/// Row t: g (N) from the logits (N) and z (N*r) from u (G*r). `kept` is where u goes for the way back, unless null.
/// z may be part of wider rows: then ld_z elements apart, with 0 in the z_zeros columns behind it.
template <class T, class Acc, class Rank, class Heads>
struct GateAndMix {
    const Acc* down;              // (T, G*r + N): u, then logits where there are any
    Acc* kept;                    // (T, G*r)
    Acc* g;                       // (T, N)
    T* z;                         // (T, N*r)
    const Acc* bias;              // (N) or null
    const std::int32_t* head_of;  // (T) or null: for GateRule::assigned
    Index ld_down;
    Acc scaling, constant;
    Index top_k;
    GateRule rule;
    bool own_u;
    Rank rank;
    Heads heads;
    Index ld_z = 0, z_zeros = 0;  // ld_z 0: contiguous

    HYDRALORA_HD Acc logit(const Acc* row, Index i) const { return bias == nullptr ? row[i] : row[i] + bias[i]; }

    /// Logit i is among the top_k: fewer than top_k are larger, ties going to the lower index.
    HYDRALORA_HD bool selected(const Acc* row, Index i) const {
        if (rule != GateRule::top_k) return true;
        Index before = 0;
        for (Index j = 0; j < heads; ++j) {
            const Acc a = logit(row, j), b = logit(row, i);
            before += a > b || (a == b && j < i) ? 1 : 0;
        }
        return before < top_k;
    }

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index cols = own_u ? heads * rank : Index{rank};
        const Acc* u = down + t * ld_down;
        const Acc* logits = u + cols;
        Acc* gate = g + t * heads;
        if (kept != nullptr) short_row_map<Acc>(group, cols, Set{}, u, Out{kept + t * cols});
        if (rule == GateRule::constant || rule == GateRule::assigned) {
            for (Index i = group.rank(); i < heads; i += group.size())
                gate[i] = rule == GateRule::constant ? constant : Acc(head_of[t] == i ? 1 : 0);
        } else {
            Acc largest = -HUGE_VAL, sum = 0;
            for (Index i = group.rank(); i < heads; i += group.size())
                largest = logit(logits, i) > largest ? logit(logits, i) : largest;
            largest = group.max(largest);
            for (Index i = group.rank(); i < heads; i += group.size()) {
                gate[i] = selected(logits, i) ? exponential(logit(logits, i) - largest) : Acc{0};
                sum += gate[i];
            }
            sum = group.sum(sum);
            for (Index i = group.rank(); i < heads; i += group.size()) gate[i] /= sum;
        }
        group.sync();
        T* mixed = z + t * (ld_z > 0 ? ld_z : heads * rank);
        for (Index i = 0; i < heads; ++i) {
            const Acc weight = scaling * gate[i];
            const Acc* from = own_u ? u + i * rank : u;
            const auto mix = [weight](Acc value, Acc& to) { to = weight * value; };
            short_row_map<Acc>(group, rank, mix, from, Out{mixed + i * rank});
        }
        for (Index j = group.rank(); j < z_zeros; j += group.size()) mixed[heads * rank + j] = T{};
    }
};

/// Row t: z (N*r) again, du (G*r) and, with `routed`, dl (N) behind it, from u, g and dz (N*r).
template <class T, class Acc, class Rank, class Heads>
struct UnmixAndGate {
    const Acc* u;  // (T, G*r)
    const Acc* g;  // (T, N)
    const T* dz;   // (T, N*r)
    T* z;          // (T, N*r)
    Acc* du;       // (T, G*r + N): du, then dl
    Index ld_du;
    Acc scaling;
    bool own_u, routed;
    Rank rank;
    Heads heads;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index cols = own_u ? heads * rank : Index{rank};
        const Acc* gate = g + t * heads;
        Acc* dl = du + t * ld_du + cols;
        Acc mean = 0;
        for (Index j = group.rank(); j < (own_u ? Index{0} : Index{rank}); j += group.size())
            du[t * ld_du + j] = Acc{0};
        for (Index i = 0; i < heads; ++i) {
            const Acc weight = scaling * gate[i];
            const Acc* from = u + t * cols + (own_u ? i * rank : 0);
            const T* back = dz + (t * heads + i) * rank;
            T* mixed = z + (t * heads + i) * rank;
            Acc* to = du + t * ld_du + (own_u ? i * rank : 0);
            const Acc dot = routed ? short_row_sum<Acc>(group, rank, Product{}, from, back) : Acc{0};
            if (own_u) {
                const auto set = [weight](Acc value, Acc given, Acc& out, Acc& share) {
                    out = weight * value;
                    share = weight * given;
                };
                short_row_map<Acc>(group, rank, set, from, back, Out{mixed}, Out{to});
            } else {
                const auto add = [weight](Acc value, Acc given, Acc& out, Acc& sum) {
                    out = weight * value;
                    sum += weight * given;
                };
                short_row_map<Acc>(group, rank, add, from, back, Out{mixed}, to);
            }
            if (!routed) continue;
            const Acc dg = scaling * dot;
            mean += gate[i] * dg;
            if (group.rank() == 0) dl[i] = dg;
        }
        if (!routed) return;
        group.sync();
        for (Index i = group.rank(); i < heads; i += group.size()) dl[i] = gate[i] * (dl[i] - mean);
    }
};

/// Row t: y (out) += sum over the heads with a gate of B_i z_i; the others are not read.
template <class T, class P, class Acc>
struct AddSelectedHeads {
    const T* z;    // (T, N*r)
    const Acc* g;  // (T, N)
    const P* B;    // (out, N*r)
    T* y;          // (T, out)
    Index out, rank, heads, ld_b, ld_y;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        for (Index i = 0; i < heads; ++i) {
            if (g[t * heads + i] == Acc{0}) continue;
            const T* mixed = z + (t * heads + i) * rank;
            for (Index o = group.rank(); o < out; o += group.size()) {
                Acc sum = 0;
                for (Index j = 0; j < rank; ++j)
                    sum += static_cast<Acc>(B[o * ld_b + i * rank + j]) * static_cast<Acc>(mixed[j]);
                y[t * ld_y + o] = static_cast<T>(static_cast<Acc>(y[t * ld_y + o]) + sum);
            }
        }
    }
};

}  // namespace functor

namespace ops {

/// down (T, R + N) = x [A; router]^T: both products that read x are one. The router may be empty. A and router are views
/// of parameters, or of the compute type: then, where the router stands behind A in memory, they are read in place.
template <Backend B, class V>
void down(B& be, ConstView<B> x, V A, V router, AccumView<B> down) {
    if constexpr (requires { be.down(x, A, router, down); }) {
        be.down(x, A, router, down);
    } else {
        if constexpr (std::is_same_v<typename V::value_type, Scalar<B>>) {
            if (router.empty() || (router.data == A.data + A.rows * A.ld && router.ld == A.ld))
                return be.gemm(Op::none, Op::transpose, 1, x, V{A.data, A.rows + router.rows, A.cols, A.ld}, 0, down);
        }
        Scratch<B> scratch(be);
        const auto stacked = scratch.template matrix<Scalar<B>>(A.rows + router.rows, A.cols);  // (R + N, in)
        be.cast(A, stacked.row_slice(0, A.rows));
        if (!router.empty()) be.cast(router, stacked.row_slice(A.rows, router.rows));
        be.gemm(Op::none, Op::transpose, 1, x, stacked, 0, down);
    }
}

/// The way back of down: dx += ddown [A; router], [dA; drouter] += ddown^T x. An empty dx is not wanted.
template <Backend B, class V>
void down_backward(B& be, ConstView<B> x, ConstAccumView<B> ddown, V A, V router, View<B> dx, ParamView<B> dA,
                   ParamView<B> drouter) {
    if constexpr (requires { be.down_backward(x, ddown, A, router, dx, dA, drouter); }) {
        be.down_backward(x, ddown, A, router, dx, dA, drouter);
    } else {
        if (!dx.empty()) {
            Scratch<B> scratch(be);
            const auto stacked = scratch.template matrix<Scalar<B>>(A.rows + router.rows, A.cols);  // (R + N, in)
            be.cast(A, stacked.row_slice(0, A.rows));
            if (!router.empty()) be.cast(router, stacked.row_slice(A.rows, router.rows));
            be.gemm(Op::none, Op::none, 1, ddown, stacked, 1, dx);
        }
        Scratch<B> scratch(be);
        const auto sums = scratch.template matrix<AccumScalar<B>>(A.rows + router.rows, A.cols);  // (R + N, in)
        const auto top = sums.row_slice(0, A.rows), bottom = sums.row_slice(A.rows, router.rows);
        be.cast(dA, top);
        if (!router.empty()) be.cast(drouter, bottom);
        be.gemm(Op::transpose, Op::none, 1, ddown, x, 1, sums);
        be.cast(top, dA);
        if (!router.empty()) be.cast(bottom, drouter);
    }
}

}  // namespace ops

}  // namespace hydralora
