#include <hydralora/nn/embedding.hpp>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_embedding_test {

using namespace hydralora;
using test::Matrix;

namespace {

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream);
    return m;
}

Matrix<std::int32_t> random_ids(Index tokens, std::int32_t vocabulary) {
    Matrix<std::int32_t> ids(1, tokens);
    test::fill_ids(ids.view(), 7, vocabulary);
    return ids;
}

}  // namespace

TEST_CASE_TEMPLATE("Embedding: forward copies rows, backward adds to them token after token", B, test::TestBackend,
                   test::BasicTestBackend<double>) {
    using T = Scalar<B>;
    B be({.threads = 2});
    constexpr Index shapes[][3] = {{1, 1, 1}, {5, 3, 20}, {40, 33, 17}, {3, 64, 200}};  // V, d, T
    for (const auto& [V, d, tokens] : shapes) {
        const auto table = random<T>(V, d, 1, 2), dx = random<T>(tokens, d, 2, 1);
        const auto ids = random_ids(tokens, static_cast<std::int32_t>(V));
        Matrix<T> x(tokens, d, 3), dtable(V, d, 4), expected(V, d);
        const Embedding<B> embedding{table.view()};
        embedding.forward(be, ids.view(), x.view());
        dtable.fill(T{0.25f});
        expected.fill(T{0.25f});
        embedding.backward(be, ids.view(), dx.view(), dtable.view());
        bool same = true;
        for (Index t = 0; t < tokens; ++t)
            for (Index j = 0; j < d; ++j) {
                same = same && x(t, j) == table(ids(0, t), j);
                expected(ids(0, t), j) += dx(t, j);
            }
        CHECK(same);
        CHECK(test::same_bits(dtable.view(), expected.view()));
        CHECK(x.padding_untouched());
        CHECK(dtable.padding_untouched());
        embedding.backward(be, ids.view(), dx.view(), {});  // not wanted
    }
}

TEST_CASE("Embedding: threads, teams and cuts of the batch do not change bits") {
    const Index V = 11, d = 70, T = 301;
    const auto table = random<float>(V, d, 1), dx = random<float>(T, d, 2);
    const auto ids = random_ids(T, 11);
    const auto run = [&](auto& be, Index size) {
        using B = std::remove_reference_t<decltype(be)>;
        Matrix<float> x(T, d), dtable(V, d);
        const Embedding<B> embedding{table.view()};
        for (Index t = 0; t < T; t += size) {
            const Index n = std::min(size, T - t);
            embedding.forward(be, ids.view().col_slice(t, n), x.view().row_slice(t, n));
            embedding.backward(be, ids.view().col_slice(t, n), dx.view().row_slice(t, n), dtable.view());
        }
        return std::vector{x, dtable};
    };
    test::check_threads_agree<float>([&](test::TestBackend& be) { return run(be, T); });
    test::TestBackend be({.threads = 2});
    test::TeamBackend<float> team(3);
    const auto whole = run(be, T), cut = run(be, 47), together = run(team, T);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(test::same_bits(cut[i].view(), whole[i].view()));
        CHECK(test::same_bits(together[i].view(), whole[i].view()));
    }
}

TEST_CASE("Embedding: a repeated step allocates nothing") {
    const auto table = random<float>(11, 70, 1), dx = random<float>(301, 70, 2);
    const auto ids = random_ids(301, 11);
    Matrix<float> x(301, 70), dtable(11, 70);
    test::TestBackend be({.threads = 2});
    const Embedding<test::TestBackend> embedding{table.view()};
    test::check_second_allocates_nothing([&] {
        embedding.forward(be, ids.view(), x.view());
        embedding.backward(be, ids.view(), dx.view(), dtable.view());
    });
}

TEST_CASE("Embedding: mistakes are named with both values") {
    Matrix<std::int32_t> ids(1, 3);
    ids(0, 0) = 4;
    ids(0, 2) = 5;
    CHECK_NOTHROW(check_ids(ids.view(), 6));
    CHECK_THROWS_WITH_AS(check_ids(ids.view(), 5),
                         "Embedding: id 5 at (0, 2), expected at least 0 and below the vocabulary of 5", Error);
    ids(0, 1) = -1;
    CHECK_THROWS_WITH_AS(check_ids(ids.view(), 6),
                         "Embedding: id -1 at (0, 1), expected at least 0 and below the vocabulary of 6", Error);
    test::TestBackend be({.threads = 1});
    const auto table = random<float>(6, 4, 1);
    Matrix<float> x(2, 4);
    CHECK_THROWS_WITH_AS((Embedding<test::TestBackend>{table.view()}.forward(be, ids.view(), x.view())),
                         "Embedding: x is (2, 4), expected (3, 4)", Error);
}

}  // namespace nn_embedding_test
