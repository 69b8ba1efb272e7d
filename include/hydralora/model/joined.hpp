// The adapted projections of a decoder in their joined form: each frozen matrix and its adapter's in one buffer.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "../adapter/packed_joined_weight.hpp"
#include "params.hpp"

namespace hydralora {

/// How a backend holds a projection and its adapter: packed where it multiplies by panels, else in one buffer.
template <Backend B>
using ProjectionWeight = std::conditional_t<has_panels<B>, PackedJoinedWeight<B>, JoinedWeight<B>>;

/// The joined weights of one block, by target; none for targets without an adapter.
template <Backend B>
using BlockJoined = std::array<std::optional<ProjectionWeight<B>>, target_count>;

/// Owns a joined weight for every adapted projection of a decoder. Put each W0 in by put_frozen, or all of them by
/// copy_frozen; Llama copies the adapters' parameters in when it is made; after each optimiser step call refresh. Must
/// outlive the Llama made with it.
template <Backend B>
class JoinedProjections {
public:
    /// pack: how packed weights are held; others do not look at it.
    JoinedProjections(B& be, const LlamaConfig& config, const LlamaAdapterConfig& adapters, PackOptions pack = {}) {
        validate(config);
        layers_.resize(static_cast<std::size_t>(config.layers));
        for (auto& layer : layers_)
            for (const Target t : adapters.targets) {
                const AdapterConfig adapter = adapters.at(config, t);
                if constexpr (has_panels<B>)
                    layer[index_of(t)].emplace(be, adapter, pack);
                else
                    layer[index_of(t)].emplace(be, adapter);
            }
    }

    [[nodiscard]] Index layers() const { return static_cast<Index>(layers_.size()); }
    [[nodiscard]] BlockJoined<B>& layer(Index l) { return layers_[static_cast<std::size_t>(l)]; }
    [[nodiscard]] bool has(Index l, Target t) const {
        return l >= 0 && l < layers() && layers_[static_cast<std::size_t>(l)][index_of(t)].has_value();
    }

    /// The weight of a projection, W0 zero at first. Throws where there is none.
    [[nodiscard]] ProjectionWeight<B>& at(Index l, Target t) {
        check(has(l, t), "JoinedProjections: layer ", l, " of ", layers(), " has no adapter on ",
              target_names[index_of(t)], " to join with");
        return *layer(l)[index_of(t)];
    }
    [[nodiscard]] const ProjectionWeight<B>& at(Index l, Target t) const {
        return const_cast<JoinedProjections*>(this)->at(l, t);
    }

    /// Copies W0 (out, in) of a projection from any stored type.
    void put_frozen(B& be, Index l, Target t, std::type_identity_t<StoredView<B>> w0) {
        const Shape found = w0.shape(), expected = {at(l, t).shape().out, at(l, t).shape().in};
        check(found == expected, "JoinedProjections: layer ", l, ", ", target_paths[index_of(t)], " is (", found.rows,
              ", ", found.cols, "), expected (", expected.rows, ", ", expected.cols, ")");
        at(l, t).put_frozen(be, w0);
    }

    /// Copies W0 of every adapted projection from a set that has them all. The set's own copy is not needed afterwards.
    /// M: a view of parameters, or StoredView.
    template <class M>
    void copy_frozen(B& be, const LlamaWeights<M>& weights) {
        check_layers("weights", weights.layers.size());
        for (Index l = 0; l < layers(); ++l)
            for (std::size_t t = 0; t < target_count; ++t)
                if (has(l, static_cast<Target>(t)))
                    put_frozen(be, l, static_cast<Target>(t),
                               weights.layers[static_cast<std::size_t>(l)].projections[t]);
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
