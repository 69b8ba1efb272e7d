#include <hydralora/adapter/collapse.hpp>
#include <hydralora/adapter/hydra_adapter.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "support/backend.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace adapter_collapse_test {

using namespace hydralora;
using test::Matrix;
using test::max_difference;
using test::message_of;
using test::random_matrix;
using Be = test::BasicTestBackend<double>;

namespace {

constexpr Index in = 11, out = 9, rank = 2, heads = 3, tokens = 7;

AdapterConfig config_of(Sharing sharing, Gate gate) {
    return {.in = in, .out = out, .rank = rank, .heads = heads, .alpha = 5, .sharing = sharing, .gate = gate};
}

AdapterParams<Buffer<Be, double>> random_params(Be& be, const AdapterConfig& config) {
    auto params = make_params(be, config);
    unsigned seed = 3;
    visit([&](const ParamPath&,
              Buffer<Be, double>& m) { be.copy(random_matrix<double>(m.rows(), m.cols(), ++seed).cview(), m.view()); },
          params);
    return params;
}

Matrix<double> forward(Be& be, const AdapterConfig& config, const AdapterParams<Buffer<Be, double>>& params,
                       MatrixView<const double> x, std::int32_t assigned = -1) {
    const HydraAdapter adapter(be, config, views(params));
    typename decltype(adapter)::Cache cache;
    const std::vector<std::int32_t> heads_of(static_cast<std::size_t>(x.rows), assigned);
    Matrix<double> y(x.rows, out);
    Pass<Be> pass;
    pass.mode = Mode::inference;
    pass.assigned = host_view(heads_of.data(), 1, x.rows);
    adapter.forward(be, x, y.view(), cache, pass);
    return y;
}

}  // namespace

TEST_CASE("collapsed, an adapter is s sum_i w_i B_i A_i as plain loops multiply it") {
    Be be({.threads = 1});
    const std::vector<double> gates{0.5, -0.25, 0.75};
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a}) {
        const AdapterConfig config = config_of(sharing, Gate::softmax);
        const auto params = random_params(be, config);
        const AdapterConfig lora = collapsed_config(config);
        CHECK(lora.rank == (sharing == Sharing::shared_a ? rank : heads * rank));
        CHECK(lora.scaling() == doctest::Approx(config.scaling()).epsilon(1e-15));
        auto collapsed = make_params(be, lora);
        collapse(be, config, params, gates, collapsed);

        Matrix<double> expected(out, in), found(out, in);
        const auto A = params.A.view(), B = params.B.view();
        for (Index o = 0; o < out; ++o)
            for (Index k = 0; k < in; ++k)
                for (Index i = 0; i < heads; ++i)
                    for (Index j = 0; j < rank; ++j)
                        expected(o, k) += 2.5 * gates[static_cast<std::size_t>(i)] * B(o, i * rank + j) *
                                          A(sharing == Sharing::own_a ? i * rank + j : j, k);
        add_delta_weight(be, lora, collapsed, found.view());
        CHECK(max_difference(expected.cview(), found.cview()) < 1e-14);
        // Added to what is there, not instead of it.
        add_delta_weight(be, lora, collapsed, found.view());
        CHECK(found(3, 4) == doctest::Approx(2 * expected(3, 4)).epsilon(1e-13));
    }
}

TEST_CASE("with fixed gates the collapsed adapter computes what the adapter does") {
    Be be({.threads = 1});
    const auto x = random_matrix<double>(tokens, in, 1);
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a})
        for (const Gate gate : {Gate::none, Gate::uniform, Gate::assigned}) {
            const AdapterConfig config = config_of(sharing, gate);
            const auto params = random_params(be, config);
            const std::vector<double> gates =
                gate == Gate::assigned ? std::vector<double>{0, 1, 0} : fixed_gates(config);
            auto collapsed = make_params(be, collapsed_config(config));
            collapse(be, config, params, gates, collapsed);
            const auto expected = forward(be, config, params, x.cview(), 1);
            const auto found = forward(be, collapsed_config(config), collapsed, x.cview());
            CHECK(max_difference(expected.cview(), found.cview()) < 1e-14);
            CHECK(std::abs(expected(2, 3)) > 1e-3);
        }
}

TEST_CASE("one head alone is what the token assigned to it sees") {
    Be be({.threads = 1});
    const auto x = random_matrix<double>(tokens, in, 1);
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a}) {
        const AdapterConfig config = config_of(sharing, Gate::assigned);
        const auto params = random_params(be, config);
        for (Index i = 0; i < heads; ++i) {
            const auto head = head_views(config, views(params), i);
            auto lora = make_params(be, head_config(config));
            be.copy(head.A, lora.A.view());
            be.copy(head.B, lora.B.view());
            CHECK(max_difference(forward(be, config, params, x.cview(), static_cast<std::int32_t>(i)).cview(),
                                 forward(be, head_config(config), lora, x.cview()).cview()) < 1e-14);
        }
    }
}

TEST_CASE("a single head with gate 1 keeps its bits") {
    test::TestBackend be({.threads = 1});
    const AdapterConfig config{.in = in, .out = out, .rank = rank, .heads = 1, .gate = Gate::none};
    auto params = make_params(be, config), collapsed = make_params(be, config);
    be.copy(random_matrix<float>(out, rank, 5).cview(), params.B.view());
    be.copy(random_matrix<float>(rank, in, 6).cview(), params.A.view());
    params.B.view()(0, 0) = -0.0f;
    collapse(be, config, params, fixed_gates(config), collapsed);
    CHECK(test::same_bits(params.A.view(), collapsed.A.view()));
    CHECK(test::same_bits(params.B.view(), collapsed.B.view()));
}

TEST_CASE("what cannot be collapsed is refused") {
    Be be({.threads = 1});
    const AdapterConfig config = config_of(Sharing::shared_a, Gate::softmax);
    const auto params = random_params(be, config);
    auto to = make_params(be, collapsed_config(config));
    CHECK(message_of([&] { static_cast<void>(fixed_gates(config)); }) ==
          "fixed_gates: the gate softmax depends on the token, expected none or uniform; give the gates to collapse "
          "with");
    CHECK(message_of([&] {
              collapse(be, config, params, std::vector<double>{1, 2}, to);
          }) == "collapse: 2 gates, expected one for each of 3 heads");
    CHECK(message_of([&] {
              collapse(be, config, params, std::vector<double>{1, 2, std::nan("")}, to);
          }) == "collapse: gate 2 is nan, expected a finite number");
    auto wrong = make_params(be, config);
    CHECK(message_of([&] {
              collapse(be, config, params, std::vector<double>{1, 2, 3}, wrong);
          }) == "collapse: A is (2, 11), B is (9, 6), expected (2, 11) and (9, 2)");
    Matrix<double> w0(in, out);
    CHECK(message_of([&] { add_delta_weight(be, collapsed_config(config), to, w0.view()); }) ==
          "add_delta_weight: w0 is (11, 9), expected (out, in) = (9, 11)");
    CHECK(message_of([&] { add_delta_weight(be, config, params, w0.view()); }) ==
          "add_delta_weight: expected one head and gate none, found 3 heads and gate softmax; collapse first");
    CHECK(message_of([&] { static_cast<void>(head_views(config, views(params), 3)); }) ==
          "head_views: head 3, expected 0 to 2");
}

}  // namespace adapter_collapse_test
