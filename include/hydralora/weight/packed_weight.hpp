// A frozen matrix packed once for each direction it is applied in, so that every call runs at the kernel's speed from its
// first row of tokens on.
#pragma once

#include <optional>

#include "../backend/stored_view.hpp"
#include "frozen_weight.hpp"
#include "packed_matrix.hpp"

namespace hydralora {

/// The directions a weight is packed for: each costs the memory of the matrix once.
enum class Directions { both, forward };

/// How a weight is packed.
struct PackOptions {
    Directions directions = Directions::both;
    PanelStorage storage = PanelStorage::compute;  ///< bfloat16: for a matrix that is stored so
};

/// Throws if a weight is no matrix or cannot be held so; `type` is named in the message.
template <Backend B>
void check_to_pack(const char* type, const StoredView<B>& weight, PanelStorage storage) {
    check(weight.rows >= 0 && weight.cols >= 0 && (weight.ld >= weight.cols || weight.rows <= 1), type,
          ": the weight is (", weight.rows, ", ", weight.cols, ") with leading dimension ", weight.ld,
          ", expected (out, in) and a leading dimension of at least in");
    const bool halves = storage == PanelStorage::bfloat16 || storage == PanelStorage::bfloat16_dots;
    const bool blocks = weight.storage() == Storage::blocks && weight.format() != QuantFormat::f32 &&
                        weight.format() != QuantFormat::f16;
    check(!halves || blocks || weight.storage() == Storage::bfloat16, type,
          ": panels of bfloat16 keep a matrix that is stored in bfloat16, or round a quantised one, found one in ",
          weight.storage() == Storage::float16  ? "float16"
          : weight.storage() == Storage::blocks ? name_of(weight.format())
                                                : "the parameter type",
          "; pack it as PanelStorage::compute");
    const bool codes = storage == PanelStorage::codes;
    check(!codes || weight.storage() == Storage::blocks, type,
          ": panels of codes keep a matrix that is stored in blocks, found one of elements; pack it as "
          "PanelStorage::compute");
    check(!codes || panel::has_codes(weight.format()), type, ": panels of codes cannot hold ", name_of(weight.format()),
          " to the last bit; use it as PanelStorage::in_place");
}

/// A FrozenWeight that owns W0 (out, in) in packed form; the values are those of the matrix it is made from, which is not
/// needed afterwards. The bias (1, out), if there is one, stays in the caller's memory. On backends without panels
/// (has_panels: any but EigenBackend, and EigenBackend in double) it keeps plain copies and the backend multiplies.
template <Backend B>
class PackedWeight {
public:
    /// Throws if the bias is of another length, or for panels of bfloat16 from a matrix that is stored otherwise.
    PackedWeight(B& be, std::type_identity_t<StoredView<B>> weight, ConstParamView<B> bias = {},
                 PackOptions options = {})
        : bias_(bias), forward_(be, Op::transpose, checked(weight, options).cols, weight.rows, options.storage) {
        check(bias.empty() || bias.shape() == Shape{1, weight.rows}, "PackedWeight: bias is (", bias.rows, ", ",
              bias.cols, "), expected (1, out) = (1, ", weight.rows, ")");
        if (options.directions == Directions::both)
            backward_.emplace(be, Op::none, weight.rows, weight.cols, options.storage);
        weight.visit([&](auto m) {
            forward_.put(be, 0, m);
            if (backward_) backward_->put(be, 0, m);
        });
    }

    [[nodiscard]] Index rows() const { return forward_.cols(); }
    [[nodiscard]] Index cols() const { return forward_.depth(); }
    /// Of memory held, in bytes; the columns of each direction are filled up to the width of the kernel's panels.
    [[nodiscard]] Index bytes() const { return forward_.bytes() + (backward_ ? backward_->bytes() : 0); }

    /// y (T, out) = x (T, in) W0^T + bias
    void apply(B& be, ConstView<B> x, View<B> y) const {
        check_shapes("x", x, "in", cols(), "y", y, "out", rows());
        forward_.multiply(be, x, y, Grad::overwrite, bias_);
    }
    /// dx (T, in) = dy (T, out) W0, or dx += that. Throws if packed for Directions::forward.
    void apply_transposed(B& be, ConstView<B> dy, View<B> dx, Grad mode = Grad::overwrite) const {
        check(backward_.has_value(),
              "PackedWeight: packed for Directions::forward, apply_transposed needs Directions::both");
        check_shapes("dy", dy, "out", rows(), "dx", dx, "in", cols());
        backward_->multiply(be, dy, dx, mode, {});
    }

private:
    static const StoredView<B>& checked(const StoredView<B>& weight, const PackOptions& options) {
        check_to_pack<B>("PackedWeight", weight, options.storage);
        return weight;
    }
    static void check_shapes(const char* from, ConstView<B> x, const char* depth_name, Index depth, const char* to,
                             ConstView<B> y, const char* cols_name, Index cols) {
        check(x.cols == depth && y.cols == cols && x.rows == y.rows, "PackedWeight: ", from, " is (", x.rows, ", ",
              x.cols, ") and ", to, " (", y.rows, ", ", y.cols, "), expected (T, ", depth_name, ") = (T, ", depth,
              ") and (T, ", cols_name, ") = (T, ", cols, ")");
        check(x.ld >= x.cols && y.ld >= y.cols, "PackedWeight: leading dimension below the columns: ", from, " ", x.ld,
              " of ", x.cols, ", ", to, " ", y.ld, " of ", y.cols);
    }

    ConstParamView<B> bias_;
    PackedMatrix<B> forward_;                  // W0^T (in, out)
    std::optional<PackedMatrix<B>> backward_;  // W0 (out, in)
};

}  // namespace hydralora
