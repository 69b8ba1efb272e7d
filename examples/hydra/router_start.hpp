// Routers that begin from the components of the training data: each is fitted to what its linear layer reads in the bare base.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>
#include <vector>

#include <hydralora/adapter/router_probe.hpp>

#include "batches.hpp"
#include "placement.hpp"

namespace hydra {

/// Linear layers that read the same, by their order in a block: they share one fit.
struct ProbeInput {
    Index layer = 0;
    std::vector<hydralora::Target> targets{};
    Index in = 0;
};

/// The inputs of the adapted layers of a model, in order.
[[nodiscard]] std::vector<ProbeInput> probe_inputs(const hydralora::LlamaConfig& model,
                                                   const hydralora::LlamaAdapterConfig& adapter);

/// Training examples that hold about `tokens` tokens with label, from all components alike, in an order that depends on the
/// seed alone. All, where there are fewer.
[[nodiscard]] std::vector<const Example*> probe_sample(const std::vector<Domain>& domains, Index components,
                                                       Index tokens, hydralora::Seed seed);

/// The component of each token of a batch that bears loss, -1 for the others.
[[nodiscard]] std::vector<std::int32_t> token_components(const std::vector<const Example*>& examples,
                                                         const PaddedBatch& batch);

/// Bytes that the fits hold at once, unless a single one needs more; what does not fit is made in another pass.
inline constexpr Index probe_memory = Index{1} << 30;

namespace router_start_detail {

/// What a probe input's layers read, after a forward pass of the bare base with Keep::all.
template <hydralora::Backend B>
[[nodiscard]] hydralora::ConstView<B> input_of(const typename hydralora::Llama<B>::Cache& cache, const ProbeInput& p) {
    using hydralora::Target;
    const auto& block = cache.blocks[static_cast<std::size_t>(p.layer)];
    switch (p.targets.front()) {
        case Target::o_proj:
            return block.attended.view().col_slice(0, p.in);
        case Target::gate_proj:
        case Target::up_proj:
            return block.normed_middle.view().col_slice(0, p.in);
        case Target::down_proj:
            return block.activated.view().col_slice(0, p.in);
        default:
            return block.normed.view().col_slice(0, p.in);
    }
}

/// The mean of x over each token's document up to it, in `memory`.
template <class T>
[[nodiscard]] hydralora::MatrixView<const float> pooled(hydralora::MatrixView<const T> x, const PaddedBatch& batch,
                                                        std::vector<float>& memory) {
    memory.resize(static_cast<std::size_t>(x.size()));
    for (Index t = 0; t < x.rows; ++t)
        std::transform(x.row(t), x.row(t) + x.cols, memory.begin() + t * x.cols,
                       [](T value) { return static_cast<float>(value); });
    const auto rows = hydralora::host_view(memory.data(), x.rows, x.cols);
    const auto starts = hydralora::host_view(batch.starts.data(), batch.starts.empty() ? 0 : 1,
                                             static_cast<Index>(batch.starts.size()));
    hydralora::pool_context(rows, batch.sequences, starts);
    return rows;
}

}  // namespace router_start_detail

/// The router of every adapter becomes the fit of the components on its inputs in `bare`, the base without adapters.
template <hydralora::Backend B>
void start_routers(B& be, const hydralora::Llama<B>& bare, const hydralora::LlamaAdapterConfig& config,
                   AdapterBuffers<B>& adapters, const std::vector<Domain>& domains, Index components,
                   const TrainOptions& options) {
    using namespace hydralora;
    constexpr std::size_t together = 4;
    const auto inputs = probe_inputs(bare.config(), config);
    const auto sample = probe_sample(domains, components, options.components.sample, Seed{options.loop.seed});
    Passage<B> reading;
    reading.cache.keep = Keep::all;
    const bool context = config.adapter.router_pooling == RouterPooling::context;
    std::vector<float> memory;
    Index tokens = 0;
    for (std::size_t first = 0, end = 0; first < inputs.size(); first = end) {
        std::vector<RouterProbe> probes;
        for (Index bytes = 0; end < inputs.size(); ++end) {
            bytes += inputs[end].in * inputs[end].in * static_cast<Index>(sizeof(double));
            if (end > first && bytes > probe_memory) break;
            probes.emplace_back(inputs[end].in, components);
        }
        for (std::size_t begin = 0; begin < sample.size(); begin += together) {
            const std::vector<const Example*> examples(
                sample.begin() + static_cast<std::ptrdiff_t>(begin),
                sample.begin() + static_cast<std::ptrdiff_t>(std::min(begin + together, sample.size())));
            reading.batch.assign(examples.data(), static_cast<Index>(examples.size()), be.slab_rows());
            static_cast<void>(reading.read(be, bare));
            const auto labels = token_components(examples, reading.batch);
            for (std::size_t i = first; i < end; ++i) {
                const OnHost<B, Scalar<B>> x(be, router_start_detail::input_of<B>(reading.cache, inputs[i]));
                const auto of_token = host_view(labels.data(), 1, static_cast<Index>(labels.size()));
                if (context)
                    probes[i - first].add(router_start_detail::pooled(x.view(), reading.batch, memory), of_token);
                else
                    probes[i - first].add(x.view(), of_token);
            }
        }
        for (std::size_t i = first; i < end; ++i) {
            DoubleMatrix rows;
            try {
                rows = probes[i - first].rows(config.adapter.heads, {.share = options.components.ridge,
                                                                     .logit_std = options.components.logit_std});
            } catch (const Error& error) {
                fail("--router-init components: layers.", inputs[i].layer, '.',
                     target_paths[index_of(inputs[i].targets.front())], ": ", error.what(),
                     "; or give --router-init released");
            }
            tokens = probes[i - first].tokens();
            for (const Target t : inputs[i].targets)
                put_router<B>(be, rows,
                              adapters.layers[static_cast<std::size_t>(inputs[i].layer)][index_of(t)].router.view());
        }
    }
    std::fprintf(stderr, "Routers begin from %lld components, fitted to %lld tokens of %zu training sequences.\n",
                 static_cast<long long>(components), static_cast<long long>(tokens), sample.size());
}

}  // namespace hydra
