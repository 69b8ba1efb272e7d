// Training data: each file a domain, cut into token sequences and split into a training and a held-out part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>
#include <string>
#include <vector>

namespace hydra {

/// One sequence. ids and labels have the same length n >= 1.
struct Example {
    std::vector<std::int32_t> ids, labels;  ///< labels[i] is the token to predict after ids[i], or `ignored`
    hydralora::Index labelled = 0;          ///< labels that are not ignored
    hydralora::Index bytes = 0;             ///< of those, all but end-of-text
};

/// What to generate from, and the text that should come.
struct Answer {
    std::vector<std::int32_t> prompt;
    std::string text;
};

struct Domain {
    std::string name;
    std::vector<Example> train, held_out;  ///< in the order of the file
    std::vector<Answer> answers;           ///< of the held-out records that have one, in the order of the file
    hydralora::Index truncated = 0;        ///< records that lost their end
    hydralora::Index skipped = 0;          ///< records without a token to train on
    hydralora::Index bytes = 0;            ///< bytes to predict, in both parts
};

/// Whether the prompts of records are predicted too (pretraining) or read only (fine-tuning).
enum class Prompts { masked, trained };

struct DataOptions {
    hydralora::Index sequence_length = 256;  ///< most ids of an example
    double held_out = 0.05;                  ///< share of each domain's examples, in [0, 1]; 1: none to train on
    hydralora::Seed seed;                    ///< chooses the held-out examples
    Prompts prompts = Prompts::masked;
};

/// One domain per file, named as the file without its extension.
///
/// .jsonl and .json: a record a line, {"instruction", "input", "output"} (input may be missing) or {"text"}. A record
/// with an output becomes `EOT prompt EOT output EOT` with prompt = instruction or instruction, newline, input; output
/// and last EOT are trained, and what exceeds the sequence length is cut off at the end. All other files are one text
/// of any bytes. A text becomes `EOT text EOT`, all of it trained, in consecutive pieces that overlap by one token, so
/// that each byte is predicted once.
///
/// Equal examples of a domain are all trained on or all held out. The split depends on the seed, the domain's name
/// and its examples, so it stays when other files come or go. Throws hydralora::Error that names the file, in JSON
/// lines as file:line:column.
[[nodiscard]] std::vector<Domain> read_domains(const std::vector<std::filesystem::path>& files,
                                               const DataOptions& options);

}  // namespace hydra
