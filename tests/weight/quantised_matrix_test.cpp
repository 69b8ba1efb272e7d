// NF4 against bitsandbytes to the last bit (golden files: tests/golden/make_nf4.py), int8 against plain loops; as frozen
// weights, what is decoded multiplied in double; the same bits for any number of threads.
#include <hydralora/weight/quantised_matrix.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <hydralora/adapter/packed_joined_weight.hpp>
#include <hydralora/io/safetensors.hpp>
#include <limits>
#include <string>
#include <vector>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"

namespace weight_quantised_matrix_test {

using namespace hydralora;
using test::Matrix;
using B = test::TestBackend;

static_assert(FrozenWeight<QuantisedMatrix<B>, B>);
static_assert(std::is_trivially_copyable_v<QuantView<device>>);

namespace {

constexpr Nf4 nested{.scales = Nf4Scales::nested};
constexpr QuantFormat own_formats[] = {QuantFormat::nf4, QuantFormat::nf4_nested, QuantFormat::int8};

io::SafetensorsFile golden() { return io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/nf4.safetensors"); }

Matrix<float> decoded(const QuantisedMatrix<B>& q) {
    Matrix<float> values(q.rows(), q.cols(), 2);
    B be({.threads = 1});
    ops::widen(be, q.view(), values.view());
    CHECK(values.padding_untouched());
    return values;
}

void fill(Matrix<float>& m, test::Draw& draw, double size) {
    for (Index i = 0; i < m.rows; ++i)
        for (Index j = 0; j < m.cols; ++j) m(i, j) = static_cast<float>(draw.normal() * size);
}

/// Codes and the scale of each block as they lie, and the values, are those of the file. The values are rounded to T.
template <class T, class Kind>
void check_golden(const io::SafetensorsFile& file, const std::string& name, Kind kind) {
    INFO(name);
    B be({.threads = 2});
    const auto x = file.view<T>(name + ".x");
    const auto codes = file.view<std::uint8_t>(name + ".codes");
    const auto values = file.view<T>(name + ".values");
    const auto q = quantise(be, x, kind);
    const bool is_nested = kind.format() == QuantFormat::nf4_nested;
    const Index blocks = x.cols / 64, header = is_nested ? 1 : 4;
    REQUIRE(q.view().ld == blocks * (header + 32));
    for (Index i = 0; i < x.rows; ++i)
        for (Index b = 0; b < blocks; ++b) {
            const std::uint8_t* const block = q.view().data + i * q.view().ld + b * (header + 32);
            REQUIRE(std::memcmp(block + header, codes.row(i) + b * 32, 32) == 0);
            if (is_nested)
                REQUIRE(block[0] == file.view<std::uint8_t>(name + ".scale_codes")(0, i * blocks + b));
            else
                REQUIRE(std::memcmp(block, &file.view<float>(name + ".scales")(0, i * blocks + b), 4) == 0);
        }
    if (is_nested) {
        const auto side = file.view<float>(name + ".side");
        REQUIRE(side.cols == quant::NestedScales::size(x.rows * blocks));
        CHECK(std::memcmp(q.view().side, side.data, static_cast<std::size_t>(side.size()) * 4) == 0);
    }
    const auto found = decoded(q);
    for (Index i = 0; i < values.rows; ++i)
        for (Index j = 0; j < values.cols; ++j) {
            const T rounded = static_cast<T>(found(x.rows - values.rows + i, j));
            REQUIRE(std::memcmp(&rounded, &values(i, j), sizeof(T)) == 0);
        }
    CHECK(q.bytes() == QuantisedMatrix<B>::planned_bytes(x.shape(), kind.format()));
}

}  // namespace

TEST_CASE("NF4: codes, scales and values of bitsandbytes, of every type of number and at the edges") {
    const auto file = golden();
    check_golden<float>(file, "float32", Nf4{});
    check_golden<bfloat16>(file, "bfloat16", Nf4{});
    check_golden<float16>(file, "float16", Nf4{});
    check_golden<float>(file, "edges", Nf4{});
}

TEST_CASE("NF4 with nested scales: those of bitsandbytes, over several groups") {
    const auto file = golden();
    check_golden<bfloat16>(file, "nested", nested);
    check_golden<float>(file, "nested_float", nested);
    check_golden<float>(file, "nested_equal", nested);
    const auto scales = file.view<float>("scales.x"), side = file.view<float>("scales.side");
    const auto codes = file.view<std::uint8_t>("scales.scale_codes");
    const auto made = quant::nest_scales({scales.data, static_cast<std::size_t>(scales.cols)});
    REQUIRE(static_cast<Index>(made.side.size()) == side.cols);
    CHECK(std::memcmp(made.side.data(), side.data, made.side.size() * 4) == 0);
    for (Index i = 0; i < codes.cols; ++i) {
        REQUIRE(made.codes[static_cast<std::size_t>(i)] == codes(0, i));
        const float value = quant::NestedScales::scale(made.side.data(), i, codes(0, i));
        REQUIRE(std::memcmp(&value, &file.view<float>("scales.values")(0, i), 4) == 0);
    }
}

TEST_CASE("int8: the nearest code by plain loops, off by half a scale at most, for numbers of every size") {
    B be({.threads = 2});
    test::Draw draw(3);
    for (const double size : {1.0, 1e-30, 1e30, 3e-39, 1e-44}) {
        INFO(size);
        Matrix<float> x(7, 150, 3);
        fill(x, draw, size);
        for (Index j = 0; j < 64; ++j) x(2, j) = 0;
        if (size == 1.0) x(3, 70) = std::numeric_limits<float>::max();
        const auto q = quantise(be, x.cview(), Int8{});
        CHECK(q.bytes() == 7 * 3 * 68);
        const auto values = decoded(q);
        for (Index i = 0; i < x.rows; ++i)
            for (Index b = 0; b < 3; ++b) {
                const Index end = std::min(x.cols, b * 64 + 64);
                float largest = 0, scale = 0;
                for (Index j = b * 64; j < end; ++j) largest = std::max(largest, std::abs(x(i, j)));
                const std::uint8_t* const block = q.view().data + (i * 3 + b) * 68;
                std::memcpy(&scale, block, 4);
                if (largest < std::numeric_limits<float>::max())
                    REQUIRE(scale == std::max(largest / 127, std::numeric_limits<float>::min()));
                for (Index j = b * 64; j < b * 64 + 64; ++j) {
                    const auto code = static_cast<std::int8_t>(block[4 + j - b * 64]);
                    if (j >= x.cols) {
                        REQUIRE(code == 0);
                        continue;
                    }
                    const double exact = static_cast<double>(x(i, j)) / static_cast<double>(scale);
                    REQUIRE(static_cast<double>(code) == std::nearbyint(exact));
                    REQUIRE(std::abs(code) <= 127);
                    REQUIRE(std::abs(exact - static_cast<double>(code)) <= 0.5);
                    REQUIRE(values(i, j) == scale * static_cast<float>(code));
                    REQUIRE(std::isfinite(values(i, j)));
                }
            }
    }
}

TEST_CASE("rows that are no whole blocks: as if filled up with zeros") {
    B be({.threads = 2});
    test::Draw draw(4);
    for (const QuantFormat format : own_formats) {
        INFO(name_of(format));
        Matrix<float> x(6, 100, 1), wide(6, 128);
        fill(x, draw, 0.1);
        for (Index i = 0; i < 6; ++i) std::copy_n(&x(i, 0), 100, &wide(i, 0));
        const QuantisedMatrix<B> q(be, x.cview(), format), w(be, wide.cview(), format);
        CHECK(std::memcmp(q.view().data, w.view().data, static_cast<std::size_t>(6 * q.view().ld)) == 0);
        const auto values = decoded(q), expected = decoded(w);
        CHECK(test::same_bits(values.cview(), expected.cview().col_slice(0, 100)));
    }
}

TEST_CASE("parts of a matrix with nested scales find their own scales") {
    B be({.threads = 2});
    test::Draw draw(5);
    Matrix<float> x(40, 640);
    for (Index i = 0; i < 40; ++i)
        for (Index j = 0; j < 640; ++j)
            x(i, j) = static_cast<float>(draw.normal()) * static_cast<float>(1 + i + j / 64);
    const auto q = quantise(be, x.cview(), nested);
    const auto all = decoded(q);
    Matrix<float> part(9, 192), turned(192, 9);
    const auto view = q.view().row_slice(5, 31).row_slice(20, 9).col_slice(64, 320).col_slice(128, 192);
    quant::decode(view, 0, 9, 0, 192, part.view().data, part.ld);
    CHECK(test::same_bits(part.cview(), all.cview().row_slice(25, 9).col_slice(192, 192)));
    quant::decode_turned(view, 0, 9, 0, 192, turned.view().data, turned.ld);
    for (Index i = 0; i < 9; ++i)
        for (Index j = 0; j < 192; ++j) REQUIRE(turned(j, i) == part(i, j));
}

TEST_CASE("as a frozen weight: y and dx of what is decoded, in double; the same bits for any number of threads") {
    for (const QuantFormat format : own_formats)
        test::check_threads_agree<float>([&](B& be) {
            INFO(name_of(format));
            test::Draw draw(6);
            const Index out = 70, in = 200, tokens = 33;
            std::vector<bfloat16> w(static_cast<std::size_t>(out * in));
            for (auto& each : w) each = bfloat16(static_cast<float>(draw.normal() * 0.05));
            Matrix<float> x(tokens, in, 1), dy(tokens, out), y(tokens, out), dx(tokens, in, 2);
            draw.normal(x.view(), 1.0), draw.normal(dy.view(), 1.0), draw.normal(dx.view(), 1.0);
            const auto before = dx;
            const QuantisedMatrix<B> q(be, host_view(std::as_const(w).data(), out, in), format);
            const auto values = decoded(q);
            q.apply(be, x.cview(), y.view());
            q.apply_transposed(be, dy.cview(), dx.view(), Grad::accumulate);
            for (Index t = 0; t < tokens; ++t) {
                for (Index o = 0; o < out; ++o) {
                    double sum = 0;
                    for (Index i = 0; i < in; ++i)
                        sum += static_cast<double>(x(t, i)) * static_cast<double>(values(o, i));
                    REQUIRE(std::abs(static_cast<double>(y(t, o)) - sum) < 1e-5);
                }
                for (Index i = 0; i < in; ++i) {
                    double sum = static_cast<double>(before(t, i));
                    for (Index o = 0; o < out; ++o)
                        sum += static_cast<double>(dy(t, o)) * static_cast<double>(values(o, i));
                    REQUIRE(std::abs(static_cast<double>(dx(t, i)) - sum) < 1e-5);
                }
            }
            Matrix<float> bytes(1, q.rows() * q.view().ld);
            for (Index i = 0; i < bytes.cols; ++i) bytes(0, i) = static_cast<float>(q.view().data[i]);
            return std::vector<Matrix<float>>{values, y, dx, bytes};
        });
}

TEST_CASE("QLoRA: gradients of an adapter on a quantised weight are those on the decoded one") {
    B be({.threads = 2});
    test::Draw draw(7);
    const Index out = 64, in = 128, tokens = 40;
    Matrix<float> w(out, in), x(tokens, in), dy(tokens, out);
    fill(w, draw, 0.05), fill(x, draw, 1), fill(dy, draw, 1);
    const AdapterConfig cfg{.in = in, .out = out, .rank = 4, .heads = 3, .alpha = 8};
    auto params = make_params(be, cfg);
    initialise(be, params, cfg, Seed{2});
    draw.normal(params.B.view(), 0.1);
    for (const QuantFormat format : own_formats) {
        INFO(name_of(format));
        const QuantisedMatrix<B> q(be, w.cview(), format);
        const auto values = decoded(q);
        const auto run = [&](const auto& layer, auto& grads, Matrix<float>& y, Matrix<float>& dx) {
            typename HydraLinear<B>::Cache cache;
            layer.forward(be, x.cview(), y.view(), cache);
            layer.backward(be, x.cview(), dy.cview(), cache, dx.view(), views(grads));
        };
        Matrix<float> y(tokens, out), dx(tokens, in), expected_y(tokens, out), expected_dx(tokens, in);
        auto grads = make_params(be, cfg), expected = make_params(be, cfg);
        run(HydraLinear(DenseWeight<B>{q.view()}, HydraAdapter(be, cfg, views(params))), grads, y, dx);
        run(HydraLinear(DenseWeight<B>{values.cview()}, HydraAdapter(be, cfg, views(params))), expected, expected_y,
            expected_dx);
        CHECK(test::max_difference(y.cview(), expected_y.cview()) < 1e-6);
        CHECK(test::max_difference(dx.cview(), expected_dx.cview()) < 1e-6);
        visit(
            [&](const auto&, const auto& a, const auto& b) { CHECK(test::max_difference(a.view(), b.view()) < 1e-5); },
            grads, expected);
    }
}

TEST_CASE("what cannot be quantised is refused by name") {
    B be({.threads = 1});
    Matrix<float> x(3, 70);
    for (const float strange : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
        for (const QuantFormat format : own_formats) {
            x(1, 69) = strange;
            CHECK(test::message_of([&] { QuantisedMatrix<B>(be, x.cview(), format, "q_proj"); }) ==
                  "quantise: row 1 of q_proj (3, 70) has a number that is not finite as a float, which has no place "
                  "among "
                  "codes; expected finite numbers");
        }
    x(1, 69) = 1;
    const auto q = quantise(be, x.cview(), Nf4{.block = 64});
    CHECK(test::message_of([&] { static_cast<void>(quantise(be, x.cview(), Nf4{.block = 128})); }) ==
          "Nf4: block = 128, expected 64");
    CHECK(test::message_of([&] { static_cast<void>(quantise(be, q.view(), Int8{}, "q_proj")); }) ==
          "quantise: q_proj is in NF4 already, expected float, bfloat16 or float16; use it as it is");
    CHECK(test::message_of([&] { QuantisedMatrix<B>(be, x.cview(), QuantFormat::q4_0); }) ==
          "quantise: the matrix to Q4_0, expected NF4, NF4_NESTED or INT8");
    CHECK(QuantisedMatrix<B>(be, Matrix<float>(0, 64).cview(), QuantFormat::nf4).bytes() == 0);
}

}  // namespace weight_quantised_matrix_test
