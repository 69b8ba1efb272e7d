// The small model of tests/golden/make_peft.py as sets of parameters.
#pragma once

#include <hydralora/adapter/params.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/adapter_config.hpp>
#include <hydralora/model/params.hpp>

#include <string>
#include <vector>

namespace test {

using hydralora::EigenBackend;
using Adapters = hydralora::LlamaAdapters<hydralora::ParamBuffer<EigenBackend>>;

inline hydralora::LlamaConfig golden_model() {
    return {.vocabulary = 32,
            .width = 16,
            .layers = 2,
            .heads = 4,
            .kv_heads = 2,
            .head_dim = 4,
            .feed_forward = 24,
            .max_positions = 32};
}

/// The parameters of one head that a LoRA of these modules has.
inline Adapters lora_buffers(EigenBackend& be, hydralora::Index rank, const std::vector<std::string>& modules,
                             hydralora::Index heads = 1, hydralora::Gate gate = hydralora::Gate::none) {
    hydralora::LlamaAdapterConfig config;
    config.adapter = {.rank = rank, .heads = heads, .gate = gate};
    for (const auto& module : modules) config.targets.push_back(hydralora::parse_target(module));
    return hydralora::make_buffers(be, hydralora::adapter_shapes(golden_model(), config));
}

}  // namespace test
