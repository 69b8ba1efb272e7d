// The micro-kernels of products whose right factor lies in panels, one set for each kind of processor (core/isa.hpp).
//
//   avx512    12 x 32 sums       avx2  6 x 16      (x86-64 processors that have them)
//   neon       8 x 8             baseline  6 x 8   (vectors of 16 bytes in the instructions of the build)
//
// Panels are of floats, or of bfloat16 in pairs along the depth; those are widened, or, where the left side is rounded to
// bfloat16 too and the processor has AVX512_BF16, multiplied as they are.
#pragma once

#include <cstdint>

#include "../core/isa.hpp"
#include "../core/precision.hpp"
#include "../core/view.hpp"

namespace hydralora::panel {

/// The depth is cut in blocks of about so many terms: one of an AVX-512 panel is 32 KiB, what a first-level cache holds.
inline constexpr Index usual_depth = 256, most_depth = usual_depth * 3 / 2;
/// From one row of a copied left block to the next: an odd number of cache lines, so that rows fall on different sets.
inline constexpr Index left_ld = most_depth + 16;
/// The largest tile of all kernels.
inline constexpr Index most_rows = 12, most_cols = 32;

/// One call of a kernel: to (rows, panel width) = start + left (rows, depth) right (depth, panel width).
template <class S>
struct Tile {
    Index rows, depth;  // rows: how many are stored; as many as the kernel has are read and computed, and, in pairs, an
                        // even depth
    const float* left;
    Index ld_left;
    const S* right;  // contiguous where ld_right is the panel's width; of pairs it is
    Index ld_right;
    const float* start;  // ld_start 0: one row for all
    Index ld_start;
    float* to;
    Index ld_to;
};

}  // namespace hydralora::panel

#if defined(__CUDACC__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 1675  // it leaves loops to the host compiler as they are
#endif
#if defined(__x86_64__)
#define HYDRALORA_TILE_ISA avx512
#define HYDRALORA_TILE_TARGET [[gnu::target("avx512f")]]
#define HYDRALORA_TILE_LANES 16
#include "tile.hpp"
#undef HYDRALORA_TILE_ISA
#undef HYDRALORA_TILE_TARGET
#undef HYDRALORA_TILE_LANES
#define HYDRALORA_TILE_ISA avx2
#define HYDRALORA_TILE_TARGET [[gnu::target("avx2,fma")]]
#define HYDRALORA_TILE_LANES 8
#include "tile.hpp"
#undef HYDRALORA_TILE_ISA
#undef HYDRALORA_TILE_TARGET
#undef HYDRALORA_TILE_LANES
#endif
#define HYDRALORA_TILE_ISA baseline
#define HYDRALORA_TILE_TARGET
#define HYDRALORA_TILE_LANES 4
#include "tile.hpp"
#undef HYDRALORA_TILE_ISA
#undef HYDRALORA_TILE_TARGET
#undef HYDRALORA_TILE_LANES
#if defined(__x86_64__)
#define HYDRALORA_DOT_ISA avx512
#define HYDRALORA_DOT_TARGET [[gnu::target("avx512f,avx512bf16")]]
#define HYDRALORA_DOT(sums, left, right) asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(left), "v"(right))
#include "dot_tile.hpp"
#undef HYDRALORA_DOT_ISA
#undef HYDRALORA_DOT_TARGET
#undef HYDRALORA_DOT
#endif
#if defined(__CUDACC__)
#pragma nv_diagnostic pop
#endif

namespace hydralora::panel {

/// The kernels of one set of instructions for panels of element type S, float or bfloat16: the whole tile, and two of fewer
/// rows for what is left over.
template <class S>
struct Kernel {
    struct Step {
        Index rows;
        void (*multiply)(const Tile<S>&);
    };
    Index cols;     // of a panel
    Step steps[3];  // most rows first

    [[nodiscard]] Index rows() const { return steps[0].rows; }
    /// The one with the fewest rows that has `rows`, or all that there are.
    [[nodiscard]] const Step& step_for(Index rows) const {
        return rows > steps[1].rows ? steps[0] : rows > steps[2].rows ? steps[1] : steps[2];
    }
};

/// Those that this process runs. Not inlined: a unit with weaker optimisation that links hydralora::compiled would otherwise
/// bring kernels of its own, and the linker might take those.
template <class S>
[[nodiscard, gnu::noinline]] const Kernel<S>& kernel() {
#if defined(__ARM_NEON)
    constexpr int n = 8;
#else
    constexpr int n = 6;
#endif
    static constexpr Kernel<S> portable{8,
                                        {{n, baseline::multiply_tile<n, S>},
                                         {n * 2 / 3, baseline::multiply_tile<n * 2 / 3, S>},
                                         {n / 3, baseline::multiply_tile<n / 3, S>}}};
#if defined(__x86_64__)
    static constexpr Kernel<S> with_avx512{
        32, {{12, avx512::multiply_tile<12, S>}, {8, avx512::multiply_tile<8, S>}, {4, avx512::multiply_tile<4, S>}}};
    static constexpr Kernel<S> with_avx2{
        16, {{6, avx2::multiply_tile<6, S>}, {4, avx2::multiply_tile<4, S>}, {2, avx2::multiply_tile<2, S>}}};
    switch (isa()) {
        case Isa::avx512:
            return with_avx512;
        case Isa::avx2:
            return with_avx2;
        case Isa::baseline:
            break;
    }
#endif
    return portable;
}

/// The kernel for a left side of bfloat16 in pairs; null where the processor has no such products or they are not wanted.
[[nodiscard, gnu::noinline]] inline const Kernel<bfloat16>* dot_kernel() {
#if defined(__x86_64__)
    static constexpr Kernel<bfloat16> with_avx512{
        32, {{12, avx512::multiply_dots<12>}, {8, avx512::multiply_dots<8>}, {4, avx512::multiply_dots<4>}}};
    if (isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16") != 0) return &with_avx512;
#endif
    return nullptr;
}

}  // namespace hydralora::panel
