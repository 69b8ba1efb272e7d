// What a GGUF file is made of: types of values and of elements, fields, tensors, and the limits of both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dtype.hpp"
#include "tensor_entry.hpp"

namespace hydralora::io {

/// Types of a field's value, as numbered in the file.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
inline constexpr std::array<std::string_view, 13> gguf_type_names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                                  "bool", "string", "array", "u64", "i64", "f64"};
inline constexpr std::array<std::uint64_t, 13> gguf_type_bytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

[[nodiscard]] constexpr std::string_view gguf_name(GgufType type) {
    return gguf_type_names[static_cast<std::size_t>(type)];
}

/// An element type of tensors: elements come in blocks of so many, each of so many bytes.
struct GgmlType {
    std::uint32_t number = 0;
    std::string_view name;
    std::uint64_t block = 1, bytes = 1;
    bool plain = false;  // one element a block, of `dtype`
    Dtype dtype = Dtype::u8;
};
/// Those that are in use, of the sizes that llama.cpp has (ggml/src/ggml-common.h).
inline constexpr std::array<GgmlType, 34> ggml_types{{{0, "F32", 1, 4, true, Dtype::f32},
                                                      {1, "F16", 1, 2, true, Dtype::f16},
                                                      {2, "Q4_0", 32, 18},
                                                      {3, "Q4_1", 32, 20},
                                                      {6, "Q5_0", 32, 22},
                                                      {7, "Q5_1", 32, 24},
                                                      {8, "Q8_0", 32, 34},
                                                      {9, "Q8_1", 32, 36},
                                                      {10, "Q2_K", 256, 84},
                                                      {11, "Q3_K", 256, 110},
                                                      {12, "Q4_K", 256, 144},
                                                      {13, "Q5_K", 256, 176},
                                                      {14, "Q6_K", 256, 210},
                                                      {15, "Q8_K", 256, 292},
                                                      {16, "IQ2_XXS", 256, 66},
                                                      {17, "IQ2_XS", 256, 74},
                                                      {18, "IQ3_XXS", 256, 98},
                                                      {19, "IQ1_S", 256, 50},
                                                      {20, "IQ4_NL", 32, 18},
                                                      {21, "IQ3_S", 256, 110},
                                                      {22, "IQ2_S", 256, 82},
                                                      {23, "IQ4_XS", 256, 136},
                                                      {24, "I8", 1, 1, true, Dtype::i8},
                                                      {25, "I16", 1, 2, true, Dtype::i16},
                                                      {26, "I32", 1, 4, true, Dtype::i32},
                                                      {27, "I64", 1, 8, true, Dtype::i64},
                                                      {28, "F64", 1, 8, true, Dtype::f64},
                                                      {29, "IQ1_M", 256, 56},
                                                      {30, "BF16", 1, 2, true, Dtype::bf16},
                                                      {34, "TQ1_0", 256, 54},
                                                      {35, "TQ2_0", 256, 66},
                                                      {39, "MXFP4", 32, 17},
                                                      {40, "NVFP4", 64, 36},
                                                      {41, "Q1_0", 128, 18}}};

/// Those that are in no file of today: the number, and the name that it had.
struct RemovedGgmlType {
    std::uint32_t number = 0;
    std::string_view name;
};
inline constexpr std::array<RemovedGgmlType, 8> removed_ggml_types{{{4, "Q4_2"},
                                                                    {5, "Q4_3"},
                                                                    {31, "Q4_0_4_4"},
                                                                    {32, "Q4_0_4_8"},
                                                                    {33, "Q4_0_8_8"},
                                                                    {36, "IQ4_NL_4_4"},
                                                                    {37, "IQ4_NL_4_8"},
                                                                    {38, "IQ4_NL_8_8"}}};

/// A field: its value stays in the file, from `begin` on; of an array, `count` elements of type `element`.
struct GgufField {
    std::string key;
    GgufType type = GgufType::u8, element = GgufType::u8;
    std::uint64_t count = 1;
    std::uint64_t begin = 0, end = 0;  // of the elements, from the beginning of the file
};

/// A tensor. The shape is row-major, as everywhere here: the reverse of the file's.
struct GgufEntry {
    std::string name;
    GgmlType type;
    TensorShape shape;
    std::uint64_t begin = 0, end = 0;  // from the beginning of the file
};

struct GgufHeader {
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::vector<GgufField> fields;
    std::vector<GgufEntry> entries;                     // in the order of the file
    std::vector<std::uint32_t> fields_by_key, by_name;  // indices
};

/// Limits of the format (names, dimensions) and of this reader.
struct GgufLimits {
    static constexpr std::uint64_t fields = std::uint64_t{1} << 16, tensors = std::uint64_t{1} << 18;
    static constexpr std::uint64_t key_bytes = 65535, name_bytes = 64, dimensions = 4;
    static constexpr std::uint64_t alignment = std::uint64_t{1} << 20;
};

}  // namespace hydralora::io
