// A base with an adapter from a directory, or without one: what eval and generate work on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <hydralora/io/adapter_files.hpp>
#include <hydralora/model/llama.hpp>

#include "options.hpp"
#include "placement.hpp"

namespace hydra {

/// Our configuration as adapter_config.json spells it, and back.
[[nodiscard]] hydralora::io::AdapterFileConfig file_config(const hydralora::LlamaAdapterConfig& config,
                                                           const BaseModel& base);
[[nodiscard]] hydralora::LlamaAdapterConfig from_file_config(const hydralora::io::AdapterFileConfig& config);

/// Reads what an adapter directory says of itself; throws for a directory that is none.
[[nodiscard]] hydralora::io::AdapterFileConfig read_adapter_directory(const std::filesystem::path& adapter);

/// Says so where an adapter was trained on another file or quantisation of the base.
void note_other_base(const std::filesystem::path& adapter, const hydralora::io::AdapterFileConfig& config,
                     const BaseModel& base);

/// How the base was quantised when an adapter was trained on it.
[[nodiscard]] Quantise quantisation_of(const std::filesystem::path& adapter,
                                       const hydralora::io::AdapterFileConfig& config);
/// Says so where it is another way now.
void note_other_quantisation(const std::filesystem::path& adapter, Quantise trained, Quantise now);

/// Everything in its place for as long as the model is used; not movable, for the model holds views.
template <hydralora::Backend B>
class BasicSession {
public:
    /// On a backend made from `options`. `adapter` empty: the base alone. positions: see load_base. quantise: none: as the
    /// adapter's base was. Errors name the file and what is wrong with it.
    template <class Options>
    BasicSession(const std::filesystem::path& base, const std::filesystem::path& adapter, const Options& options,
                 Index positions = 0, std::optional<Quantise> quantise = std::nullopt)
        : be_(options), base_(load_base(host_, base, positions)), adapted_(!adapter.empty()) {
        if (!adapted_) {
            quantise_base(host_of(be_, host_), base_, quantise.value_or(Quantise::none));
            weights_ = PlacedWeights<B>(be_, base_, nullptr);
            model_.emplace(be_, base_.config, weights_.views());
            return;
        }
        const auto file = read_adapter_directory(adapter);
        config_ = from_file_config(file);
        chat_format_ = file.chat_format;
        const auto shapes = adapter_shapes(base_.config, config_);
        auto read = hydralora::make_buffers(host_, shapes);
        hydralora::io::load_adapter(adapter, read, {base_.checksum, base_.norms});
        const Quantise trained = quantisation_of(adapter, file);
        quantise_base(host_of(be_, host_), base_, quantise.value_or(base_.files.is_gguf() ? Quantise::none : trained));
        note_other_base(adapter, file, base_);
        if (!base_.files.is_gguf()) note_other_quantisation(adapter, trained, base_.quantise);
        adapters_ = hydralora::make_buffers(be_, shapes);
        upload_set(be_, read, adapters_);
        weights_ = PlacedWeights<B>(be_, base_, &config_);
        model_.emplace(weights_.adapted(be_, base_, config_, hydralora::views(std::as_const(adapters_))));
    }
    BasicSession(const BasicSession&) = delete;
    BasicSession& operator=(const BasicSession&) = delete;

    [[nodiscard]] B& backend() { return be_; }
    [[nodiscard]] const hydralora::Llama<B>& model() const { return *model_; }
    [[nodiscard]] const Vocabulary& vocabulary() const { return base_.vocabulary; }
    [[nodiscard]] const BaseModel& base() const { return base_; }
    [[nodiscard]] bool adapted() const { return adapted_; }
    /// Of the adapter, where there is one.
    [[nodiscard]] const hydralora::LlamaAdapterConfig& adapter_config() const { return config_; }
    [[nodiscard]] const AdapterBuffers<B>& adapters() const { return adapters_; }
    /// The chat format to speak in: `asked` for by name, else that of the adapter's training, else the model's own ("").
    [[nodiscard]] std::string chat(const std::string& asked) const { return asked.empty() ? chat_format_ : asked; }
    /// Heads with a router; 0 without.
    [[nodiscard]] Index gated_heads() const {
        return adapted_ && config_.adapter.routed() ? config_.adapter.heads : Index{0};
    }

private:
    HostBackend host_{hydralora::EigenOptions{.threads = 1}};  // of what files had to be converted to
    B be_;
    BaseModel base_;
    PlacedWeights<B> weights_;
    bool adapted_;
    hydralora::LlamaAdapterConfig config_;
    std::string chat_format_;  // of the adapter
    AdapterBuffers<B> adapters_;
    std::optional<hydralora::Llama<B>> model_;
};

/// How the trainer uses the processor.
[[nodiscard]] inline hydralora::EigenOptions host_options(int threads) {
    return {.threads = threads, .slab_rows = slab_rows};
}

/// On the host, which all commands know.
using Session = BasicSession<HostBackend>;

}  // namespace hydra
