// Matrices of blocks decoded on the host in the processor's vectors: by rows, turned into columns, and as dot products.
#pragma once

#include "quant_view.hpp"

namespace hydralora::quant {

/// to[j * ld + k] = element (i + j, col + k) for j in [0, rows), k in [0, count). col: a multiple of 32.
void decode(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to, Index ld);

/// The same of 32 columns, the second sixteen of which are `apart` elements behind the first: lines of two panels.
void decode_apart(const QuantView<host>& m, Index i, Index rows, Index col, float* to, Index ld, Index apart);

/// to[k * ld + j] = element (i + j, col + k) for j in [0, rows), k in [0, count): rows become columns. col: a multiple of 32.
void decode_turned(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to, Index ld);

/// What dot needs of x (cols) besides: the sums of each sixteen of its elements, as many as there are and at least
/// dot_sums(cols).
[[nodiscard]] constexpr Index dot_sums(Index cols) { return (cols + quant_run - 1) / quant_run * 2; }
void sum_sixteens(const float* x, Index cols, float* sums);

/// y[j] = the sum of row i + j times x (cols), for j in [0, rows), each made in a fixed order. sums: see sum_sixteens.
void dot(const QuantView<host>& m, Index i, Index rows, const float* x, const float* sums, float* y);

/// Whether all elements are finite; reads the whole matrix.
[[nodiscard]] bool all_finite(const QuantView<host>& m);

}  // namespace hydralora::quant

#if !defined(HYDRALORA_COMPILED)
#include "decode_definitions.hpp"
#endif
