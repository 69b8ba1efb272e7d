#include <hydralora/io/gguf.hpp>
#include <hydralora/io/gguf_writer.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "scratch.hpp"

namespace io_gguf_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

const std::string golden = HYDRALORA_TEST_DATA "/golden/gguf/";

std::string written(const GgufFields& fields, const std::vector<NamedTensor>& tensors) {
    std::string bytes;
    write_gguf([&](std::span<const std::byte> part) { bytes += as_text(part); }, fields, tensors);
    return bytes;
}
GgufFile parsed(std::string_view bytes) { return {as_byte_span(bytes), "f.gguf"}; }
std::string refusal(std::string_view bytes) {
    return error_of([&] { static_cast<void>(parsed(bytes)); });
}

template <class T>
std::string raw(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string text(std::string_view t) { return raw(std::uint64_t{t.size()}) + std::string(t); }
std::string head(std::uint64_t tensors, std::uint64_t fields) {
    return "GGUF" + raw(std::uint32_t{3}) + raw(tensors) + raw(fields);
}
std::string tensor(std::string_view name, const std::vector<std::uint64_t>& dims, std::uint64_t offset,
                   std::uint32_t type = 0) {
    std::string bytes = text(name) + raw(static_cast<std::uint32_t>(dims.size()));
    for (const auto dim : dims) bytes += raw(dim);
    return bytes + raw(type) + raw(offset);
}
/// Padded to the data, and so many bytes of data.
std::string with_data(std::string bytes, std::size_t data) {
    bytes.append((32 - bytes.size() % 32) % 32, '\0');
    return bytes.append(data, '\1');
}

/// What make_gguf.py puts into mixed.gguf.
struct Mixed {
    std::vector<float> f32{0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    std::vector<float16> f16{float16(1), float16(-2.5f), float16(65504), float16(0x1p-24f)};
    std::vector<bfloat16> bf16{bfloat16(1), bfloat16(-0.5f), bfloat16(3)};
    std::vector<std::int32_t> deep;
    GgufFields fields;

    Mixed() {
        for (std::int32_t i = 0; i < 24; ++i) deep.push_back(i);
        const auto add = [&](const char* key, GgufValue value) { fields.emplace_back(key, std::move(value)); };
        add("general.architecture", GgufScalar(std::string("llama")));
        add("a.u8", GgufScalar(std::uint8_t{200}));
        add("a.i8", GgufScalar(std::int8_t{-100}));
        add("a.u16", GgufScalar(std::uint16_t{60000}));
        add("a.i16", GgufScalar(std::int16_t{-30000}));
        add("a.u32", GgufScalar(std::uint32_t{4000000000}));
        add("a.i32", GgufScalar(std::int32_t{-2000000000}));
        add("a.f32", GgufScalar(0.15625f));
        add("a.u64", GgufScalar((std::uint64_t{1} << 63) + 5));
        add("a.i64", GgufScalar(-(std::int64_t{1} << 62)));
        add("a.f64", GgufScalar(0.1));
        add("a.true", GgufScalar(true));
        add("a.false", GgufScalar(false));
        add("a.text", GgufScalar(std::string("Gr\xc3\xbc\xc3\x9f"
                                             "e")));
        add("list.text", GgufArray(std::vector<std::string>{"one", "", "three"}));
        add("list.i32", GgufArray(std::vector<std::int32_t>{1, -2, 3}));
        add("list.f32", GgufArray(std::vector<float>{0.5f, -0.25f}));
        add("list.bool", GgufArray(std::vector<bool>{true, false, true}));
    }
    [[nodiscard]] std::vector<NamedTensor> tensors() const {
        return {named_tensor("m.f32", host_view(f32.data(), 2, 3)), named_tensor("m.f16", host_view(f16.data(), 2, 2)),
                named_tensor("v.bf16", std::span(bf16)),
                reshaped(named_tensor("deep.i32", std::span(deep)), TensorShape{2, 3, 4})};
    }
};

}  // namespace

TEST_CASE("a file of the reference package is read") {
    const auto file = GgufFile::open(golden + "mixed.gguf");
    CHECK(file.value<std::string>("general.architecture") == "llama");
    CHECK(file.value<std::uint8_t>("a.u8") == 200);
    CHECK(file.value<std::int8_t>("a.i8") == -100);
    CHECK(file.value<std::uint16_t>("a.u16") == 60000);
    CHECK(file.value<std::int16_t>("a.i16") == -30000);
    CHECK(file.value<std::uint32_t>("a.u32") == 4000000000);
    CHECK(file.value<std::int32_t>("a.i32") == -2000000000);
    CHECK(file.value<float>("a.f32") == 0.15625f);
    CHECK(file.value<std::uint64_t>("a.u64") == (std::uint64_t{1} << 63) + 5);
    CHECK(file.value<std::int64_t>("a.i64") == -(std::int64_t{1} << 62));
    CHECK(file.value<double>("a.f64") == 0.1);
    CHECK(file.value<bool>("a.true"));
    CHECK(!file.value<bool>("a.false"));
    CHECK(file.value<std::string_view>("a.text") ==
          "Gr\xc3\xbc\xc3\x9f"
          "e");
    CHECK(file.values<std::string>("list.text") == std::vector<std::string>{"one", "", "three"});
    CHECK(file.values<std::int32_t>("list.i32") == std::vector<std::int32_t>{1, -2, 3});
    CHECK(file.values<float>("list.f32") == std::vector<float>{0.5f, -0.25f});
    CHECK(file.values<bool>("list.bool") == std::vector<bool>{true, false, true});
    CHECK(file.find_field("a.none") == nullptr);

    const auto m = file.view<float>("m.f32");
    CHECK(m.shape() == Shape{2, 3});
    CHECK(m(1, 2) == 1.25f);
    float half[4];
    file.read_as("m.f16", host_view(half, 2, 2));
    CHECK(half[1] == -2.5f);
    CHECK(half[2] == 65504);
    CHECK(half[3] == 0x1p-24f);
    float brain[3];
    file.read_as("v.bf16", host_view(brain, 1, 3));
    CHECK(brain[1] == -0.5f);
    CHECK(file.at("deep.i32").shape == TensorShape{2, 3, 4});
    CHECK(file.view<std::int32_t>("deep.i32")(5, 3) == 23);
    CHECK(file.at("q8.weight").type.name == "Q8_0");
    CHECK(file.at("q8.weight").shape == TensorShape{2, 32});
    CHECK(file.bytes(file.at("q8.weight")).size() == 68);

    const auto aligned = GgufFile::open(golden + "aligned.gguf");
    CHECK(aligned.alignment() == 64);
    CHECK(aligned.at("b").begin - aligned.at("a").begin == 64);
    CHECK(aligned.view<float>("b")(0, 2) == 5);
}

TEST_CASE("what is asked for in another type than it has is refused") {
    const auto file = GgufFile::open(golden + "mixed.gguf");
    const auto message = [](auto&& f) { return error_of([&] { static_cast<void>(f()); }); };
    CHECK(has(message([&] { return file.value<float>("a.u8"); }), "field \"a.u8\": expected f32, found u8"));
    CHECK(has(message([&] { return file.value<float>("b"); }),
              "expected a field \"b\", found none of that key among 18"));
    CHECK(has(message([&] { return file.values<float>("list.i32"); }),
              "expected an array of f32, found an array of i32"));
    CHECK(has(message([&] { return file.values<float>("a.f32"); }), "expected an array of f32, found f32"));
    CHECK(
        has(message([&] { return file.view<double>("m.f32"); }), "tensor \"m.f32\": expected elements F64, found F32"));
    CHECK(has(message([&] { return file.view<float>("x"); }), "expected a tensor \"x\", found none"));
    float values[64];
    CHECK(has(error_of([&] { file.read_as("q8.weight", host_view(values, 2, 32)); }),
              "expected elements that can be read as F32, found Q8_0"));
    CHECK(
        has(error_of([&] { file.read_as("m.f32", host_view(values, 3, 2)); }), "expected shape (3, 2), found [2, 3]"));
}

TEST_CASE("our bytes are those of the reference package") {
    const Mixed mixed;
    // The same file without the quantised tensor, the last one: it ends where that begins, and the header is shorter.
    const std::string theirs = test::content(golden + "mixed.gguf");
    const auto reference = parsed(theirs);
    const std::string ours = written(mixed.fields, mixed.tensors());
    const auto file = parsed(ours);
    const auto& last = file.entries().back();
    const std::size_t kv_end = ours.find(text("m.f32"));
    CHECK(theirs.substr(16, kv_end - 16) == ours.substr(16, kv_end - 16));  // fields; before them the numbers differ
    CHECK(theirs.substr(kv_end, 4 * 40) == ours.substr(kv_end, 4 * 40));
    CHECK(theirs.substr(reference.entries()[0].begin, last.end - file.entries()[0].begin) ==
          ours.substr(file.entries()[0].begin, last.end - file.entries()[0].begin));
    CHECK(ours.size() % 32 == 0);
    CHECK(file.fields().size() == 18);
    for (const auto& entry : file.entries()) CHECK(entry.begin % 32 == 0);

    const test::ScratchDirectory scratch;
    save_gguf(scratch / "f.gguf", mixed.fields, mixed.tensors());
    CHECK(test::content(scratch / "f.gguf") == ours);
}

TEST_CASE("a header that lies is refused by name") {
    CHECK(has(refusal(""), "f.gguf: expected a GGUF file, found an empty file"));
    CHECK(has(refusal("GGML"), "expected a GGUF file, found \"GGML\""));
    CHECK(has(refusal("GGUF"), "byte 4: version: expected 4 bytes, found 0 to the end"));
    CHECK(
        has(refusal("GGUF" + raw(std::uint32_t{1}) + std::string(16, '\0')), "expected GGUF version 2 or 3, found 1"));
    CHECK(has(refusal("GGUF" + raw(std::uint32_t{0x03000000}) + std::string(16, '\0')), "found a big-endian one"));
    CHECK(refusal(head(0, 0)).empty());
    CHECK(has(refusal(head(std::uint64_t{1} << 62, 0)), "expected at most 262144 tensors, found 4611686018427387904"));
    CHECK(has(refusal(head(100, 0)), "byte 8: 100 tensors do not fit the file's remaining"));
    CHECK(has(refusal(head(0, 100)), "byte 16: 100 fields do not fit the file's remaining 0"));

    const auto field = [](std::string_view key, std::uint32_t type, std::string value) {
        return head(0, 1) + text(key) + raw(type) + value + std::string(64, '\0');
    };
    CHECK(has(refusal(field("a", 13, "")), "field \"a\": expected a type of value from 0 to 12, found 13"));
    CHECK(has(refusal(field("", 0, "")), "key of field 0: expected text, found \"\""));
    CHECK(has(refusal(field("\xff", 0, "")), "key of field 0: expected text, found \"\\xff\""));
    CHECK(has(refusal(field(std::string(70000, 'a'), 0, "")), "key of field 0: expected at most 65535 bytes"));
    CHECK(has(refusal(field("a", 8, raw(~std::uint64_t{0}))), "field \"a\": expected at most"));
    CHECK(has(refusal(field("a", 9, raw(std::uint32_t{9}))), "expected no array of arrays"));
    CHECK(has(refusal(field("a", 9, raw(std::uint32_t{10}) + raw((std::uint64_t{1} << 61) + 1))),
              "2305843009213693953 field \"a\" do not fit"));
    CHECK(has(refusal(field("a", 9, raw(std::uint32_t{8}) + raw(std::uint64_t{1} << 60))), "do not fit"));
    CHECK(has(refusal(head(0, 2) + text("a") + raw(0u) + "x" + text("a") + raw(0u) + "x"),
              "expected each field once, found \"a\" twice"));
    for (const std::uint32_t bad : {0u, 3u, 1u << 30})
        CHECK(has(refusal(field("general.alignment", 4, raw(bad))), "expected a power of two up to 1048576, found"));
    CHECK(has(refusal(field("general.alignment", 10, raw(std::uint64_t{32}))), "expected u32, found u64"));

    const auto one = [](const std::string& info, std::size_t data = 64) { return with_data(head(1, 0) + info, data); };
    CHECK(refusal(one(tensor("a", {4, 4}, 0))).empty());
    CHECK(has(refusal(one(tensor("", {4, 4}, 0))), "name of tensor 0: expected text"));
    CHECK(has(refusal(one(tensor(std::string(65, 'a'), {4, 4}, 0))), "name of tensor 0: expected at most 64 bytes"));
    CHECK(has(refusal(one(tensor("a", {}, 0))), "tensor \"a\": expected 1 to 4 dimensions, found 0"));
    CHECK(has(refusal(one(tensor("a", {1, 1, 1, 1, 1}, 0))), "expected 1 to 4 dimensions, found 5"));
    CHECK(has(refusal(one(tensor("a", {4, 0}, 0))), "expected dimensions from 1 to 2^63 - 1, found 0"));
    CHECK(has(refusal(one(tensor("a", {std::uint64_t{1} << 63}, 0))), "expected dimensions from 1 to 2^63 - 1"));
    CHECK(has(refusal(one(tensor("a", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0))),
              "more elements than 63 bits"));
    CHECK(has(refusal(one(tensor("a", {std::uint64_t{1} << 62}, 0))), "more elements than 63 bits"));
    CHECK(has(refusal(one(tensor("a", {4}, 0, 4))), "expected a type of element that we know, found number 4"));
    CHECK(has(refusal(one(tensor("a", {4}, 0, 8))), "expected rows of a multiple of 32 elements for Q8_0, found 4"));
    CHECK(
        has(refusal(one(tensor("a", {4}, 16))), "expected an offset that is a multiple of the alignment 32, found 16"));
    CHECK(has(refusal(one(tensor("a", {17}, 0))), "expected 68 bytes at offset 0 of the data, found 64"));
    CHECK(has(refusal(one(tensor("a", {4}, 64))), "expected 16 bytes at offset 64 of the data, found 64"));
    CHECK(has(refusal(one(tensor("a", {4}, ~std::uint64_t{31}))), "bytes at offset 18446744073709551584"));
    CHECK(has(refusal(head(1, 0) + tensor("a", {4}, 0)), "found the end of the file"));
    CHECK(has(refusal(with_data(head(2, 0) + tensor("a", {4}, 0) + tensor("a", {4}, 32), 64)),
              "expected each tensor once, found \"a\" twice"));
    CHECK(has(refusal(with_data(head(2, 0) + tensor("a", {9}, 32) + tensor("b", {9}, 0), 128)),
              "tensors \"b\" and \"a\" overlap"));
    CHECK(refusal(with_data(head(2, 0) + tensor("a", {9}, 64) + tensor("b", {9}, 0), 128)).empty());
}

TEST_CASE("a file that is cut short anywhere, or has any bit of its header flipped, does no harm") {
    const std::string whole = test::content(golden + "mixed.gguf");
    const std::size_t data = parsed(whole).entries()[0].begin;
    const std::size_t end = parsed(whole).entries().back().end;
    for (std::size_t size = 0; size < end; ++size) CHECK(!refusal(whole.substr(0, size)).empty());
    int refused = 0;
    for (std::size_t bit = 0; bit < 8 * data; ++bit) {
        std::string bytes = whole;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        refused += refusal(bytes).empty() ? 0 : 1;  // any other exception fails the test
    }
    CHECK(refused > 2000);
}

TEST_CASE("what no reader would accept is not written") {
    const float values[4] = {};
    const auto refused = [](const GgufFields& fields, const std::vector<NamedTensor>& tensors) {
        return error_of([&] { static_cast<void>(written(fields, tensors)); });
    };
    const auto named = [&](std::string name) { return named_tensor(std::move(name), host_view(values, 2, 2)); };
    CHECK(has(refused({}, {named("a"), named("a")}), "expected each tensor once, found \"a\" twice"));
    CHECK(has(refused({}, {named(std::string(65, 'a'))}), "expected 1 to 64 bytes of UTF-8, found 65"));
    CHECK(has(refused({{"", GgufScalar(true)}}, {}), "field \"\": expected 1 to 65535 bytes"));
    CHECK(has(refused({{"general.alignment", GgufScalar(std::uint32_t{64})}}, {}), "the alignment is always 32"));
    CHECK(has(refused({}, {reshaped(named("a"), TensorShape{5})}), "shape [5] of F32"));
    const std::uint8_t bytes[4] = {};
    CHECK(has(refused({}, {named_tensor("a", host_view(bytes, 2, 2))}), "GGUF has no elements of type U8"));
}

}  // namespace io_gguf_test
