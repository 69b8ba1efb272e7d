// The intrinsic components of a corpus, which give HydraLoRA its number of heads: documents -> TF-IDF -> k-means for each k ->
// elbow. arXiv 2404.19245, section 3.2 and appendix B.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "elbow.hpp"
#include "k_means.hpp"
#include "silhouette.hpp"
#include "tf_idf.hpp"

namespace hydralora::corpus {

struct ComponentsOptions {
    TfIdfOptions tf_idf{};
    KMeansOptions k_means{};  ///< `clusters` is not read
    Index most = 10;          ///< the curve goes over k = 1 .. most
    Index strongest_terms = 10;
    SilhouetteOptions silhouette{};
};

struct WeightedTerm {
    std::string term;
    double weight = 0;  ///< mean TF-IDF over the cluster's documents
};

struct Components {
    Index count = 0;                  ///< N, in [2, most - 1]
    std::string reason;               ///< one sentence with the numbers behind `count`
    std::vector<double> sse;          // (most)
    std::vector<double> silhouettes;  // (most): of k = 1, which has none, 0
    Elbow elbow;
    std::vector<Index> labels;                     // (n documents)
    std::vector<Index> sizes;                      // (N) documents of each cluster
    std::vector<std::vector<WeightedTerm>> terms;  // (N, strongest_terms), the strongest first
};

/// The terms of the largest weight in each centre, of equal ones those first in byte order. Terms of weight 0 are left out.
[[nodiscard]] inline std::vector<std::vector<WeightedTerm>> strongest_terms(const TermList& terms,
                                                                            const std::vector<double>& centres,
                                                                            Index most) {
    const std::size_t t = terms.size();
    check(t > 0 && centres.size() % t == 0, "strongest_terms: centres of ", centres.size(), " numbers for ", t,
          " terms, expected a multiple of at least 1 term");
    check(most >= 0, "strongest_terms: most = ", most, ", expected at least 0");
    std::vector<std::vector<WeightedTerm>> result;
    for (std::size_t begin = 0; begin < centres.size(); begin += t) {
        std::vector<std::size_t> order(t);
        std::iota(order.begin(), order.end(), std::size_t{0});
        const std::size_t kept = std::min(t, static_cast<std::size_t>(most));
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                          [&](std::size_t a, std::size_t b) {
                              const double x = centres[begin + a], y = centres[begin + b];
                              return x != y ? x > y : a < b;
                          });
        auto& strongest = result.emplace_back();
        for (std::size_t i = 0; i < kept && centres[begin + order[i]] > 0; ++i)
            strongest.push_back({std::string(terms[order[i]]), centres[begin + order[i]]});
    }
    return result;
}

/// `documents` as tf_idf takes them. With given domains, overlap_table(labels, domains) says how the clusters meet them.
template <class T = double, class Documents>
[[nodiscard]] Components components(const Documents& documents, const ComponentsOptions& options = {}) {
    check(options.most >= 3, "components: most = ", options.most,
          ", expected at least 3: an elbow lies between two points");
    const TfIdf<T> weighed = tf_idf<T>(documents, options.tf_idf);
    const auto& rows = weighed.rows;
    check(rows.rows >= options.most, "components: ", rows.rows, " documents for k = 1 .. most = ", options.most,
          ", expected at least as many documents; give more or lower most");
    KMeansCurve curve = k_means_curve(rows, options.most, options.k_means);

    Components result;
    result.elbow = elbow(curve.sse);
    result.count = result.elbow.clusters;
    result.silhouettes.push_back(0);
    for (std::size_t k = 1; k < curve.fits.size(); ++k)
        result.silhouettes.push_back(silhouette(rows, curve.fits[k].labels, options.silhouette));
    const auto best = static_cast<Index>(
        1 + std::max_element(result.silhouettes.begin() + 1, result.silhouettes.end()) - result.silhouettes.begin());
    const auto silhouette_of = [&](Index k) { return result.silhouettes[static_cast<std::size_t>(k - 1)]; };
    result.reason = concat("N = ", result.count, ": the elbow of ln SSE over k = 1 .. ", options.most, ", which lies ",
                           result.elbow.strength, " below its chord; the mean silhouette there is ",
                           silhouette_of(result.count), ", ");
    result.reason += best == result.count ? std::string("the largest of all k")
                                          : concat("the largest is ", silhouette_of(best), " at k = ", best);
    if (result.elbow.strength < weak_elbow)
        result.reason += "; weak: nothing stands out, and the texts may have no components";

    KMeans& chosen = curve.fits[static_cast<std::size_t>(result.count - 1)];
    result.terms = strongest_terms(weighed.terms, chosen.centres, options.strongest_terms);
    result.sizes.assign(static_cast<std::size_t>(result.count), 0);
    for (const Index label : chosen.labels) ++result.sizes[static_cast<std::size_t>(label)];
    result.labels = std::move(chosen.labels);
    result.sse = std::move(curve.sse);
    return result;
}

}  // namespace hydralora::corpus
