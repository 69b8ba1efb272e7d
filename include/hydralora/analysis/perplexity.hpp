// The width of a neighbourhood from how many neighbours should count, for t-SNE.
//
// van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 9, 2008: section 2.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora::t_sne_detail {

inline void check_perplexity(Index n, double perplexity) {
    check(perplexity >= 1 && 3 * perplexity <= static_cast<double>(n - 1), "t_sne: perplexity = ", perplexity, " for ",
          n, " points, expected 1 to (n - 1) / 3 = ", static_cast<double>(n - 1) / 3,
          n >= 4 ? "; lower it" : "; t-SNE needs at least 4 points");
}

/// p_j|i of one point from its squared distances, eq. 1: the width such that 2^entropy is the perplexity. Distances are
/// measured from the nearest point on, so that the largest weight is 1. Point i itself is left out; -1 where it is not
/// among the n.
inline void conditional(const double* squared, Index n, Index i, double perplexity, double* p) {
    double nearest = std::numeric_limits<double>::infinity(), mean = 0;
    for (Index j = 0; j < n; ++j)
        if (j != i) nearest = std::min(nearest, squared[j]), mean += squared[j] / static_cast<double>(n - 1);
    const double target = std::log(perplexity);
    // 1 / (2 sigma^2), bracketed by bisection; in the mean distance, so that the scale of the points does not matter.
    double low = 0, high = std::numeric_limits<double>::infinity(), beta = mean > nearest ? 1 / (mean - nearest) : 1;
    for (int step = 0; step < 200; ++step) {
        double sum = 0, weighted = 0;
        for (Index j = 0; j < n; ++j) {
            const double distance = squared[j] - nearest;
            p[j] = j == i ? 0 : std::exp(-beta * distance);
            sum += p[j];
            weighted += p[j] > 0 ? p[j] * beta * distance : 0;
        }
        for (Index j = 0; j < n; ++j) p[j] /= sum;
        const double entropy = std::log(sum) + weighted / sum;
        if (std::abs(entropy - target) < 1e-12) break;
        (entropy > target ? low : high) = beta;
        const double next = std::isinf(high) ? 2 * beta : 0.5 * (low + high);
        if (next == beta) break;
        beta = next;
    }
}

}  // namespace hydralora::t_sne_detail
