// t-SNE: points drawn in few dimensions so that near neighbours stay near. Exact, and by Barnes and Hut's tree where that
// would take too long.
//
// van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 9, 2008: section 3 for the method, 3.4 for momentum, gains
// and early exaggeration; equations by number. What distances between groups mean, a picture does not tell.
//   n points, d dimensions given, k drawn; P (n, n) joint probabilities, Y (n, k) the map
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/random.hpp"
#include "barnes_hut.hpp"
#include "dense.hpp"
#include "pca.hpp"
#include "perplexity.hpp"

namespace hydralora {

/// Of the exact method, whose time and memory grow with n^2: at 5,000 points P has 200 MB and a step takes about 0.2 s.
inline constexpr Index t_sne_limit = 5000;

enum class TSneStart { random, pca };

/// automatic: exact up to t_sne_limit points, above it Barnes-Hut, which draws 2 dimensions only.
enum class TSneMethod { automatic, exact, barnes_hut };

struct TSne {
    Index dims = 2;
    double perplexity = 30;  // neighbours that count; at most (n - 1) / 3
    Index iterations = 1000;
    double exaggeration =
        12;  // of P in the first quarter of the iterations, at most 250 of them; the paper has 4 for 50
    double learning_rate = 0;  // 0: max(50, n / exaggeration / 4), as scikit-learn's "auto"; the paper has 100
    TSneStart start = TSneStart::random;  // random: normal with deviation 1e-4; pca: scores scaled to that
    Seed seed = {};
    TSneMethod method = TSneMethod::automatic;
    double theta = 0.5;  // of Barnes-Hut: a cell counts as one point where width / distance is below; 0: never
    int threads = 1;     // of Barnes-Hut; 0: as many as the machine has; changes no bit

    void validate() const {
        check(dims >= 1, "TSne: dims = ", dims, ", expected at least 1");
        check(perplexity >= 1 && std::isfinite(perplexity), "TSne: perplexity = ", perplexity, ", expected at least 1");
        check(iterations >= 1, "TSne: iterations = ", iterations, ", expected at least 1");
        check(exaggeration >= 1 && std::isfinite(exaggeration), "TSne: exaggeration = ", exaggeration,
              ", expected at least 1");
        check(learning_rate >= 0 && std::isfinite(learning_rate), "TSne: learning_rate = ", learning_rate,
              ", expected above 0, or 0 for one that suits n");
        check(theta >= 0 && theta <= 1, "TSne: theta = ", theta, ", expected 0 to 1");
    }
};

struct TSneMap {
    DoubleMatrix y;         // (n, dims), mean 0
    double divergence = 0;  // KL(P || Q), eq. 2, without exaggeration
};

namespace t_sne_detail {

inline void centre(DoubleMatrix& y) {
    for (Index c = 0; c < y.cols; ++c) {
        double mean = 0;
        for (Index i = 0; i < y.rows; ++i) mean += y(i, c) / static_cast<double>(y.rows);
        for (Index i = 0; i < y.rows; ++i) y(i, c) -= mean;
    }
}

/// (1 + |y_i - y_j|^2)^-1, eq. 4 before it is normalised.
inline double student(const double* a, const double* b, Index dims) {
    double squared = 1;
    for (Index c = 0; c < dims; ++c) squared += (a[c] - b[c]) * (a[c] - b[c]);
    return 1 / squared;
}

}  // namespace t_sne_detail

/// P (n, n): p_ij = (p_j|i + p_i|j) / 2n, summing to 1. Among more equal points than the perplexity, each counts as much.
template <class T>
[[nodiscard]] DoubleMatrix joint_probabilities(MatrixView<T> x, double perplexity) {
    const Index n = x.rows, d = x.cols;
    check(n >= 2 && d >= 1, "t_sne: x is (", n, ", ", d, "), expected at least 2 points of 1 dimension");
    check(n <= t_sne_limit, "t_sne: ", n, " points, expected at most ", t_sne_limit,
          ", for time and memory grow with their square; take TSneMethod::barnes_hut or a sample of the rows");
    t_sne_detail::check_perplexity(n, perplexity);
    DoubleMatrix points = dense_detail::copy_finite("t_sne: x", x);  // (n, d)
    DoubleMatrix p(n, n);
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < i; ++j) {
            double squared = 0;
            for (Index c = 0; c < d; ++c) squared += (points(i, c) - points(j, c)) * (points(i, c) - points(j, c));
            check(std::isfinite(squared), "t_sne: the squared distance of points ", j, " and ", i,
                  " overflows; scale the points down");
            p(i, j) = p(j, i) = squared;
        }
    std::vector<double> row(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) {
        t_sne_detail::conditional(p.row(i), n, i, perplexity, row.data());
        std::copy(row.begin(), row.end(), p.row(i));
    }
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j <= i; ++j) p(i, j) = p(j, i) = (p(i, j) + p(j, i)) / (2 * static_cast<double>(n));
    return p;
}

/// KL(P || Q), eq. 2, of a map Y (n, k).
[[nodiscard]] inline double t_sne_divergence(const DoubleMatrix& p, const DoubleMatrix& y) {
    check(p.rows == p.cols && p.rows == y.rows, "t_sne_divergence: P is (", p.rows, ", ", p.cols, "), Y has ", y.rows,
          " rows, expected as many");
    double total = 0, sum = 0, mass = 0;
    for (Index i = 0; i < y.rows; ++i)
        for (Index j = 0; j < y.rows; ++j) {
            if (i == j) continue;
            const double q = t_sne_detail::student(y.row(i), y.row(j), y.cols);
            total += q;
            mass += p(i, j);
            if (p(i, j) > 0) sum += p(i, j) * (std::log(p(i, j)) - std::log(q));
        }
    return sum + mass * std::log(total);
}

/// dY (n, k) = 4 sum_j (exaggeration p_ij - q_ij) (y_i - y_j) (1 + |y_i - y_j|^2)^-1, eq. 5.
inline void t_sne_gradient(const DoubleMatrix& p, const DoubleMatrix& y, double exaggeration, DoubleMatrix& dy) {
    const Index n = y.rows, k = y.cols;
    check(p.rows == n && p.cols == n && dy.rows == n && dy.cols == k, "t_sne_gradient: P is (", p.rows, ", ", p.cols,
          "), Y (", n, ", ", k, "), dY (", dy.rows, ", ", dy.cols, "), expected (n, n), (n, k) and (n, k)");
    // One pass: pulls and pushes apart, for the pushes wait for the sum over all pairs.
    DoubleMatrix push(n, k);
    double total = 0;
    std::fill(dy.values.begin(), dy.values.end(), 0.0);
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < i; ++j) {
            const double q = t_sne_detail::student(y.row(i), y.row(j), k), pull = 4 * exaggeration * p(i, j) * q;
            total += 2 * q;
            for (Index c = 0; c < k; ++c) {
                const double apart = y(i, c) - y(j, c);
                dy(i, c) += pull * apart;
                dy(j, c) -= pull * apart;
                push(i, c) += 4 * q * q * apart;
                push(j, c) -= 4 * q * q * apart;
            }
        }
    for (std::size_t e = 0; e < dy.values.size(); ++e) dy.values[e] -= push.values[e] / total;
}

namespace t_sne_detail {

/// The descent; gradient(y, exaggeration, dy), divergence(y).
template <class T, class Gradient, class Divergence>
[[nodiscard]] TSneMap descend(MatrixView<T> x, const TSne& config, const Gradient& gradient,
                              const Divergence& divergence) {
    const Index n = x.rows, k = config.dims;
    TSneMap map{DoubleMatrix(n, k)};
    DoubleMatrix& y = map.y;
    if (config.start == TSneStart::pca) {
        y = pca(x, k).scores;
        double squared = 0;
        for (Index i = 0; i < n; ++i) squared += y(i, 0) * y(i, 0) / static_cast<double>(n);
        check(squared > 0, "t_sne: all points are equal, so that TSneStart::pca has no direction; start random");
        for (double& v : y.values) v *= 1e-4 / std::sqrt(squared);
    } else {
        constexpr std::uint32_t stream = 0x74534e45;  // of its own
        for (std::size_t e = 0; e < y.values.size(); ++e)
            y.values[e] = 1e-4 * normal<double>(RandomKey{config.seed, stream, 0}, e);
    }

    const Index early = std::min<Index>(250, config.iterations / 4);
    const double rate = config.learning_rate > 0 ? config.learning_rate
                                                 : std::max(50.0, static_cast<double>(n) / config.exaggeration / 4);
    DoubleMatrix dy(n, k), velocity(n, k), gains(n, k);
    std::fill(gains.values.begin(), gains.values.end(), 1.0);
    for (Index step = 0; step < config.iterations; ++step) {
        gradient(y, step < early ? config.exaggeration : 1, dy);
        const double momentum = step < early ? 0.5 : 0.8;
        for (std::size_t e = 0; e < y.values.size(); ++e) {
            double& gain = gains.values[e];  // up where the descent goes on as before, down where it turns
            const bool onwards = dy.values[e] * velocity.values[e] <= 0;
            gain = std::max(onwards ? gain + 0.2 : gain * 0.8, 0.01);
            velocity.values[e] = momentum * velocity.values[e] - rate * gain * dy.values[e];
            y.values[e] += velocity.values[e];
        }
        centre(y);
    }
    map.divergence = divergence(y);
    check(std::isfinite(map.divergence), "t_sne: the map is not finite after ", config.iterations,
          " iterations; lower learning_rate = ", rate);
    return map;
}

}  // namespace t_sne_detail

/// The map of the points x (n, d); a function of the points and the configuration alone. Throws for bad input, naming it.
template <class T>
[[nodiscard]] TSneMap t_sne(MatrixView<T> x, const TSne& config) {
    config.validate();
    if (config.method == TSneMethod::exact || (config.method == TSneMethod::automatic && x.rows <= t_sne_limit)) {
        const DoubleMatrix p = joint_probabilities(x, config.perplexity);  // (n, n)
        return t_sne_detail::descend(
            x, config, [&](const DoubleMatrix& y, double by, DoubleMatrix& dy) { t_sne_gradient(p, y, by, dy); },
            [&](const DoubleMatrix& y) { return t_sne_divergence(p, y); });
    }
    check(config.dims == 2, "t_sne: dims = ", config.dims, " for ", x.rows,
          " points by Barnes-Hut, expected 2; TSneMethod::exact takes others, of at most ", t_sne_limit, " points");
    ThreadPool pool(config.threads);
    const SparseJoint p = sparse_joint_probabilities(x, config.perplexity, pool);
    return t_sne_detail::descend(
        x, config,
        [&](const DoubleMatrix& y, double by, DoubleMatrix& dy) {
            barnes_hut_gradient(p, y, by, config.theta, pool, dy);
        },
        [&](const DoubleMatrix& y) { return barnes_hut_divergence(p, y, config.theta, pool); });
}

}  // namespace hydralora
