#include <doctest/doctest.h>

#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <limits>
#include <string>

#include "golden/optim.hpp"
#include "support/allocation_counter.hpp"
#include "support/backend.hpp"
#include "support/matrix.hpp"
#include "tiny_set.hpp"

namespace optim_adamw_test {

using namespace hydralora;

namespace {

constexpr int steps = 5;
constexpr double factors[] = {0.5, 1.0, 0.75, 0.5, 0.25};
constexpr AdamW plain{.lr = 2e-3, .weight_decay = 0.1};
constexpr AdamW with_ratios{.lr = 1e-2,
                            .beta1 = 0.8,
                            .beta2 = 0.95,
                            .eps = 1e-6,
                            .weight_decay = 0.01,
                            .ratios = {.a = 0.5, .b = 4, .router = 2}};

/// Largest relative difference to the recorded parameters after the first and after the last step.
template <class T>
double against_record(const AdamW& adamw, const double* record, bool clipped) {
    test::BasicTestBackend<T> be({.threads = 2});
    auto params = test::tiny_set(be, golden::start);
    auto state = adamw.init(be, params);
    GradientNorm<test::BasicTestBackend<T>> norm;
    double most = 0;
    for (int step = 0; step < steps; ++step) {
        const auto grads = test::tiny_set(be, golden::gradients + static_cast<std::size_t>(step) * test::tiny_count);
        if (clipped) {
            const auto factor = ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm);
            CHECK(norm.read(be) == doctest::Approx(golden::norms[step]).epsilon(1e-13));
            adamw.step(be, params, grads, state, {.lr = factors[step], .gradient = factor});
        } else {
            adamw.step(be, params, grads, state);
        }
        if (step == 0) most = test::relative_difference(params, record);
    }
    CHECK(state.steps == steps);
    return std::max(most, test::relative_difference(params, record + test::tiny_count));
}

}  // namespace

TEST_CASE("AdamW makes the steps of torch.optim.AdamW") {
    CHECK(against_record<double>(plain, golden::adamw, false) < 1e-13);
    CHECK(against_record<float>(plain, golden::adamw, false) < 1e-6);
}

TEST_CASE("AdamW with ratios, a schedule's factor and a clipped gradient makes the steps of PyTorch") {
    CHECK(against_record<double>(with_ratios, golden::adamw_clipped, true) < 1e-13);
    CHECK(against_record<float>(with_ratios, golden::adamw_clipped, true) < 1e-6);
}

TEST_CASE("AdamW steps views of the caller's memory as it steps buffers, and leaves what lies between their rows") {
    test::BasicTestBackend<double> be({.threads = 2});
    auto buffers = test::tiny_set(be, golden::start);
    const auto grads = test::tiny_set(be, golden::gradients);
    test::Matrix<double> a(3, 5, 3), b(4, 6, 1), router(2, 5, 2), norm(1, 4, 4), bias(1, 3, 1);
    const test::TinySet<MatrixView<double>> views{a.view(), b.view(), router.view(), norm.view(), bias.view()};
    visit([&](const ParamPath&, const auto& from, const auto& to) { be.copy(from.view(), to); }, buffers, views);

    auto state = plain.init(be, buffers);
    auto state_of_views = plain.init(be, views);
    for (int step = 0; step < steps; ++step) {
        plain.step(be, buffers, grads, state);
        plain.step(be, views, grads, state_of_views);
    }
    visit([](const ParamPath& path, const auto& x,
             const auto& y) { CHECK_MESSAGE(test::max_difference(x.view(), y) < 1e-14, path.name()); },
          buffers, views);
    CHECK((a.padding_untouched() && b.padding_untouched() && router.padding_untouched()));
}

TEST_CASE("AdamW: the same bits with 1, 2, 3 and 4 threads") {
    const auto run = [](int threads) {
        test::TestBackend be({.threads = threads});
        auto make = [&](unsigned seed) {
            test::TinySet<ParamBuffer<test::TestBackend>> set;
            set.A = ParamBuffer<test::TestBackend>(be, 8, 5003);
            be.copy(test::random_matrix<float>(8, 5003, seed).cview(), set.A.view());
            return set;
        };
        auto params = make(1);
        const auto grads = make(2);
        auto state = plain.init(be, params);
        for (int step = 0; step < steps; ++step) plain.step(be, params, grads, state);
        test::Matrix<float> result(8, 5003);
        be.copy(params.A.view(), result.view());
        return result;
    };
    const auto one = run(1);
    for (const int threads : {2, 3, 4}) CHECK(test::same_bits(one.view(), run(threads).view()));
}

TEST_CASE("AdamW: a gradient factor of 0 keeps parameters and moments, whatever the gradient holds") {
    test::TestBackend be({.threads = 2});
    auto params = test::tiny_set(be, golden::start);
    auto grads = test::tiny_set(be, golden::gradients);
    auto state = plain.init(be, params);
    plain.step(be, params, grads, state);
    const auto copy = [&](const auto& set) {
        return map_params<ParamBuffer<test::TestBackend>>(set, [&](const ParamPath&, const auto& m) {
            ParamBuffer<test::TestBackend> to(be, m.shape());
            be.copy(m.view(), to.view());
            return to;
        });
    };
    const auto p = copy(params), m = copy(state.m), v = copy(state.v);
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        grads.router.view()(1, 2) = bad;
        GradientNorm<test::TestBackend> norm;
        plain.step(be, params, grads, state, {.gradient = ClipByGlobalNorm{.max_norm = 1}.factor(be, grads, norm)});
        visit([](const ParamPath& path, const auto& before,
                 const auto& after) { CHECK_MESSAGE(test::same_bits(before.view(), after.view()), path.name()); },
              p, params);
        visit([](const ParamPath&, const auto& x, const auto& y) { CHECK(test::same_bits(x.view(), y.view())); }, m,
              state.m);
        visit([](const ParamPath&, const auto& x, const auto& y) { CHECK(test::same_bits(x.view(), y.view())); }, v,
              state.v);
    }
}

TEST_CASE("AdamW allocates nothing in a step") {
    test::TestBackend be({.threads = 1});  // a thread that has no work yet allocates when it starts, whenever that is
    auto params = test::tiny_set(be, golden::start);
    const auto grads = test::tiny_set(be, golden::gradients);
    auto state = plain.init(be, params);
    GradientNorm<test::TestBackend> norm;
    const auto step = [&] {
        plain.step(be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(be, grads, norm)});
    };
    step();
    const long before = test::allocations();
    step();
    CHECK(test::allocations() == before);
}

TEST_CASE("AdamW names a tensor of the wrong shape and a hyper-parameter out of range") {
    test::TestBackend be({.threads = 1});
    auto params = test::tiny_set(be, golden::start);
    auto grads = test::tiny_set(be, golden::gradients);
    auto state = plain.init(be, params);
    CHECK_THROWS_WITH_AS((AdamW{.lr = -1}.step(be, params, grads, state)),
                         "AdamW: lr = -1, expected at least 0 and below inf", Error);
    CHECK_THROWS_AS((AdamW{.lr = std::numeric_limits<double>::quiet_NaN()}.step(be, params, grads, state)), Error);
    CHECK_THROWS_WITH_AS((AdamW{.beta2 = 1}.step(be, params, grads, state)),
                         "AdamW: beta2 = 1, expected at least 0 and below 1", Error);
    grads.B = ParamBuffer<test::TestBackend>(be, 6, 4);
    CHECK_THROWS_WITH_AS(plain.step(be, params, grads, state),
                         "AdamW: the gradient of B is (6, 4), the parameter (4, 6)", Error);
    grads = test::tiny_set(be, golden::gradients);
    state.v.norm = AccumBuffer<test::TestBackend>();
    CHECK_THROWS_WITH_AS(
        plain.step(be, params, grads, state),
        "AdamW: the state of norm is (0, 0), the parameter (1, 4); make it with init from these parameters", Error);
    CHECK(state.steps == 0);
}

}  // namespace optim_adamw_test
