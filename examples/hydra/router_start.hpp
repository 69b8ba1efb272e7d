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

/// Where the group of inputs ends that begins at `first` and is fitted at once.
[[nodiscard]] std::size_t probe_group_end(const std::vector<ProbeInput>& inputs, std::size_t first, Index components);

/// Bytes that the fits hold at the peak, one of them being solved.
[[nodiscard]] Index probe_bytes(const std::vector<ProbeInput>& inputs, Index components);

/// Sequences in a forward pass of the bare base.
inline constexpr std::size_t probed_together = 4;

namespace router_start_detail {

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
    const auto inputs = probe_inputs(bare.config(), config);
    const auto sample = probe_sample(domains, components, options.components.sample, Seed{options.loop.seed});
    Passage<B> reading;
    reading.cache.keep = Keep::all;
    const bool context = config.adapter.router_pooling == RouterPooling::context;
    std::vector<float> memory;
    ActivationBuffer<B> read;  // (T, in)
    Index tokens = 0;
    for (std::size_t first = 0, end = 0; first < inputs.size(); first = end) {
        std::vector<RouterProbe> probes;
        end = probe_group_end(inputs, first, components);
        for (std::size_t i = first; i < end; ++i) probes.emplace_back(inputs[i].in, components);
        for (std::size_t begin = 0; begin < sample.size(); begin += probed_together) {
            const std::vector<const Example*> examples(
                sample.begin() + static_cast<std::ptrdiff_t>(begin),
                sample.begin() + static_cast<std::ptrdiff_t>(std::min(begin + probed_together, sample.size())));
            reading.batch.assign(examples.data(), static_cast<Index>(examples.size()), be.slab_rows());
            static_cast<void>(reading.read(be, bare));
            const auto labels = token_components(examples, reading.batch);
            for (std::size_t i = first; i < end; ++i) {
                read.resize(be, reading.cache.x.rows(), inputs[i].in);
                bare.projection_input(be, reading.cache, inputs[i].layer, inputs[i].targets.front(), read.view());
                const OnHost<B, Scalar<B>> x(be, read.view());
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
