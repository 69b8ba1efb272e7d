#include <hydralora/io/safetensors_header.hpp>

#include <doctest/doctest.h>

#include <string>

#include "safetensors_bytes.hpp"
#include "scratch.hpp"

namespace io_safetensors_header_test {

using namespace hydralora;
using namespace hydralora::io;
using test::has;
using test::safetensors_bytes;

namespace {
std::string refusal(std::string_view bytes) {
    return test::error_of([&] { static_cast<void>(parse_safetensors(test::as_bytes(bytes), "m.safetensors")); });
}
/// One tensor "w" of F32 [2, 3] with one of its three members changed.
std::string with(std::string_view dtype, std::string_view shape, std::string_view offsets, std::size_t data = 24) {
    return safetensors_bytes(
        concat("{\"w\":{\"dtype\":", dtype, ",\"shape\":", shape, ",\"data_offsets\":", offsets, "}}"), data);
}
constexpr std::string_view f32 = "\"F32\"", shape23 = "[2,3]", offsets24 = "[0,24]";
constexpr std::string_view two_tensors = R"({"__metadata__":{"format":"pt"},)"
                                         R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                         R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";

/// The bytes are refused, with a message that names the file and has each of these parts.
template <class... Parts>
void check_refused(std::string_view bytes, Parts... parts) {
    const std::string message = refusal(bytes);
    INFO(message);
    CHECK(message.starts_with("m.safetensors: "));
    for (const std::string_view part : {std::string_view(parts)...}) {
        INFO(std::string(part));
        CHECK(has(message, part));
    }
}

}  // namespace

TEST_CASE("a good header is read") {
    const std::string bytes = safetensors_bytes(concat(" \n", two_tensors, "  "), 11);
    const auto header = parse_safetensors(test::as_bytes(bytes), "m.safetensors");
    REQUIRE(header.entries.size() == 2);
    CHECK(header.entries[0].name == "a");
    CHECK(header.entries[0].dtype == Dtype::f32);
    CHECK(header.entries[0].shape == TensorShape{2});
    CHECK(header.entries[0].begin == bytes.size() - 11);
    CHECK(header.entries[1].name == "b");
    CHECK(header.entries[1].dtype == Dtype::u8);
    CHECK(header.entries[1].end == bytes.size());
    CHECK(header.metadata == Metadata{{"format", "pt"}});
    // In any order, with scalars and empty tensors where they may be.
    CHECK(refusal(safetensors_bytes(R"({"b":{"shape":[],"data_offsets":[4,8],"dtype":"F32"},)"
                                    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                                    8)) == "");
    CHECK(refusal(safetensors_bytes(R"({"e":{"dtype":"F32","shape":[7,0],"data_offsets":[4,4]},)"
                                    R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                    R"("z":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}})",
                                    4)) == "");
    CHECK(refusal(safetensors_bytes("{}", 0)) == "");
    CHECK(refusal(with(f32, "[2,1,1,1,1,1,1,3]", offsets24)) == "");
}

TEST_CASE("what is no safetensors file") {
    check_refused("", "expected at least the 8 bytes of the header's length, found 0 bytes", "cut short");
    check_refused("1234567", "found 7 bytes");
    check_refused(safetensors_bytes("", 0), "header: expected a JSON object, found nothing");
    check_refused(safetensors_bytes("{}", 0, 3),
                  "expected a header that ends in the file of 10 bytes, found a length of 3");
    check_refused(safetensors_bytes("", 0, 1), "file of 8 bytes, found a length of 1");
    check_refused(safetensors_bytes("{}", 0, 100'000'001), "at most 100000000 bytes, found a length of 100000001");
    check_refused(safetensors_bytes("{}", 0, UINT64_MAX), "found a length of 18446744073709551615");
    check_refused(safetensors_bytes("{}", 0, UINT64_MAX - 7), "found a length of 18446744073709551608");
    check_refused("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git-LFS pointer",
                  "git lfs pull");
    check_refused(std::string_view("PK\3\4abcdefgh"), "torch.save", "weights_only=True");
    check_refused("<!DOCTYPE html><html>", "web page", "download it again");
    check_refused("GGUF\3\0\0\0\0\0\0\0", "GGUF");
}

TEST_CASE("what is no JSON object") {
    check_refused(safetensors_bytes("[]", 0), "header: expected a JSON object, found \"[]\"");
    check_refused(safetensors_bytes("   ", 0), "expected a JSON object, found nothing");
    check_refused(safetensors_bytes("\xef\xbb\xbf{}", 0), "expected a JSON object");
    check_refused(safetensors_bytes("{\"\xff\":{}}", 0), "header: expected UTF-8");
    check_refused(safetensors_bytes("{\"a\":", 0), "header: line 1, column 5: not JSON");
    check_refused(safetensors_bytes("{} x", 0), "header: line 1, column 4: not JSON");
    check_refused(safetensors_bytes(std::string_view("{}\0", 3), 0), "NUL byte");
    std::string deep;
    for (int i = 0; i < 1'000'000; ++i) deep += "{\"a\":";
    check_refused(safetensors_bytes(deep, 0),
                  "header: line 1, column 9: tensor \"a\": expected dtype, shape and data_offsets, found \"a\"");
    check_refused(with(f32, std::string(1'000'000, '['), offsets24),
                  "tensor \"w\": shape: expected an integer in [0, 2^63 - 1]", "found an array");
    check_refused(with(std::string(1'000'000, '['), shape23, offsets24),
                  "tensor \"w\": dtype: expected a string, found an array");
    check_refused(safetensors_bytes("{\"a\":" + std::string(1'000'000, '['), 0),
                  "\"a\": expected an object, found an array");
}

TEST_CASE("members that are missing, unknown or there twice") {
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1]}})", 4),
                  "tensor \"w\": expected dtype, shape and data_offsets, found no data_offsets");
    check_refused(safetensors_bytes(R"({"w":{"shape":[1],"data_offsets":[0,4]}})", 4), "found no dtype");
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4), "found no shape");
    check_refused(safetensors_bytes(R"({"w":{}})", 0), "found no dtype");
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}})", 4),
                  "found \"strides\"");
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4),
                  "tensor \"w\": shape: expected each key once");
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
                  "tensor \"w\": dtype: expected each key once");
    check_refused(
        safetensors_bytes(R"({"w":{"data_offsets":[0,4],"data_offsets":[0,4],"dtype":"F32","shape":[1]}})", 4),
        "data_offsets: expected each key once");
    check_refused(safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                    R"("w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                    8),
                  "header: expected each key once, found tensor \"w\" twice");
    check_refused(safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})", 0), "found \"__metadata__\" twice");
    check_refused(safetensors_bytes(R"({"__metadata__":{"a":"1","b":"2","a":"3"}})", 0),
                  "found __metadata__: \"a\" twice");
    check_refused(safetensors_bytes(R"({"__metadata__":{"a":1}})", 0),
                  "__metadata__: \"a\": expected a string, found 1");
    check_refused(safetensors_bytes(R"({"__metadata__":{"a":null}})", 0),
                  "__metadata__: \"a\": expected a string, found null");
    check_refused(safetensors_bytes(R"({"__metadata__":{"a":{}}})", 0),
                  "__metadata__: \"a\": expected a string, found an object");
    check_refused(safetensors_bytes(R"({"__metadata__":"a"})", 0), "\"__metadata__\": expected an object, found \"a\"");
    check_refused(safetensors_bytes(R"({"w":null})", 0), "\"w\": expected an object, found null");
}

TEST_CASE("element types, dimensions and offsets out of range") {
    CHECK(refusal(with(f32, shape23, offsets24)) == "");
    check_refused(with("\"F33\"", shape23, offsets24),
                  "tensor \"w\": dtype: expected a type of element that we know, found \"F33\"");
    check_refused(with("\"f32\"", shape23, offsets24), "found \"f32\"");
    check_refused(with("32", shape23, offsets24), "dtype: expected a string, found 32");
    constexpr const char* dimension =
        "tensor \"w\": shape: expected an integer in [0, 2^63 - 1] without sign, point or exponent, found ";
    check_refused(with(f32, "[2,-3]", offsets24), dimension, "found -3");
    check_refused(with(f32, "[2,-0]", offsets24), dimension, "found -0");
    check_refused(with(f32, "[2,3.0]", offsets24), dimension, "found \"3.0\"");
    check_refused(with(f32, "[2,3e0]", offsets24), dimension, "found \"3e0\"");
    check_refused(with(f32, "[2,\"3\"]", offsets24), dimension, "found \"3\"");
    check_refused(with(f32, "[2,true]", offsets24), dimension, "found true");
    check_refused(with(f32, "[2,null]", offsets24), dimension, "found null");
    check_refused(with(f32, "[2,9223372036854775808]", offsets24), dimension, "found 9223372036854775808");
    check_refused(with(f32, "[2,18446744073709551616]", offsets24), dimension, "found \"18446744073709551616\"");
    check_refused(with(f32, "6", offsets24), "tensor \"w\": shape: expected an array of integers, found 6");
    check_refused(with(f32, "[1,1,1,1,1,1,1,2,3]", offsets24), "expected at most 8 dimensions, found more");
    check_refused(with(f32, shape23, "[0]"), "tensor \"w\": data_offsets: expected two offsets [begin, end], found 1");
    check_refused(with(f32, shape23, "[]"), "found 0");
    check_refused(with(f32, shape23, "[0,24,24]"), "expected two offsets [begin, end], found more");
    check_refused(with(f32, shape23, "[-1,23]"),
                  "data_offsets: expected an integer in [0, 2^64 - 1] without sign, point or exponent, found -1");
    check_refused(with(f32, shape23, "[0,24.0]"), "found \"24.0\"");
    check_refused(with(f32, shape23, "24"), "data_offsets: expected an array of integers, found 24");
    check_refused(with(f32, shape23, "[24,0]"), "data_offsets: expected begin <= end, found [24, 0]");
}

TEST_CASE("sizes that do not fit the shapes, products that wrap") {
    check_refused(with(f32, "[2,4]", offsets24),
                  "tensor \"w\": shape [2, 4] of F32 takes 32 bytes, data_offsets [0, 24] give 24");
    check_refused(with("\"BF16\"", shape23, offsets24), "shape [2, 3] of BF16 takes 12 bytes");
    constexpr const char* too_many = "has more elements than 63 bits count";
    check_refused(with(f32, "[4294967296,4294967296]", "[0,0]", 0), too_many);  // 2^64 = 0
    check_refused(with(f32, "[4294967296,1073741824]", "[0,0]", 0), too_many);  // times 4 bytes = 0
    check_refused(with(f32, "[4294967297,4294967296]", "[0,4]", 4), too_many);  // = 2^32
    check_refused(with(f32, "[6148914691236517206,3]", "[0,8]", 8), too_many);  // = 2
    check_refused(with(f32, "[9223372036854775807]", "[0,4]", 4), too_many);
    check_refused(with(f32, "[9223372036854775807,9223372036854775807,0]", "[0,0]", 0), too_many);
    CHECK(refusal(with(f32, "[9223372036854775807,0]", "[0,0]", 0)) != "");
    CHECK(refusal(with("\"U8\"", "[9223372036854775807,0]", "[0,0]", 0)) == "");
    check_refused(with(f32, "[0,3]", offsets24), "shape [0, 3] of F32 takes 0 bytes");
}

TEST_CASE("holes, overlaps, bytes too many or too few") {
    const auto two = [](int begin, int end, std::size_t data) {
        return safetensors_bytes(
            concat(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[)", end - begin,
                   R"(],"data_offsets":[)", begin, ',', end, "]}}"),
            data);
    };
    CHECK(refusal(two(8, 12, 12)) == "");
    check_refused(two(9, 12, 12),
                  "tensor \"b\": data_offsets: expected to begin at 8 where the last tensor ends, found 9 (hole)");
    check_refused(two(7, 12, 12), "tensor \"b\": data_offsets: expected to begin at 8", "found 7 (overlap)");
    check_refused(two(0, 12, 12), "found 0 (overlap)");
    check_refused(two(0, 8, 8), "found 0 (overlap)");
    check_refused(two(8, 12, 13), "expected the last tensor to end the file, found 1 bytes after it");
    check_refused(two(8, 12, 11), "expected 12 bytes of tensors, found 11", "cut short");
    check_refused(two(8, 2000000000, 12), "expected 2000000000 bytes of tensors, found 12");
    check_refused(with(f32, shape23, "[8,32]", 32), "expected to begin at 0 where the data begins, found 8 (hole)");
    check_refused(with("\"U8\"", "[9223372036854775807]", "[0,9223372036854775807]", 4),
                  "expected 9223372036854775807 bytes of tensors, found 4");
    check_refused(with("\"U8\"", "[2]", "[18446744073709551613,18446744073709551615]", 2),
                  "found 18446744073709551613 (hole)");
    check_refused(safetensors_bytes("{}", 1), "found 1 bytes after it");
    check_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                    R"("e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
                                    4),
                  "tensor \"e\"", "(overlap)");
}

TEST_CASE("truncation at every byte of a file of 600") {
    std::string header = R"({"__metadata__":{"format":"pt"},)"
                         R"("a":{"dtype":"F32","shape":[5,3],"data_offsets":[0,60]},)"
                         R"("b":{"dtype":"F64","shape":[30],"data_offsets":[60,300]}})";
    header.append(600 - 8 - 300 - header.size(), ' ');
    const std::string bytes = safetensors_bytes(header, 300);
    REQUIRE(bytes.size() == 600);
    CHECK(refusal(bytes) == "");
    for (std::size_t size = 0; size < 600; ++size) {
        const std::string message = refusal(bytes.substr(0, size));
        CHECK_MESSAGE(has(message, "cut short"), size << ": " << message);
    }
}

TEST_CASE("every single-bit flip of a header is refused or gives a consistent description") {
    const std::string bytes = safetensors_bytes(two_tensors, 11);
    int refused = 0, accepted = 0;
    for (std::size_t bit = 0; bit < 8 * (8 + two_tensors.size()); ++bit) {
        std::string changed = bytes;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        const std::string message = test::error_of([&] {
            const auto header = parse_safetensors(test::as_bytes(changed), "m.safetensors");
            ++accepted;
            std::uint64_t at = 8 + two_tensors.size();
            for (const TensorEntry& entry : header.entries) {
                CHECK(entry.begin == at);
                std::uint64_t size = dtype_bytes(entry.dtype);
                for (const Index dim : entry.shape.dims()) size *= static_cast<std::uint64_t>(dim);
                CHECK(entry.end - entry.begin == size);
                at = entry.end;
            }
            CHECK(at == bytes.size());
        });
        if (message.empty()) {
            // Names, metadata, and types of the same width are all that a bit can change unnoticed.
            CHECK(bit / 8 >= 8);
            continue;
        }
        ++refused;
        CHECK(has(message, "m.safetensors: "));
    }
    CHECK(refused > 800);
    CHECK(accepted > 50);
}

}  // namespace io_safetensors_header_test
