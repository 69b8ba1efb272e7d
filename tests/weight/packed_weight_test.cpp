// Packed products against plain loops in double, against the backend's own, and against themselves: one row alone, other
// numbers of threads. The registered variants of this test force a kernel through the environment.
#include <hydralora/weight/packed_weight.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/backend.hpp"
#include "support/block_matrix.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"

namespace weight_packed_weight_test {

namespace {

using namespace hydralora;
using test::Draw;
using test::Matrix;
using test::max_difference;
using test::same_bits;
using B = BasicEigenBackend<float>;

static_assert(FrozenWeight<PackedWeight<B>, B>);
static_assert(FrozenWeight<PackedWeight<BasicEigenBackend<double>>, BasicEigenBackend<double>>);
static_assert(has_panels<B> && !has_panels<BasicEigenBackend<double>>);

/// A matrix of any stored type.
template <class S>
struct Stored {
    Index rows, cols, ld;
    std::vector<S> data;

    Stored(Index r, Index c, Index pad = 0) : rows(r), cols(c), ld(c + pad), data(static_cast<std::size_t>(r * ld)) {}
    S& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i * ld + j)]; }
    const S& operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i * ld + j)]; }
    [[nodiscard]] MatrixView<const S> view() const { return {data.data(), rows, cols, ld}; }
};

template <class S>
Stored<S> drawn_as(Index rows, Index cols, Draw& draw, Index pad = 0) {
    Stored<S> m(rows, cols, pad);
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) m(i, j) = static_cast<S>(static_cast<float>(draw.normal()));
    return m;
}

template <class T>
Matrix<T> drawn(Index rows, Index cols, Draw& draw, Index pad = 0) {
    Matrix<T> m(rows, cols, pad);
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) m(i, j) = static_cast<T>(draw.normal());
    return m;
}

/// x W^T + bias (empty: none), in double
template <class T, class S>
Matrix<double> plain_product(const Matrix<T>& x, const Stored<S>& w, const Matrix<T>& bias) {
    Matrix<double> y(x.rows, w.rows);
    for (Index t = 0; t < x.rows; ++t)
        for (Index o = 0; o < w.rows; ++o) {
            double sum = bias.rows > 0 ? static_cast<double>(bias(0, o)) : 0.0;
            for (Index i = 0; i < w.cols; ++i) sum += static_cast<double>(x(t, i)) * widened<double>(w(o, i));
            y(t, o) = sum;
        }
    return y;
}

template <class S>
Stored<S> transposed(const Stored<S>& m) {
    Stored<S> other(m.cols, m.rows);
    for (Index i = 0; i < m.rows; ++i)
        for (Index j = 0; j < m.cols; ++j) other(j, i) = m(i, j);
    return other;
}

/// Largest |a - b| as a share of the largest |b|.
double relative(MatrixView<const float> a, MatrixView<const double> b) {
    double scale = 1e-30;
    for (Index i = 0; i < b.rows; ++i)
        for (Index j = 0; j < b.cols; ++j) scale = std::max(scale, std::abs(b(i, j)));
    return max_difference(a, b) / scale;
}

void round_to_bfloat16(Matrix<float>& m) {
    for (Index i = 0; i < m.rows; ++i)
        for (Index j = 0; j < m.cols; ++j) m(i, j) = static_cast<float>(bfloat16(m(i, j)));
}

/// Both directions of a matrix stored as S against plain loops; y holds NaN before.
template <class S>
void check_shape(B& be, Index tokens, Index in, Index out, PanelStorage storage, Draw& draw) {
    CAPTURE(tokens);
    CAPTURE(in);
    CAPTURE(out);
    const auto w = drawn_as<S>(out, in, draw, draw.integer(0, 2));
    auto x = drawn<float>(tokens, in, draw, draw.integer(0, 2)), dy = drawn<float>(tokens, out, draw, 1);
    if (storage == PanelStorage::bfloat16_dots) {  // what it rounds them to: then rounding them again does nothing
        round_to_bfloat16(x);
        round_to_bfloat16(dy);
    }
    const auto bias = drawn<float>(draw.coin() ? 1 : 0, out, draw);
    auto y = drawn<float>(tokens, out, draw, draw.integer(0, 2)), dx = drawn<float>(tokens, in, draw, 1);
    const Grad mode = draw.one_of({Grad::overwrite, Grad::accumulate});
    auto back = plain_product(dy, transposed(w), Matrix<float>(0, in));
    if (mode == Grad::accumulate)
        for (Index t = 0; t < tokens; ++t)
            for (Index i = 0; i < in; ++i) back(t, i) += static_cast<double>(dx(t, i));
    else
        dx.fill(std::numeric_limits<float>::quiet_NaN());
    y.fill(std::numeric_limits<float>::quiet_NaN());
    const PackedWeight<B> weight(be, w.view(), bias.rows > 0 ? bias.view() : ConstParamView<B>{}, {.storage = storage});
    REQUIRE(weight.rows() == out);
    REQUIRE(weight.cols() == in);
    weight.apply(be, x.view(), y.view());
    weight.apply_transposed(be, dy.view(), dx.view(), mode);
    REQUIRE(relative(y.view(), plain_product(x, w, bias).view()) <= 1e-5);
    REQUIRE(relative(dx.view(), back.view()) <= 1e-5);
    REQUIRE(y.padding_untouched());
    REQUIRE(dx.padding_untouched());
}

TEST_CASE("blocks of every format, in place and as codes: the bits of panels of their floats, in less memory") {
    B be({.threads = 2});
    Draw draw(67);
    for (std::size_t f = 0; f < quant_format_count; ++f) {
        const auto format = static_cast<QuantFormat>(f);
        INFO(name_of(format));
        const bool plain = block_size(format).elements == 1;
        for (const Index tokens : {Index{5}, Index{70}}) {
            const Index in = plain ? 75 : 768, out = 101;
            const test::BlockMatrix m(format, out, in, draw);
            const auto values = m.values();
            const auto x = drawn<float>(tokens, in, draw, 1), dy = drawn<float>(tokens, out, draw),
                       bias = drawn<float>(1, out, draw);
            const auto run = [&](const StoredView<B>& w, PanelStorage storage) {
                const PackedWeight<B> weight(be, w, bias.view(), {.storage = storage});
                std::pair<Matrix<float>, Matrix<float>> r{Matrix<float>(tokens, out), Matrix<float>(tokens, in)};
                weight.apply(be, x.view(), r.first.view());
                r.second.fill(1);
                weight.apply_transposed(be, dy.view(), r.second.view(), Grad::accumulate);
                return r;
            };
            const auto expected = run(values.view(), PanelStorage::compute);
            const auto check_same = [&](PanelStorage storage) {
                const auto found = run(m.view(), storage);
                // plain elements in place are what products pack at each call, whose bias is added at the end
                CHECK(max_difference(found.first.view(), expected.first.view()) <= 1e-3);
                CHECK(same_bits(found.second.view(), expected.second.view()));
            };
            check_same(PanelStorage::in_place);
            check_same(PanelStorage::compute);
            if (panel::has_codes(format)) {
                const auto found = run(m.view(), PanelStorage::codes);
                CHECK(same_bits(found.first.view(), expected.first.view()));
                CHECK(same_bits(found.second.view(), expected.second.view()));
                const PackedWeight<B> codes(be, m.view(), {}, {.storage = PanelStorage::codes}),
                    floats(be, m.view(), {}, {});
                CHECK(2 * codes.bytes() < floats.bytes());
                CHECK(codes.bytes() == panel::CodePanels<B>::planned_bytes(Op::transpose, {out, in}, format) +
                                           panel::CodePanels<B>::planned_bytes(Op::none, {out, in}, format));
            } else {
                CHECK(test::message_of([&] { run(m.view(), PanelStorage::codes); }) ==
                      "PackedWeight: panels of codes cannot hold " + std::string(name_of(format)) +
                          " to the last bit; use it as PanelStorage::in_place");
            }
        }
    }
    const auto w = drawn<float>(3, 4, draw);
    CHECK(test::message_of([&] { PackedWeight<B>(be, w.view(), {}, {.storage = PanelStorage::codes}); }) ==
          "PackedWeight: panels of codes keep a matrix that is stored in blocks, found one of elements; pack it as "
          "PanelStorage::compute");
}

TEST_CASE("random small shapes, every stored type and both storages of panels, at any leading dimension") {
    B be({.threads = 2});
    Draw draw(61);
    for (int n = test::trials(200, 5000); n > 0; --n) {
        const Index tokens = draw.integer(0, 30), in = draw.integer(1, 70), out = draw.integer(1, 70);
        check_shape<float>(be, tokens, in, out, PanelStorage::compute, draw);
        check_shape<float16>(be, tokens, in, out, PanelStorage::compute, draw);
        check_shape<bfloat16>(be, tokens, in, out, PanelStorage::compute, draw);
        check_shape<bfloat16>(be, tokens, in, out, PanelStorage::bfloat16, draw);
        check_shape<bfloat16>(be, tokens, in, out, PanelStorage::bfloat16_dots, draw);
    }
}

TEST_CASE("tokens from 1 to 700: slabs and their ends") {
    B be({.threads = 3});
    Draw draw(62);
    for (const Index tokens : {1, 2, 3, 11, 12, 13, 127, 143, 144, 145, 257, 288, 289, 433, 577, 700})
        check_shape<float>(be, tokens, 19, 45, PanelStorage::compute, draw);
}

TEST_CASE("depths around the blocks, and columns around the panels") {
    B be({.threads = 2});
    Draw draw(63);
    for (const Index depth : {1, 255, 256, 257, 383, 384, 385, 511, 512, 639, 640, 641, 1000}) {
        check_shape<float>(be, 5, depth, 33, PanelStorage::compute, draw);
        check_shape<bfloat16>(be, 5, depth, 33, PanelStorage::bfloat16, draw);
        check_shape<bfloat16>(be, 5, depth, 33, PanelStorage::bfloat16_dots, draw);
    }
    for (const Index cols : {7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65})
        check_shape<float>(be, 14, 20, cols, PanelStorage::compute, draw);
}

TEST_CASE("the product of the backend, to rounding") {
    B be({.threads = 2});
    Draw draw(64);
    const auto w = drawn<float>(301, 517, draw), x = drawn<float>(157, 517, draw), dy = drawn<float>(157, 301, draw);
    const DenseWeight<B> dense{w.view()};
    const PackedWeight<B> packed(be, w.view());
    Matrix<float> y(157, 301), expected(157, 301), dx(157, 517), back(157, 517);
    dense.apply(be, x.view(), expected.view());
    packed.apply(be, x.view(), y.view());
    dense.apply_transposed(be, dy.view(), back.view());
    packed.apply_transposed(be, dy.view(), dx.view());
    CHECK(max_difference(y.view(), expected.view()) <= 1e-5 * 100);
    CHECK(max_difference(dx.view(), back.view()) <= 1e-5 * 100);
}

TEST_CASE("1, 2, 3 and 4 threads give the same bits") {
    Draw draw(65);
    for (const Index tokens : {1, 5, 131, 300}) {
        const auto w = drawn_as<bfloat16>(203, 310, draw);
        const auto x = drawn<float>(tokens, 310, draw), dy = drawn<float>(tokens, 203, draw);
        for (const auto storage : {PanelStorage::compute, PanelStorage::bfloat16}) {
            const auto run = [&](B& be) {
                const PackedWeight<B> weight(be, w.view(), {}, {.storage = storage});
                std::vector<Matrix<float>> found{Matrix<float>(tokens, 203), Matrix<float>(tokens, 310)};
                weight.apply(be, x.view(), found[0].view());
                weight.apply_transposed(be, dy.view(), found[1].view());
                return found;
            };
            B one({.threads = 1});
            const auto expected = run(one);
            for (int threads = 2; threads <= 4; ++threads) {
                B be({.threads = threads});
                const auto found = run(be);
                CHECK(same_bits(found[0].view(), expected[0].view()));
                CHECK(same_bits(found[1].view(), expected[1].view()));
            }
        }
    }
}

TEST_CASE("a row has the bits it has alone, and bfloat16 panels those of the same numbers as floats") {
    B be({.threads = 2});
    Draw draw(66);
    const auto w = drawn_as<bfloat16>(77, 600, draw);
    const auto x = drawn<float>(200, 600, draw);
    const PackedWeight<B> weight(be, w.view()), halves(be, w.view(), {}, {.storage = PanelStorage::bfloat16});
    Matrix<float> all(200, 77), from_halves(200, 77), one(1, 77);
    weight.apply(be, x.view(), all.view());
    halves.apply(be, x.view(), from_halves.view());
    CHECK(same_bits(all.view(), from_halves.view()));
    for (Index t = 0; t < 200; ++t) {
        weight.apply(be, x.view().row_slice(t, 1), one.view());
        REQUIRE(same_bits(one.view(), all.view().row_slice(t, 1)));
    }
}

TEST_CASE("dots of bfloat16 are those of the rounded sides") {
    B be({.threads = 2});
    Draw draw(67);
    const auto w = drawn_as<bfloat16>(77, 301, draw);
    auto x = drawn<float>(20, 301, draw);
    const PackedWeight<B> dots(be, w.view(), {}, {.storage = PanelStorage::bfloat16_dots});
    const PackedWeight<B> halves(be, w.view(), {}, {.storage = PanelStorage::bfloat16});
    Matrix<float> y(20, 77), of_rounded(20, 77), expected(20, 77);
    dots.apply(be, x.view(), y.view());
    halves.apply(be, x.view(), expected.view());
    round_to_bfloat16(x);
    dots.apply(be, x.view(), of_rounded.view());
    CHECK(same_bits(y.view(), of_rounded.view()));
    const double error = max_difference(y.view(), expected.view());
    CHECK(error > 1e-4);  // of some 20
    CHECK(error < 0.3);
}

TEST_CASE("the memory it holds, in bytes") {
    B be({.threads = 1});
    const Index width = panel::kernel<float>().cols;
    const Stored<bfloat16> w(50, 70);
    const Index out = (50 + width - 1) / width * width, in = (70 + width - 1) / width * width;
    CHECK(PackedWeight<B>(be, w.view()).bytes() == 4 * (70 * out + 50 * in));
    CHECK(PackedWeight<B>(be, w.view(), {}, {.directions = Directions::forward}).bytes() == 4 * 70 * out);
    CHECK(PackedWeight<B>(be, w.view(), {}, {.storage = PanelStorage::bfloat16}).bytes() == 2 * (70 * out + 50 * in));
    BasicEigenBackend<double> plain({.threads = 1});
    CHECK(PackedWeight<BasicEigenBackend<double>>(plain, w.view()).bytes() == 8 * 2 * 50 * 70);
}

TEST_CASE("in double the plain copies have the bits of a dense weight") {
    using D = BasicEigenBackend<double>;
    D be({.threads = 2});
    Draw draw(67);
    for (int n = test::trials(100, 2000); n > 0; --n) {
        const Index tokens = draw.integer(0, 9), in = draw.integer(1, 40), out = draw.integer(1, 40);
        const auto w = drawn<double>(out, in, draw, 1), x = drawn<double>(tokens, in, draw);
        const auto bias = drawn<double>(1, out, draw), dy = drawn<double>(tokens, out, draw);
        const DenseWeight<D> dense{w.view(), bias.view()};
        const PackedWeight<D> packed(be, w.view(), bias.view());
        Matrix<double> y(tokens, out), expected(tokens, out), dx(tokens, in), back(tokens, in);
        dx.fill(1);
        back.fill(1);
        dense.apply(be, x.view(), expected.view());
        packed.apply(be, x.view(), y.view());
        dense.apply_transposed(be, dy.view(), back.view(), Grad::accumulate);
        packed.apply_transposed(be, dy.view(), dx.view(), Grad::accumulate);
        REQUIRE(same_bits(y.view(), expected.view()));
        REQUIRE(same_bits(dx.view(), back.view()));
    }
}

TEST_CASE("a second call allocates nothing; nor does one of fewer tokens") {
    Draw draw(68);
    for (const int threads : {1, 3}) {
        B be({.threads = threads});
        const auto w = drawn<float>(130, 300, draw), x = drawn<float>(200, 300, draw),
                   dy = drawn<float>(200, 130, draw);
        const PackedWeight<B> weight(be, w.view());
        Matrix<float> y(200, 130), dx(200, 300);
        const auto step = [&](Index tokens) {
            weight.apply(be, x.view().row_slice(0, tokens), y.view().row_slice(0, tokens));
            weight.apply_transposed(be, dy.view().row_slice(0, tokens), dx.view().row_slice(0, tokens));
        };
        test::check_second_allocates_nothing([&] { step(200); });
        test::check_second_allocates_nothing([&] { step(3); });
    }
}

TEST_CASE("mistakes are named before anything is written") {
    B be({.threads = 1});
    Matrix<float> w(4, 3), bias(1, 3), x(2, 3), y(2, 4), narrow(2, 3), dx(2, 3);
    const Stored<float16> halves(4, 3);
    const PackedWeight<B> weight(be, w.view());
    const PackedWeight<B> forward(be, w.view(), {}, {.directions = Directions::forward});
    using test::message_of;
    CHECK(message_of([&] { PackedWeight<B>(be, w.view(), bias.view()); }) ==
          "PackedWeight: bias is (1, 3), expected (1, out) = (1, 4)");
    CHECK(message_of([&] { PackedWeight<B>(be, w.view(), {}, {.storage = PanelStorage::bfloat16}); }) ==
          "PackedWeight: panels of bfloat16 keep a matrix that is stored in bfloat16, or round a quantised one, found "
          "one in the parameter "
          "type; pack it as PanelStorage::compute");
    CHECK(message_of([&] { PackedWeight<B>(be, halves.view(), {}, {.storage = PanelStorage::bfloat16}); }) ==
          "PackedWeight: panels of bfloat16 keep a matrix that is stored in bfloat16, or round a quantised one, found "
          "one in float16; pack it "
          "as PanelStorage::compute");
    CHECK(message_of([&] { forward.apply_transposed(be, y.view(), dx.view()); }) ==
          "PackedWeight: packed for Directions::forward, apply_transposed needs Directions::both");
    CHECK(message_of([&] { weight.apply(be, y.view(), y.view()); }) ==
          "PackedWeight: x is (2, 4) and y (2, 4), expected (T, in) = (T, 3) and (T, out) = (T, 4)");
    CHECK(message_of([&] { weight.apply(be, x.view().row_slice(0, 1), y.view()); }) ==
          "PackedWeight: x is (1, 3) and y (2, 4), expected (T, in) = (T, 3) and (T, out) = (T, 4)");
    CHECK(message_of([&] { weight.apply_transposed(be, y.view(), y.view()); }) ==
          "PackedWeight: dy is (2, 4) and dx (2, 4), expected (T, out) = (T, 4) and (T, in) = (T, 3)");
    CHECK(message_of([&] { weight.apply(be, x.view(), MatrixView<float>(y.data.data(), 2, 4, 3)); }) ==
          "PackedWeight: leading dimension below the columns: x 3 of 3, y 3 of 4");
    CHECK(y(0, 0) == 0);
    CHECK(
        message_of([&] {
            PackedWeight<B>(be, MatrixView<const float>{w.data.data(), 3, 5, 4});
        }) ==
        "PackedWeight: the weight is (3, 5) with leading dimension 4, expected (out, in) and a leading dimension of at "
        "least in");
    PackedMatrix<B> matrix(be, Op::none, 5, 3);
    Matrix<float> wrong(2, 4), sums(2, 3);
    CHECK(message_of([&] { matrix.multiply(be, wrong.cview(), sums.view(), Grad::overwrite, {}); }) ==
          "PackedMatrix: x is (2, 4) and y (2, 3), expected (T, 5) and (T, 3)");
}

TEST_CASE("16-bit matrices that are not const, and an empty bias in memory that is somebody's, are taken as they are") {
    B be({.threads = 1});
    Draw draw(47);
    auto w = drawn_as<bfloat16>(11, 7, draw);
    Matrix<float> x = drawn<float>(3, 7, draw), y(3, 11), again(3, 11);
    const std::vector<float> others(11, 1.0f);
    PackedWeight(be, host_view(w.data.data(), 11, 7)).apply(be, x.cview(), y.view());
    PackedWeight<B>(be, w.view(), MatrixView<const float>{others.data(), 1, 0, 0}).apply(be, x.cview(), again.view());
    CHECK(same_bits(y.view(), again.view()));
    CHECK(max_difference(y.view(), plain_product(x, w, Matrix<float>(0, 0)).view()) <= 1e-5);
}

}  // namespace

}  // namespace weight_packed_weight_test
