// A matrix of the base with an adapter added.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/safetensors_writer.hpp>

#include "companions.hpp"
#include "session.hpp"

namespace hydra {

/// Of a projection: the base's own, and that with s sum_i w_i B_i A_i added.
struct MergedMatrix {
    hydralora::ParamBuffer<HostBackend> w0, sum;  // (out, in)
};

/// The gates of the session's adapter must not depend on the token.
[[nodiscard]] MergedMatrix merged_matrix(Session& session, Index layer, hydralora::Target target);

/// Squares summed over all merged weights: of what was added, and of what rounding to the stored type took from it.
struct Rounding {
    double added = 0, lost = 0;
};

/// w0 + delta as the base stores its weights: the bytes, with the rounding counted.
template <class T>
std::vector<std::byte> stored(hydralora::MatrixView<const float> sum, hydralora::MatrixView<const float> w0,
                              const std::string& where, Rounding& rounding) {
    using namespace hydralora;
    std::vector<std::byte> bytes(static_cast<std::size_t>(sum.size()) * sizeof(T));
    for (Index i = 0; i < sum.size(); ++i) {
        const auto value = static_cast<T>(sum.data[i]);
        const double added = static_cast<double>(sum.data[i]) - static_cast<double>(w0.data[i]);
        const double lost = static_cast<double>(static_cast<float>(value)) - static_cast<double>(sum.data[i]);
        check(std::isfinite(static_cast<float>(value)), where, ": element ", i, " is ", sum.data[i],
              " after merging, which ", io::dtype_name(io::dtype_of<T>()), " cannot hold");
        rounding.added += added * added;
        rounding.lost += lost * lost;
        std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
    }
    return bytes;
}

/// Writes a model directory in one step: these tensors and settings, and what the base's directory has besides.
void write_merged(const std::filesystem::path& target, const std::vector<Companion>& others,
                  const std::vector<hydralora::io::NamedTensor>& tensors, std::string_view settings);

}  // namespace hydra
