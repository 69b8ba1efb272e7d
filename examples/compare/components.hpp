// The search for components without labels: what TF-IDF and k-means find in the texts of sequences.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tasks.hpp"

namespace compare {

/// The cluster of each sequence, by words that at most a share max_df of them has (by default that of hydra components).
[[nodiscard]] std::vector<std::int32_t> components_of(std::span<const Example> examples, Index clusters,
                                                      double max_df = 0.5);

/// Normalised mutual information of the clusters and the tasks of the same sequences.
[[nodiscard]] double fit_of(std::span<const std::int32_t> components, std::span<const Example> examples);

}  // namespace compare
