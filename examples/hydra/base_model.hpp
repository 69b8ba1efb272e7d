// A base model on disk: a Hugging Face directory or a GGUF file, its weights used where they lie in the mapped files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/compiled.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/llama_files.hpp>
#include <hydralora/model/params.hpp>
#include <hydralora/weight/quantised_matrix.hpp>

#include "model_chat.hpp"
#include "quantise_base.hpp"
#include "vocabulary.hpp"

namespace hydra {

/// What reads and writes files; it computes too, unless a command is told to use another backend.
using HostBackend = hydralora::EigenBackend;
using hydralora::Index;

template <hydralora::Backend B>
using WeightBuffers = hydralora::LlamaWeights<hydralora::ParamBuffer<B>>;
template <hydralora::Backend B>
using AdapterBuffers = hydralora::LlamaAdapters<hydralora::ParamBuffer<B>>;
using WeightViews = hydralora::LlamaWeights<hydralora::MatrixView<const float>>;  ///< on the host, contiguous
using HostAdapters = AdapterBuffers<HostBackend>;

struct BaseModel {
    hydralora::LlamaConfig config;  // of the files, for at most as many positions as were asked for
    hydralora::io::LlamaFiles<HostBackend> files;
    Vocabulary vocabulary;
    std::string name;      // the directory or file, as given
    std::string checksum;  // of the weights' files
    std::string norms;     // of what all files and quantisations of the model share: io::norms_checksum
    Quantise quantise = Quantise::none;
    std::vector<hydralora::QuantisedMatrix<HostBackend>>
        quantised;  // projections, layer by layer, and the head if it is among them; files.views lead here
};

/// Positions that tables are made for: as many as are asked for and the model has, 4096 at least where it has them.
[[nodiscard]] Index planned_positions(Index most, Index wanted);

/// Whether a base is a GGUF file (any of the parts of a split one), not a directory.
[[nodiscard]] bool is_gguf(const std::filesystem::path& base);

/// Of a directory or a GGUF file.
[[nodiscard]] Vocabulary vocabulary_of(const std::filesystem::path& base);
/// Of a GGUF file whose embedding has `size` rows; absent where the file has no tokenizer.
[[nodiscard]] Vocabulary vocabulary_of(const hydralora::io::GgufFile& file, Index size);

/// Reads a directory or a GGUF file. Tables of positions are made for `positions` tokens at least, as far as the model has so many, not
/// for all that a long context would allow. Errors name file, key or tensor, expected and found.
[[nodiscard]] BaseModel load_base(HostBackend& be, const std::filesystem::path& base, Index positions = 0);

/// Quantises the projections of a base that is not yet, by the threads of `be`, which must outlive it; no longer than one of
/// them takes are both forms in memory.
void quantise_base(HostBackend& be, BaseModel& base, Quantise how);

/// Writes a new directory with weights rounded to bfloat16; its parent must exist. A model that `pretrain` made, which
/// reads bytes.
void save_base(const std::filesystem::path& directory, const hydralora::LlamaConfig& config,
               const WeightViews& weights);

/// The same for a base that was trained further, which was a directory: what that says besides the weights is kept, and
/// what `said` adds to it of conversations.
void save_trained_base(const std::filesystem::path& directory, const BaseModel& base, const WeightViews& weights,
                       const ModelChat& said = {});

}  // namespace hydra
