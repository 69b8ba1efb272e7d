// One adapter with everything a forward and a backward pass need, drawn at random.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <hydralora/adapter/hydra_adapter.hpp>
#include <vector>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"

namespace test {

using namespace hydralora;
using Double = test::BasicTestBackend<double>;

/// Bounds of what is drawn.
struct AdapterLimits {
    Index most_columns = 33;
};

/// Any member of the family: sharing x gate x router input x router bias x dropout, odd and 1 x 1 shapes among them.
inline AdapterConfig draw_config(Draw& draw, AdapterLimits limits = {}) {
    AdapterConfig c;
    c.in = std::min(limits.most_columns, draw.one_of<Index>({1, 2, 3, 5, 7, 8, 16, 17, 24, 33}));
    c.out = std::min(limits.most_columns, draw.one_of<Index>({1, 2, 3, 5, 7, 8, 16, 19, 24, 31}));
    do c.rank = draw.one_of<Index>({1, 4, 16});
    while (c.rank > std::min(c.in, c.out));
    c.heads = draw.one_of<Index>({1, 2, 3, 4, 8});
    c.alpha = draw.one_of({1.0, 8.0, 32.0});
    c.sharing = draw.one_of({Sharing::shared_a, Sharing::own_a});
    c.gate = draw.one_of({Gate::none, Gate::uniform, Gate::softmax, Gate::softmax, Gate::top_k, Gate::assigned});
    c.top_k = draw.integer(1, c.heads);
    if (c.routed()) {
        c.router_input = draw.one_of({RouterInput::x, RouterInput::a_x});
        c.router_bias = draw.one_of({RouterBias::none, RouterBias::trained});
    }
    if (draw.coin()) {
        c.dropout = draw.one_of({0.05, 0.3, 0.7});
        if (c.router_input == RouterInput::x)
            c.dropout_mask = draw.one_of({MaskSharing::shared, MaskSharing::per_head});
    }
    return c;
}

/// Parameters, input, what the caller's product left in y, and the gradient of y.
template <class B>
struct AdapterCase {
    using Config = AdapterConfig;

    B& be;
    AdapterConfig config;
    Index tokens;
    AdapterParams<ParamBuffer<B>> params, grads;
    ActivationBuffer<B> x, base, y, dy, dx;
    std::vector<std::int32_t> heads_of;  // for Gate::assigned
    Pass<B> pass;
    typename HydraAdapter<B>::Cache cache;

    /// Numbers from `draw`: B not zero, gates neither equal nor saturated.
    AdapterCase(B& backend, const AdapterConfig& c, Index t, Draw& draw)
        : be(backend),
          config(c),
          tokens(t),
          params(make_params(be, c)),
          grads(make_params(be, c)),
          x(be, t, c.in),
          base(be, t, c.out),
          y(be, t, c.out),
          dy(be, t, c.out),
          dx(be, t, c.in) {
        visit([&](const ParamPath&, auto& m) { draw.normal(m.view(), 1 / std::sqrt(static_cast<double>(m.cols()))); },
              params);
        draw.normal(x.view());
        draw.normal(base.view());
        draw.normal(dy.view());
        for (Index i = 0; i < t; ++i) heads_of.push_back(static_cast<std::int32_t>(draw.integer(0, c.heads - 1)));
        pass.random = {Seed{static_cast<std::uint64_t>(draw.integer(0, 1'000'000))},
                       static_cast<std::uint32_t>(draw.integer(0, 1000)),
                       static_cast<std::uint32_t>(draw.integer(0, 1000))};
        const Index length = draw.integer(1, std::max(Index{1}, t));
        pass.rows = {draw.integer(0, 100), length, length + draw.one_of<Index>({0, 0, 3})};
        pass.assigned = {heads_of.data(), 1, t};
    }
    AdapterCase(const AdapterCase&) = delete;

    [[nodiscard]] HydraAdapter<B> adapter() { return {be, config, views(params)}; }

    /// y = base + delta(x)
    MatrixView<Scalar<B>> forward() {
        be.copy(base.view(), y.view());
        adapter().forward(be, x.view(), y.view(), cache, pass);
        return y.view();
    }
    /// dx and grads, from zero. After forward.
    void backward() {
        be.fill(dx.view(), Scalar<B>{0});
        visit([&](const ParamPath&, auto& m) { be.fill(m.view(), ParamScalar<B>{0}); }, grads);
        adapter().backward(be, x.view(), dy.view(), cache, dx.view(), views(grads));
    }
};

/// The adapter of another configuration on the input and y of a case.
struct Outcome {
    Matrix<double> y, dx;
    AdapterParams<ParamBuffer<Double>> grads;
    typename HydraAdapter<Double>::Cache cache;

    Outcome(AdapterCase<Double>& c, const AdapterConfig& config, const AdapterParams<ParamBuffer<Double>>& params)
        : y(c.tokens, config.out), dx(c.tokens, config.in), grads(make_params(c.be, config)) {
        c.be.copy(c.base.view(), y.view());
        const HydraAdapter adapter(c.be, config, views(params));
        adapter.forward(c.be, c.x.view(), y.view(), cache, c.pass);
        adapter.backward(c.be, c.x.view(), c.dy.view(), cache, dx.view(), views(grads));
    }
};

inline AdapterParams<ParamBuffer<Double>> copy_of(Double& be, const AdapterParams<ParamBuffer<Double>>& params) {
    return map_params<ParamBuffer<Double>>(params, [&](const ParamPath&, const auto& from) {
        ParamBuffer<Double> to(be, from.shape());
        be.copy(from.view(), to.view());
        return to;
    });
}

inline void add(MatrixView<double> to, MatrixView<const double> from, double factor = 1) {
    for (Index i = 0; i < to.rows; ++i)
        for (Index j = 0; j < to.cols; ++j) to(i, j) += factor * from(i, j);
}

/// Largest |a - b| as a share of the largest |b|; infinite where one is NaN.
template <class T, class U>
double relative_difference(MatrixView<T> a, MatrixView<U> b) {
    double most = 0, scale = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) {
            const double d = std::abs(static_cast<double>(a(i, j)) - static_cast<double>(b(i, j)));
            most = d <= most ? most : std::isnan(d) ? HUGE_VAL : d;
            scale = std::max(scale, std::abs(static_cast<double>(b(i, j))));
        }
    return most == 0 ? 0 : most / scale;
}

}  // namespace test
