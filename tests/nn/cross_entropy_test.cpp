#include <hydralora/nn/cross_entropy.hpp>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/finite_difference.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_cross_entropy_test {

using namespace hydralora;
using test::Matrix;

namespace {

struct Case {
    Index T, d, V;
};

const Case small[] = {{1, 1, 1}, {1, 1, 2}, {3, 5, 7}, {37, 6, 40}, {50, 33, 129}};

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0, double size = 1) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream, size);
    return m;
}

/// Every fifth label is ignored, the first one never.
Matrix<std::int32_t> random_labels(const Case& c) {
    Matrix<std::int32_t> labels(1, c.T);
    test::fill_ids(labels.view(), 5, static_cast<std::int32_t>(c.V));
    for (Index t = 3; t < c.T; t += 5) labels(0, t) = ignored_label;
    return labels;
}

/// -log softmax(h w^T)[label] of each token, by plain loops in double
template <class T>
std::vector<double> oracle(const Matrix<T>& h, const Matrix<T>& w, const Matrix<std::int32_t>& labels) {
    std::vector<double> losses, logits(static_cast<std::size_t>(w.rows));
    for (Index t = 0; t < h.rows; ++t) {
        losses.push_back(0);
        if (labels(0, t) == ignored_label) continue;
        double top = -INFINITY, sum = 0;
        for (Index v = 0; v < w.rows; ++v) {
            double dot = 0;
            for (Index j = 0; j < h.cols; ++j) dot += static_cast<double>(h(t, j)) * static_cast<double>(w(v, j));
            logits[static_cast<std::size_t>(v)] = dot;
            top = std::max(top, dot);
        }
        for (const double l : logits) sum += std::exp(l - top);
        losses.back() = top + std::log(sum) - logits[static_cast<std::size_t>(labels(0, t))];
    }
    return losses;
}

double total(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum;
}

template <class B>
void compare_losses(B& be, const Case& c, double tolerance, double size = 1) {
    using T = Scalar<B>;
    const auto h = random<T>(c.T, c.d, 1, 2, size), w = random<T>(c.V, c.d, 2, 1);
    const auto labels = random_labels(c);
    const auto expected = oracle(h, w, labels);
    const LmHeadCrossEntropy<B> head(w.view());
    Matrix<double> once(1, 1), twice(1, 1);
    Matrix<T> per_token(1, c.T), dh(c.T, c.d, 3);
    once.fill(10);
    twice.fill(10);
    head.loss(be, h.view(), labels.view(), once.view());
    head.loss_and_gradient(be, h.view(), labels.view(), 1.0, twice.view(), dh.view(), {});
    head.token_losses(be, h.view(), labels.view(), per_token.view());
    CAPTURE(c.T);
    CAPTURE(c.V);
    const double scale = std::max(1.0, total(expected));
    CHECK(std::abs(once(0, 0) - 10 - total(expected)) <= tolerance * scale);
    CHECK(std::abs(twice(0, 0) - 10 - total(expected)) <= tolerance * scale);
    CHECK(dh.padding_untouched());
    double worst = 0;
    for (Index t = 0; t < c.T; ++t)
        worst = std::max(worst, std::abs(static_cast<double>(per_token(0, t)) - expected[static_cast<std::size_t>(t)]));
    CHECK(worst <= tolerance * std::max(1.0, size));
    for (Index t = 3; t < c.T; t += 5) CHECK(per_token(0, t) == 0);
}

}  // namespace

TEST_CASE("LmHeadCrossEntropy: losses against plain loops") {
    test::BasicTestBackend<double> d({.threads = 2});
    test::TestBackend f({.threads = 2});
    test::TeamBackend<double> team(3);
    for (const auto& c : small) {
        compare_losses(d, c, 1e-12);
        compare_losses(f, c, 1e-5);
        compare_losses(team, c, 1e-12);
    }
    test::BasicTestBackend<double> slabs_of_four({.threads = 2, .slab_rows = 4});
    compare_losses(slabs_of_four, {30, 3, 70000}, 1e-12);  // chunks of 12 tokens
}

TEST_CASE("LmHeadCrossEntropy: logits of many thousands do not overflow") {
    test::BasicTestBackend<double> d({.threads = 1});
    test::TestBackend f({.threads = 1});
    compare_losses(d, {20, 16, 50}, 1e-12, 1e4);
    compare_losses(f, {20, 16, 50}, 1e-5, 1e4);
}

TEST_CASE("LmHeadCrossEntropy: gradients against finite differences, accumulated in dweight") {
    test::BasicTestBackend<double> be({.threads = 2, .slab_rows = 16});
    using Head = LmHeadCrossEntropy<test::BasicTestBackend<double>>;
    for (const auto& c : small) {
        auto h = random<double>(c.T, c.d, 1, 2), w = random<double>(c.V, c.d, 2, 1);
        const auto labels = random_labels(c);
        const double scale = 0.3;
        Matrix<double> sum(1, 1), dh(c.T, c.d, 3), dw(c.V, c.d, 1);
        dh.fill(5);
        dw.fill(1);
        Head(w.view()).loss_and_gradient(be, h.view(), labels.view(), scale, sum.view(), dh.view(), dw.view());
        CHECK(dh.padding_untouched());
        CHECK(dw.padding_untouched());
        for (Index v = 0; v < c.V; ++v)
            for (Index j = 0; j < c.d; ++j) dw(v, j) -= 1;
        for (Index t = 3; t < c.T; t += 5)
            for (Index j = 0; j < c.d; ++j) CHECK(dh(t, j) == 0);
        const auto loss = [&] { return scale * total(oracle(h, w, labels)); };
        test::WorstError worst;
        test::compare_gradient(worst, "h", h.view(), dh.view(), loss, 100);
        test::compare_gradient(worst, "weight", w.view(), dw.view(), loss, 100);
        INFO("T = ", c.T, ", V = ", c.V, ": ", worst);
        CHECK(worst.error <= 1e-6);

        auto in_place = h;
        Matrix<double> dw_again(c.V, c.d);
        dw_again.fill(1);
        Head(w.view()).loss_and_gradient(be, in_place.view(), labels.view(), scale, sum.view(), in_place.view(),
                                         dw_again.view());
        CHECK(test::same_bits(in_place.view(), dh.view()));
        for (Index v = 0; v < c.V; ++v)
            for (Index j = 0; j < c.d; ++j) dw_again(v, j) -= 1;
        CHECK(test::same_bits(dw_again.view(), dw.view()));
    }
}

TEST_CASE("LmHeadCrossEntropy: all ignored gives no loss and gradients of exactly zero") {
    const Case c{20, 6, 40};
    test::TestBackend be({.threads = 2});
    const auto h = random<float>(c.T, c.d, 1), w = random<float>(c.V, c.d, 2);
    Matrix<std::int32_t> labels(1, c.T);
    labels.fill(ignored_label);
    Matrix<double> sum(1, 1);
    Matrix<float> dh(c.T, c.d), dw(c.V, c.d), per_token(1, c.T);
    dh.fill(3);
    per_token.fill(3);
    const LmHeadCrossEntropy<test::TestBackend> head(w.view());
    head.loss_and_gradient(be, h.view(), labels.view(), -2.0, sum.view(), dh.view(), dw.view());
    head.loss(be, h.view(), labels.view(), sum.view());
    head.token_losses(be, h.view(), labels.view(), per_token.view());
    const auto zero = [](const Matrix<float>& m) {
        return test::max_difference(m.view(), Matrix<float>(m.rows, m.cols).view());
    };
    CHECK(sum(0, 0) == 0);
    CHECK(zero(dh) == 0);
    CHECK(zero(dw) == 0);
    CHECK(zero(per_token) == 0);
}

TEST_CASE("LmHeadCrossEntropy: a team of threads gives the gradients of one") {
    const Case c{37, 6, 40};
    const auto h = random<double>(c.T, c.d, 1), w = random<double>(c.V, c.d, 2);
    const auto labels = random_labels(c);
    const auto run = [&](auto& be) {
        Matrix<double> sum(1, 1), dh(c.T, c.d), dw(c.V, c.d);
        LmHeadCrossEntropy<std::remove_reference_t<decltype(be)>>(w.view()).loss_and_gradient(
            be, h.view(), labels.view(), 1.0, sum.view(), dh.view(), dw.view());
        return std::vector{sum, dh, dw};
    };
    test::BasicTestBackend<double> one({.threads = 1});
    test::TeamBackend<double> team(3);
    const auto expected = run(one), found = run(team);
    for (std::size_t i = 0; i < 3; ++i) CHECK(test::max_difference(found[i].view(), expected[i].view()) <= 1e-11);
}

namespace {

struct Result {
    Matrix<double> sums{1, 2};
    std::vector<Matrix<float>> gradients;
};

/// Losses with and without gradients, dh and dw, from micro-batches of `size` tokens
Result run(test::TestBackend& be, const Case& c, Index size) {
    const auto h = random<float>(c.T, c.d, 1), w = random<float>(c.V, c.d, 2);
    const auto labels = random_labels(c);
    Result r;
    r.gradients = {Matrix<float>(c.T, c.d), Matrix<float>(c.V, c.d)};
    const LmHeadCrossEntropy<test::TestBackend> head(w.view());
    for (Index t = 0; t < c.T; t += size) {
        const auto part = h.view().row_slice(t, size);
        const auto wanted = labels.view().col_slice(t, size);
        head.loss(be, part, wanted, r.sums.view().col_slice(0, 1));
        head.loss_and_gradient(be, part, wanted, 0.01, r.sums.view().col_slice(1, 1),
                               r.gradients[0].view().row_slice(t, size), r.gradients[1].view());
    }
    return r;
}

}  // namespace

TEST_CASE("LmHeadCrossEntropy: threads and micro-batches of whole slabs do not change bits") {
    const Case c{96, 40, 20011};  // chunks of 48 tokens
    Result whole;
    for (int threads = 1; threads <= 4; ++threads) {
        test::TestBackend be({.threads = threads, .slab_rows = 16});
        for (const Index size : {96, 48, 32, 16}) {
            if (threads > 1 && size < 96) continue;
            const Result found = run(be, c, size);
            if (whole.gradients.empty()) whole = found;
            CAPTURE(threads);
            CAPTURE(size);
            CHECK(test::same_bits(found.sums.view(), whole.sums.view()));
            for (std::size_t i = 0; i < 2; ++i)
                CHECK(test::same_bits(found.gradients[i].view(), whole.gradients[i].view()));
        }
    }
    CHECK(whole.sums(0, 0) > 0);
}

TEST_CASE("LmHeadCrossEntropy: a repeated step allocates nothing") {
    const Case c{50, 33, 129};
    const auto h = random<float>(c.T, c.d, 1), w = random<float>(c.V, c.d, 2);
    const auto labels = random_labels(c);
    test::TestBackend be({.threads = 2});
    Matrix<double> sum(1, 1);
    Matrix<float> dh(c.T, c.d), dw(c.V, c.d), per_token(1, c.T);
    const LmHeadCrossEntropy<test::TestBackend> head(w.view());
    test::check_second_allocates_nothing([&] {
        head.loss_and_gradient(be, h.view(), labels.view(), 1.0, sum.view(), dh.view(), dw.view());
        head.loss(be, h.view(), labels.view(), sum.view());
        head.token_losses(be, h.view(), labels.view(), per_token.view());
    });
}

TEST_CASE("LmHeadCrossEntropy: mistakes are named with both values") {
    Matrix<std::int32_t> labels(1, 3);
    labels(0, 0) = 4;
    labels(0, 1) = ignored_label;
    CHECK_NOTHROW(check_labels(labels.view(), 5));
    labels(0, 2) = -1;
    CHECK_THROWS_WITH_AS(
        check_labels(labels.view(), 5),
        "LmHeadCrossEntropy: label -1 at (0, 2), expected -100 or at least 0 and below the vocabulary of 5", Error);
    labels(0, 2) = 5;
    CHECK_THROWS_AS(check_labels(labels.view(), 5), Error);
    test::TestBackend be({.threads = 1});
    const auto w = random<float>(5, 4, 1), h = random<float>(3, 6, 1), g = random<float>(2, 4, 1);
    Matrix<double> sum(1, 1), two(1, 2);
    const LmHeadCrossEntropy<test::TestBackend> head(w.view());
    CHECK_THROWS_WITH_AS(head.loss(be, h.view(), labels.view(), sum.view()),
                         "LmHeadCrossEntropy: h has 6 columns, expected the weight's 4", Error);
    CHECK_THROWS_WITH_AS(head.loss(be, g.view(), labels.view(), sum.view()),
                         "LmHeadCrossEntropy: labels is (1, 3), expected (1, 2)", Error);
    CHECK_THROWS_WITH_AS(head.loss(be, g.view(), labels.view().col_slice(0, 2), two.view()),
                         "LmHeadCrossEntropy: loss_sum is (1, 2), expected (1, 1)", Error);
}

}  // namespace nn_cross_entropy_test
