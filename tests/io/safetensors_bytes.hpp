// Safetensors files put together by hand: independent of the writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace test {

/// Length, header, data; the length as it is or as it is claimed.
inline std::string safetensors_bytes(std::string_view header, std::size_t data_size, std::uint64_t claimed) {
    std::string bytes(8, '\0');
    for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(claimed >> (8 * i));
    bytes += header;
    for (std::size_t i = 0; i < data_size; ++i) bytes += static_cast<char>(i * 37 + 11);
    return bytes;
}
inline std::string safetensors_bytes(std::string_view header, std::size_t data_size) {
    return safetensors_bytes(header, data_size, header.size());
}
inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace test
