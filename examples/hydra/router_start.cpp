#include "router_start.hpp"

#include <algorithm>

#include "shuffle.hpp"

namespace hydra {

using namespace hydralora;

namespace {
constexpr std::uint32_t sample_stream = 0x00f00000;  // see split.cpp
}

std::vector<ProbeInput> probe_inputs(const LlamaConfig& model, const LlamaAdapterConfig& adapter) {
    const std::vector<std::vector<Target>> groups{{Target::q_proj, Target::k_proj, Target::v_proj},
                                                  {Target::o_proj},
                                                  {Target::gate_proj, Target::up_proj},
                                                  {Target::down_proj}};
    std::vector<ProbeInput> inputs;
    for (Index l = 0; l < model.layers; ++l)
        for (const auto& group : groups) {
            ProbeInput input{.layer = l};
            for (const Target t : group)
                if (std::find(adapter.targets.begin(), adapter.targets.end(), t) != adapter.targets.end()) {
                    input.targets.push_back(t);
                    input.in = target_shape(model, t).cols;
                }
            if (!input.targets.empty()) inputs.push_back(std::move(input));
        }
    return inputs;
}

std::size_t probe_group_end(const std::vector<ProbeInput>& inputs, std::size_t first, Index components) {
    std::size_t end = first;
    for (Index bytes = 0; end < inputs.size(); ++end) {
        bytes += RouterProbe::bytes(inputs[end].in, components);
        if (end > first && bytes > probe_memory) break;
    }
    return end;
}

Index probe_bytes(const std::vector<ProbeInput>& inputs, Index components) {
    Index most = 0;
    for (std::size_t first = 0, end = 0; first < inputs.size(); first = end) {
        end = probe_group_end(inputs, first, components);
        Index held = 0, widest = 0;
        for (std::size_t i = first; i < end; ++i) {
            held += RouterProbe::bytes(inputs[i].in, components);
            widest = std::max(widest, inputs[i].in);
        }
        most = std::max(most, held + widest * widest * static_cast<Index>(sizeof(double)));
    }
    return most;
}

std::vector<const Example*> probe_sample(const std::vector<Domain>& domains, Index components, Index tokens,
                                         Seed seed) {
    std::vector<const Example*> all;
    for (const Domain& domain : domains)
        for (const Example& example : domain.train) all.push_back(&example);
    // One queue a component, and one for packed sequences of several.
    std::vector<std::vector<const Example*>> queues(static_cast<std::size_t>(components) + 1);
    for (const std::size_t i : shuffled(all.size(), seed, sample_stream, "router start")) {
        const std::int32_t c = all[i]->component;
        queues[c < 0 ? queues.size() - 1 : static_cast<std::size_t>(c)].push_back(all[i]);
    }
    std::vector<const Example*> sample;
    Index labelled = 0;
    for (std::size_t place = 0; sample.size() < all.size() && labelled < tokens; ++place)
        for (const auto& queue : queues) {
            if (place >= queue.size()) continue;
            sample.push_back(queue[place]);
            labelled += queue[place]->labelled;
        }
    return sample;
}

std::vector<std::int32_t> token_components(const std::vector<const Example*>& examples, const PaddedBatch& batch) {
    std::vector<std::int32_t> labels(batch.ids.size(), -1);
    for (std::size_t s = 0; s < examples.size(); ++s)
        for (std::size_t i = 0; i < examples[s]->ids.size(); ++i)
            if (examples[s]->labels[i] != ignored)
                labels[s * static_cast<std::size_t>(batch.length) + i] = examples[s]->component_at(i);
    return labels;
}

}  // namespace hydra
