// What a run left in its directory, as far as it came: files that may be of a run that goes on, or of no run at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/core/view.hpp>
#include <hydralora/io/json_value.hpp>

namespace hydra {

using hydralora::Index;

/// Of a domain; NaN where it was not finite.
struct RecordedScore {
    std::string domain;
    double loss = 0, bits_per_byte = 0;
    Index answers = 0, exact_matches = 0;
};

struct RecordedEnding {
    Index steps = 0, skipped = 0, trainable = 0, peak_memory = 0;
    double seconds = 0, tokens_per_second = 0, trainable_percent = 0;
    std::vector<RecordedScore> before, after;
};

/// By labelling; nothing where it is not defined.
using RecordedFits = std::vector<std::pair<std::string, std::optional<double>>>;

/// A line of routing.jsonl.
struct RecordedRouting {
    Index step = 0;
    double entropy = 0;
    RecordedFits nmi;  // means over the linears
};

struct RecordedLinear {
    std::string name;
    double entropy = 0, smallest_share = 0, largest_share = 0;
    Index dead_heads = 0;
    std::optional<double> movement, cosine;
    RecordedFits nmi;
    std::vector<std::pair<std::string, std::vector<double>>> domain_shares;  // by domain: of each head
};

struct RecordedDocument {
    std::string domain;
    std::optional<Index> component;
    std::vector<double> gates;  // as many for every document
};

struct RecordedHeads {
    std::vector<RecordedLinear> linears;
    std::string sentence;
    std::vector<RecordedDocument> documents;
};

/// components.json: what the training examples are labelled by.
struct RecordedComponents {
    struct Component {
        std::string name;                // of a given one
        std::vector<std::string> terms;  // of a found one, the strongest first
        Index documents = 0;
        std::vector<Index> of_files;  // as many as files
    };
    std::string reason;
    std::vector<double> sse;  // of k-means with 1, 2, ... clusters; empty where the number was given
    std::vector<std::string> files;
    std::vector<Component> components;
};

struct RecordedRun {
    std::string name;  // of the directory
    std::string command, started, version, compiler;
    Index processors = 0;
    hydralora::io::Json options;
    std::vector<double> steps, losses;             // of each step made; NaN for a loss that was not finite
    std::optional<RecordedEnding> ended;           // nothing: not ended
    std::optional<RecordedComponents> components;  // where examples have some
    std::vector<RecordedRouting> routing;
    std::optional<RecordedHeads> heads;  // at the end, where there was a router
};

/// A value of its options as text; "" where there is none.
[[nodiscard]] std::string option(const RecordedRun& run, std::string_view key);

/// Throws hydralora::Error, naming file and key, for a directory that is no run and for files that are not what a run
/// writes; the last lines of one that goes on, or was cut off, are left out.
[[nodiscard]] RecordedRun read_run(const std::filesystem::path& directory);

}  // namespace hydra
