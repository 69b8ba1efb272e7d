// Rows of blocks in vectors. One text, which decode_definitions.hpp includes once for each kind of processor, as panel/tile.hpp
// is: hence no guard; included by itself the file is empty.
//
//   HYDRALORA_ROWS_ISA     a namespace, named for the instructions
//   HYDRALORA_ROWS_TARGET  the attribute, or nothing
//   HYDRALORA_ROWS_LANES   floats a vector holds, a literal: 8 with AVX2, else 4
#if defined(HYDRALORA_ROWS_ISA)

namespace hydralora::quant::HYDRALORA_ROWS_ISA {

inline constexpr int lanes = HYDRALORA_ROWS_LANES;
typedef float Vector __attribute__((vector_size(HYDRALORA_ROWS_LANES * 4)));
typedef float Loose __attribute__((vector_size(HYDRALORA_ROWS_LANES * 4), aligned(4), may_alias));

#if HYDRALORA_ROWS_LANES == 8 && defined(__GNUC__) && !defined(__clang__)
typedef char Sixteen __attribute__((vector_size(16)));

/// What the first eight codes of a format stand for. g++ makes single elements of __builtin_convertvector from 8 bytes.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::always_inline]] inline Vector values_of_first(Sixteen codes) {
    const auto wide = __builtin_ia32_pmovsxbd256(codes);
    if constexpr (requires { Format::value(std::int8_t{}); }) {
        const auto value = [](int code) { return Format::value(static_cast<std::int8_t>(code)); };
        const Vector low{value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7)};
        const Vector high{value(8), value(9), value(10), value(11), value(12), value(13), value(14), value(15)};
        return __builtin_shuffle(low, high, wide);
    } else {
        return __builtin_convertvector(wide, Vector);
    }
}
#endif

/// What `lanes` codes of a format stand for.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::always_inline]] inline Vector values_of(const std::int8_t* codes) {
#if HYDRALORA_ROWS_LANES == 8 && defined(__GNUC__) && !defined(__clang__)
    typedef long long Two __attribute__((vector_size(16)));
    long long eight;
    std::memcpy(&eight, codes, 8);
    return values_of_first<Format>((Sixteen)Two{eight, 0});
#else
    Vector values{};
#pragma GCC unroll 8  // else g++ writes and reads memory
    for (int i = 0; i < lanes; ++i) values[i] = value_of<Format>(codes[i]);
    return values;
#endif
}

/// The same of sixteen.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::always_inline]] inline void values_of_sixteen(const std::int8_t* codes,
                                                                           Vector (&values)[16 / lanes]) {
#if HYDRALORA_ROWS_LANES == 8 && defined(__GNUC__) && !defined(__clang__)
    Sixteen all;
    std::memcpy(&all, codes, 16);
    const Sixteen behind{8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15};
    values[0] = values_of_first<Format>(all);
    values[1] = values_of_first<Format>(__builtin_shuffle(all, behind));
#else
#pragma GCC unroll 4
    for (int v = 0; v < 16 / lanes; ++v) values[v] = values_of<Format>(codes + v * lanes);
#endif
}

/// Rows of runs: 32 elements of each, the second sixteen `apart` elements behind the first.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::flatten]] void decode_runs(Format format, const Rows& from, Index first, Index rows,
                                                        Index col, float* to, Index ld, Index apart) {
    for (Index j = 0; j < rows; ++j) {
        Run run;
        unpack_run(format, from[first + j], col, run);
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            float* const target = to + j * ld + half * apart;
            const Vector scale = run.scale[half] - Vector{}, offset = run.offset[half] - Vector{};
#pragma GCC unroll 4
            for (int v = 0; v < 16; v += lanes)
                *reinterpret_cast<Loose*>(target + v) = scale * values_of<Format>(run.code + half * 16 + v) + offset;
        }
    }
}

/// Sixteen rows of one run, `count` elements of each, as sixteen columns of `to`.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::flatten]] void turn_runs(Format format, const Rows& from, Index first, Index col,
                                                      Index count, float* to, Index ld) {
    std::int8_t codes[2][16][16];
    float scales[2][16], offsets[2][16];
    for (int j = 0; j < 16; ++j) {
        Run run;
        unpack_run(format, from[first + j], col, run);
        for (int half = 0; half < 2; ++half) {
            std::memcpy(codes[half][j], run.code + half * 16, 16);
            scales[half][j] = run.scale[half];
            offsets[half][j] = run.offset[half];
        }
    }
    for (Index half = 0; half < 2 && half * 16 < count; ++half) {
        turn_bytes(codes[half]);
        Vector scale[16 / lanes], offset[16 / lanes];
#pragma GCC unroll 4
        for (int v = 0; v < 16 / lanes; ++v) {
            scale[v] = *reinterpret_cast<const Loose*>(scales[half] + v * lanes);
            offset[v] = *reinterpret_cast<const Loose*>(offsets[half] + v * lanes);
        }
        const Index lines = std::min(Index{16}, count - half * 16);
        for (Index k = 0; k < lines; ++k) {
            float* const target = to + (half * 16 + k) * ld;
#pragma GCC unroll 4
            for (int v = 0; v < 16 / lanes; ++v)
                *reinterpret_cast<Loose*>(target + v * lanes) =
                    scale[v] * values_of<Format>(codes[half][k] + v * lanes) + offset[v];
        }
    }
}

/// y[j] = row j times x (cols): codes times x, then scale and offset once for each sixteen.
template <class Format>
HYDRALORA_ROWS_TARGET [[gnu::flatten]] void dot_runs(Format format, const Rows& from, Index first, Index rows,
                                                     Index cols, const float* x, const float* sums, float* y) {
    for (Index j = 0; j < rows; ++j) {
        const BlockRow row = from[first + j];
        Vector total[2]{};  // of the halves of a run, two sums that wait for one another less
        float rest[2]{};
        for (Index k = 0; k < cols; k += quant_run) {
            Run run;
            unpack_run(format, row, k, run);
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half) {
                Vector values[16 / lanes], part{};
                values_of_sixteen<Format>(run.code + half * 16, values);
#pragma GCC unroll 4
                for (int v = 0; v < 16 / lanes; ++v)
                    part += values[v] * *reinterpret_cast<const Loose*>(x + k + half * 16 + v * lanes);
                total[half] += (run.scale[half] - Vector{}) * part;
                rest[half] += run.offset[half] * sums[k / 16 + half];
            }
        }
        const Vector both = total[0] + total[1];
        float sum = 0;
        for (int v = 0; v < lanes; ++v) sum += both[v];
        y[j] = sum + (rest[0] + rest[1]);
    }
}

/// Lines of codes that were unpacked before; see expand_columns and expand_rows.
template <bool of_columns>
HYDRALORA_ROWS_TARGET void expand_lines(const std::int8_t* codes, const float* scales, const float* offsets, Index k,
                                        Index count, Index width, float* to) {
    for (Index i = 0; i < count; ++i) {
        const Index first = of_columns ? (k + i) / 16 * width : i * (width < 16 ? 1 : width / 16);
        for (Index w = 0; w < width; w += lanes) {
            Vector scale, offset = -0.0f - Vector{};
            if constexpr (of_columns) {
                scale = *reinterpret_cast<const Loose*>(scales + first + w);
                if (offsets != nullptr) offset = *reinterpret_cast<const Loose*>(offsets + first + w);
            } else {
                scale = scales[first + w / 16] - Vector{};
                if (offsets != nullptr) offset = offsets[first + w / 16] - Vector{};
            }
            *reinterpret_cast<Loose*>(to + i * width + w) = scale * values_of<Q8_0>(codes + i * width + w) + offset;
        }
    }
}

}  // namespace hydralora::quant::HYDRALORA_ROWS_ISA

#endif
