// One pass of a joined layer from numbers that are the same on any backend: what two backends must agree on. Without Eigen,
// so that nvcc compiles it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <hydralora/adapter/joined_linear.hpp>
#include <vector>

#include "tiny_training.hpp"

namespace test {

using namespace hydralora;

/// y, dx and the gradients of a layer (45, 70), tensor by tensor, from numbers that are the same on every backend.
template <class B>
std::vector<std::vector<double>> joined_layer(B& be, AdapterConfig config, Index tokens) {
    config.in = 70;
    config.out = 45;
    auto params = make_params(be, config), grads = make_params(be, config);
    const auto draw = [&](auto to, std::uint32_t stream) {
        std::vector<typename decltype(to)::value_type> values(static_cast<std::size_t>(to.size()));
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<typename decltype(to)::value_type>(
                static_cast<float>(uniform<double>({Seed{7}, stream, 0}, i) - 0.5));
        be.upload(host_view(values.data(), to.rows, to.cols), to);
    };
    std::uint32_t stream = 0;
    visit([&](const ParamPath&, auto& m) { draw(m.view(), stream++); }, params);
    JoinedWeight<B> weight(be, config);
    draw(weight.frozen(), 10);
    const JoinedLinear<B> layer(be, weight, HydraAdapter<B>(be, config, views(params)));
    ActivationBuffer<B> x(be, tokens, layer.x_ld()), dy(be, tokens, layer.dy_ld()), y(be, tokens, config.out),
        dx(be, tokens, config.in);
    draw(x.view(), 11);
    draw(dy.view(), 12);
    typename JoinedLinear<B>::Cache cache;
    Pass<B> pass;
    pass.random = {Seed{8}, 2, 3};
    layer.forward(be, x.view().col_slice(0, config.in), y.view(), cache, pass);
    layer.backward(be, x.view().col_slice(0, config.in), dy.view().col_slice(0, config.out), cache, dx.view(),
                   views(grads));
    std::vector<std::vector<double>> tensors;
    const auto keep = [&](auto m) {
        std::vector<typename decltype(m)::value_type> values(static_cast<std::size_t>(m.size()));
        be.download(m, host_view(values.data(), m.rows, m.cols));
        auto& kept = tensors.emplace_back();
        for (const auto value : values) kept.push_back(static_cast<double>(static_cast<float>(value)));
    };
    keep(y.view());
    keep(dx.view());
    visit([&](const ParamPath&, auto& m) { keep(m.view()); }, grads);
    return tensors;
}

/// The largest difference in any tensor, as a share of the tensor's largest number.
inline double share(const std::vector<std::vector<double>>& expected, const std::vector<std::vector<double>>& found) {
    if (expected.size() != found.size()) return HUGE_VAL;
    double worst = 0;
    for (std::size_t m = 0; m < expected.size(); ++m) {
        double most = 0, largest = 0;
        for (std::size_t i = 0; i < expected[m].size(); ++i) {
            const double each = std::abs(expected[m][i] - found[m].at(i));
            most = each >= most ? each : std::isnan(each) ? HUGE_VAL : most;
            largest = std::max(largest, std::abs(expected[m][i]));
        }
        worst = std::max(worst, most == 0 ? 0 : most / largest);
    }
    return worst;
}

}  // namespace test
