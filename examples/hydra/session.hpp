// A base with an adapter from a directory, or without one: what eval and generate work on.
#pragma once

#include <filesystem>
#include <optional>

#include <hydralora/io/adapter_config.hpp>
#include <hydralora/model/llama.hpp>

#include "base_model.hpp"

namespace hydra {

/// Our configuration as adapter_config.json spells it, and back.
[[nodiscard]] hydralora::io::AdapterFileConfig file_config(const hydralora::LlamaAdapterConfig& config,
                                                           const BaseModel& base);
[[nodiscard]] hydralora::LlamaAdapterConfig from_file_config(const hydralora::io::AdapterFileConfig& config);

/// Everything in its place for as long as the model is used; not movable, for the model holds views.
class Session {
public:
    /// `adapter` empty: the base alone. positions: see load_base. Errors name the file and what is wrong with it.
    Session(const std::filesystem::path& base, const std::filesystem::path& adapter, int threads, Index positions = 0);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] B& backend() { return be_; }
    [[nodiscard]] const hydralora::Llama<B>& model() const { return *model_; }
    [[nodiscard]] const Vocabulary& vocabulary() const { return base_.vocabulary; }
    [[nodiscard]] const BaseModel& base() const { return base_; }
    [[nodiscard]] bool adapted() const { return adapted_; }
    /// Of the adapter, where there is one.
    [[nodiscard]] const hydralora::LlamaAdapterConfig& adapter_config() const { return config_; }
    [[nodiscard]] const AdapterBuffers& adapters() const { return adapters_; }
    /// The chat format to speak in: `asked` for by name, else that of the adapter's training, else the model's own ("").
    [[nodiscard]] std::string chat(const std::string& asked) const { return asked.empty() ? chat_format_ : asked; }
    /// Heads with a router; 0 without.
    [[nodiscard]] Index gated_heads() const {
        return adapted_ && config_.adapter.routed() ? config_.adapter.heads : Index{0};
    }

private:
    B be_;
    BaseModel base_;
    bool adapted_;
    hydralora::LlamaAdapterConfig config_;
    std::string chat_format_;  // of the adapter
    AdapterBuffers adapters_;
    std::optional<hydralora::Llama<B>> model_;
};

}  // namespace hydra
