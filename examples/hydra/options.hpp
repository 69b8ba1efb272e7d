// What the commands are asked to do. The command line fills these; run.json repeats them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/corpus/terms.hpp>
#include <hydralora/io/json_value.hpp>
#include <hydralora/model/config.hpp>
#include <hydralora/model/generate.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/schedule.hpp>

#include "batches.hpp"
#include "corpus_texts.hpp"
#include "device.hpp"
#include "quantise_base.hpp"
#include "scores.hpp"

namespace hydra {

/// Tokens per sum over tokens: sequences are padded to multiples of it, so that the parts of a step add up to the same bits.
inline constexpr Index slab_rows = 32;

/// How routing is helped along, in an adapter with a router.
struct RoutingPolicy {
    Index top_k_after = 0;  ///< step before which --gate top_k computes all heads
    double balance = 0;     ///< coefficients of the balance loss and the z-loss
    double z = 0;
    double balance_decay = 0;  ///< share of the steps over which both fall to 0; 0: they stay

    /// What both coefficients are times at a step of `steps`.
    [[nodiscard]] double factor(Index step, Index steps) const {
        if (balance_decay == 0) return 1;
        return std::max(0.0, 1 - static_cast<double>(step) / (balance_decay * static_cast<double>(steps)));
    }
};

/// The data and the loop: what pretrain and train share.
struct LoopOptions {
    std::vector<std::filesystem::path> data;
    std::filesystem::path out;
    bool resume = false;
    bool skip_unusable = false;  ///< see DataOptions

    Index steps = 0;  ///< 0: `epochs` of the data
    double epochs = 1;
    Index batch = 16;        ///< sequences an optimiser step
    Index accumulation = 1;  ///< a step is computed in parts of at most 1/N of its tokens; same bits
    hydralora::Keep keep = hydralora::Keep::all;  ///< what a part keeps for its way back; same bits, less memory
    Index sequence_length = 256;
    Mix mix = Mix::proportional;
    Packing packing = Packing::none;
    double held_out = 0.05;
    hydralora::AdamW adamw{.lr = 2e-3, .beta2 = 0.99};
    hydralora::ScheduleKind schedule = hydralora::ScheduleKind::cosine;
    double warm_up = 0.03;
    double final_ratio = 0.0;
    double clip = 1.0;  ///< global norm; 0: none
    std::uint64_t seed = 41;
    int threads = 0;  ///< of the processor
    Place place;
    bool graph = false;  ///< steps are launched as CUDA graphs; same bits

    Index evaluate_every = 0;  ///< steps; 0: before the first and after the last only
    Index save_every = 0;      ///< steps; 0: at the end only
    EvaluationOptions evaluation;
    RoutingPolicy routing;
};

/// Optimiser steps of a run over so many sequences an epoch: as many as are asked for, or of the epochs, at least one.
[[nodiscard]] Index steps_of(const LoopOptions& options, Index sequences);

struct PretrainOptions {
    LoopOptions loop;
    hydralora::LlamaConfig model;
};

/// Which parameters `hydra train` trains.
enum class Method { adapter, full };

/// Where the processor reads the base's adapted matrices: packed once more in the order its products take them, as wide as
/// they are stored (quantised ones rounded to bfloat16); or in the files' own memory; or, of quantised ones, packed as their
/// codes, 8 bits each, and their scales. A GPU always has its own.
enum class BaseWeights { packed, mapped, packed8 };
inline constexpr std::array<std::string_view, 3> base_weights_names{"packed", "mapped", "packed8"};

/// What the component of an example is: a cluster of the training texts, its file, or a field of its record. The last two
/// are given, and so tell an adapter what a plain LoRA is not told; the first is in the texts that both see.
enum class ComponentOf { texts, files, field };
inline constexpr std::array<std::string_view, 3> component_of_names{"texts", "files", "field"};

/// Components of the examples, and routers that begin from them.
struct ComponentStart {
    hydralora::RouterInit router = hydralora::RouterInit::released;
    std::optional<ComponentOf> of;  ///< none: nothing asks for components, or `texts` where something does
    std::string field;              ///< of the records, for ComponentOf::field
    Index clusters = 0;             ///< of the texts; 0: as many as heads, or as --heads auto finds
    Index sample = 20000;           ///< tokens that the routers are fitted to
    double logit_std = 2;           ///< of the logits over them
    double ridge = 1;               ///< of the fit, as a share of the mean square of the inputs
    hydralora::AdapterStart start;  ///< of what components do not decide
};

struct TrainOptions {
    LoopOptions loop;
    std::filesystem::path base;
    Method method = Method::adapter;
    std::optional<BaseWeights> weights;  ///< none: packed of a directory, mapped of a GGUF file
    Quantise quantise = Quantise::none;  ///< the base's projections when they are loaded
    std::string chat;                    ///< chat format of conversations; "": the base's own
    bool dry_run = false;                ///< say what would be done, and stop
    bool save_start = false;             ///< keep the adapter as it is before the first step
    bool heads_of_data = false;          ///< as many heads as the data has components, instead of adapter.heads
    hydralora::LlamaAdapterConfig adapter;
    ComponentStart components;

    /// Whether examples get components.
    [[nodiscard]] bool labelled() const {
        return components.of || components.router == hydralora::RouterInit::components || loop.mix == Mix::components;
    }
};

struct EvaluateOptions {
    std::filesystem::path base, adapter;
    std::optional<Quantise> quantise;  ///< none: as the adapter's base was when it was trained
    std::string chat;                  ///< as in TrainOptions
    std::vector<std::filesystem::path> data;
    bool skip_unusable = false;  ///< see DataOptions
    Index sequence_length = 256;
    double held_out = 1.0;
    std::uint64_t seed = 41;
    int threads = 0;
    Place place;
    EvaluationOptions evaluation;
    std::filesystem::path json;
    std::filesystem::path logits;  ///< write those of the one data file, of tokens, instead of scoring
};

struct GenerateTextOptions {
    std::filesystem::path base, adapter;
    std::optional<Quantise> quantise;  ///< as in EvaluateOptions
    std::string chat;                  ///< as in TrainOptions
    std::string prompt;
    std::string system;       ///< system prompt before the instruction; "": none
    bool instruction = true;  ///< the prompt is an instruction to answer, not a text to continue
    hydralora::Index tokens = 256;
    hydralora::Sampling sampling;
    int threads = 0;
    Place place;
};

/// `hydra plan`: the memory of `train` with these options.
struct PlanOptions {
    TrainOptions train;
};

inline constexpr std::array<std::string_view, 2> terms_names{"words", "byte-ngrams"};

struct ComponentsOptions {
    std::vector<std::filesystem::path> data;
    bool skip_unusable = false;  ///< see DataOptions
    hydralora::corpus::Terms terms = hydralora::corpus::Terms::words;
    Index piece = usual_piece;  ///< bytes that plain texts are cut into
    Index most = 10;            ///< clusters tried
    Index min_df = 2;           ///< terms of fewer documents are not counted
    double max_df = 0.5;        ///< nor those of more than this share of the documents
    Index strongest_terms = 8;
    std::uint64_t seed = 41;
    int threads = 0;
    std::filesystem::path json;
};

struct InspectOptions {
    std::vector<std::filesystem::path> paths;
};

struct ReportOptions {
    std::vector<std::filesystem::path> runs;
    std::filesystem::path out = "report.html";
};

[[nodiscard]] hydralora::io::Json to_json(const LoopOptions& options);
[[nodiscard]] hydralora::io::Json to_json(const PretrainOptions& options);
[[nodiscard]] hydralora::io::Json to_json(const TrainOptions& options);

/// Throws unless a sequence may have so many tokens.
void check_sequence_length(Index length, Index least);

/// Sequences are padded to multiples of slab_rows, for which the model must have room: `most` positions, said by `what`.
void check_padded_length(Index length, Index most, const char* what);

/// check_padded_length for the model of a base.
void check_base_length(Index length, const hydralora::LlamaConfig& model);

/// Throws, naming the flag, unless a run can be made with these options. Whether there is data is not looked at.
void check_options(const LoopOptions& options);

/// The same for what TrainOptions adds.
void check_options(const TrainOptions& options);

}  // namespace hydra
