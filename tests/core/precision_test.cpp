#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <hydralora/core/precision.hpp>
#include <initializer_list>
#include <limits>

namespace core_precision_test {

using namespace hydralora;

namespace {

float from_bits(std::uint32_t u) { return std::bit_cast<float>(u); }

/// Magnitude of the bfloat16 of these upper bits in double; what lies above the largest finite one is 2^128.
double magnitude(std::uint32_t upper) {
    return upper >= 0x7f80 ? 0x1p128 : static_cast<double>(from_bits(upper << 16));
}

/// Nearest of the two neighbours by distance in double, ties to the even one: no arithmetic on the lower bits.
std::uint16_t rounded(float value) {
    const auto sign = static_cast<std::uint32_t>(std::signbit(value) ? 0x8000 : 0);
    const double x = std::abs(static_cast<double>(value));
    const std::uint32_t below = (std::bit_cast<std::uint32_t>(value) & 0x7fffffffu) >> 16;
    if (std::isinf(value)) return static_cast<std::uint16_t>(sign | 0x7f80);
    const double down = x - magnitude(below), up = magnitude(below + 1) - x;
    const bool take_up = up < down || (up == down && below % 2 == 1);
    return static_cast<std::uint16_t>(sign | (take_up ? below + 1 : below));
}

bool right(std::uint32_t u) {
    const float value = from_bits(u);
    const bfloat16 b(value);
    if (std::isnan(value)) return std::isnan(static_cast<float>(b)) && (b.bits >> 15) == (u >> 31);
    return b.bits == rounded(value);
}

}  // namespace

TEST_CASE("bfloat16 rounds to nearest even: every upper half with the lower halves around 0, the tie and the end") {
    long wrong = 0;
    for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
        for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x4000u, 0x7fffu, 0x8000u, 0x8001u, 0xc000u, 0xffffu})
            wrong += !right(upper << 16 | lower);
    CHECK(wrong == 0);
}

TEST_CASE("bfloat16 rounds to nearest even: 2^24 floats spread over all bit patterns") {
    long wrong = 0;
    for (std::uint32_t i = 0, u = 12345; i < 1u << 24; ++i, u += 0x9e3779b9u) wrong += !right(u);
    CHECK(wrong == 0);
}

TEST_CASE("bfloat16 to float and back is the same bits, for all of them") {
    long wrong = 0;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        bfloat16 b;
        b.bits = static_cast<std::uint16_t>(bits);
        const auto f = static_cast<float>(b);
        const bfloat16 again(f);
        wrong += std::isnan(f) ? !std::isnan(static_cast<float>(again)) : again != b;
    }
    CHECK(wrong == 0);
}

TEST_CASE("bfloat16: values one knows") {
    CHECK(bfloat16(1.0f).bits == 0x3f80);
    CHECK(bfloat16(-2.0f).bits == 0xc000);
    CHECK(bfloat16(0.0f).bits == 0);
    CHECK(bfloat16(-0.0f).bits == 0x8000);
    CHECK(bfloat16(1.00390625f).bits == 0x3f80);                          // 1 + 2^-8, a tie, to even
    CHECK(bfloat16(1.01171875f).bits == 0x3f82);                          // 1 + 3 * 2^-8, a tie, to even
    CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);    // rounds to infinity
    CHECK(bfloat16(std::numeric_limits<float>::denorm_min()).bits == 0);  // below half of the least bfloat16
    CHECK(bfloat16(from_bits(0x7f800001u)).bits == 0x7fc0);               // a NaN whose payload is all below
    CHECK(bfloat16().bits == 0);
    static_assert(sizeof(bfloat16) == 2);
}

TEST_CASE("Precision: roles fall back on the one before") {
    static_assert(std::is_same_v<Precision<double>::accum, double>);
    using Mixed = Precision<float, bfloat16, float>;
    static_assert(std::is_same_v<Mixed::compute, bfloat16>);
    static_assert(std::is_same_v<Mixed::param, float>);
    static_assert(std::is_same_v<Precision<double, float>::accum, float>);
}

TEST_CASE(
    "float16: every one comes back from float; rounding is to the nearest, ties to even, against all neighbours") {
    long wrong = 0;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        float16 h;
        h.bits = static_cast<std::uint16_t>(bits);
        const auto f = static_cast<float>(h);
        const float16 again(f);
        wrong += std::isnan(f) ? !std::isnan(static_cast<float>(again)) : again != h;
    }
    CHECK(wrong == 0);
    const auto value = [](std::uint32_t bits) {
        float16 h;
        h.bits = static_cast<std::uint16_t>(bits);
        return static_cast<double>(static_cast<float>(h));
    };
    for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {  // between each two neighbours below infinity
        const double low = value(bits), high = value(bits + 1), middle = (low + high) / 2;  // exact in float
        const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
        wrong += float16(static_cast<float>(middle)).bits != even;
        wrong += float16(std::nextafter(static_cast<float>(middle), 0.0f)).bits != bits;
        wrong += float16(std::nextafter(static_cast<float>(middle), 1e9f)).bits != bits + 1;
        wrong += float16(-static_cast<float>(middle)).bits != (even | 0x8000u);
    }
    CHECK(wrong == 0);
    CHECK(float16(65519.996f).bits == 0x7bff);
    CHECK(float16(65520.0f).bits == 0x7c00);
    CHECK(float16(std::numeric_limits<float>::infinity()).bits == 0x7c00);
    CHECK(float16(from_bits(0x7f800001u)).bits == 0x7e00);
}

}  // namespace core_precision_test
