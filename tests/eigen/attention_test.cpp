// Attention of floats on the micro-kernels against plain loops in double: shapes that cut blocks, panels and tiles anywhere,
// documents, caches with room; and the promises on bits.
#include <hydralora/eigen/attention.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <ostream>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/plain_attention.hpp"

namespace hydralora {
static std::ostream& operator<<(std::ostream& out, const AttentionShape& s) {
    return out << s.sequences << " sequences, " << s.queries << " queries, " << s.keys << " keys, " << s.heads << '/'
               << s.kv_heads << " heads of " << s.head_dim << (s.starts != nullptr ? ", documents" : "") << ", window "
               << s.window;
}
}  // namespace hydralora

namespace eigen_attention_test {

using namespace hydralora;
using test::Draw;
using test::Matrix;

namespace {

Matrix<float> drawn(Draw& draw, Index rows, Index cols, Index pad) {
    Matrix<float> m(rows, cols, pad);
    draw.normal(m.view());
    return m;
}

std::vector<double> numbers(const Matrix<float>& m) {
    std::vector<double> all;
    for (Index i = 0; i < m.rows; ++i)
        for (Index j = 0; j < m.cols; ++j) all.push_back(static_cast<double>(m(i, j)));
    return all;
}

struct Tensors {
    AttentionShape shape;
    Matrix<float> q, k, v, d_o;

    Tensors(Draw& draw, const AttentionShape& s, Index pad = 0)
        : shape(s),
          q(drawn(draw, s.sequences * s.queries, s.heads * s.head_dim, pad)),
          k(drawn(draw, s.sequences * s.keys, s.kv_heads * s.head_dim, 2 * pad)),
          v(drawn(draw, s.sequences * s.keys, s.kv_heads * s.head_dim, 3 * pad)),
          d_o(drawn(draw, q.rows, q.cols, pad)) {}
};

struct Results {
    Matrix<float> o, log_sum_exp, dq, dk, dv;
};

Results run(EigenBackend& be, const Tensors& in, Index pad = 0) {
    Results out{Matrix<float>(in.q.rows, in.q.cols, pad), Matrix<float>(in.q.rows, in.shape.heads, pad),
                Matrix<float>(in.q.rows, in.q.cols, pad), Matrix<float>(in.k.rows, in.k.cols, pad),
                Matrix<float>(in.k.rows, in.k.cols, pad)};
    for (auto* m : {&out.o, &out.dq, &out.dk, &out.dv}) m->fill(NAN);  // to be overwritten
    ops::attention(be, in.shape, in.q.view(), in.k.view(), in.v.view(), out.o.view(), out.log_sum_exp.view());
    ops::attention_backward<EigenBackend>(be, in.shape, in.q.view(), in.k.view(), in.v.view(), out.o.view(),
                                          in.d_o.view(), out.log_sum_exp.view(), out.dq.view(), out.dk.view(),
                                          out.dv.view());
    return out;
}

double most(const Matrix<float>& found, const std::vector<double>& expected) {
    const Matrix<double> wide{[&] {
        Matrix<double> m(found.rows, found.cols);
        m.data = expected;
        return m;
    }()};
    return test::max_difference(found.view(), wide.view());
}

void against_plain_loops(Draw& draw, const AttentionShape& shape, int threads = 2) {
    CAPTURE(shape);
    EigenBackend be({.threads = threads});
    const Tensors in(draw, shape, 1);
    const Results out = run(be, in, 2);
    test::PlainAttention plain(shape, numbers(in.q), numbers(in.k), numbers(in.v));
    plain.backward(numbers(in.d_o));
    CHECK(most(out.o, plain.o) <= 1e-5);
    CHECK(most(out.log_sum_exp, plain.log_sum_exp) <= 1e-5);
    const double sums = 1e-5 * std::sqrt(static_cast<double>(shape.queries * shape.heads / shape.kv_heads));
    CHECK(most(out.dq, plain.dq) <= 2e-5);
    CHECK(most(out.dk, plain.dk) <= 2e-5 + sums);
    CHECK(most(out.dv, plain.dv) <= 2e-5 + sums);
    for (const auto* m : {&out.o, &out.log_sum_exp, &out.dq, &out.dk, &out.dv}) CHECK(m->padding_untouched());
}

/// Starts of documents of drawn lengths.
std::vector<std::int32_t> documents(Draw& draw, Index sequences, Index length) {
    std::vector<std::int32_t> starts;
    for (Index s = 0; s < sequences; ++s)
        for (Index t = 0; t < length;) {
            const Index n = std::min(draw.integer(1, length), length - t);
            starts.insert(starts.end(), static_cast<std::size_t>(n), static_cast<std::int32_t>(t));
            t += n;
        }
    return starts;
}

bool same(const Results& a, const Results& b) {
    return test::same_bits(a.o.view(), b.o.view()) && test::same_bits(a.log_sum_exp.view(), b.log_sum_exp.view()) &&
           test::same_bits(a.dq.view(), b.dq.view()) && test::same_bits(a.dk.view(), b.dk.view()) &&
           test::same_bits(a.dv.view(), b.dv.view());
}

}  // namespace

TEST_CASE("panel attention: plain loops agree on shapes that are cut in every way") {
    Draw draw(71);
    for (const AttentionShape& shape : {AttentionShape{1, 48, 48, 1, 1, 16}, AttentionShape{2, 97, 97, 4, 2, 32},
                                        AttentionShape{1, 50, 130, 2, 1, 64}, AttentionShape{1, 10, 400, 2, 2, 20},
                                        AttentionShape{1, 450, 450, 2, 1, 8}, AttentionShape{1, 20, 800, 1, 1, 33},
                                        AttentionShape{1, 8, 9, 1, 1, 384}, AttentionShape{1, 9, 9, 1, 1, 385}})
        against_plain_loops(draw, shape);
    for (int n = test::trials(40, 1000); n > 0; --n) {
        const Index kv_heads = draw.integer(1, 3), keys = draw.integer(1, draw.coin() ? 40 : 150);
        against_plain_loops(draw, {draw.integer(1, 3), draw.integer(1, keys), keys, kv_heads * draw.integer(1, 4),
                                   kv_heads, draw.integer(1, 40)});
    }
}

TEST_CASE("panel attention: documents in a sequence") {
    Draw draw(72);
    for (int n = test::trials(25, 500); n > 0; --n) {
        const Index length = n % 5 == 0 ? draw.integer(400, 500) : draw.integer(1, 200);
        const Index sequences = length >= 400 ? 1 : draw.integer(1, 2), kv_heads = draw.integer(1, 2);
        const auto starts = documents(draw, sequences, length);
        against_plain_loops(draw, {sequences, length, length, kv_heads * draw.integer(1, 3), kv_heads,
                                   draw.integer(1, 24), 0, starts.data()});
    }
}

TEST_CASE("panel attention: windows, from one key to all, with and without documents, and a scale of its own") {
    Draw draw(77);
    // Key 239 is the last of a block, query 256 the first of one: with a window of 18 they are all that the blocks share.
    for (const Index window : {1, 18, 40, 100, 449})
        against_plain_loops(draw, {1, 450, 450, 2, 1, 8, 0, nullptr, window});
    for (const Index window : {30, 400, 700})
        for (const Index queries : {1, 20, 90})
            against_plain_loops(draw, {1, queries, 800, 2, 2, 12, 0, nullptr, window});
    against_plain_loops(draw, {1, 70, 90, 2, 1, 385, 0, nullptr, 33, 0.02});
    for (int n = test::trials(40, 1000); n > 0; --n) {
        const bool packed = draw.coin();
        const Index kv_heads = draw.integer(1, 2), keys = draw.integer(1, n % 8 == 0 ? 600 : 150);
        const Index sequences = draw.integer(1, 2), queries = packed ? keys : draw.integer(1, keys);
        const auto starts = documents(draw, sequences, keys);
        against_plain_loops(
            draw, {sequences, queries, keys, kv_heads * draw.integer(1, 3), kv_heads, draw.integer(1, 24), 0,
                   packed ? starts.data() : nullptr, draw.integer(1, draw.coin() ? 10 : keys), draw.coin() ? 0 : 0.3});
    }
}

TEST_CASE(
    "panel attention: a window that reaches every key changes no bit, and what lies before a window none either") {
    Draw draw(78);
    AttentionShape shape{1, 500, 500, 2, 1, 16};
    Tensors in(draw, shape);
    EigenBackend be({.threads = 2});
    const Results all = run(be, in);
    for (const Index window : {500, 600, 0}) {
        in.shape.window = window;
        CHECK(same(run(be, in), all));
    }
    in.shape.window = 60;
    const Results windowed = run(be, in);
    CHECK(!test::same_bits(windowed.o.view(), all.o.view()));
    for (Index t = 0; t < 300; ++t)
        for (Index j = 0; j < in.k.cols; ++j) in.k(t, j) = in.v(t, j) = 50;
    const Results changed = run(be, in);
    CHECK(test::same_bits(changed.o.view().row_slice(359, 141), windowed.o.view().row_slice(359, 141)));
    CHECK(test::same_bits(changed.dq.view().row_slice(359, 141), windowed.dq.view().row_slice(359, 141)));
    CHECK(!test::same_bits(changed.o.view().row_slice(358, 1), windowed.o.view().row_slice(358, 1)));
}

TEST_CASE("panel attention: the same bits for 1, 2, 3 and 4 threads, fewer heads of keys than threads among them") {
    Draw draw(73);
    for (const AttentionShape& shape :
         {AttentionShape{1, 130, 130, 6, 1, 16}, AttentionShape{1, 130, 130, 6, 2, 16},
          AttentionShape{3, 70, 90, 4, 2, 8}, AttentionShape{1, 1, 600, 8, 2, 32}, AttentionShape{1, 2, 300, 3, 1, 12},
          AttentionShape{1, 430, 430, 6, 2, 8, 0, nullptr, 50}, AttentionShape{1, 1, 600, 8, 2, 32, 0, nullptr, 300}}) {
        CAPTURE(shape);
        const Tensors in(draw, shape);
        EigenBackend one({.threads = 1});
        const Results expected = run(one, in);
        for (const int threads : {2, 3, 4}) {
            EigenBackend be({.threads = threads});
            CHECK(same(run(be, in), expected));
        }
    }
}

TEST_CASE("panel attention: a query's bits are its own, whatever queries and sequences stand beside it") {
    Draw draw(74);
    for (const Index window : {0, 130}) {
        const AttentionShape whole{2, 150, 450, 2, 1, 24, 0, nullptr, window};
        Tensors in(draw, whole);
        EigenBackend be({.threads = 2});
        const Results expected = run(be, in);
        AttentionShape part = whole;  // the last queries of the second sequence alone
        part.sequences = 1;
        for (const Index n : {9, 30, 149}) {
            part.queries = n;
            Matrix<float> o(n, in.q.cols), log_sum_exp(n, whole.heads);
            ops::attention(be, part, in.q.cview().row_slice(300 - n, n), in.k.cview().row_slice(450, 450),
                           in.v.cview().row_slice(450, 450), o.view(), log_sum_exp.view());
            CHECK(test::same_bits(o.view(), expected.o.view().row_slice(300 - n, n)));
            CHECK(test::same_bits(log_sum_exp.view(), expected.log_sum_exp.view().row_slice(300 - n, n)));
        }
        for (Index t = 440; t < 450; ++t)  // keys that only the last queries see
            for (Index j = 0; j < in.k.cols; ++j) in.k(t, j) = in.v(t, j) = 50;
        const Results changed = run(be, in);
        CHECK(test::same_bits(changed.o.view().row_slice(0, 140), expected.o.view().row_slice(0, 140)));
        CHECK(test::max_difference(changed.o.view().row_slice(140, 10), expected.o.view().row_slice(140, 10)) > 0.1);
    }
}

TEST_CASE("panel attention: a cache with room behind its keys, for many queries and for few") {
    Draw draw(75);
    for (const auto& [queries, window] : {std::pair<Index, Index>{1, 0}, {2, 0}, {40, 0}, {1, 20}, {40, 20}}) {
        AttentionShape shape{3, queries, 300, 4, 2, 16, 0, nullptr, window};
        const Tensors in(draw, shape);
        const Index room = 313;
        Matrix<float> keys(3 * room, in.k.cols, 2), values(3 * room, in.k.cols, 1);
        keys.fill(NAN);  // what is not filled yet must not matter
        values.fill(NAN);
        for (Index s = 0; s < 3; ++s)
            for (Index t = 0; t < 300; ++t)
                for (Index j = 0; j < in.k.cols; ++j) {
                    keys(s * room + t, j) = in.k(s * 300 + t, j);
                    values(s * room + t, j) = in.v(s * 300 + t, j);
                }
        EigenBackend be({.threads = 2});
        Matrix<float> o(in.q.rows, in.q.cols), log_sum_exp(in.q.rows, 4);
        shape.kv_stride_rows = room;
        ops::attention(be, shape, in.q.view(), keys.cview(), values.cview(), o.view(), log_sum_exp.view());
        shape.kv_stride_rows = 0;
        const test::PlainAttention plain(shape, numbers(in.q), numbers(in.k), numbers(in.v));
        CHECK(most(o, plain.o) <= 1e-5);
        CHECK(most(log_sum_exp, plain.log_sum_exp) <= 1e-5);
    }
}

TEST_CASE("panel attention: large scores, and memory that is kept") {
    Draw draw(76);
    const AttentionShape shape{1, 100, 100, 4, 2, 16};
    Tensors in(draw, shape);
    for (auto& x : in.q.data) x *= 300;
    EigenBackend be({.threads = 2});
    Matrix<float> o(in.q.rows, in.q.cols), log_sum_exp(in.q.rows, 4);
    const auto forward = [&] {
        ops::attention(be, shape, in.q.view(), in.k.view(), in.v.view(), o.view(), log_sum_exp.view());
    };
    forward();
    const test::PlainAttention plain(shape, numbers(in.q), numbers(in.k), numbers(in.v));
    CHECK(most(o, plain.o) <= 2e-2);  // scores near 1e4 carry float errors near 1e-3 into the exponents
    const long before = test::allocations();
    forward();
    CHECK(test::allocations() == before);
}

}  // namespace eigen_attention_test
