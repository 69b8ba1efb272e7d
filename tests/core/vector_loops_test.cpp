// Every operation in the vector code that the backend picks, against the same operation in the plain code of the build.
#include <hydralora/core/vector_loops.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <hydralora/backend/compose.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <vector>

#include "support/matrix.hpp"

namespace core_vector_loops_test {

using namespace hydralora;
using test::Matrix;
using test::random_matrix;

namespace {

/// Eigen's backend, whose loops are plain ones.
class PlainBackend : public EigenBackend {
public:
    PlainBackend() : EigenBackend({.threads = 1}) {}

    template <class F>
    void each(Index n, F f) {
        for (Index i = 0; i < n; ++i) f(i);
    }
    template <class F>
    void rows(Index n, F f) {
        for (Index i = 0; i < n; ++i) f(Solo{}, i);
    }
    template <class F, class U>
    void reduce(Index n, F f, MatrixView<U> out) {
        for (Index i = 0; i < n; ++i) out(0, 0) += f(i);
    }
    template <class F>
    void segments(MatrixView<const std::int32_t> ids, F f) {
        for (std::int32_t id = 0; id < 100; ++id) {
            std::vector<Index> positions;
            for (Index i = 0; i < ids.cols; ++i)
                if (ids(0, i) == id) positions.push_back(i);
            if (!positions.empty()) f(Solo{}, id, positions.data(), static_cast<Index>(positions.size()));
        }
    }
};

using Outputs = std::vector<Matrix<float>>;

/// run(backend, outputs) on both backends; the outputs start alike and must end alike, and nothing beside them changes.
template <class Run>
void compare(const char* name, Outputs outputs, const Run& run, double tolerance = 1e-5) {
    EigenBackend be({.threads = 2});
    PlainBackend plain;
    Outputs expected = outputs;
    run(be, outputs);
    run(plain, expected);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        INFO(name, ", output ", i, " of ", outputs[i].cols, " columns");
        CHECK(test::max_difference(outputs[i].view(), expected[i].view()) <= tolerance);
        CHECK(outputs[i].padding_untouched());
    }
}

constexpr Index T = 21;

}  // namespace

TEST_CASE("vector loops: normalisations, activations, sums and dropout, for rows of any length") {
    for (const Index d : {1, 7, 8, 15, 16, 40, 67}) {
        const auto x = random_matrix<float>(T, d, 1, 2), z = random_matrix<float>(T, d, 2),
                   w = random_matrix<float>(1, d, 3);
        const auto inv = random_matrix<float>(T, 1, 4);
        const Outputs two = {random_matrix<float>(T, d, 5, 1), random_matrix<float>(T, d, 6, 3)};
        compare("rms_norm", {two[0], inv}, [&](auto& be, Outputs& out) {
            ops::rms_norm(be, x.view(), w.view(), 1e-5, out[0].view(), out[1].view());
        });
        for (const Grad mode : {Grad::overwrite, Grad::accumulate}) {
            compare("rms_norm_backward", two, [&](auto& be, Outputs& out) {
                ops::rms_norm_backward(be, x.view(), w.view(), inv.view(), z.view(), out[0].view(), mode);
            });
            compare("dropout", two, [&](auto& be, Outputs& out) {
                ops::dropout(be, x.view(), {{Seed{3}}, {}, 0.3}, out[0].view(), mode);
            });
        }
        compare("rms_norm_weight_gradient", {w}, [&](auto& be, Outputs& out) {
            ops::rms_norm_weight_gradient(be, x.view(), inv.view(), z.view(), out[0].view());
        });
        compare("swiglu", two, [&](auto& be, Outputs& out) { ops::swiglu(be, x.view(), z.view(), out[0].view()); });
        compare("swiglu_backward", two, [&](auto& be, Outputs& out) {
            ops::swiglu_backward(be, x.view(), z.view(), out[0].view(), out[0].view(), out[1].view());
        });
        compare("add", two, [&](auto& be, Outputs& out) { ops::add(be, x.view(), out[0].view()); });
        const auto cosine = random_matrix<float>(T, d, 7), sine = random_matrix<float>(T, d, 8);
        compare("rope", {random_matrix<float>(T, 6 * d, 9, 1)}, [&](auto& be, Outputs& out) {
            ops::rope(be, out[0].view(), cosine.view(), sine.view(), T, 0, Turn::back);
        });
        std::vector<std::int32_t> ids(T);
        for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 5 % 4) - 1;
        compare("scatter_add", {random_matrix<float>(3, d, 9, 1)}, [&](auto& be, Outputs& out) {
            ops::scatter_add(be, host_view(std::as_const(ids).data(), 1, T), x.view(), out[0].view());
        });
    }
}

TEST_CASE("vector loops: attention and cross-entropy") {
    for (const Index n : {1, 9, 30, 70}) {
        const AttentionShape shape{.sequences = 2, .queries = n, .keys = n, .heads = 4, .kv_heads = 2, .head_dim = 5};
        const auto q = random_matrix<float>(2 * n, 20, 1), d = random_matrix<float>(2 * n, 20, 2),
                   k = random_matrix<float>(2 * n, 10, 3), v = random_matrix<float>(2 * n, 10, 4);
        compare("attention", {q, random_matrix<float>(2 * n, 4, 5)}, [&](auto& be, Outputs& out) {
            attention_detail::compose(be, shape, q.view(), k.view(), v.view(), out[0].view(), out[1].view());
        });
        Outputs forward = {q, random_matrix<float>(2 * n, 4, 5)};
        PlainBackend plain;
        attention_detail::compose<PlainBackend>(plain, shape, q.view(), k.view(), v.view(), forward[0].view(),
                                                forward[1].view());
        compare("attention_backward", {q, k, v}, [&](auto& be, Outputs& out) {
            attention_detail::compose_backward(be, shape, q.view(), k.view(), v.view(), forward[0].view(), d.view(),
                                               forward[1].view(), out[0].view(), out[1].view(), out[2].view());
        });
        const auto logits = random_matrix<float>(T, n, 6, 1);
        std::vector<std::int32_t> labels(T);
        for (std::size_t i = 0; i < labels.size(); ++i)
            labels[i] = i % 5 == 0 ? ignored_label : static_cast<std::int32_t>(static_cast<Index>(i) % n);
        const auto targets = host_view(std::as_const(labels).data(), 1, T);
        compare("softmax_cross_entropy", {logits, random_matrix<float>(1, T, 7)},
                [&](auto& be, Outputs& out) { ops::softmax_cross_entropy(be, out[0].view(), targets, out[1].view()); });
        compare("softmax_cross_entropy_gradient", {logits, random_matrix<float>(1, T, 7)}, [&](auto& be, Outputs& out) {
            ops::softmax_cross_entropy_gradient(be, out[0].view(), targets, 0.5f, out[1].view());
        });
    }
}

TEST_CASE("vector loops: gates") {
    for (const Index rank : {1, 3, 8, 16, 20})
        for (const bool own_u : {false, true})
            for (const GateRule rule : {GateRule::softmax, GateRule::top_k}) {
                constexpr Index heads = 5;
                const Index cols = (own_u ? heads : 1) * rank;
                const auto down = random_matrix<float>(T, cols + heads, 1),
                           dz = random_matrix<float>(T, heads * rank, 2), g = random_matrix<float>(T, heads, 3);
                compare("GateAndMix", {Matrix<float>(T, cols), Matrix<float>(T, heads), Matrix<float>(T, heads * rank)},
                        [&](auto& be, Outputs& out) {
                            be.rows(T, functor::GateAndMix<float, float, Index, Index>{
                                           down.data.data(), out[0].data.data(), out[1].data.data(), out[2].data.data(),
                                           nullptr, nullptr, cols + heads, 2.0f, 0.0f, 2, rule, own_u, rank, heads});
                        });
                compare("UnmixAndGate", {Matrix<float>(T, heads * rank), Matrix<float>(T, cols + heads)},
                        [&](auto& be, Outputs& out) {
                            be.rows(T, functor::UnmixAndGate<float, float, Index, Index>{
                                           down.data.data(), g.data.data(), dz.data.data(), out[0].data.data(),
                                           out[1].data.data(), cols + heads, 2.0f, own_u, true, rank, heads});
                        });
            }
}

TEST_CASE("vector loops: optimisers and casts") {
    for (const Index d : {1, 8, 21, 130}) {
        const auto g = random_matrix<float>(T, d, 1);
        auto v = random_matrix<float>(T, d, 2, 3);
        for (Index t = 0; t < T; ++t)
            for (Index j = 0; j < d; ++j) v(t, j) = std::abs(v(t, j));
        for (const Index pad : {0, 1})
            compare("adamw", {random_matrix<float>(T, d, 3, pad), random_matrix<float>(T, d, 4, pad), v},
                    [&](auto& be, Outputs& out) {
                        ops::adamw(be, out[0].view(), g.view(), out[1].view(), out[2].view(),
                                   {.decay = 0.9, .beta1 = 0.9, .beta2 = 0.99, .step = 0.01, .root = 0.5, .eps = 1e-8});
                    });
        compare("sgd", {random_matrix<float>(T, d, 3), v}, [&](auto& be, Outputs& out) {
            ops::sgd(be, out[0].view(), g.view(), out[1].view(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
        });
        EigenBackend be({.threads = 1});
        PlainBackend plain;
        double norm = 0, expected = 0;
        ops::add_squared_norm<EigenBackend, const float>(be, v.cview(), host_view(&norm, 1, 1));
        ops::add_squared_norm<PlainBackend, const float>(plain, v.cview(), host_view(&expected, 1, 1));
        CHECK(norm == doctest::Approx(expected).epsilon(1e-14));
        std::vector<bfloat16> narrow(static_cast<std::size_t>(T * d));
        be.cast(g.view(), host_view(narrow.data(), T, d));
        Matrix<float> wide(T, d, 2);
        be.cast(host_view(std::as_const(narrow).data(), T, d), wide.view());
        for (Index t = 0; t < T; ++t)
            for (Index j = 0; j < d; ++j) CHECK(wide(t, j) == static_cast<float>(static_cast<bfloat16>(g(t, j))));
        CHECK(wide.padding_untouched());
    }
}

TEST_CASE("vector loops: the exponential and the square root keep their error") {
    EigenBackend be({.threads = 2});
    constexpr Index n = 40000;
    std::vector<float> x(n), e(n), r(n);
    for (Index i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i - n / 2) * (85.0f / (n / 2));
    struct Both {
        const float* x;
        float *e, *r;
        void operator()(const Solo& solo, Index row) const {
            const auto both = [](float value, float& exponential, float& root) {
                exponential = functor::exponential(value);
                root = functor::square_root(functor::exponential(value));
            };
            functor::row_map<float>(solo, 100, both, x + 100 * row, functor::Out{e + 100 * row},
                                    functor::Out{r + 100 * row});
        }
    };
    be.rows(n / 100, Both{x.data(), e.data(), r.data()});
    double worst = 0, worst_root = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto units = [](float found, double exact) {
            return std::abs(static_cast<double>(found) - exact) / std::ldexp(1.0, std::ilogb(exact) - 23);
        };
        worst = std::max(worst, units(e[i], std::exp(static_cast<double>(x[i]))));
        worst_root = std::max(worst_root, units(r[i], std::sqrt(static_cast<double>(e[i]))));
    }
    CHECK(worst <= 2);
    CHECK(worst_root <= 1);
}

}  // namespace core_vector_loops_test
