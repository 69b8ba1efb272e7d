// Several matrices of one shape, element by element, in one pass over memory.
#pragma once

#include "../concept.hpp"

namespace hydralora {

/// A cut of matrices of one shape into rows of work: their own rows, or, where every matrix is contiguous, pieces of
/// 1024 elements, so that neither a (1, n) nor an (n, 1) matrix makes poor work for `rows`. Matrix m keeps the stride
/// of a row in its own leading dimension, step(ld).
struct ElementRows {
    static constexpr Index piece = 1024;

    Index size = 0, cols = 0;
    bool contiguous = false;

    template <class... Views>
    [[nodiscard]] static ElementRows of(const Shape& shape, const Views&... views) {
        const bool flat = (views.contiguous() && ...);
        return {shape.size(), flat ? piece : shape.cols, flat};
    }

    [[nodiscard]] Index count() const { return size == 0 ? 0 : (size + cols - 1) / cols; }
    [[nodiscard]] Index step(Index ld) const { return contiguous ? piece : ld; }

    /// Elements in row t.
    HYDRALORA_HD Index length(Index t) const { return size - t * cols < cols ? size - t * cols : cols; }
};

}  // namespace hydralora
