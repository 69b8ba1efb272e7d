// The logits of given tokens as a file, so that others can compare.
#pragma once

#include <filesystem>

#include "session.hpp"

namespace hydra {

/// The time of `input_ids` [batch, time] in a safetensors file.
[[nodiscard]] hydralora::Index longest_sequence(const std::filesystem::path& tokens);

/// Reads `input_ids` [batch, time] (I64 or I32) of a safetensors file and writes `logits` [batch, time, vocabulary] (F32).
/// The file appears complete or, after an error, not at all; memory is that of one sequence.
void write_logits(Session& session, const std::filesystem::path& tokens, const std::filesystem::path& logits);

}  // namespace hydra
