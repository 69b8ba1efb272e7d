// Matrices of blocks decoded on the host in the processor's vectors: by rows, turned into panels, and as dot products.
#pragma once

#include "quant_view.hpp"

namespace hydralora::quant {

/// Most rows that decode_turned takes.
inline constexpr Index most_turned = 32;

/// to[j * ld + k] = element (i + j, col + k) for j in [0, rows), k in [0, count). col: a multiple of 32.
void decode(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to, Index ld);

/// to[k * ld + j] = element (i + j, col + k) for j in [0, rows), k in [0, count): rows become columns. col: a multiple of 32;
/// rows: most_turned at most.
void decode_turned(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to, Index ld);

/// The sum of row i times x (cols), made in a fixed order.
[[nodiscard]] float dot(const QuantView<host>& m, Index i, const float* x);

/// Whether all elements are finite; reads the whole matrix.
[[nodiscard]] bool all_finite(const QuantView<host>& m);

}  // namespace hydralora::quant

#if !defined(HYDRALORA_COMPILED)
#include "decode_definitions.hpp"
#endif
