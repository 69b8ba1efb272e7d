// hydra analyze: how alike the A's and the B's of separately trained adapters are, and how far from their start.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/analysis/dense.hpp>
#include <hydralora/io/json_value.hpp>

#include "adapter_factors.hpp"

namespace hydra {

struct AnalyzeOptions {
    std::vector<std::filesystem::path> adapters;
    std::vector<std::filesystem::path> start;  ///< the adapters at step 0: none, one for all, or one for each
    std::filesystem::path out;                 ///< the figures, an HTML page
    std::filesystem::path json;
    std::uint64_t seed = 41;
};

/// A matrix in a picture: which one, and where t-SNE puts it.
struct Placed {
    Index item = 0, module = 0;
    double x = 0, y = 0;
};

/// One kind of matrix, A or B, over all adapters. An item is one A or B a module: that of an adapter, or of one of its heads.
/// Means are over modules; NaN where nothing can be said: a matrix of zeros has no direction and spans nothing.
struct Likeness {
    std::vector<std::string> names;         // (I)
    std::vector<Index> adapter;             // (I), whose it is
    hydralora::DoubleMatrix cosine;         // (I, I)
    hydralora::DoubleMatrix overlap;        // (I, I), of row spaces of A, of column spaces of B
    hydralora::DoubleMatrix change_cosine;  // (I, I), of M - M0; empty without a start
    std::vector<double> module_cosine;      // (modules), mean over the same pairs as below
    double chance = 0;                      // overlap of random spaces
    // Over pairs of items of different adapters; of one adapter alone, of its heads.
    double mean_cosine = 0, mean_overlap = 0, mean_change_cosine = 0;
    std::vector<Placed> map;           // empty where there is nothing to draw
    bool drawn_by_components = false;  // instead of t-SNE, which needs 4 points
};

struct Analysis {
    std::vector<std::string> names;  // of the adapters, as short as tells them apart
    std::vector<AdapterFactors> factors;
    Likeness a, b;
    std::vector<double> start_cosine;  // of each adapter: cos(A, A0), mean over modules; empty without a start
    std::vector<double> moved;         // |A - A0| / |A0|, likewise
    bool common_start = false;         // all A0 are one
};

/// Throws hydralora::Error that names files for adapters that cannot be compared.
[[nodiscard]] Analysis analyze(const AnalyzeOptions& options);

/// What the numbers say, in a sentence or two.
[[nodiscard]] std::string conclusion(const Analysis& found);

[[nodiscard]] std::string analysis_text(const Analysis& found);
[[nodiscard]] hydralora::io::Json analysis_json(const Analysis& found);
[[nodiscard]] std::string analysis_page(const Analysis& found);

void run_analyze(const AnalyzeOptions& options);

}  // namespace hydra
