// Held-out scores, domain by domain: what they are, as JSON and as a table.
#pragma once

#include <string>
#include <vector>

#include <hydralora/core/view.hpp>
#include <hydralora/io/json_value.hpp>

namespace hydra {

using hydralora::Index;

struct EvaluationOptions {
    Index batch = 8;
    Index examples = 64;  ///< held-out examples a domain, at most
    Index answers = 32;   ///< of those, answers to generate and compare, at most
};

struct DomainScore {
    std::string name;
    Index tokens = 0, bytes = 0;     // labelled
    double loss = 0;                 // nats a labelled token
    double bits_per_byte = 0;        // all bits of the labelled tokens, end-of-text too, over their bytes
    Index answers = 0, correct = 0;  // exact matches of greedy generation
    std::vector<double> head_share;  // mean gate of each head over labelled tokens and adapted layers
};

/// JSON has no number for what is not finite.
[[nodiscard]] hydralora::io::Json finite_or_null(double value);
[[nodiscard]] hydralora::io::Json to_json(const std::vector<DomainScore>& scores);
[[nodiscard]] hydralora::io::Json to_json(const DomainScore& score);

/// All domains as one: losses over all labelled tokens, bits over all bytes, every answer. Without shares of heads.
[[nodiscard]] DomainScore overall(const std::vector<DomainScore>& scores);

/// A table of scores for people, with a line for all domains where there are several; columns that no domain has, and
/// domains without a scored token, are left out. Perplexity is exp(loss), of the tokens of this model's vocabulary.
[[nodiscard]] std::string score_table(const std::vector<DomainScore>& scores);

}  // namespace hydra
