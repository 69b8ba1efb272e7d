// What decode.hpp declares: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>

#include "../core/isa.hpp"
#include "decode.hpp"

#if defined(__CUDACC__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 1675  // it leaves loops to the host compiler as they are
#endif

namespace hydralora::quant {

using Rows = QuantView<host>::Rows;

/// A matrix of 16 x 16 bytes turned, in four rounds of interleaving rows i and i + 8.
inline void turn_bytes(std::int8_t (&bytes)[16][16]) {
    typedef std::int8_t Sixteen __attribute__((vector_size(16)));
    Sixteen m[16];
    std::memcpy(m, bytes, sizeof m);
#pragma GCC unroll 4
    for (int round = 0; round < 4; ++round) {
        Sixteen next[16];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const Sixteen a = m[i], b = m[i + 8];
#if defined(__clang__)
            next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            next[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
            next[2 * i] = __builtin_shuffle(a, b, Sixteen{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
            next[2 * i + 1] =
                __builtin_shuffle(a, b, Sixteen{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
#endif
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) m[i] = next[i];
    }
    std::memcpy(bytes, m, sizeof m);
}

}  // namespace hydralora::quant

#if defined(__x86_64__)
#define HYDRALORA_ROWS_ISA avx2
#define HYDRALORA_ROWS_TARGET [[gnu::target("avx2,fma,f16c")]]  // processors with AVX2 have F16C
#define HYDRALORA_ROWS_LANES 8
#include "decode_rows.hpp"
#undef HYDRALORA_ROWS_ISA
#undef HYDRALORA_ROWS_TARGET
#undef HYDRALORA_ROWS_LANES
#endif
#define HYDRALORA_ROWS_ISA baseline
#define HYDRALORA_ROWS_TARGET
#define HYDRALORA_ROWS_LANES 4
#include "decode_rows.hpp"
#undef HYDRALORA_ROWS_ISA
#undef HYDRALORA_ROWS_TARGET
#undef HYDRALORA_ROWS_LANES

namespace hydralora::quant {

namespace decode_detail {

/// Whole runs of blocks in this process's instructions.
template <class Format>
void decode_runs(Format format, const Rows& from, Index first, Index rows, Index col, float* to, Index ld,
                 Index apart) {
#if defined(__x86_64__)
    if (isa() != Isa::baseline) return avx2::decode_runs(format, from, first, rows, col, to, ld, apart);
#endif
    baseline::decode_runs(format, from, first, rows, col, to, ld, apart);
}
template <class Format>
void turn_runs(Format format, const Rows& from, Index first, Index col, Index count, float* to, Index ld) {
#if defined(__x86_64__)
    if (isa() != Isa::baseline) return avx2::turn_runs(format, from, first, col, count, to, ld);
#endif
    baseline::turn_runs(format, from, first, col, count, to, ld);
}
template <class Format>
void dot_runs(Format format, const Rows& from, Index first, Index rows, Index cols, const float* x, const float* sums,
              float* y) {
#if defined(__x86_64__)
    if (isa() != Isa::baseline) return avx2::dot_runs(format, from, first, rows, cols, x, sums, y);
#endif
    baseline::dot_runs(format, from, first, rows, cols, x, sums, y);
}

}  // namespace decode_detail

HYDRALORA_INLINE void decode(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to,
                             Index ld) {
    const Rows from(m);
    with_format(m.format, [&](auto format) {
        Index k = 0;
        if constexpr (!is_plain<decltype(format)>)
            for (; k + quant_run <= count; k += quant_run)
                decode_detail::decode_runs(format, from, i, rows, col + k, to + k, ld, 16);
        for (; k < count; k += quant_run)
            for (Index j = 0; j < rows; ++j) {
                float run[quant_run];
                const Index n = std::min(quant_run, count - k);
                decode_run(format, from[i + j], col + k, n, run);
                std::copy_n(run, n, to + j * ld + k);
            }
    });
}

HYDRALORA_INLINE void decode_apart(const QuantView<host>& m, Index i, Index rows, Index col, float* to, Index ld,
                                   Index apart) {
    const Rows from(m);
    with_format(m.format, [&](auto format) {
        if constexpr (is_plain<decltype(format)>) {
            for (Index j = 0; j < rows; ++j) {
                float run[quant_run];
                decode_run(format, from[i + j], col, quant_run, run);
                std::copy_n(run, 16, to + j * ld);
                std::copy_n(run + 16, 16, to + j * ld + apart);
            }
        } else {
            decode_detail::decode_runs(format, from, i, rows, col, to, ld, apart);
        }
    });
}

HYDRALORA_INLINE void decode_turned(const QuantView<host>& m, Index i, Index rows, Index col, Index count, float* to,
                                    Index ld) {
    with_format(m.format, [&](auto format) {
        Index j = 0;
        const Rows from(m);
        if constexpr (!is_plain<decltype(format)>)
            for (; j + 16 <= rows; j += 16)
                for (Index k = 0; k < count; k += quant_run)
                    decode_detail::turn_runs(format, from, i + j, col + k, std::min(quant_run, count - k),
                                             to + k * ld + j, ld);
        for (; j < rows; ++j)
            for (Index k = 0; k < count; k += quant_run) {
                float run[quant_run];
                const Index n = std::min(quant_run, count - k);
                decode_run(format, from[i + j], col + k, n, run);
                for (Index t = 0; t < n; ++t) to[(k + t) * ld + j] = run[t];
            }
    });
}

HYDRALORA_INLINE void sum_sixteens(const float* x, Index cols, float* sums) {
    for (Index s = 0; s < dot_sums(cols); ++s) {
        float sum = 0;
        for (Index k = s * 16; k < std::min(cols, s * 16 + 16); ++k) sum += x[k];
        sums[s] = sum;
    }
}

HYDRALORA_INLINE void dot(const QuantView<host>& m, Index i, Index rows, const float* x, const float* sums, float* y) {
    const Rows from(m);
    with_format(m.format, [&](auto format) {
        const Index whole = is_plain<decltype(format)> ? 0 : m.cols / quant_run * quant_run;
        if constexpr (is_plain<decltype(format)>)
            std::fill_n(y, rows, 0.0f);
        else
            decode_detail::dot_runs(format, from, i, rows, whole, x, sums, y);
        for (Index k = whole; k < m.cols; k += quant_run)
            for (Index j = 0; j < rows; ++j) {
                float run[quant_run];
                const Index n = std::min(quant_run, m.cols - k);
                decode_run(format, from[i + j], k, n, run);
                for (Index t = 0; t < n; ++t) y[j] += run[t] * x[k + t];
            }
    });
}

HYDRALORA_INLINE void expand_columns(const std::int8_t* codes, const float* scales, const float* offsets, Index k,
                                     Index count, Index width, float* to) {
#if defined(__x86_64__)
    if (isa() != Isa::baseline) return avx2::expand_lines<true>(codes, scales, offsets, k, count, width, to);
#endif
    baseline::expand_lines<true>(codes, scales, offsets, k, count, width, to);
}

HYDRALORA_INLINE void expand_rows(const std::int8_t* codes, const float* scales, const float* offsets, Index count,
                                  Index width, float* to) {
#if defined(__x86_64__)
    if (isa() != Isa::baseline) return avx2::expand_lines<false>(codes, scales, offsets, 0, count, width, to);
#endif
    baseline::expand_lines<false>(codes, scales, offsets, 0, count, width, to);
}

HYDRALORA_INLINE bool all_finite(const QuantView<host>& m) {
    const Rows from(m);
    bool finite = true;
    with_format(m.format, [&](auto format) {
        for (Index i = 0; i < m.rows && finite; ++i)
            for (Index k = 0; k < m.cols; k += quant_run) {
                float sum = 0, run[quant_run] = {};
                const Index n = std::min(quant_run, m.cols - k);
                decode_run(format, from[i], k, n, run);
                for (Index j = 0; j < n; ++j) sum += run[j] - run[j];  // 0, or NaN for what is not finite
                finite = finite && sum == 0;
            }
    });
    return finite;
}

}  // namespace hydralora::quant

#if defined(__CUDACC__)
#pragma nv_diagnostic pop
#endif
