// Element types of tensor files, their names in safetensors, and conversion to the types we compute with.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "../core/check.hpp"
#include "../core/precision.hpp"
#include "../core/view.hpp"

namespace hydralora::io {

static_assert(std::endian::native == std::endian::little,
              "hydralora: tensor files are little endian and are mapped as they are");

/// Element types of safetensors, in the order of the reference implementation (which writes them in descending order).
enum class Dtype : std::uint8_t {
    boolean,
    u8,
    i8,
    f8_e5m2,
    f8_e4m3,
    i16,
    u16,
    f16,
    bf16,
    i32,
    u32,
    f32,
    f64,
    i64,
    u64
};

struct DtypeInfo {
    std::string_view name;
    std::uint64_t bytes;
};
inline constexpr std::array<DtypeInfo, 15> dtype_table{{{"BOOL", 1},
                                                        {"U8", 1},
                                                        {"I8", 1},
                                                        {"F8_E5M2", 1},
                                                        {"F8_E4M3", 1},
                                                        {"I16", 2},
                                                        {"U16", 2},
                                                        {"F16", 2},
                                                        {"BF16", 2},
                                                        {"I32", 4},
                                                        {"U32", 4},
                                                        {"F32", 4},
                                                        {"F64", 8},
                                                        {"I64", 8},
                                                        {"U64", 8}}};

[[nodiscard]] constexpr std::string_view dtype_name(Dtype dtype) {
    return dtype_table[static_cast<std::size_t>(dtype)].name;
}
[[nodiscard]] constexpr std::uint64_t dtype_bytes(Dtype dtype) {
    return dtype_table[static_cast<std::size_t>(dtype)].bytes;
}

/// The type of that name, nothing if there is none.
[[nodiscard]] constexpr std::optional<Dtype> dtype_from_name(std::string_view name) {
    for (std::size_t i = 0; i < dtype_table.size(); ++i)
        if (dtype_table[i].name == name) return static_cast<Dtype>(i);
    return std::nullopt;
}

/// The file type of a C++ type.
template <class T>
[[nodiscard]] constexpr Dtype dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, float>)
        return Dtype::f32;
    else if constexpr (std::is_same_v<U, double>)
        return Dtype::f64;
    else if constexpr (std::is_same_v<U, bfloat16>)
        return Dtype::bf16;
    else if constexpr (std::is_same_v<U, float16>)
        return Dtype::f16;
    else if constexpr (std::is_same_v<U, std::int8_t>)
        return Dtype::i8;
    else if constexpr (std::is_same_v<U, std::uint8_t> || std::is_same_v<U, std::byte>)
        return Dtype::u8;
    else if constexpr (std::is_same_v<U, std::int16_t>)
        return Dtype::i16;
    else if constexpr (std::is_same_v<U, std::uint16_t>)
        return Dtype::u16;
    else if constexpr (std::is_same_v<U, std::int32_t>)
        return Dtype::i32;
    else if constexpr (std::is_same_v<U, std::uint32_t>)
        return Dtype::u32;
    else if constexpr (std::is_integral_v<U> && std::is_signed_v<U> && sizeof(U) == 8)
        return Dtype::i64;
    else {
        static_assert(std::is_integral_v<U> && std::is_unsigned_v<U> && sizeof(U) == 8,
                      "no tensor file has elements of this type");
        return Dtype::u64;
    }
}

/// Whether elements of `dtype` can be read as T: floating-point types as each other, all others only as themselves.
template <class T>
[[nodiscard]] constexpr bool readable_as(Dtype dtype) {
    if constexpr (std::floating_point<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>)
        return dtype == Dtype::f16 || dtype == Dtype::bf16 || dtype == Dtype::f32 || dtype == Dtype::f64;
    else
        return dtype == dtype_of<T>();
}

namespace dtype_detail {
template <class From, class To>
void convert_elements(const std::byte* from, To* to, Index count) {
    if constexpr (std::is_same_v<From, To>) {
        if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(To));
    } else {
        for (Index i = 0; i < count; ++i) {
            From value;
            std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
            if constexpr (sizeof(To) == 2)
                to[i] = static_cast<To>(static_cast<float>(value));
            else
                to[i] = widened<To>(value);
        }
    }
}
}  // namespace dtype_detail

/// Converts `count` elements of `dtype` at `from` (any alignment) to T. Check `readable_as` first.
template <class T>
void convert_elements(Dtype dtype, const std::byte* from, T* to, Index count) {
    if constexpr (std::floating_point<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>) {
        switch (dtype) {
            case Dtype::f16:
                return dtype_detail::convert_elements<float16>(from, to, count);
            case Dtype::bf16:
                return dtype_detail::convert_elements<bfloat16>(from, to, count);
            case Dtype::f32:
                return dtype_detail::convert_elements<float>(from, to, count);
            case Dtype::f64:
                return dtype_detail::convert_elements<double>(from, to, count);
            default:
                fail("convert_elements: ", dtype_name(dtype), " is not a floating-point type we read");
        }
    } else {
        check(dtype == dtype_of<T>(), "convert_elements: ", dtype_name(dtype), " is not ", dtype_name(dtype_of<T>()));
        dtype_detail::convert_elements<T>(from, to, count);
    }
}

}  // namespace hydralora::io
