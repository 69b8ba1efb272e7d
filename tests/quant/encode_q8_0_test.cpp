// Blocks against those of the gguf package (golden/make_gguf_models.py), and what they decode to against their own scale.
#include <hydralora/quant/encode_q8_0.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <hydralora/io/safetensors.hpp>
#include <limits>
#include <vector>

namespace quant_encode_q8_0_test {

using namespace hydralora;

TEST_CASE("Q8_0 has the bits of the gguf package") {
    const auto file = io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/gguf_models/q8_0.safetensors");
    const auto values = file.view<float>("values");
    const auto blocks = file.view<std::uint8_t>("blocks");
    std::vector<std::uint8_t> made(static_cast<std::size_t>(blocks.cols));
    for (Index i = 0; i < values.rows; ++i) {
        CAPTURE(i);
        quant::encode_q8_0(values.row(i), values.cols, made.data());
        CHECK(std::memcmp(made.data(), blocks.row(i), made.size()) == 0);
    }
}

TEST_CASE("numbers next to 0 become 0, and nothing overflows") {
    std::vector<float> row(32, std::numeric_limits<float>::denorm_min());
    std::vector<std::uint8_t> block(34, 1);
    quant::encode_q8_0(row.data(), 32, block.data());
    for (const auto byte : block) CHECK(byte == 0);
}

}  // namespace quant_encode_q8_0_test
