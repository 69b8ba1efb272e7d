// Losses of the routing besides the task's, over the tokens that bear loss: that the heads are used alike, and that the
// logits stay small.
//
//   n tokens of the step with a label, N heads, g (N) gates and l (N) logits of a token
//   balance:  c_b N sum_i f_i P_i,   P_i = 1/n sum_t g_ti      (Switch Transformer, arXiv 2101.03961, eq. 4 to 6)
//   z:        c_z 1/n sum_t (log sum_i exp l_ti)^2             (ST-MoE, arXiv 2202.08906, eq. 5)
//
// f_i is the share of tokens whose largest gate is i. No gradient goes through it, so that of the step before is taken:
// the parts of a step then add up to the bits of the whole. The first step has 1/N, which pushes nowhere.
#pragma once

#include <cmath>

#include "../backend/compose/exponential.hpp"
#include "../backend/concept.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// Of one adapter in one step. The loss is not computed, only its gradient.
template <Backend B>
struct RoutingLoss {
    double balance = 0, z = 0;               ///< coefficients c_b and c_z
    Index labelled = 0;                      ///< n, of the whole step
    ViewOf<B, const std::int32_t> labels{};  ///< (1, T) of this pass; a token with a negative one bears no loss
    ConstParamView<B> share{};               ///< (1, N) f
    ParamView<B> choices{};                  ///< (1, N) += tokens of this pass by their largest gate
};

/// Throws where the way back of `tokens` tokens through `heads` heads cannot use it.
template <Backend B>
void check_routing_loss(const RoutingLoss<B>& loss, Index tokens, Index heads) {
    check(loss.balance >= 0 && loss.z >= 0, "RoutingLoss: balance = ", loss.balance, ", z = ", loss.z,
          ", expected both 0 or more");
    check(loss.labels.rows == 1 && loss.labels.cols == tokens, "RoutingLoss: labels are (", loss.labels.rows, ", ",
          loss.labels.cols, "), expected (1, ", tokens, ")");
    const Shape expected{1, heads};
    check(loss.share.shape() == expected && loss.choices.shape() == expected, "RoutingLoss: share is (",
          loss.share.rows, ", ", loss.share.cols, ") and choices (", loss.choices.rows, ", ", loss.choices.cols,
          "), expected (1, ", heads, ")");
}

namespace functor {

/// Row t: dl (N) += the gradient of both losses, and choice (N) = 1 at the largest gate, of equal ones the first, 0
/// elsewhere; for a token without loss, choice = 0.
template <class P, class Acc>
struct AddRoutingLoss {
    const Acc* g;                // (T, N)
    const Acc* logits;           // (T, N), or null without a z-loss
    const P* bias;               // (N) or null
    const P* share;              // (N) f
    const std::int32_t* labels;  // (T)
    Acc* dl;                     // (T, N), rows ld_dl apart
    Acc* choice;                 // (T, N)
    Index ld_dl;
    Acc balance, z;  // c_b N / n, 2 c_z / n
    Index heads;

    HYDRALORA_HD Acc logit(Index t, Index i) const {
        return logits[t * heads + i] + (bias == nullptr ? Acc{0} : static_cast<Acc>(bias[i]));
    }

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Acc* gate = g + t * heads;
        Acc* chosen = choice + t * heads;
        Acc* to = dl + t * ld_dl;
        if (labels[t] < 0) {
            for (Index i = group.rank(); i < heads; i += group.size()) chosen[i] = Acc{0};
            return;
        }
        Acc largest = -1, mean = 0;
        for (Index i = group.rank(); i < heads; i += group.size()) {
            largest = gate[i] > largest ? gate[i] : largest;
            mean += gate[i] * static_cast<Acc>(share[i]);
        }
        largest = group.max(largest);
        mean = group.sum(mean);
        Acc first = -static_cast<Acc>(heads);  // minus the place of the largest
        for (Index i = group.rank(); i < heads; i += group.size())
            if (gate[i] == largest && -static_cast<Acc>(i) > first) first = -static_cast<Acc>(i);
        first = group.max(first);
        for (Index i = group.rank(); i < heads; i += group.size()) {
            chosen[i] = -static_cast<Acc>(i) == first ? Acc{1} : Acc{0};
            to[i] += balance * gate[i] * (static_cast<Acc>(share[i]) - mean);
        }
        if (logits == nullptr) return;
        Acc most = -HUGE_VAL, sum = 0;
        for (Index i = group.rank(); i < heads; i += group.size()) most = logit(t, i) > most ? logit(t, i) : most;
        most = group.max(most);
        for (Index i = group.rank(); i < heads; i += group.size()) sum += exponential(logit(t, i) - most);
        sum = group.sum(sum);
        const Acc scale = z * (most + std::log(sum)) / sum;
        for (Index i = group.rank(); i < heads; i += group.size()) to[i] += scale * exponential(logit(t, i) - most);
    }
};

/// to (N) = choices over their sum, and choices = 0. Without a choice, `to` stays.
template <class P>
struct TakeShare {
    P* choices;  // (N)
    P* to;       // (N)
    Index heads;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index) const {
        P sum = 0;
        for (Index i = 0; i < heads; ++i) sum += choices[i];
        group.sync();
        for (Index i = group.rank(); i < heads; i += group.size()) {
            if (sum > P{0}) to[i] = choices[i] / sum;
            choices[i] = P{0};
        }
    }
};

}  // namespace functor

namespace ops {

/// dl (T, N) += the gradient of the losses, and loss.choices += the pass's, from its gates and, for a z-loss, logits (T, N)
/// and bias (1, N).
template <Backend B>
void add_routing_loss(B& be, const RoutingLoss<B>& loss, ConstAccumView<B> g, ConstAccumView<B> logits,
                      ConstParamView<B> bias, AccumView<B> dl) {
    using Acc = AccumScalar<B>;
    const double tokens = static_cast<double>(loss.labelled > 0 ? loss.labelled : 1);
    Scratch<B> scratch(be);
    const auto choice = scratch.template matrix<Acc>(g.rows, g.cols);  // (T, N)
    be.rows(g.rows,
            functor::AddRoutingLoss<ParamScalar<B>, Acc>{
                g.data, loss.z > 0 ? logits.data : nullptr, bias.data, loss.share.data, loss.labels.data, dl.data,
                choice.data, dl.ld, static_cast<Acc>(loss.balance * static_cast<double>(g.cols) / tokens),
                static_cast<Acc>(2 * loss.z / tokens), g.cols});
    const auto ones = scratch.template matrix<Scalar<B>>(g.rows, 1);
    be.fill(ones, Scalar<B>{1});
    be.gemm(Op::transpose, Op::none, 1, ones, choice, 1, loss.choices);
}

}  // namespace ops

}  // namespace hydralora
