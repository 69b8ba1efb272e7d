// The decoder that knows the sixteen pretraining tasks: 149,184 parameters, frozen in every comparison.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include <hydralora/compiled.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/llama_files.hpp>
#include <hydralora/model/llama.hpp>

#include "tasks.hpp"

namespace compare {

using Backend = hydralora::EigenBackend;

/// Sequences side by side; only y and EOS are labelled.
struct TaskBatch {
    std::vector<std::int32_t> ids, labels;  // (sequences * sequence_length)
    Index sequences = 0, labelled = 0;

    void assign(std::span<const Example> examples);
    [[nodiscard]] hydralora::TokenBatch<Backend> view() const;
};

[[nodiscard]] hydralora::LlamaConfig task_model();

/// Trains all weights on Mix::pretraining and writes a model directory, weights in bfloat16. About three minutes.
void make_task_base(const std::filesystem::path& directory);

/// Loss and accuracy on labelled tokens; an answer is exact where all of its tokens are, which is where greedy decoding
/// would give it.
struct TaskScore {
    double loss = 0, tokens = 0, exact = 0;
};
/// All sequences are one pass, which `cache` keeps the gates of. assigned: the head of each token, for Gate::assigned.
[[nodiscard]] TaskScore score(Backend& be, const hydralora::Llama<Backend>& model, std::span<const Example> examples,
                              hydralora::Llama<Backend>::Cache* cache = nullptr,
                              std::span<const std::int32_t> assigned = {});

}  // namespace compare
