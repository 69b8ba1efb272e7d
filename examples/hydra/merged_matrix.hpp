// Matrices of the base with an adapter added, what storing them costs, and the model directory that they make.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

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

/// Squares summed over elements: of merged weights, of what was added to the base's, and of what the type that they are stored
/// in took from them.
struct Rounding {
    double whole = 0, added = 0, lost = 0;
    std::string types{};  ///< "BF16", "BF16, F32": what they are stored in

    /// One element: of the base, merged, and as it is stored.
    void add(float before, float after, float stored);
    void add_type(std::string_view name);
    Rounding& operator+=(const Rounding& other);
};

/// sqrt(part / whole) in percent, "-" of nothing.
[[nodiscard]] std::string percent_of(double part, double whole);

/// What a merge into a directory says: "stored as BF16; rounding to it changes what was added by 0.4 % (root mean square)".
[[nodiscard]] std::string rounding_text(const Rounding& rounding);

/// A warning where rounding took more than a quarter of what was added (root mean square), with the way out; else nothing.
[[nodiscard]] std::string rounding_warning(const Rounding& rounding, std::string_view way_out);
inline constexpr std::string_view wider_base = "keep adapter and base apart, or merge into a base in float32";

/// A merged matrix in a type of element that bases have: the bytes, with the rounding counted. Throws, naming `where`, for
/// other types and for values that it cannot hold.
[[nodiscard]] std::vector<std::byte> stored_as(hydralora::io::Dtype type, hydralora::MatrixView<const float> after,
                                               hydralora::MatrixView<const float> before, const std::string& where,
                                               Rounding& rounding);

/// Writes a model directory in one step: these tensors and settings, and what the base's directory has besides.
void write_merged(const std::filesystem::path& target, const std::vector<Companion>& others,
                  const std::vector<hydralora::io::NamedTensor>& tensors, std::string_view settings);

}  // namespace hydra
