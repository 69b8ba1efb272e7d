// The rows of a router against plain normal equations by Gaussian elimination, and what they tell apart.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include <hydralora/adapter/params.hpp>
#include <hydralora/adapter/router_probe.hpp>
#include <hydralora/core/mutual_information.hpp>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace adapter_router_probe_test {

using namespace hydralora;

namespace {

struct Sample {
    test::Matrix<float> x;
    std::vector<std::int32_t> labels;

    Sample(Index tokens, Index in, Index kinds, test::Draw& draw, Index pad = 0)
        : x(tokens, in, pad), labels(static_cast<std::size_t>(tokens)) {
        draw.normal(x.view());
        for (auto& label : labels) label = static_cast<std::int32_t>(draw.integer(-1, kinds - 1));
    }
    [[nodiscard]] MatrixView<const std::int32_t> label_view() const {
        return host_view(labels.data(), 1, static_cast<Index>(labels.size()));
    }
    [[nodiscard]] RouterProbe probe(Index kinds) const {
        RouterProbe made(x.cols, kinds);
        made.add(x.view(), label_view());
        return made;
    }
};

/// a (n, n) x = b (n) by elimination with pivots.
std::vector<double> eliminate(std::vector<std::vector<double>> a, std::vector<double> b) {
    const std::size_t n = b.size();
    for (std::size_t k = 0; k < n; ++k) {
        std::size_t pivot = k;
        for (std::size_t i = k; i < n; ++i)
            if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
        std::swap(a[k], a[pivot]);
        std::swap(b[k], b[pivot]);
        for (std::size_t i = k + 1; i < n; ++i) {
            const double factor = a[i][k] / a[k][k];
            for (std::size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    }
    for (std::size_t k = n; k-- > 0;) {
        for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
    return b;
}

/// The rows, and the logits of the labelled tokens, by plain loops over what the header says.
std::vector<std::vector<double>> plain_rows(const Sample& s, Index heads, const RouterProbeOptions& options) {
    const auto in = static_cast<std::size_t>(s.x.cols), N = static_cast<std::size_t>(heads);
    std::vector<std::vector<double>> X, W(N);
    std::vector<std::size_t> head;
    for (Index t = 0; t < s.x.rows; ++t) {
        if (s.labels[static_cast<std::size_t>(t)] < 0) continue;
        X.emplace_back(s.x.view().row(t), s.x.view().row(t) + s.x.cols);
        head.push_back(static_cast<std::size_t>(s.labels[static_cast<std::size_t>(t)]) % N);
    }
    std::vector<std::vector<double>> gram(in, std::vector<double>(in, 0));
    for (std::size_t i = 0; i < in; ++i)
        for (std::size_t j = 0; j < in; ++j) {
            gram[i][j] = i == j ? options.ridge : 0;
            for (const auto& row : X) gram[i][j] += row[i] * row[j];
        }
    double trace = 0;
    for (const auto& row : X) trace += std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
    for (std::size_t i = 0; i < in; ++i) gram[i][i] += options.share * trace / static_cast<double>(in);
    for (std::size_t h = 0; h < N; ++h) {
        const double mean =
            static_cast<double>(std::count(head.begin(), head.end(), h)) / static_cast<double>(X.size());
        std::vector<double> right(in, 0);
        for (std::size_t t = 0; t < X.size(); ++t)
            for (std::size_t j = 0; j < in; ++j) right[j] += X[t][j] * ((head[t] == h ? 1.0 : 0.0) - mean);
        W[h] = eliminate(gram, right);
    }
    for (std::size_t j = 0; j < in; ++j) {
        double mean = 0;
        for (const auto& row : W) mean += row[j] / static_cast<double>(N);
        for (auto& row : W) row[j] -= mean;
    }
    std::vector<double> logits;
    for (const auto& x : X)
        for (const auto& row : W) logits.push_back(std::inner_product(x.begin(), x.end(), row.begin(), 0.0));
    const double mean = std::accumulate(logits.begin(), logits.end(), 0.0) / static_cast<double>(logits.size());
    double variance = 0;
    for (const double l : logits) variance += (l - mean) * (l - mean) / static_cast<double>(logits.size());
    for (auto& row : W)
        for (double& w : row) w *= options.logit_std / std::sqrt(variance);
    return W;
}

TEST_CASE("what a router with a context reads is the mean over its document so far") {
    test::Draw draw(12);
    test::Matrix<double> x(6, 3);
    draw.normal(x.view());
    const std::vector<std::int32_t> starts{0, 0, 2, 0, 0, 0};  // the first sequence has two documents
    const std::vector<std::vector<Index>> before{{0}, {0, 1}, {2}, {3}, {3, 4}, {3, 4, 5}};
    test::Matrix<double> pooled(6, 3);
    for (Index t = 0; t < 6; ++t)
        for (Index j = 0; j < 3; ++j) pooled(t, j) = x(t, j);
    pool_context(pooled.view(), 2, host_view(starts.data(), 1, 6));
    for (Index t = 0; t < 6; ++t)
        for (Index j = 0; j < 3; ++j) {
            double mean = 0;
            const auto& tokens = before[static_cast<std::size_t>(t)];
            for (const Index s : tokens) mean += x(s, j) / static_cast<double>(tokens.size());
            CHECK(pooled(t, j) == doctest::Approx(mean).epsilon(1e-13));
        }
    CHECK(test::message_of([&] { pool_context(pooled.view(), 4); }) ==
          "pool_context: 6 tokens do not make 4 sequences of equal length");
}

TEST_CASE("rows are those of a dense solve") {
    test::Draw draw(11);
    for (int n = 0; n < 40; ++n) {
        const Index in = draw.one_of<Index>({1, 2, 7, 8, 9, 20, 33}), heads = draw.integer(2, 5);
        const Index kinds = heads + draw.integer(0, 3);
        const Sample s(draw.one_of<Index>({60, 255, 300, 700}), in, kinds, draw, draw.integer(0, 3));
        const RouterProbeOptions options{.ridge = draw.one_of({0.1, 1.0, 30.0}),
                                         .share = draw.one_of({0.0, 0.1, 1.0}),
                                         .logit_std = draw.one_of({1.0, 6.0})};
        const DoubleMatrix rows = s.probe(kinds).rows(heads, options);
        const auto expected = plain_rows(s, heads, options);
        for (Index h = 0; h < heads; ++h)
            for (Index j = 0; j < in; ++j)
                CHECK(std::abs(rows(h, j) - expected[static_cast<std::size_t>(h)][static_cast<std::size_t>(j)]) < 1e-9);
    }
}

TEST_CASE("groups that a plane separates are told apart, with logits of the deviation asked for") {
    test::Draw draw(12);
    Sample s(2000, 12, 2, draw);
    for (Index t = 0; t < s.x.rows; ++t) {
        s.labels[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(t % 2);
        for (Index j = 0; j < 3; ++j) s.x(t, j) += t % 2 == 0 ? 3.0f : -3.0f;
    }
    const DoubleMatrix rows = s.probe(2).rows(2, {.logit_std = 4});
    std::vector<std::int32_t> largest;
    double squares = 0;
    for (Index t = 0; t < s.x.rows; ++t) {
        double logit[2] = {};
        for (Index h = 0; h < 2; ++h)
            for (Index j = 0; j < 12; ++j) logit[h] += rows(h, j) * static_cast<double>(s.x(t, j));
        largest.push_back(logit[1] > logit[0] ? 1 : 0);
        squares += logit[0] * logit[0] + logit[1] * logit[1];
        CHECK(std::abs(logit[0] + logit[1]) < 1e-9);
    }
    CHECK(std::sqrt(squares / 4000) == doctest::Approx(4).epsilon(1e-9));
    const auto shared =
        mutual_information(std::span<const std::int32_t>(largest), std::span<const std::int32_t>(s.labels));
    CHECK(shared.normalised() >= 0.9);
}

TEST_CASE("neither the order of the tokens nor how they come matters") {
    test::Draw draw(13);
    const Sample s(900, 17, 4, draw);
    const DoubleMatrix whole = s.probe(4).rows(3);
    RouterProbe parts(17, 4);
    std::vector<Index> order(900);
    std::iota(order.begin(), order.end(), Index{0});
    for (std::size_t i = order.size(); i-- > 1;)
        std::swap(order[i], order[static_cast<std::size_t>(draw.integer(0, static_cast<Index>(i)))]);
    test::Matrix<double> x(900, 17);
    std::vector<Index> labels;  // of other types, too
    for (Index t = 0; t < 900; ++t) {
        labels.push_back(s.labels[static_cast<std::size_t>(order[static_cast<std::size_t>(t)])]);
        for (Index j = 0; j < 17; ++j) x(t, j) = static_cast<double>(s.x(order[static_cast<std::size_t>(t)], j));
    }
    for (Index begin = 0; begin < 900;) {
        const Index count = std::min(900 - begin, draw.integer(0, 300));
        parts.add(x.view().row_slice(begin, count), host_view(labels.data() + begin, 1, count));
        begin += count;
    }
    CHECK(parts.tokens() == s.probe(4).tokens());
    const DoubleMatrix again = parts.rows(3);
    for (std::size_t i = 0; i < whole.values.size(); ++i)
        CHECK(std::abs(again.values[i] - whole.values[i]) <= 1e-12 * std::max(1.0, std::abs(whole.values[i])));
}

TEST_CASE("numbers stored in 16 bits are read as the floats they are") {
    test::Draw draw(16);
    Sample s(300, 9, 3, draw);
    std::vector<bfloat16> stored;
    for (Index t = 0; t < 300; ++t)
        for (Index j = 0; j < 9; ++j) {
            stored.emplace_back(s.x(t, j));
            s.x(t, j) = static_cast<float>(stored.back());
        }
    RouterProbe probe(9, 3);
    probe.add(host_view(std::as_const(stored).data(), 300, 9), s.label_view());
    CHECK(probe.rows(3).values == s.probe(3).rows(3).values);
}

TEST_CASE("rows reach the router of a backend") {
    using Backend = test::BasicTestBackend<float>;
    Backend be({.threads = 1});
    test::Draw draw(14);
    const Sample s(200, 6, 3, draw);
    const DoubleMatrix rows = s.probe(3).rows(3);
    const AdapterConfig config{.in = 6, .out = 5, .rank = 2, .heads = 3};
    auto params = make_params(be, config);
    put_router(be, rows, params.router.view());
    for (Index h = 0; h < 3; ++h)
        for (Index j = 0; j < 6; ++j) CHECK(params.router.view()(h, j) == static_cast<float>(rows(h, j)));
    CHECK(test::message_of([&] { put_router(be, rows, params.A.view()); }) ==
          "put_router: the rows are (3, 6), expected those of the router, (2, 6)");
}

TEST_CASE("what cannot be fitted is refused, with the remedy") {
    test::Draw draw(15);
    Sample s(100, 4, 3, draw);
    const auto error = [&](Index kinds, Index heads, RouterProbeOptions options = {}) {
        return test::message_of([&] { static_cast<void>(s.probe(kinds).rows(heads, options)); });
    };
    CHECK(error(3, 1) == "RouterProbe: heads = 1, expected at least 2: one head is not chosen");
    CHECK(error(3, 4) == "RouterProbe: 3 labels for 4 heads, expected at least one a head; ask for at most 3 heads");
    CHECK(error(4, 4) ==
          "RouterProbe: head 3 of 4 has no token of its labels in the sample; take a larger sample or ask for fewer "
          "heads");
    CHECK(error(3, 2, {.ridge = 0}) == "RouterProbe: ridge = 0, expected a number above 0");
    CHECK(error(3, 2, {.logit_std = -1}) == "RouterProbe: logit_std = -1, expected a number above 0");
    const auto told = [](const std::string& message, const char* part) { return message.find(part) != message.npos; };
    CHECK(told(error(2, 2), "expected below 2"));  // a label that is none

    s.x(7, 2) = std::numeric_limits<float>::infinity();
    s.labels[7] = 1;
    CHECK(error(3, 2) == "RouterProbe: x(7, 2) is inf, expected a finite number");
    s.labels[7] = -1;  // left out, and so not looked at
    CHECK(error(3, 2) == "no error");

    s.x.fill(0.3f);
    CHECK(told(error(3, 3), "the logits have variance 0"));
    std::fill(s.labels.begin(), s.labels.end(), 1);
    CHECK(error(3, 3) == "RouterProbe: all 100 tokens have one label, expected at least 2 to tell apart");
    std::fill(s.labels.begin(), s.labels.end(), -1);
    CHECK(error(3, 3) == "RouterProbe: no token with a label was added, expected at least one a head");
    CHECK(test::message_of([] { RouterProbe(0, 2); }) == "RouterProbe: in = 0, expected at least 1");
    CHECK(test::message_of([] { RouterProbe(2, 0); }) == "RouterProbe: labels = 0, expected at least 1");
    RouterProbe probe(5, 3);
    CHECK(test::message_of([&] { probe.add(s.x.view(), s.label_view()); }) ==
          "RouterProbe: x has 4 columns, expected in = 5");
    RouterProbe other(4, 3);
    CHECK(test::message_of([&] { other.add(s.x.view(), s.label_view().col_slice(0, 9)); }) ==
          "RouterProbe: labels are (1, 9), expected (1, 100), one for each token");
}

}  // namespace

}  // namespace adapter_router_probe_test
