// The trainer itself on the texts of examples/data: every run is a `hydra train` that can be repeated by hand.
#pragma once

#include <filesystem>
#include <vector>

#include "trials.hpp"

namespace compare {

struct TextTrials {
    std::filesystem::path hydra, data, out;  ///< the program; files to train on; where the runs go
    Index steps = 40;
    std::size_t seeds = 3;
    bool sweep = true;
    int threads = 1;
};

/// loss: held-out bits per byte, mean over the files; nmi: mean over the adapted linears, with the file.
[[nodiscard]] std::vector<Row> run_texts(const TextTrials& trials);

}  // namespace compare
