// What the gates of an adapter do on a text, and what it costs to fix them at their mean.
#pragma once

#include <array>
#include <vector>

#include <hydralora/model/llama.hpp>

#include "base_model.hpp"
#include "data.hpp"

namespace hydra {

/// One gate a head for each adapted linear layer, by layer and target; empty for targets without an adapter.
using ModuleGates = std::vector<std::array<std::vector<double>, hydralora::target_count>>;

/// The same gates for every adapted linear layer.
[[nodiscard]] ModuleGates equal_gates(const hydralora::LlamaConfig& model, const hydralora::LlamaAdapterConfig& adapter,
                                      const std::vector<double>& gates);

/// The mean gates of each adapted linear layer over the labelled tokens.
[[nodiscard]] ModuleGates mean_gates(HostBackend& be, const hydralora::Llama<HostBackend>& model,
                                     const hydralora::LlamaAdapterConfig& adapter,
                                     const std::vector<const Example*>& examples);

/// Means over the labelled tokens, in nats.
struct Comparison {
    Index tokens = 0;
    double loss = 0, other_loss = 0;  // -log p(label) of each model
    double divergence = 0;            // KL(p || p_other) of the next token's distribution
    double largest_divergence = 0;
};
[[nodiscard]] Comparison compare(HostBackend& be, const hydralora::Llama<HostBackend>& model,
                                 const hydralora::Llama<HostBackend>& other,
                                 const std::vector<const Example*>& examples);

}  // namespace hydra
