// What decode.hpp declares: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>

#include "../core/vector_loops.hpp"
#include "decode.hpp"

namespace hydralora::quant {

namespace decode_detail {

typedef std::int8_t Sixteen __attribute__((vector_size(16), may_alias));

/// Places of the first or the second eight bytes of two vectors, by turns.
template <int First>
[[nodiscard]] Sixteen interleaved(Sixteen a, Sixteen b) {
    constexpr int f = First;
#if defined(__clang__)
    return __builtin_shufflevector(a, b, f, 16 + f, f + 1, 17 + f, f + 2, 18 + f, f + 3, 19 + f, f + 4, 20 + f, f + 5,
                                   21 + f, f + 6, 22 + f, f + 7, 23 + f);
#else
    return __builtin_shuffle(a, b,
                             Sixteen{f, 16 + f, f + 1, 17 + f, f + 2, 18 + f, f + 3, 19 + f, f + 4, 20 + f, f + 5,
                                     21 + f, f + 6, 22 + f, f + 7, 23 + f});
#endif
}

/// A matrix of 16 x 16 bytes turned, in four rounds of interleaving.
inline void turn_bytes(Sixteen (&m)[16]) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; ++round) {
        Sixteen next[16];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            next[2 * i] = interleaved<0>(m[i], m[i + 8]);
            next[2 * i + 1] = interleaved<8>(m[i], m[i + 8]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) m[i] = next[i];
    }
}

/// Rows [0, rows) of one run, `count` elements of each, as columns of `to`: sixteen at most.
template <class Format>
void turn_run(Format format, const BlockRow* row, Index rows, Index col, Index count, float* to, Index ld) {
    Run runs[16];
    for (Index j = 0; j < rows; ++j) unpack_run(format, row[j], col, runs[j]);
    for (Index half = 0; half < 2 && half * 16 < count; ++half) {
        Sixteen codes[16] = {};
        float scale[16] = {}, offset[16] = {};
        for (Index j = 0; j < rows; ++j) {
            std::memcpy(&codes[j], runs[j].code + half * 16, 16);
            scale[j] = runs[j].scale[half];
            offset[j] = runs[j].offset[half];
        }
        turn_bytes(codes);
        const Index lines = std::min(Index{16}, count - half * 16);
        for (Index k = 0; k < lines; ++k) {
            std::int8_t line[16];
            std::memcpy(line, &codes[k], 16);
            float* const target = to + (half * 16 + k) * ld;
            if (rows == 16) {
                for (int j = 0; j < 16; ++j) target[j] = scale[j] * value_of<Format>(line[j]) + offset[j];
            } else if (rows == 8) {
                for (int j = 0; j < 8; ++j) target[j] = scale[j] * value_of<Format>(line[j]) + offset[j];
            } else {
                for (Index j = 0; j < rows; ++j) target[j] = scale[j] * value_of<Format>(line[j]) + offset[j];
            }
        }
    }
}

/// The same of plain elements.
template <class Format>
void turn_plain(Format format, const BlockRow* row, Index rows, Index col, Index count, float* to, Index ld) {
    float run[quant_run];
    for (Index j = 0; j < rows; ++j) {
        decode_run(format, row[j], col, count, run);
        for (Index k = 0; k < count; ++k) to[k * ld + j] = run[k];
    }
}

}  // namespace decode_detail

HYDRALORA_INLINE void decode(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to,
                             Index ld) {
    const QuantView<host>::Rows all(m);
    with_format(m.format, [&](auto format) {
        in_vectors([&] {
            for (Index j = 0; j < rows; ++j) {
                const BlockRow row = all[i + j];
                float* const target = to + j * ld;
                Index k = 0;
                for (; k + quant_run <= count; k += quant_run) decode_run(format, row, col + k, quant_run, target + k);
                if (k == count) continue;
                float run[quant_run];
                decode_run(format, row, col + k, count - k, run);
                std::copy_n(run, count - k, target + k);
            }
        });
    });
}

HYDRALORA_INLINE void decode_turned(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to,
                                    Index ld) {
    const QuantView<host>::Rows all(m);
    BlockRow row[most_turned];
    for (Index j = 0; j < rows; ++j) row[j] = all[i + j];
    with_format(m.format, [&](auto format) {
        in_vectors([&] {
            for (Index j = 0; j < rows; j += 16) {
                const Index some = std::min(Index{16}, rows - j);
                for (Index k = 0; k < count; k += quant_run) {
                    const Index n = std::min(quant_run, count - k);
                    if constexpr (is_plain<decltype(format)>)
                        decode_detail::turn_plain(format, row + j, some, col + k, n, to + k * ld + j, ld);
                    else
                        decode_detail::turn_run(format, row + j, some, col + k, n, to + k * ld + j, ld);
                }
            }
        });
    });
}

HYDRALORA_INLINE float dot(const QuantView<host>& m, Index i, const float* x) {
    const BlockRow row = m.row(i);
    float sum = 0;
    with_format(m.format, [&](auto format) {
        in_vectors([&] {
            float sums[16] = {}, run[quant_run];
            Index k = 0;
            for (; k + quant_run <= m.cols; k += quant_run) {
                decode_run(format, row, k, quant_run, run);
                for (int j = 0; j < 16; ++j) sums[j] += run[j] * x[k + j];
                for (int j = 0; j < 16; ++j) sums[j] += run[j + 16] * x[k + j + 16];
            }
            if (k < m.cols) {
                decode_run(format, row, k, m.cols - k, run);
                for (Index j = 0; j < m.cols - k; ++j) sums[j % 16] += run[j] * x[k + j];
            }
            for (int width = 8; width > 0; width /= 2)
                for (int j = 0; j < width; ++j) sums[j] += sums[j + width];
            sum = sums[0];
        });
    });
    return sum;
}

HYDRALORA_INLINE bool all_finite(const QuantView<host>& m) {
    bool finite = true;
    with_format(m.format, [&](auto format) {
        in_vectors([&] {
            for (Index i = 0; i < m.rows && finite; ++i) {
                const BlockRow row = m.row(i);
                float sum = 0, run[quant_run] = {};
                for (Index k = 0; k < m.cols; k += quant_run) {
                    const Index n = std::min(quant_run, m.cols - k);
                    decode_run(format, row, k, n, run);
                    for (Index j = 0; j < n; ++j) sum += run[j] - run[j];  // 0, or NaN for what is not finite
                }
                finite = sum == 0;
            }
        });
    });
    return finite;
}

}  // namespace hydralora::quant
