#include <hydralora/io/safetensors.hpp>
#include <hydralora/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "scratch.hpp"

namespace io_safetensors_writer_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
std::string written(std::span<const NamedTensor> tensors, const Metadata& metadata = {}) {
    std::string bytes;
    write_safetensors([&](std::span<const std::byte> part) { bytes += as_text(part); }, tensors, metadata);
    return bytes;
}
}  // namespace

TEST_CASE("the bytes are those of the reference implementation, in whatever order the tensors come") {
    // The formulas of tests/golden/make_safetensors.py.
    float layer0[3 * 5];  // one column wider than the tensor
    std::fill(std::begin(layer0), std::end(layer0), std::numeric_limits<float>::quiet_NaN());
    double layer1[12];
    float16 half[12];
    for (int i = 0; i < 12; ++i) {
        layer0[i / 4 * 5 + i % 4] = static_cast<float>(i) / 8 - 0.5f;
        layer1[i] = i * 0.1;
        half[i] = bit_cast<float16>(static_cast<std::uint16_t>(i * 3125));
    }
    const bfloat16 brain[] = {bfloat16(1.0f), bfloat16(-2.0f), bfloat16(HUGE_VALF), bfloat16(0x1p-133f),
                              bfloat16(-0.0f)};
    const std::int64_t step[] = {INT64_MIN, INT64_MAX, 7};
    const std::uint64_t seed[] = {UINT64_MAX, 0};
    const float scalar = 2.5f, one = 1;
    const std::uint8_t bytes[] = {0, 1, 2, 3, 4}, mask[] = {1, 0, 1};
    const std::int8_t small[] = {-128, 127, 0};
    const std::int32_t ints[] = {INT32_MIN, INT32_MAX};
    std::vector<NamedTensor> tensors{
        named_tensor("layers.0.weight", host_view(layer0, 3, 4, 5)),
        reshaped(named_tensor("layers.1.weight", host_view(layer1, 4, 3)), {2, 2, 3}),
        named_tensor("half", std::span(half)),
        named_tensor("brain", std::span(brain)),
        named_tensor("step", std::span(step)),
        named_tensor("seed", std::span(seed)),
        reshaped(named_tensor("scalar", std::span(&scalar, 1)), {}),
        named_tensor("empty", host_view(layer0, 0, 3)),
        named_tensor("bytes", std::span(bytes)),
        named_tensor("mask", Dtype::boolean, {3}, std::as_bytes(std::span(mask))),
        named_tensor("small", std::span(small)),
        named_tensor("ints", std::span(ints)),
        named_tensor("odd \"name\" \\ / \n\t\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f", std::span(&one, 1))};
    const std::string golden = test::content(HYDRALORA_TEST_DATA "/golden/mixed.safetensors");
    REQUIRE(golden.size() > 1000);
    std::mt19937 random(1);
    for (int trial = 0; trial < 50; ++trial) {
        CHECK(written(tensors, {{"format", "pt"}}) == golden);
        std::shuffle(tensors.begin(), tensors.end(), random);
    }
    const test::ScratchDirectory scratch;
    const FileSum sum = save_safetensors(scratch / "file", tensors, {{"format", "pt"}});
    CHECK(test::content(scratch / "file") == golden);
    CHECK(sum == FileSum{golden.size(), xxh64(as_byte_span(golden))});
}

TEST_CASE("random sets survive writing and reading") {
    std::mt19937_64 random(2);
    for (int trial = 0; trial < 300; ++trial) {
        std::vector<std::vector<float>> memory;
        std::vector<NamedTensor> tensors;
        std::vector<MatrixView<const float>> views;
        for (std::size_t n = random() % 6; n > 0; --n) {
            const auto rows = static_cast<Index>(random() % 5), cols = static_cast<Index>(random() % 5),
                       ld = cols + static_cast<Index>(random() % 3);
            auto& values = memory.emplace_back(static_cast<std::size_t>(rows * ld + 1));
            for (float& value : values) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
            views.push_back(host_view(static_cast<const float*>(values.data()), rows, cols, ld));
            tensors.push_back(named_tensor("t" + std::to_string(n), views.back()));
        }
        const Metadata metadata{{"b", "\"\n"}, {"a", std::to_string(trial)}};
        const std::string bytes = written(tensors, metadata);
        const SafetensorsFile file(as_byte_span(bytes), "memory");
        CHECK(file.metadata() == Metadata{metadata[1], metadata[0]});
        REQUIRE(file.entries().size() == tensors.size());
        for (std::size_t k = 0; k < tensors.size(); ++k) {
            CHECK(file.at(tensors[k].name).begin % 4 == 0);
            std::vector<float> out(static_cast<std::size_t>(views[k].size() + 1));
            file.read_as(tensors[k].name, host_view(out.data(), views[k].rows, views[k].cols));
            bool same = true;  // as bits: NaN too
            for (Index i = 0; i < views[k].rows; ++i)
                for (Index j = 0; j < views[k].cols; ++j)
                    same &= std::bit_cast<std::uint32_t>(out[static_cast<std::size_t>(i * views[k].cols + j)]) ==
                            std::bit_cast<std::uint32_t>(views[k](i, j));
            CHECK(same);
        }
    }
}

TEST_CASE("what cannot be written is refused") {
    const float values[4] = {};
    const auto one = named_tensor("w", std::span(values));
    const auto refusal = [](std::vector<NamedTensor> tensors, Metadata metadata = {}) {
        return error_of([&] { written(tensors, metadata); });
    };
    CHECK(has(refusal({one, one}), "two tensors have the name \"w\""));
    CHECK(has(refusal({reshaped(one, {3})}), "tensor \"w\": shape [3] of F32 does not take 16 bytes"));
    CHECK(has(refusal({reshaped(one, {-4})}), "shape [-4] of F32 does not take 16 bytes"));
    CHECK(has(refusal({named_tensor("__metadata__", std::span(values))}), "no tensor can have the name"));
    CHECK(has(refusal({named_tensor("\xff", std::span(values))}), "is not UTF-8"));
    CHECK(has(refusal({one}, {{"a", "1"}, {"a", "2"}}), "metadata has the key \"a\" twice"));
}

}  // namespace io_safetensors_writer_test
