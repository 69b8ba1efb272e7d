// The released layer's mathematics, from outputs to the parameters after some AdamW steps, against recorded numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <limits>

#include "support/backend.hpp"
#include "support/golden.hpp"

namespace adapter_hydra_linear_golden_test {

namespace {

using namespace hydralora;
using test::GoldenLayer;
using test::Matrix;

/// In double: largest |a - b| over largest |b|. In float the rounding of the inputs alone moves single elements by more than
/// 1e-6 of the largest, so there the measure is |a - b| / |b| in the 2-norm of the tensor.
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

constexpr const char* names[] = {"layer_t1_i8_o8_r1_n1_b0", "layer_t7_i16_o24_r4_n3_b1", "layer_t32_i64_o48_r8_n4_b0"};

/// Steps of `layer` on the inputs of a file against the outputs of another. x and dy stand in matrices with room behind
/// their rows; stepped() is called after each change of the parameters.
template <class T, class Layer, class Stepped>
void check_steps(test::BasicTestBackend<T>& be, const GoldenLayer<T>& golden, const GoldenLayer<T>& expected,
                 const Layer& layer, AdapterParams<ParamBuffer<test::BasicTestBackend<T>>>& params, double most,
                 Stepped&& stepped) {
    const auto& config = golden.config;
    const auto probe = golden["probe"], input = golden["x"];
    const auto tokens = static_cast<T>(input.rows);
    Matrix<T> x(input.rows, config.in, 64), y(x.rows, config.out), dy(x.rows, config.out, 64), dx(x.rows, config.in);
    be.copy(input.cview(), x.view());
    for (Index t = 0; t < dy.rows; ++t)
        for (Index o = 0; o < dy.cols; ++o) dy(t, o) = probe(t, o) / tokens;

    auto grads = make_params(be, config);
    typename Layer::Cache cache;
    auto state = golden.adamw.init(be, params);
    double loss = 0;
    for (Index step = 0; step < golden.steps; ++step) {
        layer.forward(be, x.view(), y.view(), cache);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), T{0}); }, grads);
        layer.backward(be, x.view(), dy.view(), cache, dx.view(), views(grads));
        if (step == 0) {
            CHECK(error_of<T>(y.view(), expected["y"]) <= most);
            CHECK(error_of<T>(cache.g.view(), expected["route"]) <= most);
            CHECK(error_of<T>(dx.view(), expected["dx"]) <= most);
            CHECK(error_of<T>(grads.A.view(), expected["da"]) <= most);
            CHECK(error_of<T>(grads.B.view(), expected.heads("db")) <= most);
            CHECK(error_of<T>(grads.router.view(), expected["dwg"]) <= most);
        }
        loss = 0;
        for (Index t = 0; t < dy.rows; ++t)
            for (Index o = 0; o < dy.cols; ++o) loss += static_cast<double>(y(t, o)) * static_cast<double>(dy(t, o));
        golden.adamw.step(be, params, grads, state);
        stepped();
    }
    CHECK(std::abs(loss - static_cast<double>(expected["loss_last"](0, 0))) <= most * std::abs(loss));
    CHECK(error_of<T>(params.A.view(), expected["a_after"]) <= most);
    CHECK(error_of<T>(params.B.view(), expected.heads("b_after")) <= most);
    CHECK(error_of<T>(params.router.view(), expected["wg_after"]) <= most);
}

/// The layer, plain and joined, on the inputs of the file `name` against the outputs of the file `name + outputs`.
template <class T>
void check_layer(const std::string& name, const std::string& outputs, double most) {
    CAPTURE(name);
    using B = test::BasicTestBackend<T>;
    B be({.threads = 2});
    const GoldenLayer<T> golden(name), expected(name + outputs);
    const auto w0 = golden["w0"];
    const Matrix<T> bias = golden.has("bias") ? golden["bias"] : Matrix<T>(0, 0);
    auto params = make_params(be, golden.config);
    const auto start = [&] {
        be.copy(golden["a"].cview(), params.A.view());
        be.copy(golden.heads("b").cview(), params.B.view());
        be.copy(golden["wg"].cview(), params.router.view());
        return HydraAdapter(be, golden.config, views(params));
    };
    check_steps<T>(be, golden, expected, HydraLinear(DenseWeight<B>{w0.view(), bias.view()}, start()), params, most,
                   [] {});
    JoinedWeight<B> weight(be, golden.config);
    be.copy(w0.cview(), weight.frozen());
    check_steps<T>(be, golden, expected, JoinedLinear(be, weight, start(), bias.cview()), params, most,
                   [&] { weight.refresh(be, params); });
}

// The released layer computes its softmax in float32 in any case, so its gates hold float32's rounding.
TEST_CASE_TEMPLATE(
    "the layer, plain and joined, and AdamW reproduce the recorded layer to the precision of its softmax", T, float,
    double) {
    for (const auto* name : names) check_layer<T>(name, "", 1e-6);
}

TEST_CASE("the layer, plain and joined, and AdamW in double reproduce the layer with its softmax in double") {
    for (const auto* name : names) check_layer<double>(name, "_softmax64", 1e-12);
}

TEST_CASE("given the recorded gates, y and the gradients of A and B are the recorded ones in double") {
    using Double = test::BasicTestBackend<double>;
    Double be({.threads = 1});
    for (const auto* name : names) {
        CAPTURE(name);
        const GoldenLayer<double> golden(name);
        const auto x = golden["x"], w0 = golden["w0"], probe = golden["probe"], route = golden["route"],
                   A = golden["a"], router = golden["wg"], B = golden.heads("b");
        const Matrix<double> bias = golden.has("bias") ? golden["bias"] : Matrix<double>(0, 0);
        const Index tokens = x.rows, rank = golden.config.rank;
        Matrix<double> y(tokens, golden.config.out), dy(tokens, golden.config.out);
        DenseWeight<Double>{w0.view(), bias.view()}.apply(be, x.view(), y.view());
        for (Index i = 0; i < golden.config.heads; ++i) {  // each head as a LoRA of its own, weighted by its gate
            AdapterConfig lora = golden.config;
            lora.heads = 1;
            lora.gate = Gate::none;
            const AdapterParams<MatrixView<const double>> head{A.view(), B.view().col_slice(i * rank, rank), {}, {}};
            HydraAdapter<Double>::Cache cache;
            Matrix<double> delta(tokens, golden.config.out);
            HydraAdapter(be, lora, head).forward(be, x.view(), delta.view(), cache);
            for (Index t = 0; t < tokens; ++t)
                for (Index o = 0; o < y.cols; ++o) y(t, o) += route(t, i) * delta(t, o);
        }
        CHECK(error_of<double>(y.view(), golden["y"]) <= 1e-12);

        const AdapterParams<MatrixView<const double>> params{A.view(), B.view(), router.view(), {}};
        const HydraAdapter adapter(be, golden.config, params);
        auto grads = make_params(be, golden.config);
        decltype(adapter)::Cache cache;
        for (std::size_t i = 0; i < dy.data.size(); ++i) dy.data[i] = probe.data[i] / static_cast<double>(tokens);
        adapter.forward(be, x.view(), y.view(), cache);
        be.copy(route.view(), cache.g.view());
        adapter.backward(be, x.view(), dy.view(), cache, {}, views(grads));
        CHECK(error_of<double>(grads.A.view(), golden["da"]) <= 1e-12);
        CHECK(error_of<double>(grads.B.view(), golden.heads("db")) <= 1e-12);
    }
}

}  // namespace

}  // namespace adapter_hydra_linear_golden_test
