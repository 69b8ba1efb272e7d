#include <hydralora/adapter/joined_weight.hpp>

#include <doctest/doctest.h>

#include "adapter/adapter_case.hpp"
#include "support/message_of.hpp"

namespace adapter_joined_weight_test {

namespace {

using namespace test;

TEST_CASE("extents: W0 and the adapter's matrices, filled up to multiples of 16") {
    const auto shape = [](AdapterConfig c) { return joined_shape(c); };
    AdapterConfig c{.in = 64, .out = 48, .rank = 8, .heads = 4};
    CHECK(shape(c).cols() == 96);  // 64 + 4 * 8
    CHECK(shape(c).tail_cols() == 32);
    CHECK(shape(c).rows() == 64);  // 48 + 8 + 4, and 4 of zeros
    CHECK(shape(c).tail_rows() == 16);
    c.router_input = RouterInput::a_x;  // a router of A x is not in the buffer
    CHECK(shape(c).router_rows == 0);
    CHECK(shape(c).rows() == 64);
    c.sharing = Sharing::own_a;
    CHECK(shape(c).rows() == 80);  // 48 + 32
    c.gate = Gate::uniform;
    c.router_input = RouterInput::x;
    CHECK(shape(c).router_rows == 0);
    CHECK(shape({.in = 5, .out = 3, .rank = 1, .heads = 1, .gate = Gate::none}).rows() == 16);
    CHECK(shape({.in = 5, .out = 3, .rank = 1, .heads = 1, .gate = Gate::none}).cols() == 16);
    CHECK(shape({.in = 15, .out = 3, .rank = 1, .heads = 1}).cols() == 16);
    CHECK(shape({.in = 16, .out = 3, .rank = 1, .heads = 1}).cols() == 32);
    CHECK(message_of([&] { shape({.in = 4, .out = 4, .rank = 5, .heads = 1}); }).find("rank = 5") != std::string::npos);
}

TEST_CASE("every matrix stands where its product reads it, and zeros everywhere else") {
    Double be({.threads = 1});
    Draw draw(61);
    for (int n = 0; n < 200; ++n) {
        const AdapterConfig config = draw_config(draw);
        AdapterCase<Double> c(be, config, 1, draw);
        JoinedWeight<Double> weight(be, config);
        be.fill(weight.frozen(), 7.0);
        weight.refresh(be, c.params);
        const auto& params = c.params;
        const bool routed = config.routed() && config.router_input == RouterInput::x;
        const Index in = config.in, out = config.out, a_rows = config.a_rows(), b_cols = config.heads * config.rank;
        const auto forward = weight.forward_factor(), backward = weight.backward_factor();
        REQUIRE(forward.ld % 16 == 0);
        REQUIRE(forward.ld == forward.cols);
        REQUIRE(backward.rows % 16 == 0);
        double wrong = 0;
        for (Index o = 0; o < forward.rows; ++o)
            for (Index j = 0; j < forward.cols; ++j) {
                const double expected = j < in ? 7 : j < in + b_cols ? params.B.view()(o, j - in) : 0;
                wrong += forward(o, j) != expected ? 1 : 0;
            }
        for (Index o = 0; o < backward.rows; ++o)
            for (Index j = 0; j < backward.cols; ++j) {
                const Index router = o - out - a_rows;
                const double expected = o < out                                  ? 7
                                        : o < out + a_rows                       ? params.A.view()(o - out, j)
                                        : routed && router < Index{config.heads} ? params.router.view()(router, j)
                                                                                 : 0;
                wrong += backward(o, j) != expected ? 1 : 0;
            }
        REQUIRE(forward.rows == out);
        REQUIRE(backward.cols == in);
        REQUIRE(wrong == 0);
        REQUIRE(same_bits(weight.adapter(views(std::as_const(params))).A, params.A.view()));
        REQUIRE(same_bits(weight.adapter(views(std::as_const(params))).B, params.B.view()));
    }
}

TEST_CASE("parameters of another shape are refused") {
    Double be({.threads = 1});
    const AdapterConfig config{.in = 6, .out = 4, .rank = 2, .heads = 3};
    auto params = make_params(be, config);
    JoinedWeight<Double> weight(be, config);
    const auto complaint = [&] { return message_of([&] { weight.refresh(be, views(params)); }); };
    CHECK(complaint() == "no error");
    params.A = ParamBuffer<Double>(be, 2, 5);
    CHECK(complaint() == "JoinedWeight: A is (2, 5), expected (2, 6)");
    params = make_params(be, config);
    params.B = ParamBuffer<Double>(be, 4, 2);
    CHECK(complaint() == "JoinedWeight: B is (4, 2), expected (4, 6)");
    params = make_params(be, config);
    params.router = {};
    CHECK(complaint() == "JoinedWeight: router is (0, 0), expected (3, 6)");
}

}  // namespace

}  // namespace adapter_joined_weight_test
