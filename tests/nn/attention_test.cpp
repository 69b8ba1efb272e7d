#include <hydralora/nn/attention.hpp>

#include <hydralora/backend/planning_backend.hpp>

#include <memory>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/finite_difference.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_attention_test {

using namespace hydralora;
using test::Matrix;

namespace {

/// S sequences of L queries and K keys, D head_dim
struct Case {
    Index S, L, K, heads, kv_heads, D, window = 0;
    double scale = 0;
    [[nodiscard]] AttentionConfig config() const { return {heads, kv_heads, D, window, scale}; }
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.S << " sequences, " << c.L << " queries, " << c.K << " keys, " << c.heads << '/' << c.kv_heads
               << " heads of " << c.D << ", window " << c.window << ", scale " << c.scale;
}

const Case small[] = {{1, 1, 1, 1, 1, 1},
                      {2, 5, 5, 2, 1, 3},
                      {3, 7, 7, 4, 4, 5},
                      {1, 9, 9, 4, 1, 2},
                      {2, 3, 8, 4, 2, 4},
                      {2, 1, 11, 8, 2, 3},
                      {1, 70, 70, 2, 1, 4},
                      {1, 66, 69, 1, 1, 3},
                      {2, 9, 9, 2, 1, 3, 4, 0.4},
                      {1, 9, 9, 4, 2, 2, 1},
                      {1, 3, 12, 2, 1, 4, 5},
                      {1, 70, 70, 2, 1, 4, 3},
                      {1, 66, 150, 1, 1, 3, 66, 1.5}};
const Case large[] = {{1, 64, 64, 2, 2, 32},   {2, 65, 65, 4, 2, 16},       {1, 130, 130, 4, 1, 8},
                      {2, 128, 200, 2, 1, 33}, {2, 200, 200, 2, 1, 16, 70}, {1, 130, 300, 4, 2, 8, 20, 0.1}};

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0, double size = 1) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream, size);
    return m;
}

template <class T>
struct Tensors {
    Matrix<T> q, k, v, dout;
    explicit Tensors(const Case& c, Index pad = 0, double size = 1)
        : q(random<T>(c.S * c.L, c.heads * c.D, 1, pad, size)),
          k(random<T>(c.S * c.K, c.kv_heads * c.D, 2, 2 * pad, size)),
          v(random<T>(c.S * c.K, c.kv_heads * c.D, 3, pad)),
          dout(random<T>(c.S * c.L, c.heads * c.D, 4, pad)) {}
};

/// One query, one head at a time; the softmax by its definition.
template <class T>
Matrix<double> oracle(const Case& c, const Matrix<T>& q, const Matrix<T>& k, const Matrix<T>& v) {
    Matrix<double> o(c.S * c.L, c.heads * c.D);
    std::vector<double> p(static_cast<std::size_t>(c.K));
    for (Index s = 0; s < c.S; ++s)
        for (Index h = 0; h < c.heads; ++h)
            for (Index i = 0; i < c.L; ++i) {
                const Index kv = h / (c.heads / c.kv_heads), seen = c.K - c.L + i + 1;
                const Index first = c.window > 0 && seen > c.window ? seen - c.window : 0;
                double top = -INFINITY, sum = 0;
                for (Index j = first; j < seen; ++j) {
                    double dot = 0;
                    for (Index d = 0; d < c.D; ++d)
                        dot += static_cast<double>(q(s * c.L + i, h * c.D + d)) *
                               static_cast<double>(k(s * c.K + j, kv * c.D + d));
                    p[static_cast<std::size_t>(j)] =
                        c.scale > 0 ? dot * c.scale : dot / std::sqrt(static_cast<double>(c.D));
                    top = std::max(top, p[static_cast<std::size_t>(j)]);
                }
                for (Index j = first; j < seen; ++j) sum += std::exp(p[static_cast<std::size_t>(j)] - top);
                for (Index j = first; j < seen; ++j)
                    for (Index d = 0; d < c.D; ++d)
                        o(s * c.L + i, h * c.D + d) += std::exp(p[static_cast<std::size_t>(j)] - top) / sum *
                                                       static_cast<double>(v(s * c.K + j, kv * c.D + d));
            }
    return o;
}

/// o, dq, dk, dv
template <class B>
std::vector<Matrix<Scalar<B>>> both_passes(B& be, const Case& c, const Tensors<Scalar<B>>& in) {
    using T = Scalar<B>;
    Matrix<T> o(in.q.rows, in.q.cols), dq(in.q.rows, in.q.cols, 1), dk(in.k.rows, in.k.cols, 2),
        dv(in.v.rows, in.v.cols, 3);
    for (auto* m : {&dq, &dk, &dv}) m->fill(T{9});  // to be overwritten
    const Attention<B> attention(c.config());
    typename Attention<B>::Cache cache;
    attention.forward(be, c.S, in.q.view(), in.k.view(), in.v.view(), o.view(), cache);
    attention.backward(be, c.S, in.q.view(), in.k.view(), in.v.view(), o.view(), in.dout.view(), cache, dq.view(),
                       dk.view(), dv.view());
    CHECK(dq.padding_untouched());
    CHECK(dk.padding_untouched());
    CHECK(dv.padding_untouched());
    return {o, dq, dk, dv};
}

template <class B>
void compare_forward(B& be, const Case& c, double tolerance, double size = 1) {
    using T = Scalar<B>;
    const Tensors<T> in(c, 3, size);
    Matrix<T> o(c.S * c.L, c.heads * c.D, 5);
    typename Attention<B>::Cache cache;
    Attention<B>(c.config()).forward(be, c.S, in.q.view(), in.k.view(), in.v.view(), o.view(), cache);
    CAPTURE(c);
    CHECK(test::max_difference(o.view(), oracle(c, in.q, in.k, in.v).view()) <= tolerance);
    CHECK(o.padding_untouched());
}

}  // namespace

TEST_CASE("Attention: forward against plain loops") {
    test::BasicTestBackend<double> d({.threads = 2});
    test::TestBackend f({.threads = 2});
    test::TeamBackend<double> team(3);
    for (const auto& c : small) {
        compare_forward(d, c, 1e-12);
        compare_forward(f, c, 1e-5);
        compare_forward(team, c, 1e-12);
    }
    for (const auto& c : large) {
        compare_forward(d, c, 1e-12);
        compare_forward(f, c, 1e-5);
    }
}

TEST_CASE("Attention: scores of many thousands do not overflow") {
    test::TestBackend f({.threads = 1});
    test::BasicTestBackend<double> d({.threads = 1});
    const Case c{1, 20, 20, 2, 1, 16};
    compare_forward(d, c, 1e-9, 200);
    compare_forward(f, c, 2e-2, 200);  // scores near 1e4 carry float errors near 1e-3 into the exponents
}

TEST_CASE("Attention: gradients against finite differences") {
    test::BasicTestBackend<double> be({.threads = 2, .slab_rows = 16});
    for (const auto& c : small) {
        Tensors<double> in(c, 2);
        const auto found = both_passes(be, c, in);
        const auto loss = [&] {
            const auto o = oracle(c, in.q, in.k, in.v);
            double sum = 0;
            for (Index t = 0; t < o.rows; ++t)
                for (Index j = 0; j < o.cols; ++j) sum += o(t, j) * in.dout(t, j);
            return sum;
        };
        test::WorstError worst;
        test::compare_gradient(worst, "q", in.q.view(), found[1].view(), loss, 100);
        test::compare_gradient(worst, "k", in.k.view(), found[2].view(), loss, 100);
        test::compare_gradient(worst, "v", in.v.view(), found[3].view(), loss, 100);
        INFO(c, ": ", worst);
        CHECK(worst.error <= 1e-6);
    }
}

TEST_CASE("Attention: a team of threads gives the gradients of one") {
    test::BasicTestBackend<double> one({.threads = 1});
    test::TeamBackend<double> team(3);
    for (const auto& c : {small[4], small[6], small[11]}) {
        const Tensors<double> in(c);
        const auto expected = both_passes(one, c, in), found = both_passes(team, c, in);
        for (std::size_t i = 0; i < 4; ++i) CHECK(test::max_difference(found[i].view(), expected[i].view()) <= 1e-12);
    }
}

TEST_CASE("Attention: a query does not depend on keys it must not see, to the last bit") {
    const Case c{1, 130, 130, 2, 1, 8};
    test::TestBackend be({.threads = 1});
    Tensors<float> in(c);
    const auto before = both_passes(be, c, in)[0];
    for (Index t = 100; t < 130; ++t)
        for (Index j = 0; j < in.k.cols; ++j) in.k(t, j) = in.v(t, j) = 50;
    const auto after = both_passes(be, c, in)[0];
    CHECK(test::same_bits(after.view().row_slice(0, 100), before.view().row_slice(0, 100)));
    CHECK(test::max_difference(after.view().row_slice(100, 30), before.view().row_slice(100, 30)) > 0.1);
}

TEST_CASE("Attention: with a window the scores of a block are those of the keys that its queries see") {
    using P = PlanningBackend;
    P be(32, {.queries = 16, .scores = 1});
    const auto peak = [&](Index length, Index window) {
        const ViewOf<P, float> x{be.address<float>(4), length, 8};
        const auto before = be.memory().now;
        Attention<P>::Cache cache;
        const Attention<P> attention({1, 1, 8, window});
        attention.forward(be, 1, x, x, x, x, cache);
        attention.backward(be, 1, x, x, x, x, x, cache, x, x, x);
        return be.memory().peak - before;
    };
    const Index rows = 1024 * 2 * 4;  // log-sum-exp and delta
    CHECK(peak(1024, 20) == rows + 2 * 16 * (20 + 15) * 4);
    CHECK(peak(1024, 0) == rows + 2 * 16 * 1024 * 4);
}

TEST_CASE("Attention: decoding query by query against a cache with room gives the whole") {
    for (const Index window : {0, 20}) {
        const Case c{3, 70, 70, 4, 2, 8, window};
        const Index room = 83;
        test::BasicTestBackend<double> be({.threads = 2});
        const Tensors<double> in(c);
        const auto whole = oracle(c, in.q, in.k, in.v);
        Matrix<double> keys(c.S * room, in.k.cols, 2), values(c.S * room, in.v.cols, 2), o(c.S, in.q.cols),
            q(c.S, in.q.cols);
        keys.fill(NAN);  // what is not filled yet must not matter
        values.fill(NAN);
        const Attention<test::BasicTestBackend<double>> attention(c.config());
        Attention<test::BasicTestBackend<double>>::Cache cache;
        const auto decode = [&](Index first, Index count, Index keys_now) {
            Matrix<double> part(c.S * count, in.q.cols), out(c.S * count, in.q.cols);
            for (Index s = 0; s < c.S; ++s)
                for (Index i = 0; i < count; ++i)
                    for (Index j = 0; j < in.q.cols; ++j) part(s * count + i, j) = in.q(s * c.L + first + i, j);
            const auto filled = [&](Matrix<double>& m) {
                return MatrixView<double>(m.data.data(), c.S * keys_now, m.cols, m.ld);
            };
            attention.forward(be, c.S, part.view(), filled(keys), filled(values), out.view(), cache, room);
            double worst = 0;
            for (Index s = 0; s < c.S; ++s)
                worst = std::max(worst, test::max_difference(out.view().row_slice(s * count, count),
                                                             whole.view().row_slice(s * c.L + first, count)));
            return worst;
        };
        const auto append = [&](Index first, Index count) {
            for (Index s = 0; s < c.S; ++s)
                for (Index t = first; t < first + count; ++t)
                    for (Index j = 0; j < in.k.cols; ++j) {
                        keys(s * room + t, j) = in.k(s * c.K + t, j);
                        values(s * room + t, j) = in.v(s * c.K + t, j);
                    }
        };
        append(0, 30);  // a prompt, then token by token
        CHECK(decode(0, 30, 30) <= 1e-12);
        for (Index t = 30; t < c.L; ++t) {
            append(t, 1);
            CHECK(decode(t, 1, t + 1) <= 1e-12);
        }
    }
}

TEST_CASE("Attention: a sequence's bits do not depend on the others in the call") {
    // 40 sequences of these are more than are worked on together.
    for (const Case c : {Case{3, 70, 70, 4, 2, 8}, Case{40, 65, 130, 4, 2, 8}, Case{40, 65, 130, 4, 2, 8, 50}}) {
        test::TestBackend be({.threads = 2});
        const Tensors<float> in(c);
        const auto together = both_passes(be, c, in);
        Case alone = c;
        alone.S = 1;
        for (const Index s : {Index{0}, c.S - 1}) {
            Tensors<float> one(alone);
            for (auto [to, from, rows] : {std::tuple{&one.q, &in.q, c.L},
                                          {&one.dout, &in.dout, c.L},
                                          {&one.k, &in.k, c.K},
                                          {&one.v, &in.v, c.K}})
                for (Index t = 0; t < rows; ++t)
                    for (Index j = 0; j < to->cols; ++j) (*to)(t, j) = (*from)(s * rows + t, j);
            const auto single = both_passes(be, alone, one);
            for (std::size_t i = 0; i < 4; ++i) {
                const Index rows = i < 2 ? c.L : c.K;
                CHECK(test::same_bits(single[i].view(), together[i].view().row_slice(s * rows, rows)));
            }
        }
    }
}

TEST_CASE("Attention: threads do not change bits") {
    for (const Case c : {Case{2, 65, 65, 4, 2, 16}, Case{1, 3, 90, 6, 2, 5}, Case{2, 200, 200, 4, 2, 16, 50}}) {
        const Tensors<float> in(c);
        test::check_threads_agree<float>([&](test::TestBackend& be) { return both_passes(be, c, in); });
    }
}

TEST_CASE("Attention: a repeated step allocates nothing") {
    const Case c{2, 130, 130, 4, 2, 8};
    const Tensors<float> in(c);
    Matrix<float> o(in.q.rows, in.q.cols), dq = o, dk(in.k.rows, in.k.cols), dv = dk;
    test::TestBackend be({.threads = 2});
    const Attention<test::TestBackend> attention(c.config());
    Attention<test::TestBackend>::Cache cache;
    test::check_second_allocates_nothing([&] {
        attention.forward(be, c.S, in.q.view(), in.k.view(), in.v.view(), o.view(), cache);
        attention.backward(be, c.S, in.q.view(), in.k.view(), in.v.view(), o.view(), in.dout.view(), cache, dq.view(),
                           dk.view(), dv.view());
    });
}

TEST_CASE("Attention: mistakes are named with both values") {
    test::TestBackend be({.threads = 1});
    using Layer = Attention<test::TestBackend>;
    CHECK_THROWS_WITH_AS(Layer({3, 2, 4}),
                         "Attention: heads = 3, kv_heads = 2, expected heads to be a multiple of kv_heads", Error);
    CHECK_THROWS_WITH_AS(Layer({4, 2, 8, -3}), "Attention: window = -3, expected 0 (none) or more", Error);
    CHECK_THROWS_WITH_AS(Layer({4, 2, 8, 0, -1}), "Attention: scale = -1, expected 0 (1 / sqrt(head_dim)) or more",
                         Error);
    const Layer attention({4, 2, 8});
    Layer::Cache cache;
    Matrix<float> q(10, 32), k(10, 16), narrow(10, 8), few(8, 16), o(10, 32);
    CHECK_THROWS_WITH_AS(attention.forward(be, 2, q.view(), narrow.view(), narrow.view(), o.view(), cache),
                         "Attention: k has 8 columns, expected kv_heads * head_dim = 16", Error);
    CHECK_THROWS_WITH_AS(attention.forward(be, 3, q.view(), k.view(), k.view(), o.view(), cache),
                         "Attention: 3 sequences of 10 queries and 10 keys, expected a whole number of each a sequence",
                         Error);
    CHECK_THROWS_WITH_AS(attention.forward(be, 2, q.view(), few.view(), few.view(), o.view(), cache),
                         "Attention: 10 queries and 8 keys, expected at least as many keys", Error);
    CHECK_THROWS_WITH_AS(attention.forward(be, 2, q.view(), k.view(), few.view(), o.view(), cache),
                         "Attention: v is (8, 16), expected the shape of k, (10, 16)", Error);
    CHECK_THROWS_WITH_AS(attention.forward(be, 2, q.view(), k.view(), k.view(), o.view(), cache, 4),
                         "Attention: kv_stride_rows = 4, expected 0 or at least the 5 keys of a sequence", Error);
}

}  // namespace nn_attention_test
