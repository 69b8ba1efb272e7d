#include <hydralora/io/checksum.hpp>

#include <doctest/doctest.h>

#include <string_view>
#include <utility>
#include <vector>

namespace io_checksum_test {

using namespace hydralora::io;

namespace {
std::vector<std::byte> ramp(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((i * 7 + 3) % 256);
    return bytes;
}
}  // namespace

TEST_CASE("xxh64 gives the numbers of the reference implementation") {
    // python: xxhash.xxh64(bytes((i * 7 + 3) % 256 for i in range(n))).hexdigest()
    const std::pair<std::size_t, std::string_view> expected[] = {
        {0, "ef46db3751d8e999"},  {1, "1f25c8d0bc1f4bb6"},  {3, "31d2363f52e564c9"},   {4, "9bb64b7d66ee9fda"},
        {8, "dab99d95c6f90092"},  {31, "a2aa5f33cc4a6119"}, {32, "23c3c17ef790fd97"},  {33, "50a7cfc7ba588784"},
        {63, "5e3e54b431c7493c"}, {64, "0eb64b3ef6eeb01f"}, {100, "a61f8d4c170fe531"}, {200, "a6cb3c09bc829b24"}};
    for (const auto& [count, sum] : expected) CHECK(checksum_text(xxh64(ramp(count))) == sum);
    const std::string_view text = "Nobody inspects the spammish repetition";
    CHECK(checksum_text(xxh64(std::as_bytes(std::span(text)))) == "fbcea83c8a378bf1");
}

TEST_CASE("the pieces do not matter") {
    const auto bytes = ramp(200);
    const auto whole = xxh64(bytes);
    for (std::size_t piece = 1; piece <= 70; ++piece) {
        Xxh64 sum;
        for (std::size_t at = 0; at < bytes.size(); at += piece)
            sum.update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
        CHECK(sum.digest() == whole);
        CHECK(sum.digest() == whole);  // asking changes nothing
    }
}

TEST_CASE("every single-bit change of 200 bytes changes it") {
    auto bytes = ramp(200);
    const auto whole = xxh64(bytes);
    for (std::size_t bit = 0; bit < 1600; ++bit) {
        bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        CHECK(xxh64(bytes) != whole);
        bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    }
}

}  // namespace io_checksum_test
