// The mean of several numbers with its 95 % interval by Student's t, and that of paired differences.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "../core/check.hpp"

namespace hydralora {

struct Interval {
    double mean = 0, half = 0;  ///< mean +- half; half is infinite for one number, which has no interval
    [[nodiscard]] bool below(double bound) const { return mean + half < bound; }
    [[nodiscard]] bool above(double bound) const { return mean - half > bound; }
};

namespace interval_detail {

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz's method).
inline double incomplete_beta(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
    const double front =
        std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x)) / a;
    double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), f = d;
    for (int m = 1; m < 200; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / (1 + even * d), c = 1 + even / c, f *= c * d;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + odd * d), c = 1 + odd / c;
        const double change = c * d;
        f *= change;
        if (std::abs(change - 1) < 1e-14) break;
    }
    return front * f;
}

}  // namespace interval_detail

/// The t beyond which Student's distribution of so many degrees of freedom has 2.5 % on each side.
[[nodiscard]] inline double student_t975(double freedom) {
    check(freedom >= 1, "student_t975: ", freedom, " degrees of freedom, expected at least 1");
    double low = 0, high = 13;  // 12.71 for one degree
    for (int i = 0; i < 60; ++i) {
        const double t = (low + high) / 2;
        const double outside = interval_detail::incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
        (outside > 0.05 ? low : high) = t;
    }
    return (low + high) / 2;
}

/// Throws without a number.
[[nodiscard]] inline Interval interval(std::span<const double> values) {
    check(!values.empty(), "interval: no numbers, expected at least one");
    const auto n = static_cast<double>(values.size());
    Interval result;
    for (const double v : values) result.mean += v / n;
    if (values.size() < 2) return {result.mean, INFINITY};
    double squares = 0;
    for (const double v : values) squares += (v - result.mean) * (v - result.mean);
    result.half = student_t975(n - 1) * std::sqrt(squares / (n - 1) / n);
    return result;
}

/// Of a - b, seed by seed.
[[nodiscard]] inline Interval paired(std::span<const double> a, std::span<const double> b) {
    check(a.size() == b.size(), "paired: ", a.size(), " and ", b.size(), " values, expected as many");
    std::vector<double> differences;
    for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
    return interval(differences);
}

}  // namespace hydralora
