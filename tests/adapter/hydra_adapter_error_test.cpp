// Mistakes are named: what was found, what was expected.
#include <doctest/doctest.h>

#include "adapter/adapter_case.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace adapter_hydra_adapter_error_test {

namespace {

using namespace test;

struct Fixture {
    Double be{test::TestOptions{.threads = 1}};
    AdapterConfig config{.in = 6, .out = 4, .rank = 2, .heads = 3};
    AdapterParams<ParamBuffer<Double>> params = make_params(be, config), grads = make_params(be, config);
    HydraAdapter<Double> adapter{be, config, views(params)};
    HydraAdapter<Double>::Cache cache;
    Matrix<double> x{5, 6}, y{5, 4}, dx{5, 6};

    std::string forward(MatrixView<const double> input, MatrixView<double> output) {
        return message_of([&] { adapter.forward(be, input, output, cache); });
    }
    std::string backward(MatrixView<const double> input, MatrixView<const double> dy, MatrixView<double> gradient) {
        return message_of([&] { adapter.backward(be, input, dy, cache, gradient, views(grads)); });
    }
    std::string with(const AdapterParams<MatrixView<const double>>& views) {
        return message_of([&] { HydraAdapter<Double>(be, config, views); });
    }
};

AdapterParams<MatrixView<const double>> constant(const AdapterParams<ParamBuffer<Double>>& params) {
    return views(params);
}

TEST_CASE_FIXTURE(Fixture, "parameters of another shape") {
    auto p = constant(params);
    p.A.rows = 3;
    CHECK(with(p) == "HydraAdapter: A is (3, 6), expected (2, 6)");
    p = constant(params);
    p.B.cols = 5;
    CHECK(with(p) == "HydraAdapter: B is (4, 5), expected (4, 6)");
    p = constant(params);
    p.B.ld = 5;
    CHECK(with(p) == "HydraAdapter: B has leading dimension 5 below its 6 columns");
    p = constant(params);
    p.router = {};
    CHECK(with(p) == "HydraAdapter: router is (0, 0), expected (3, 6)");
    p = constant(params);
    p.router_bias = p.A.row_slice(0, 1);
    CHECK(with(p) == "HydraAdapter: router_bias is (1, 6), expected (0, 0)");
}

TEST_CASE_FIXTURE(Fixture, "x, y, dy and dx of another shape") {
    CHECK(forward(Matrix<double>(5, 7).view(), y.view()) == "HydraAdapter: forward: x has 7 columns, expected in = 6");
    CHECK(forward(x.view(), Matrix<double>(5, 3).view()) == "HydraAdapter: forward: y has 3 columns, expected out = 4");
    CHECK(forward(x.view(), Matrix<double>(2, 4).view()) == "HydraAdapter: forward: x has 5 tokens, y has 2");
    CHECK(forward({x.data.data(), 5, 6, 5}, y.view()) ==
          "HydraAdapter: forward: leading dimension below the columns: x 5 of 6, y 4 of 4");
    CHECK(forward(x.view(), y.view()) == "no error");
    CHECK(backward(x.view(), Matrix<double>(5, 5).view(), dx.view()) ==
          "HydraAdapter: backward: dy has 5 columns, expected out = 4");
    CHECK(backward(x.view(), y.view(), Matrix<double>(4, 6).view()) ==
          "HydraAdapter: dx is (4, 6), expected that of x, (5, 6)");
    CHECK(backward(x.view(), y.view(), {dx.data.data(), 5, 6, 4}) ==
          "HydraAdapter: dx has leading dimension 4 below its 6 columns");
}

TEST_CASE_FIXTURE(Fixture, "gradients of another shape, before any of them is written") {
    adapter.forward(be, x.view(), y.view(), cache);
    auto wrong = views(grads);
    wrong.router = {};
    const auto message = message_of([&] { adapter.backward(be, x.view(), y.view(), cache, dx.view(), wrong); });
    CHECK(message == "HydraAdapter: the gradient of router is (0, 0), expected (3, 6)");
    wrong = views(grads);
    wrong.A.ld = 3;
    CHECK(message_of([&] { adapter.backward(be, x.view(), y.view(), cache, dx.view(), wrong); }) ==
          "HydraAdapter: the gradient of A has leading dimension 3 below its 6 columns");
}

TEST_CASE_FIXTURE(Fixture, "a cache of another pass") {
    CHECK(backward(x.view(), y.view(), dx.view()) ==
          "HydraAdapter: the cache holds a forward pass of 0 tokens, x has 5");
    const Matrix<double> three(3, 6);
    Matrix<double> out(3, 4);
    adapter.forward(be, three.view(), out.view(), cache);
    CHECK(backward(x.view(), y.view(), dx.view()) ==
          "HydraAdapter: the cache holds a forward pass of 3 tokens, x has 5");

    AdapterConfig two = config;
    two.heads = 2;
    const auto other = make_params(be, two);
    HydraAdapter(be, two, views(other)).forward(be, x.view(), y.view(), cache);
    CHECK(backward(x.view(), y.view(), dx.view()) ==
          "HydraAdapter: the cache is of another adapter: u (5, 2) and gates (5, 2), expected (5, 2) and (5, 3)");
    two.heads = 3;
    two.rank = 1;
    const auto thinner = make_params(be, two);
    HydraAdapter(be, two, views(thinner)).forward(be, x.view(), y.view(), cache);
    CHECK(backward(x.view(), y.view(), dx.view()) ==
          "HydraAdapter: the cache is of another adapter: u (5, 1) and gates (5, 3), expected (5, 2) and (5, 3)");
}

TEST_CASE_FIXTURE(Fixture, "gate assigned without a head for each token") {
    config.gate = Gate::assigned;
    const auto p = make_params(be, config);
    const HydraAdapter assigned(be, config, views(p));
    const auto before = y.data;
    CHECK(message_of([&] { assigned.forward(be, x.view(), y.view(), cache); }) ==
          "HydraAdapter: gate assigned needs a head for each of the 5 tokens in Pass::assigned, found 0");
    const std::int32_t heads[] = {0, 1, 2};
    CHECK(message_of([&] {
              assigned.forward(be, x.view(), y.view(), cache, {.assigned = {heads, 1, 3}});
          }) == "HydraAdapter: gate assigned needs a head for each of the 5 tokens in Pass::assigned, found 3");
    CHECK(y.data == before);
}

}  // namespace

}  // namespace adapter_hydra_adapter_error_test
