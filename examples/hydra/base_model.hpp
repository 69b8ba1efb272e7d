// A base model on disk: config.json and model.safetensors, under the names of a Hugging Face Llama directory.
#pragma once

#include <filesystem>
#include <string>

#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/params.hpp>

#include "vocabulary.hpp"

namespace hydra {

using B = hydralora::EigenBackend;
using hydralora::Index;
using WeightBuffers = hydralora::LlamaWeights<hydralora::ParamBuffer<B>>;
using AdapterBuffers = hydralora::LlamaAdapters<hydralora::ParamBuffer<B>>;

struct BaseModel {
    hydralora::LlamaConfig config;
    WeightBuffers weights;
    Vocabulary vocabulary;
    std::string name;      // the directory, as given
    std::string checksum;  // of model.safetensors
};

/// Reads a directory. Errors name file, key or tensor, expected and found.
[[nodiscard]] BaseModel load_base(B& be, const std::filesystem::path& directory);

/// Writes a directory with weights rounded to bfloat16. Its parent must exist; a directory of that name is replaced.
void save_base(const std::filesystem::path& directory, const hydralora::LlamaConfig& config,
               const WeightBuffers& weights);

}  // namespace hydra
