// Any bytes as a safetensors file: refused with the library's error, or read as what they say.
#include <hydralora/io/safetensors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace hydralora;
using namespace hydralora::io;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void read(std::string_view bytes) {
    // Memory of exactly this size: a byte too far is found.
    const std::vector<std::byte> file(reinterpret_cast<const std::byte*>(bytes.data()),
                                      reinterpret_cast<const std::byte*>(bytes.data()) + bytes.size());
    try {
        const SafetensorsFile tensors(file, "fuzz");
        std::size_t held = 0;
        for (const TensorEntry& entry : tensors.entries()) {
            require(&tensors.at(entry.name) == &entry);
            const auto data = tensors.bytes(entry);
            held += data.size();
            const Shape shape = entry.shape.matrix();
            require(static_cast<std::uint64_t>(shape.rows) * static_cast<std::uint64_t>(shape.cols) *
                        dtype_bytes(entry.dtype) ==
                    data.size());
            if (!readable_as<double>(entry.dtype)) continue;
            std::vector<double> values(static_cast<std::size_t>(shape.rows * shape.cols));
            tensors.read_as(entry.name, MatrixView<double>{values.data(), shape.rows, shape.cols});
        }
        require(held + 8 <= file.size());
        for (const auto& [key, value] : tensors.metadata()) require(tensors.metadata(key) != nullptr);
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string file(reinterpret_cast<const char*>(data), size);
    read(file);
    // Once more with the header's length set right, for a mutation that changes the header rarely changes both.
    const std::size_t end = file.rfind('}');
    if (size < 8 || end == std::string::npos || end < 8) return 0;
    const std::uint64_t length = end + 1 - 8;
    std::memcpy(file.data(), &length, sizeof length);
    read(file);
    return 0;
}
