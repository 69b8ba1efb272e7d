// The adapted projections of a decoder in their joined form: each frozen matrix and its adapter's in one buffer.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "../adapter/joined_weight.hpp"
#include "../backend/stored_view.hpp"
#include "params.hpp"

namespace hydralora {

/// The joined weights of one block, by target; none for targets without an adapter.
template <Backend B>
using BlockJoined = std::array<std::optional<JoinedWeight<B>>, target_count>;

/// Owns a JoinedWeight for every adapted projection of a decoder. Put each W0 into frozen(layer, target), or all of them
/// with copy_frozen; Llama copies the adapters' parameters in when it is made; after each optimiser step call refresh.
/// Must outlive the Llama made with it.
template <Backend B>
class JoinedProjections {
public:
    JoinedProjections(B& be, const LlamaConfig& config, const LlamaAdapterConfig& adapters) {
        validate(config);
        layers_.resize(static_cast<std::size_t>(config.layers));
        for (auto& layer : layers_)
            for (const Target t : adapters.targets) layer[index_of(t)].emplace(be, adapters.at(config, t));
    }

    [[nodiscard]] Index layers() const { return static_cast<Index>(layers_.size()); }
    [[nodiscard]] BlockJoined<B>& layer(Index l) { return layers_[static_cast<std::size_t>(l)]; }
    [[nodiscard]] bool has(Index l, Target t) const {
        return l >= 0 && l < layers() && layers_[static_cast<std::size_t>(l)][index_of(t)].has_value();
    }

    /// W0 (out, in) of a projection, zero at first. Throws where there is none.
    [[nodiscard]] View<B> frozen(Index l, Target t) {
        check(has(l, t), "JoinedProjections: layer ", l, " of ", layers(), " has no adapter on ",
              target_names[index_of(t)], " to join with");
        return layer(l)[index_of(t)]->frozen();
    }

    /// Copies W0 of every adapted projection from a set that has them all, rounded to the compute type. The set's own copy
    /// is not needed afterwards. M: a view of parameters, or StoredView.
    template <class M>
    void copy_frozen(B& be, const LlamaWeights<M>& weights) {
        check_layers("weights", weights.layers.size());
        for (Index l = 0; l < layers(); ++l)
            for (std::size_t t = 0; t < target_count; ++t) {
                if (!has(l, static_cast<Target>(t))) continue;
                const StoredView<B> from(weights.layers[static_cast<std::size_t>(l)].projections[t]);
                const View<B> to = frozen(l, static_cast<Target>(t));
                check(from.shape() == to.shape(), "JoinedProjections: layer ", l, ", ", target_paths[t], " is (",
                      from.rows, ", ", from.cols, "), expected (", to.rows, ", ", to.cols, ")");
                from.visit([&](auto view) { be.cast(view, to); });
            }
    }

    /// Copies A, B and the routers from the adapters' parameters: after each change of them, before the next pass. Allocates
    /// nothing.
    template <class M>
    void refresh(B& be, const LlamaAdapters<M>& adapters) {
        check_layers("adapters", adapters.layers.size());
        for (std::size_t l = 0; l < layers_.size(); ++l)
            for (std::size_t t = 0; t < target_count; ++t)
                if (layers_[l][t]) layers_[l][t]->refresh(be, adapters.layers[l][t]);
    }

private:
    void check_layers(const char* what, std::size_t found) const {
        check(found == layers_.size(), "JoinedProjections: ", what, " of ", found, " layers, expected ", layers());
    }

    std::vector<BlockJoined<B>> layers_;
};

}  // namespace hydralora
