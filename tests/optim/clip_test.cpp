#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/sgd.hpp>
#include <limits>

#include "golden/optim.hpp"
#include "support/allocation_counter.hpp"
#include "support/backend.hpp"
#include "support/matrix.hpp"
#include "tiny_set.hpp"

namespace optim_clip_test {

using namespace hydralora;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEST_CASE("GradientNorm is the root of the sum of all squares, as torch.nn.utils.clip_grad_norm_ has it") {
    test::BasicTestBackend<double> be({.threads = 2});
    GradientNorm<test::BasicTestBackend<double>> norm;
    CHECK_THROWS_WITH_AS(static_cast<void>(norm.read(be)), "GradientNorm: read before measure", Error);
    for (std::size_t step = 0; step < 5; ++step) {
        const double* values = golden::gradients + step * test::tiny_count;
        const auto grads = test::tiny_set(be, values);
        const auto factor = ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm);
        double sum = 0;
        for (std::size_t i = 0; i < test::tiny_count; ++i) sum += values[i] * values[i];
        CHECK(norm.read(be) == doctest::Approx(std::sqrt(sum)).epsilon(1e-14));
        CHECK(norm.read(be) == doctest::Approx(golden::norms[step]).epsilon(1e-14));
        CHECK(factor(0, 0) == doctest::Approx(std::min(1.0, 0.7 / (golden::norms[step] + 1e-6))).epsilon(1e-13));
    }
}

TEST_CASE("ClipByGlobalNorm: 0 for what is not finite, 1 for no gradient and for no limit") {
    test::TestBackend be({.threads = 1});
    GradientNorm<test::TestBackend> norm;
    auto grads = test::tiny_set(be, golden::gradients);
    CHECK(ClipByGlobalNorm{.max_norm = inf}.factor(be, grads, norm)(0, 0) == 1);
    visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
    CHECK(ClipByGlobalNorm{.max_norm = 0.1}.factor(be, grads, norm)(0, 0) == 1);
    for (const double bad : {not_a_number, inf, -inf})
        for (const double limit : {1.0, inf}) {
            grads.bias.view()(0, 2) = static_cast<float>(bad);
            CHECK(ClipByGlobalNorm{.max_norm = limit}.factor(be, grads, norm)(0, 0) == 0);
            CHECK_FALSE(std::isfinite(norm.read(be)));
        }
    for (const double limit : {0.0, -1.0, not_a_number})
        CHECK_THROWS_AS(static_cast<void>(ClipByGlobalNorm{.max_norm = limit}.factor(be, grads, norm)), Error);
}

TEST_CASE("ClipByGlobalNorm: a loss that is not finite is a factor of 0, with which no rule writes anything") {
    test::TestBackend be({.threads = 2});
    const auto run = [&](const auto& rule, double loss) {
        GradientNorm<test::TestBackend> norm;
        auto params = test::tiny_set(be, golden::gradients);
        const auto grads = test::tiny_set(be, golden::gradients + test::tiny_count);
        auto state = rule.init(be, params);
        const ViewOf<test::TestBackend, double> there = host_view(&loss, 1, 1);
        const auto factor = ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm, there);
        const auto without = ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm)(0, 0);
        CHECK(ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm, there)(0, 0) ==
              (std::isfinite(loss) ? without : 0));
        CHECK(std::isfinite(norm.read(be)));
        rule.step(be, params, grads, state, {.gradient = factor});
        bool written = false;
        const auto before = test::tiny_set(be, golden::gradients);
        visit(
            [&](const ParamPath&, const auto& now, const auto& then) {
                for (Index i = 0; i < now.rows(); ++i)
                    for (Index j = 0; j < now.cols(); ++j) written = written || now.view()(i, j) != then.view()(i, j);
            },
            params, before);
        return written;
    };
    const AdamW adamw{.lr = 0.1};
    const Sgd sgd{.lr = 0.1, .momentum = 0.9};
    CHECK(run(adamw, 3.5));
    CHECK(run(sgd, -1e300));
    for (const double bad : {not_a_number, inf, -inf}) {
        CHECK_FALSE(run(adamw, bad));
        CHECK_FALSE(run(sgd, bad));
    }
    GradientNorm<test::TestBackend> norm;
    const double losses[2] = {1, 2};
    const auto grads = test::tiny_set(be, golden::gradients);
    CHECK_THROWS_WITH_AS(static_cast<void>(ClipByGlobalNorm{}.factor(be, grads, norm, host_view(losses, 1, 2))),
                         "GradientNorm: the loss is (1, 2), expected (1, 1)", Error);
}

TEST_CASE("The largest float gradients have a finite norm") {
    test::TestBackend be({.threads = 1});
    GradientNorm<test::TestBackend> norm;
    auto grads = test::tiny_set(be, golden::gradients);
    visit([&](const ParamPath&, auto& g) { be.fill(g.view(), std::numeric_limits<float>::max()); }, grads);
    CHECK(ClipByGlobalNorm{.max_norm = 1}.factor(be, grads, norm)(0, 0) > 0);
    CHECK(norm.read(be) == doctest::Approx(std::sqrt(56.0) * std::numeric_limits<float>::max()));
}

TEST_CASE("GradientNorm: the same bits for 1 to 4 threads and for rows with space between them; no allocation") {
    const auto memory = test::random_matrix<float>(67, 331, 5);
    auto spaced = test::random_matrix<float>(67, 331, 5, 9);
    double first = 0;
    for (const int threads : {1, 2, 3, 4}) {
        test::TestBackend be({.threads = threads});
        GradientNorm<test::TestBackend> norm;
        test::TinySet<MatrixView<const float>> grads;
        grads.B = memory.view();
        static_cast<void>(ClipByGlobalNorm{}.factor(be, grads, norm));
        if (threads == 1) first = norm.read(be);
        CHECK(norm.read(be) == first);
        grads.B = spaced.cview();
        const long before = test::allocations();
        static_cast<void>(ClipByGlobalNorm{}.factor(be, grads, norm));
        CHECK(test::allocations() == before);
        CHECK(norm.read(be) == first);
    }
}

TEST_CASE("StepGuard skips and counts what is not finite and gives up after ten in a row") {
    StepGuard guard;
    CHECK(guard.finite(1.0, 2.0));
    for (int i = 0; i < 9; ++i) CHECK_FALSE(guard.finite(i % 2 == 0 ? not_a_number : 1.0, i % 2 == 0 ? 1.0 : inf));
    CHECK_FALSE(guard.exhausted());
    CHECK(guard.finite(0.0, 0.0));
    CHECK(guard.in_a_row == 0);
    CHECK(guard.skipped == 9);
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(guard.exhausted());
        CHECK_FALSE(guard.finite(-inf, 1.0));
    }
    CHECK(guard.exhausted());
    CHECK(guard.skipped == 19);
}

}  // namespace optim_clip_test
