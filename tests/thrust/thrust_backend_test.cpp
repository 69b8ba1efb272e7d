// Thrust's host systems beside plain loops, beside Eigen, and beside themselves with other threads and numbers.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/thrust.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "support/draw.hpp"
#include "support/joined_layer.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "support/tiny_training.hpp"

namespace thrust_thrust_backend_test {

using namespace hydralora;
using test::Matrix;

namespace {

using Cpp = ThrustBackend<CppSystem>;
using Omp = ThrustBackend<OmpSystem>;
using Half = Precision<float, bfloat16, float>;

static_assert(Backend<Cpp> && Backend<Omp>);
static_assert(Backend<ThrustBackend<CppSystem, Precision<double>>>);
static_assert(Backend<ThrustBackend<CppSystem, Half>>);

template <class T>
double number(T value) {
    return static_cast<double>(widened<float>(value));
}

/// gemm on views with leading dimensions of their own against three loops, for any types of elements.
template <class B, class TA, class TB, class TC>
void check_gemm(B& be, Op op_a, Op op_b, Index m, Index n, Index k, float alpha, float beta, double tolerance) {
    test::Draw draw(static_cast<std::uint64_t>(m * 100 + n * 10 + k));
    const auto drawn = [&](Index rows, Index cols) {
        Matrix<float> values(rows, cols);
        draw.normal(values.view(), 1.0);
        return values;
    };
    const auto stored = [](const Matrix<float>& values, auto zero, Index ld) {
        std::vector<decltype(zero)> memory(static_cast<std::size_t>(values.rows * ld), zero);
        for (Index i = 0; i < values.rows; ++i)
            for (Index j = 0; j < values.cols; ++j)
                memory[static_cast<std::size_t>(i * ld + j)] = static_cast<decltype(zero)>(values(i, j));
        return memory;
    };
    const auto a = op_a == Op::none ? drawn(m, k) : drawn(k, m), b = op_b == Op::none ? drawn(k, n) : drawn(n, k);
    const auto c = drawn(m, n);
    const auto sa = stored(a, TA{}, a.cols + 1);
    const auto sb = stored(b, TB{}, b.cols + 2);
    auto sc = stored(c, TC{}, n + 3);
    const auto before = sc;
    be.gemm(op_a, op_b, alpha, host_view(sa.data(), a.rows, a.cols, a.cols + 1),
            host_view(sb.data(), b.rows, b.cols, b.cols + 2), beta, host_view(sc.data(), m, n, n + 3));
    for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < n + 3; ++j) {
            const auto at = static_cast<std::size_t>(i * (n + 3) + j);
            if (j >= n) {
                REQUIRE(number(sc[at]) == number(before[at]));  // padding
                continue;
            }
            double sum = 0;
            for (Index p = 0; p < k; ++p)
                sum +=
                    number(
                        sa[static_cast<std::size_t>(op_a == Op::none ? i * (a.cols + 1) + p : p * (a.cols + 1) + i)]) *
                    number(
                        sb[static_cast<std::size_t>(op_b == Op::none ? p * (b.cols + 2) + j : j * (b.cols + 2) + p)]);
            const double expected = static_cast<double>(alpha) * sum + static_cast<double>(beta) * number(before[at]);
            REQUIRE(std::abs(number(sc[at]) - expected) <= tolerance * (1 + std::abs(expected)));
        }
}

template <class B>
void check_products(B& be) {
    for (const auto& [op_a, op_b] :
         {std::pair{Op::none, Op::none}, {Op::none, Op::transpose}, {Op::transpose, Op::none}})
        for (const auto& [m, n, k] : {std::tuple<Index, Index, Index>{1, 1, 1}, {3, 5, 7}, {17, 130, 33}, {40, 2, 300}})
            for (const float beta : {0.0f, 1.0f, -0.5f}) {
                check_gemm<B, float, float, float>(be, op_a, op_b, m, n, k, 0.7f, beta, 2e-5);
            }
}

std::string message(auto&& f) { return test::message_of(f); }

}  // namespace

TEST_CASE("thrust: products against plain loops, on both host systems") {
    Cpp one({.slab_rows = 16});
    Omp many({.threads = 3, .slab_rows = 16});
    check_products(one);
    check_products(many);
    // An overwritten result is not read, and a sum of nothing is nothing.
    float c[2] = {NAN, NAN};
    const float a[2] = {1, 2};
    one.gemm(Op::none, Op::none, 1, host_view(a, 2, 1), host_view(a, 1, 1), 0, host_view(c, 2, 1));
    CHECK(c[1] == 2);
    one.gemm(Op::none, Op::none, 1, host_view(a, 2, 0), host_view(a, 0, 1), 0, host_view(c, 2, 1));
    CHECK(c[1] == 0);
}

TEST_CASE("thrust: with bfloat16 to compute, any side of a product may be a float, and the sum is one") {
    ThrustBackend<CppSystem, Half> be;
    for (const auto& [op_a, op_b] :
         {std::pair{Op::none, Op::none}, {Op::none, Op::transpose}, {Op::transpose, Op::none}}) {
        check_gemm<decltype(be), bfloat16, bfloat16, float>(be, op_a, op_b, 9, 11, 40, 1, 1, 2e-5);
        check_gemm<decltype(be), bfloat16, bfloat16, bfloat16>(be, op_a, op_b, 9, 11, 40, 1, 0, 5e-3);
        check_gemm<decltype(be), float, bfloat16, float>(be, op_a, op_b, 9, 11, 40, 1, 1, 5e-2);  // a is rounded
        check_gemm<decltype(be), bfloat16, float, bfloat16>(be, op_a, op_b, 9, 11, 40, 1, 0, 5e-2);
    }
}

TEST_CASE("thrust: reduce and segments against loops") {
    Omp be({.threads = 2, .slab_rows = 8});
    struct Term {
        HYDRALORA_HD double operator()(Index i) const { return 1.0 / static_cast<double>(i + 1); }
    };
    for (const Index n : {Index{0}, Index{1}, Index{7}, Index{8}, Index{1000}}) {
        double sum = 0.25, expected = 0.25;
        be.reduce(n, Term{}, host_view(&sum, 1, 1));
        for (Index s = 0; s < n; s += 8) {
            double slab = 0;
            for (Index i = s; i < std::min(n, s + 8); ++i) slab += Term{}(i);
            expected += slab;
        }
        CHECK(sum == expected);
    }
    // Very many slabs: whatever the threads, the same bits.
    double many = 0.25, one = 0.25, expected_of_many = 0.25;
    const Index n = 8 * 2048 * 3 + 5;
    for (Index i = 0; i < n; ++i) expected_of_many += Term{}(i);
    be.reduce(n, Term{}, host_view(&many, 1, 1));
    Cpp({.slab_rows = 8}).reduce(n, Term{}, host_view(&one, 1, 1));
    CHECK(many == one);
    CHECK(std::abs(many - expected_of_many) <= 1e-12 * expected_of_many);
    const std::vector<std::int32_t> ids{5, -1, 0, 5, 2, 5, -100, 0};
    struct Note {
        Index* at;  // (id, 4): count, then positions
        HYDRALORA_HD void operator()(const Solo&, std::int32_t id, const Index* positions, Index count) const {
            at[id * 4] += count;
            for (Index i = 0; i < count; ++i) at[id * 4 + 1 + i] = positions[i];
        }
    };
    std::vector<Index> seen(24, 0);
    be.segments(host_view(ids.data(), 1, 8), Note{seen.data()});
    const std::vector<Index> expected{2, 2, 7, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 3, 5};
    CHECK(seen == expected);
}

TEST_CASE("thrust: a decoder trains as it does on Eigen, with the same dropout masks") {
    for (const test::Training& training : test::trainings()) {
        EigenBackend eigen({.threads = 2});
        Cpp one;
        Omp many({.threads = 2});
        const auto expected = test::train_adapters(eigen, training);
        const auto on_cpp = test::train_adapters(one, training), on_omp = test::train_adapters(many, training);
        CHECK(expected.losses.back() < expected.losses.front());
        CHECK(test::difference(expected.losses, on_cpp.losses, 1e-3) <= 1e-5);
        CHECK(on_cpp.losses == on_omp.losses);
        CHECK(on_cpp.parameters == on_omp.parameters);
    }
    EigenBackend eigen({.threads = 2});
    Cpp one;
    const auto expected = test::train_whole(eigen, {}), found = test::train_whole(one, {});
    CHECK(test::difference(expected.losses, found.losses, 1e-3) <= 1e-5);
}

namespace {
/// Blocks of few queries and few scores, as a backend with memory of another size has others.
struct Cut : Cpp {
    [[nodiscard]] AttentionCut attention_cut() const { return {.queries = 5, .scores = 200}; }
};
}  // namespace

TEST_CASE("thrust: a backend may cut attention in its own way") {
    Cpp usual;
    Cut cut;
    const auto expected = test::train_adapters(usual, {}), found = test::train_adapters(cut, {});
    CHECK(test::difference(expected.losses, found.losses, 1e-3) <= 1e-5);
    CHECK(found.parameters != expected.parameters);  // it was heard
}

TEST_CASE("thrust: OpenMP's threads do not change a bit") {
    const test::Training training{.adapter = {.rank = 4, .heads = 3, .alpha = 8, .dropout = 0.1}, .steps = 3};
    Omp one({.threads = 1});
    const auto expected = test::train_adapters(one, training);
    for (int threads = 2; threads <= 4; ++threads) {
        Omp be({.threads = threads});
        const auto found = test::train_adapters(be, training);
        CHECK(found.losses == expected.losses);
        CHECK(found.parameters == expected.parameters);
    }
}

TEST_CASE("thrust: computed in bfloat16, training stays near that in floats") {
    ThrustBackend<CppSystem, Half> rounded;
    Cpp full;
    for (const test::Training& training : test::trainings()) {
        const auto expected = test::train_adapters(full, training), found = test::train_adapters(rounded, training);
        CHECK(test::difference(expected.losses, found.losses, 1e-3) <= 2e-2);
        CHECK(found.losses != expected.losses);
        const auto joined = test::train_joined(rounded, training);
        CHECK(test::difference(expected.losses, joined.losses, 1e-3) <= 2e-2);
    }
}

TEST_CASE("thrust: a joined layer agrees with Eigen's, and in bfloat16 stays near") {
    for (const test::Training& training : test::trainings())
        for (const Index tokens : {1, 7, 300}) {
            EigenBackend eigen({.threads = 2});
            Cpp one;
            Omp many({.threads = 2});
            ThrustBackend<CppSystem, Half> rounded;
            const auto expected = test::joined_layer(eigen, training.adapter, tokens);
            CHECK(test::share(expected, test::joined_layer(one, training.adapter, tokens)) <= 1e-5);
            CHECK(test::share(expected, test::joined_layer(many, training.adapter, tokens)) <= 1e-5);
            if (training.adapter.gate == Gate::top_k) continue;  // rounding may choose other heads
            const double apart = test::share(expected, test::joined_layer(rounded, training.adapter, tokens));
            CHECK(apart <= 2e-2);
            CHECK(apart > 1e-4);
        }
}

TEST_CASE("thrust: options and shapes out of range are refused") {
    CHECK(message([] { Cpp be({.slab_rows = 6}); }).find("slab_rows = 6") != std::string::npos);
    CHECK(message([] { Omp be({.threads = -1}); }).find("threads = -1") != std::string::npos);
    Cpp be;
    std::vector<float> memory(6);
    float* const m = memory.data();
    CHECK(message([&] {
              be.gemm(Op::none, Op::none, 1, host_view(m, 2, 3), host_view(m, 2, 3), 0, host_view(m, 2, 3));
          }) == "ThrustBackend: gemm of (2, 3) and (2, 3) into (2, 3)");
    const volatile Index three = 3;  // or the compiler warns of what does not happen
    CHECK(message([&] { be.copy(host_view(m, 2, 3), host_view(m, three, 2)); }) ==
          "ThrustBackend: copy of a (2, 3) matrix to a (3, 2) one");
}

}  // namespace thrust_thrust_backend_test
