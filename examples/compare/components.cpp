#include "components.hpp"

#include <hydralora/core/mutual_information.hpp>
#include <hydralora/corpus/k_means.hpp>
#include <hydralora/corpus/tf_idf.hpp>

namespace compare {

using namespace hydralora;

std::vector<std::int32_t> components_of(std::span<const Example> examples, Index clusters, double max_df) {
    std::vector<std::string> texts;
    for (const Example& e : examples) texts.push_back(text_of(e));
    const corpus::TfIdfOptions terms{.min_df = 2, .max_df = max_df, .without_terms = corpus::WithoutTerms::zero_row};
    const auto weighed = corpus::tf_idf<double>(texts, terms);
    const auto found = corpus::k_means(weighed.rows, {.clusters = clusters});
    return {found.labels.begin(), found.labels.end()};
}

double fit_of(std::span<const std::int32_t> components, std::span<const Example> examples) {
    std::vector<std::int32_t> tasks;
    for (const Example& e : examples) tasks.push_back(e.task);
    return mutual_information(components, std::span<const std::int32_t>(tasks)).normalised();
}

}  // namespace compare
