// The routing losses of all adapters of a decoder: the share of tokens that each head of each adapter got in the step before,
// and the count for the next.
#pragma once

#include <utility>
#include <vector>

#include "../adapter/routing_loss.hpp"
#include "params.hpp"

namespace hydralora {

/// In a step: begin(), then for each part a Pass whose `routing` is part(), forward and backward, then finish(). The shares
/// are all that a run carries from step to step.
template <Backend B>
class RoutingLosses {
public:
    /// For the adapters of a set that have a router; its numbers are not looked at.
    template <class M>
    RoutingLosses(B& be, const LlamaAdapters<M>& set) : losses_(set.layers.size() * target_count) {
        for (std::size_t l = 0; l < set.layers.size(); ++l)
            for (std::size_t t = 0; t < target_count; ++t) {
                const Index heads = set.layers[l][t].router.shape().rows;
                if (heads == 0) continue;
                adapters_.push_back(adapter_stream(static_cast<Index>(l), t));
                shares_.emplace_back(be, 1, heads);
                choices_.emplace_back(be, 1, heads);
                be.fill(shares_.back().view(), static_cast<ParamScalar<B>>(1.0 / static_cast<double>(heads)));
                be.fill(choices_.back().view(), ParamScalar<B>{0});
            }
        for (std::size_t a = 0; a < adapters_.size(); ++a) {
            losses_[adapters_[a]].share = std::as_const(shares_[a]).view();
            losses_[adapters_[a]].choices = choices_[a].view();
        }
    }

    /// A step of `labelled` tokens with loss, and the coefficients that it has.
    void begin(double balance, double z, Index labelled) {
        for (auto& loss : losses_) {
            loss.balance = balance;
            loss.z = z;
            loss.labelled = labelled;
        }
    }

    /// For the Pass of a part with these labels (1, T), until the next call.
    [[nodiscard]] const RoutingLoss<B>* part(ViewOf<B, const std::int32_t> labels) {
        for (auto& loss : losses_) loss.labels = labels;
        return losses_.data();
    }

    /// The shares become those of this step.
    void finish(B& be) {
        for (std::size_t a = 0; a < adapters_.size(); ++a)
            be.rows(1, functor::TakeShare<ParamScalar<B>>{choices_[a].view().data, shares_[a].view().data,
                                                          shares_[a].cols()});
    }

    /// f(number, share (1, N)) for each adapter with a router; the number is its adapter_stream.
    template <class F>
    void visit_shares(F&& f) {
        for (std::size_t a = 0; a < adapters_.size(); ++a) f(adapters_[a], shares_[a].view());
    }

private:
    std::vector<RoutingLoss<B>> losses_;  // by adapter_stream
    std::vector<std::uint32_t> adapters_;
    std::vector<ParamBuffer<B>> shares_, choices_;  // of each of them, (1, N)
};

}  // namespace hydralora
