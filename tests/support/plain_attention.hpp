// Causal attention and its gradients by plain loops in double, one query and one head at a time. Without Eigen, so that
// nvcc compiles it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <hydralora/backend/compose/attention.hpp>
#include <vector>

namespace test {

/// Matrices as ops::attention has them, keys without gaps, starts on the host; log_sum_exp (S*L, heads).
struct PlainAttention {
    using Numbers = std::vector<double>;
    hydralora::AttentionShape shape;
    Numbers q, k, v, o, log_sum_exp, dq, dk, dv;

    PlainAttention(const hydralora::AttentionShape& s, Numbers queries, Numbers keys, Numbers values)
        : shape(s), q(std::move(queries)), k(std::move(keys)), v(std::move(values)) {
        o.assign(q.size(), 0);
        log_sum_exp.assign(static_cast<std::size_t>(s.sequences * s.queries * s.heads), 0);
        each_query([&](Place at) {
            double top = -INFINITY, sum = 0;
            for (hydralora::Index j = at.first; j < at.seen; ++j) top = std::max(top, score(at, j));
            for (hydralora::Index j = at.first; j < at.seen; ++j) sum += std::exp(score(at, j) - top);
            log_sum_exp[at.statistic] = top + std::log(sum);
            for (hydralora::Index j = at.first; j < at.seen; ++j) {
                const double p = std::exp(score(at, j) - log_sum_exp[at.statistic]);
                for (std::size_t d = 0; d < at.head_dim; ++d) o[at.query + d] += p * v[key(at, j) + d];
            }
        });
    }

    /// From do and the o and log_sum_exp that stand here.
    void backward(const Numbers& dout) {
        dq.assign(q.size(), 0);
        dk.assign(k.size(), 0);
        dv.assign(v.size(), 0);
        each_query([&](Place at) {
            double delta = 0;
            for (std::size_t d = 0; d < at.head_dim; ++d) delta += dout[at.query + d] * o[at.query + d];
            for (hydralora::Index j = at.first; j < at.seen; ++j) {
                const std::size_t row = key(at, j);
                const double p = std::exp(score(at, j) - log_sum_exp[at.statistic]);
                double dp = 0;
                for (std::size_t d = 0; d < at.head_dim; ++d) dp += dout[at.query + d] * v[row + d];
                const double ds = shape.scale() * p * (dp - delta);
                for (std::size_t d = 0; d < at.head_dim; ++d) {
                    dv[row + d] += p * dout[at.query + d];
                    dq[at.query + d] += ds * k[row + d];
                    dk[row + d] += ds * q[at.query + d];
                }
            }
        });
    }

private:
    struct Place {
        std::size_t query, statistic, first_key, kv_width, head_dim;
        hydralora::Index first, seen;
    };

    template <class F>
    void each_query(F&& f) const {
        const hydralora::Index D = shape.head_dim, G = shape.heads / shape.kv_heads;
        for (hydralora::Index s = 0; s < shape.sequences; ++s)
            for (hydralora::Index i = 0; i < shape.queries; ++i)
                for (hydralora::Index h = 0; h < shape.heads; ++h) {
                    const hydralora::Index t = s * shape.queries + i, first = s * shape.keys * shape.kv_heads + h / G;
                    const hydralora::Index place = shape.keys - shape.queries + i;
                    hydralora::Index start = shape.starts == nullptr ? 0 : shape.starts[t];
                    if (shape.window > 0 && place - start >= shape.window) start = place - shape.window + 1;
                    f(Place{static_cast<std::size_t>((t * shape.heads + h) * D),
                            static_cast<std::size_t>(t * shape.heads + h), static_cast<std::size_t>(first * D),
                            static_cast<std::size_t>(shape.kv_heads * D), static_cast<std::size_t>(D), start,
                            place + 1});
                }
    }
    static std::size_t key(const Place& at, hydralora::Index j) {
        return at.first_key + static_cast<std::size_t>(j) * at.kv_width;
    }
    double score(const Place& at, hydralora::Index j) const {
        double dot = 0;
        for (std::size_t d = 0; d < at.head_dim; ++d) dot += q[at.query + d] * k[key(at, j) + d];
        return dot * shape.scale();
    }
};

}  // namespace test
