// Between the host, where files are read and written, and the memory that a backend computes in. A backend on the host uses
// what lies there; for another it is copied.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <hydralora/model/llama.hpp>

#include "base_model.hpp"
#include "batches.hpp"
#include "options.hpp"

namespace hydra {

template <class B>
inline constexpr bool on_host = std::is_same_v<typename B::space, hydralora::host>;

/// The tokens of a batch where B computes.
template <hydralora::Backend B>
class PlacedTokens {
public:
    /// Valid until the next call; `batch` stays as it is for so long.
    hydralora::TokenBatch<B> place(B& be, const PaddedBatch& batch) {
        hydralora::TokenBatch<B> tokens;
        tokens.ids = place(be, batch.ids, ids_);
        tokens.labels = place(be, batch.labels, labels_);
        tokens.starts = place(be, batch.starts, starts_);
        tokens.sequences = batch.sequences;
        return tokens;
    }

private:
    using Memory = hydralora::Buffer<B, std::int32_t>;

    static hydralora::ViewOf<B, const std::int32_t> place(B& be, const std::vector<std::int32_t>& values,
                                                          Memory& memory) {
        if (values.empty()) return {};
        const auto from = hydralora::host_view(values.data(), 1, static_cast<Index>(values.size()));
        if constexpr (on_host<B>) {
            return from;
        } else {
            memory.resize(be, 1, from.cols);
            be.upload(from, memory.view());
            return std::as_const(memory).view();
        }
    }

    Memory ids_, labels_, starts_;
};

/// What a model is asked with, again and again, where no way back follows: no dropout, nothing kept, one memory for all.
template <hydralora::Backend B>
struct Passage {
    typename hydralora::Llama<B>::Cache cache;
    hydralora::Pass<B> pass;
    PaddedBatch batch;
    PlacedTokens<B> placed;

    Passage() {
        cache.keep = hydralora::Keep::nothing;
        pass.mode = hydralora::Mode::inference;
    }
    /// Reads the batch, and leaves what follows from it in the cache; the tokens are valid until the next call.
    hydralora::TokenBatch<B> read(B& be, const hydralora::Llama<B>& model) {
        const auto tokens = placed.place(be, batch);
        model.forward(be, tokens, cache, pass);
        return tokens;
    }
};

/// The elements of a contiguous matrix on the host: where they lie if that is there, else in a copy.
template <hydralora::Backend B, class T>
class OnHost {
public:
    OnHost() = default;
    OnHost(B& be, hydralora::ViewOf<B, const T> m) {
        if constexpr (on_host<B>) {
            view_ = m;
        } else {
            copy_.resize(static_cast<std::size_t>(m.size()));
            const auto to = hydralora::host_view(copy_.data(), m.rows, m.cols);
            be.download(m, to);
            view_ = to;
        }
    }
    [[nodiscard]] hydralora::MatrixView<const T> view() const { return view_; }
    [[nodiscard]] bool empty() const { return view_.empty(); }

private:
    std::vector<T> copy_;  // keeps its place when moved
    hydralora::MatrixView<const T> view_;
};

/// The same of every tensor of a set of buffers.
template <hydralora::Backend B, class Set>
[[nodiscard]] auto set_on_host(B& be, const Set& set) {
    return hydralora::map_params<OnHost<B, hydralora::ParamScalar<B>>>(
        set,
        [&](const hydralora::ParamPath&, const auto& m) { return OnHost<B, hydralora::ParamScalar<B>>(be, m.view()); });
}

/// Views of a set that was brought to the host.
template <template <class> class P, class B, class T>
[[nodiscard]] auto views_of(const P<OnHost<B, T>>& set) {
    return hydralora::map_params<hydralora::MatrixView<const T>>(
        set, [](const hydralora::ParamPath&, const OnHost<B, T>& m) { return m.view(); });
}

/// to = from, a set of buffers on the host, tensor by tensor.
template <hydralora::Backend B, class HostSet, class Set>
void upload_set(B& be, const HostSet& from, Set& to) {
    hydralora::visit(
        [&](const hydralora::ParamPath&, const auto& source, auto& target) { be.upload(source.view(), target.view()); },
        from, to);
}

/// Whether the matrices of files are read where they are mapped; else B has copies.
template <class B>
inline constexpr bool reads_files = std::is_same_v<B, HostBackend>;

/// The backend of a host with the threads to compute on, if there is one; else `host`.
template <hydralora::Backend B>
[[nodiscard]] HostBackend& host_of(B& be, HostBackend& host) {
    if constexpr (reads_files<B>)
        return be;
    else
        return host;
}

/// How the adapted matrices of a base are held to train on the processor; none: where they lie, apart from the adapters.
/// Packed they are panels of bfloat16, to which quantised ones are rounded; if one is stored in F16 or F32, of float.
[[nodiscard]] std::optional<hydralora::PanelStorage> adapted_panels(const BaseModel& base,
                                                                    const hydralora::LlamaAdapterConfig& adapters,
                                                                    BaseWeights weights);
/// Bytes of panels of codes, where these are asked for.
[[nodiscard]] Index codes_of(const BaseModel& base, const hydralora::LlamaAdapterConfig& adapters, BaseWeights weights);
/// What was asked for; else what is quantised stays as it is, the rest is packed.
[[nodiscard]] BaseWeights weights_of(const std::filesystem::path& base, std::optional<BaseWeights> asked,
                                     Quantise quantise);
/// A sentence where packing rounds the base; empty where it does not.
[[nodiscard]] std::string rounding_note(const BaseModel& base, const hydralora::LlamaAdapterConfig& adapters,
                                        BaseWeights weights);

/// What can be told of a base without reading its weights: see adapted_panels.
struct BaseOutline {
    hydralora::LlamaConfig config;
    Index bytes = 0;  // of its files
    std::optional<hydralora::PanelStorage> panels;
    QuantisedBytes quantised{};
    Index codes = 0;  // of panels of codes, see codes_of
};
[[nodiscard]] BaseOutline outline_of(const std::filesystem::path& base, const hydralora::LlamaAdapterConfig& adapters,
                                     BaseWeights weights, Quantise quantise);

/// A base's weights where B computes: on the host in the mapped files, those that have an adapter in joined form besides if
/// that is wanted; elsewhere in copies, matrices in B's compute type, those that have an adapter in their joined form. What
/// was quantised when it was loaded stays so.
template <hydralora::Backend B>
class PlacedWeights {
public:
    PlacedWeights() = default;
    /// adapters: null for none. panels: of the processor's joined weights; none: matrices and adapters stay apart.
    PlacedWeights(B& be, const BaseModel& base, const hydralora::LlamaAdapterConfig* adapters,
                  std::optional<hydralora::PanelStorage> panels = std::nullopt) {
        using namespace hydralora;
        if constexpr (reads_files<B>) {
            views_ = base.files.views;
            if (adapters == nullptr || !panels) return;
            joined_.emplace(be, base.config, *adapters, PackOptions{.storage = *panels});
            joined_->copy_frozen(be, views_);
        } else {
            const auto& files = base.files.views;
            matrices_ = files.template like<ActivationBuffer<B>>();
            vectors_ = files.template like<ParamBuffer<B>>();
            views_ = files.template like<StoredView<B>>();
            for (const auto& each : base.quantised) {
                const std::size_t i = quantised_.size(), layer = i / target_count;
                quantised_.emplace_back(be, each);
                auto& view = layer < views_.layers.size()          ? views_.layers[layer].projections[i % target_count]
                             : base.config.lm_head == LmHead::tied ? views_.embedding
                                                                   : views_.lm_head;
                view = quantised_.back().view();
            }
            if (adapters != nullptr && base.quantised.empty()) {
                joined_.emplace(be, base.config, *adapters);
                for (Index l = 0; l < base.config.layers; ++l)
                    for (const Target t : adapters->targets) {
                        const auto layer = static_cast<std::size_t>(l);
                        const View<B> to = joined_->at(l, t).frozen();
                        io::upload_as(be, files.layers[layer].projections[index_of(t)], to);
                        views_.layers[layer].projections[index_of(t)] = ConstView<B>(to);
                    }
            }
            visit(
                [&](const ParamPath& path, const auto& from, auto& matrix, auto& vector, auto& view) {
                    if (!view.empty()) return;
                    if (path.role == Role::weight)
                        view = placed(be, from, matrix);
                    else
                        view = placed(be, from, vector);
                },
                files, matrices_, vectors_, views_);
        }
    }

    /// The whole base: what reads these does without the adapters.
    [[nodiscard]] const hydralora::LlamaWeights<hydralora::StoredView<B>>& views() const { return views_; }

    /// The base with the adapters of the constructor's configuration.
    [[nodiscard]] hydralora::Llama<B> adapted(B& be, const BaseModel& base, const hydralora::LlamaAdapterConfig& config,
                                              const hydralora::LlamaAdapters<hydralora::ConstParamView<B>>& adapters) {
        if (joined_) return {be, base.config, views_, config, adapters, *joined_};
        return {be, base.config, views_, config, adapters};
    }

    /// To be called after each change of the adapters' parameters.
    void refresh(B& be, const AdapterBuffers<B>& adapters) {
        if (joined_) joined_->refresh(be, adapters);
    }

private:
    template <class T>
    static hydralora::StoredView<B> placed(B& be, const hydralora::StoredView<HostBackend>& from,
                                           hydralora::Buffer<B, T>& memory) {
        memory = hydralora::Buffer<B, T>(be, from.shape());
        hydralora::io::upload_as(be, from, memory.view());
        return std::as_const(memory).view();
    }

    hydralora::LlamaWeights<hydralora::ActivationBuffer<B>> matrices_;
    hydralora::LlamaWeights<hydralora::ParamBuffer<B>> vectors_;
    std::vector<hydralora::QuantisedMatrix<B>> quantised_;
    std::optional<hydralora::JoinedProjections<B>> joined_;
    hydralora::LlamaWeights<hydralora::StoredView<B>> views_;
};

}  // namespace hydra
