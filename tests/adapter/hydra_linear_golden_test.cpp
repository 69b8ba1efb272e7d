// The released layer's mathematics, from outputs to the parameters after some AdamW steps, against recorded numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <limits>

#include "support/golden.hpp"

namespace {

using namespace hydralora;
using test::GoldenLayer;
using test::Matrix;

/// Largest |a - b| over largest |b|: 1e-12 in double. In float the rounding of the inputs alone moves single elements by
/// more than their own size times 1e-6, so there the measure is |a - b| / |b| in the 2-norm of the tensor: 1e-6.
template <class T>
double error_of(MatrixView<const T> a, const Matrix<T>& b) {
    REQUIRE(a.shape() == b.view().shape());
    double worst = 0, largest = 0, distance = 0, length = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) {
            const double expected = b(i, j), d = std::abs(static_cast<double>(a(i, j)) - expected);
            worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(worst, d);
            largest = std::max(largest, std::abs(expected));
            distance += d * d;
            length += expected * expected;
        }
    if (worst == 0) return 0;
    return std::is_same_v<T, double> ? worst / largest : std::sqrt(distance / length);
}

template <class T>
void check_layer(const std::string& name) {
    CAPTURE(name);
    constexpr double most = std::is_same_v<T, double> ? 1e-12 : 1e-6;
    BasicEigenBackend<T> be({.threads = 2});
    const GoldenLayer<T> golden(name);
    const auto& config = golden.config;
    const auto x = golden["x"], w0 = golden["w0"], probe = golden["probe"];
    const Matrix<T> bias = golden.has("bias") ? golden["bias"] : Matrix<T>(0, 0);
    const auto tokens = static_cast<T>(x.rows);

    auto params = make_params(be, config);
    auto grads = make_params(be, config);
    be.copy(golden["a"].cview(), params.A.view());
    be.copy(golden.heads("b").cview(), params.B.view());
    be.copy(golden["wg"].cview(), params.router.view());
    const HydraLinear layer(DenseWeight<BasicEigenBackend<T>>{w0.view(), bias.view()}, HydraAdapter(be, config, views(params)));
    typename decltype(layer)::Cache cache;
    Matrix<T> y(x.rows, config.out), dy(x.rows, config.out), dx(x.rows, config.in);
    for (std::size_t i = 0; i < dy.data.size(); ++i) dy.data[i] = probe.data[i] / tokens;

    auto state = golden.adamw.init(be, params);
    double loss = 0;
    for (Index step = 0; step < golden.steps; ++step) {
        layer.forward(be, x.view(), y.view(), cache);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), T{0}); }, grads);
        layer.backward(be, x.view(), dy.view(), cache, dx.view(), views(grads));
        if (step == 0) {
            CHECK(error_of<T>(y.view(), golden["y"]) <= most);
            CHECK(error_of<T>(cache.g.view(), golden["route"]) <= most);
            CHECK(error_of<T>(dx.view(), golden["dx"]) <= most);
            CHECK(error_of<T>(grads.A.view(), golden["da"]) <= most);
            CHECK(error_of<T>(grads.B.view(), golden.heads("db")) <= most);
            CHECK(error_of<T>(grads.router.view(), golden["dwg"]) <= most);
        }
        loss = 0;
        for (std::size_t i = 0; i < y.data.size(); ++i) loss += static_cast<double>(y.data[i]) * static_cast<double>(dy.data[i]);
        golden.adamw.step(be, params, grads, state);
    }
    CHECK(std::abs(loss - static_cast<double>(golden["loss_last"](0, 0))) <= most * std::abs(loss));
    CHECK(error_of<T>(params.A.view(), golden["a_after"]) <= most);
    CHECK(error_of<T>(params.B.view(), golden.heads("b_after")) <= most);
    CHECK(error_of<T>(params.router.view(), golden["wg_after"]) <= most);
}

TEST_CASE_TEMPLATE("HydraLinear and AdamW reproduce the recorded layer", T, double, float) {
    check_layer<T>("layer_t1_i8_o8_r1_n1_b0");
    check_layer<T>("layer_t7_i16_o24_r4_n3_b1");
    check_layer<T>("layer_t32_i64_o48_r8_n4_b0");
}

}  // namespace
