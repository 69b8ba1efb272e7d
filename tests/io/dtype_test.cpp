#include <hydralora/io/dtype.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace io_dtype_test {

using namespace hydralora;
using namespace hydralora::io;

TEST_CASE("names lead to types and back") {
    for (std::size_t i = 0; i < dtype_table.size(); ++i) {
        const auto dtype = static_cast<Dtype>(i);
        CHECK(dtype_from_name(dtype_name(dtype)) == dtype);
    }
    CHECK(!dtype_from_name("F33"));
    CHECK(!dtype_from_name("f32"));
    CHECK(!dtype_from_name(""));
    CHECK(dtype_of<float>() == Dtype::f32);
    CHECK(dtype_of<const double>() == Dtype::f64);
    CHECK(dtype_of<long>() == Dtype::i64);
    CHECK(dtype_of<long long>() == Dtype::i64);
    CHECK(dtype_of<unsigned long>() == Dtype::u64);
    CHECK(dtype_bytes(Dtype::bf16) == 2);
}

TEST_CASE("half precision, all 65536, against the definition") {
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const int exponent = static_cast<int>((bits >> 10) & 31u);
        const double fraction = bits & 1023u;
        const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
        const auto value = static_cast<double>(static_cast<float>(bit_cast<float16>(static_cast<std::uint16_t>(bits))));
        if (exponent == 31 && fraction > 0) {
            CHECK(std::isnan(value));
        } else if (exponent == 31) {
            CHECK(value == sign * HUGE_VAL);
        } else {
            const double expected =
                exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
            CHECK(value == sign * expected);
            CHECK(std::signbit(value) == (sign < 0));
        }
    }
}

TEST_CASE("elements convert from any alignment") {
    const auto bytes_of = [](const auto& values) {
        std::vector<std::byte> bytes(1 + sizeof values);
        std::memcpy(bytes.data() + 1, &values, sizeof values);
        return bytes;
    };
    float out[3];
    const double wide[3] = {0.1, -2, 1e300};
    convert_elements(Dtype::f64, bytes_of(wide).data() + 1, out, 3);
    CHECK(out[0] == 0.1f);
    CHECK(out[1] == -2);
    CHECK(std::isinf(out[2]));
    const std::uint16_t brain[3] = {0x3f80, 0xc000, 0x7f80};
    convert_elements(Dtype::bf16, bytes_of(brain).data() + 1, out, 3);
    CHECK(out[0] == 1);
    CHECK(out[1] == -2);
    CHECK(std::isinf(out[2]));
    bfloat16 rounded[3];
    convert_elements(Dtype::f64, bytes_of(wide).data() + 1, rounded, 2);
    CHECK(rounded[0].bits == 0x3dcd);  // 0.1 to 8 bits: 0.100097656
    CHECK(rounded[1].bits == 0xc000);
    std::int64_t integers[2];
    const std::int64_t stored[2] = {-5, INT64_MAX};
    convert_elements(Dtype::i64, bytes_of(stored).data() + 1, integers, 2);
    CHECK(integers[0] == -5);
    CHECK(integers[1] == INT64_MAX);
    CHECK_THROWS_AS(convert_elements(Dtype::i64, bytes_of(stored).data() + 1, out, 2), Error);
    CHECK_THROWS_AS(convert_elements(Dtype::f32, bytes_of(stored).data() + 1, integers, 2), Error);
    CHECK(readable_as<float>(Dtype::bf16));
    CHECK(!readable_as<float>(Dtype::i32));
    CHECK(!readable_as<float>(Dtype::f8_e4m3));
    CHECK(readable_as<std::int64_t>(Dtype::i64));
    CHECK(!readable_as<std::int64_t>(Dtype::u64));
}

}  // namespace io_dtype_test
