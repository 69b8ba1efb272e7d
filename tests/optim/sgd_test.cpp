#include <doctest/doctest.h>

#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/sgd.hpp>
#include <limits>

#include "golden/optim.hpp"
#include "support/backend.hpp"
#include "support/matrix.hpp"
#include "tiny_set.hpp"

namespace optim_sgd_test {

using namespace hydralora;

namespace {

constexpr double factors[] = {0.5, 1.0, 0.75, 0.5, 0.25};

template <class T>
double against_record(const Sgd& sgd, const double* record, bool clipped) {
    test::BasicTestBackend<T> be({.threads = 2});
    auto params = test::tiny_set(be, golden::start);
    auto state = sgd.init(be, params);
    GradientNorm<test::BasicTestBackend<T>> norm;
    double most = 0;
    for (int step = 0; step < 5; ++step) {
        const auto grads = test::tiny_set(be, golden::gradients + static_cast<std::size_t>(step) * test::tiny_count);
        if (clipped) {
            const auto factor = ClipByGlobalNorm{.max_norm = 0.7}.factor(be, grads, norm);
            sgd.step(be, params, grads, state, {.lr = factors[step], .gradient = factor});
        } else {
            sgd.step(be, params, grads, state);
        }
        if (step == 0) most = test::relative_difference(params, record);
    }
    return std::max(most, test::relative_difference(params, record + test::tiny_count));
}

}  // namespace

TEST_CASE("Sgd with momentum and L2 decay makes the steps of torch.optim.SGD") {
    const Sgd sgd{.lr = 5e-2, .momentum = 0.9, .weight_decay = 0.1};
    CHECK(against_record<double>(sgd, golden::sgd_momentum, false) < 1e-13);
    CHECK(against_record<float>(sgd, golden::sgd_momentum, false) < 1e-6);
}

TEST_CASE("Sgd without momentum, with a schedule's factor and a clipped gradient makes the steps of PyTorch") {
    const Sgd sgd{.lr = 5e-2, .weight_decay = 0.1};
    CHECK(against_record<double>(sgd, golden::sgd_clipped, true) < 1e-13);
    CHECK(against_record<float>(sgd, golden::sgd_clipped, true) < 1e-6);
}

TEST_CASE("Sgd without momentum holds no velocity") {
    test::TestBackend be({.threads = 1});
    const auto params = test::tiny_set(be, golden::start);
    CHECK(parameter_count(Sgd{}.init(be, params).velocity) == 0);
    CHECK(parameter_count(Sgd{.momentum = 0.5}.init(be, params).velocity) == static_cast<Index>(test::tiny_count));
}

TEST_CASE("Sgd: ratios scale the learning rate by role") {
    test::BasicTestBackend<double> be({.threads = 1});
    auto params = test::tiny_set(be, golden::start);
    const auto before = test::tiny_set(be, golden::start);
    const auto grads = test::tiny_set(be, golden::gradients);
    const Sgd sgd{.lr = 0.5, .ratios = {.a = 2, .b = 16, .router = 0.25}};
    auto state = sgd.init(be, params);
    sgd.step(be, params, grads, state);
    visit(
        [](const ParamPath& path, const auto& p, const auto& old, const auto& g) {
            const std::string name = path.name();
            const double rate = 0.5 * (name == "A" ? 2 : name == "B" ? 16 : name == "router" ? 0.25 : 1);
            for (Index i = 0; i < p.size(); ++i)
                CHECK(p.view().data[i] == doctest::Approx(old.view().data[i] - rate * g.view().data[i]).epsilon(1e-15));
        },
        params, before, grads);
}

TEST_CASE("Sgd: a gradient factor of 0 keeps parameters and velocity") {
    test::BasicTestBackend<double> be({.threads = 1});
    auto params = test::tiny_set(be, golden::start);
    auto grads = test::tiny_set(be, golden::gradients);
    const Sgd sgd{.lr = 0.5, .momentum = 0.9, .weight_decay = 0.1};
    auto state = sgd.init(be, params);
    grads.A.view()(0, 0) = std::numeric_limits<double>::quiet_NaN();
    GradientNorm<test::BasicTestBackend<double>> norm;
    sgd.step(be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(be, grads, norm)});
    CHECK(test::relative_difference(params, golden::start) == 0);
    visit([](const ParamPath&,
             const auto& v) { CHECK(test::same_bits(v.view(), test::Matrix<double>(v.rows(), v.cols()).view())); },
          state.velocity);
}

TEST_CASE("Sgd names a tensor of the wrong shape and a hyper-parameter out of range") {
    test::TestBackend be({.threads = 1});
    auto params = test::tiny_set(be, golden::start);
    auto grads = test::tiny_set(be, golden::gradients);
    auto state = Sgd{}.init(be, params);
    CHECK_THROWS_WITH_AS((Sgd{.momentum = -0.5}.step(be, params, grads, state)),
                         "Sgd: momentum = -0.5, expected at least 0 and below inf", Error);
    CHECK_THROWS_WITH_AS((Sgd{.momentum = 0.5}.step(be, params, grads, state)),
                         "Sgd: the state of A is (0, 0), the parameter (3, 5); make it with init from these parameters",
                         Error);
    grads.bias = ParamBuffer<test::TestBackend>(be, 1, 4);
    CHECK_THROWS_WITH_AS(Sgd{}.step(be, params, grads, state),
                         "Sgd: the gradient of bias is (1, 4), the parameter (1, 3)", Error);
}

}  // namespace optim_sgd_test
