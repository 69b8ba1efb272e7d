// Which micro-kernel a packed product runs, decided once by the processor it runs on, whatever the build was made for.
//
//   avx512    12 x 32 sums       avx2  6 x 16      (x86-64 processors that have them)
//   neon       8 x 8             baseline  6 x 8   (vectors of 16 bytes in the instructions of the build)
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../core/check.hpp"
#include "../core/precision.hpp"
#include "../core/view.hpp"

namespace hydralora {

/// Sets of instructions that packed products have a kernel for.
enum class PanelIsa { baseline, avx2, avx512 };

namespace panel_detail {

/// The depth is cut in blocks of about so many terms: one of an AVX-512 panel is 32 KiB, what a first-level cache holds.
inline constexpr Index panel_depth = 256, most_panel_depth = panel_depth * 3 / 2;
/// From one row of the left block to the next: an odd number of cache lines, so that rows fall on different sets.
inline constexpr Index panel_left_ld = most_panel_depth + 16;

/// One call of a kernel: to (rows, panel width) = start + left (rows, depth) right (depth, panel width).
template <class S>
struct PanelTile {
    Index rows, depth;   // rows: how many are stored; as many as the kernel has are read and computed
    const float* left;   // leading dimension panel_left_ld
    const S* right;      // contiguous
    const float* start;  // ld_start 0: one row for all
    Index ld_start;
    float* to;
    Index ld_to;
};

#if defined(__ARM_NEON)
inline constexpr std::string_view baseline_name = "neon";
inline constexpr int baseline_rows = 8;
#else
inline constexpr std::string_view baseline_name = "baseline";
inline constexpr int baseline_rows = 6;
#endif

[[nodiscard]] constexpr std::string_view name_of(PanelIsa isa) {
    return isa == PanelIsa::avx512 ? "avx512" : isa == PanelIsa::avx2 ? "avx2" : baseline_name;
}

[[nodiscard]] inline bool supports(PanelIsa isa) {
#if defined(__x86_64__)
    if (isa == PanelIsa::avx512) return __builtin_cpu_supports("avx512f") != 0;
    if (isa == PanelIsa::avx2) return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
#endif
    return isa == PanelIsa::baseline;
}

/// The instructions that `wanted` names, or the best there are where it is null or empty.
[[nodiscard]] inline PanelIsa choose_isa(const char* wanted) {
    const bool any = wanted == nullptr || *wanted == '\0';
    for (const PanelIsa isa : {PanelIsa::avx512, PanelIsa::avx2, PanelIsa::baseline}) {
        if (!any && name_of(isa) != wanted) continue;
        check(any || supports(isa), "HYDRALORA_KERNEL=", wanted, ": this processor does not have these instructions; ",
              "unset the variable to run the best kernel that it has");
        if (supports(isa)) return isa;
    }
    fail("HYDRALORA_KERNEL=", wanted, ": unknown kernel, expected avx512, avx2 or ", baseline_name);
}

}  // namespace panel_detail

/// The instructions of packed products in this process: the best that the processor has, or what the environment variable
/// HYDRALORA_KERNEL (avx512, avx2, baseline) says at the first call. Throws where it names none, or one not to be had here.
[[nodiscard]] inline PanelIsa panel_isa() {
    static const PanelIsa isa = panel_detail::choose_isa(std::getenv("HYDRALORA_KERNEL"));
    return isa;
}

/// Its name: avx512, avx2, neon or baseline.
[[nodiscard]] inline std::string_view packed_kernel_name() { return panel_detail::name_of(panel_isa()); }

}  // namespace hydralora

#if defined(__x86_64__)
#define HYDRALORA_PANEL_ISA avx512
#define HYDRALORA_PANEL_TARGET [[gnu::target("avx512f")]]
#include "panel_tile.hpp"
#undef HYDRALORA_PANEL_ISA
#undef HYDRALORA_PANEL_TARGET
#define HYDRALORA_PANEL_ISA avx2
#define HYDRALORA_PANEL_TARGET [[gnu::target("avx2,fma")]]
#include "panel_tile.hpp"
#undef HYDRALORA_PANEL_ISA
#undef HYDRALORA_PANEL_TARGET
#endif
#define HYDRALORA_PANEL_ISA baseline
#define HYDRALORA_PANEL_TARGET
#include "panel_tile.hpp"
#undef HYDRALORA_PANEL_ISA
#undef HYDRALORA_PANEL_TARGET

namespace hydralora::panel_detail {

/// The kernels of one set of instructions for panels of element type S, float or bfloat16: the whole tile, and two of fewer
/// rows for what is left over.
template <class S>
struct PanelKernel {
    struct Step {
        Index rows;
        void (*multiply)(const PanelTile<S>&);
    };
    Index cols;     // of a panel
    Step steps[3];  // most rows first

    [[nodiscard]] Index rows() const { return steps[0].rows; }
    /// The one with the fewest rows that has `rows`, or all that there are.
    [[nodiscard]] const Step& step_for(Index rows) const {
        return rows > steps[1].rows ? steps[0] : rows > steps[2].rows ? steps[1] : steps[2];
    }
};

template <class S>
[[nodiscard]] const PanelKernel<S>& panel_kernel() {
    constexpr int n = baseline_rows;
    static constexpr PanelKernel<S> portable{8,
                                             {{n, baseline::multiply_tile<4, n, S>},
                                              {n * 2 / 3, baseline::multiply_tile<4, n * 2 / 3, S>},
                                              {n / 3, baseline::multiply_tile<4, n / 3, S>}}};
#if defined(__x86_64__)
    static constexpr PanelKernel<S> with_avx512{32,
                                                {{12, avx512::multiply_tile<16, 12, S>},
                                                 {8, avx512::multiply_tile<16, 8, S>},
                                                 {4, avx512::multiply_tile<16, 4, S>}}};
    static constexpr PanelKernel<S> with_avx2{
        16, {{6, avx2::multiply_tile<8, 6, S>}, {4, avx2::multiply_tile<8, 4, S>}, {2, avx2::multiply_tile<8, 2, S>}}};
    switch (panel_isa()) {
        case PanelIsa::avx512:
            return with_avx512;
        case PanelIsa::avx2:
            return with_avx2;
        case PanelIsa::baseline:
            break;
    }
#endif
    return portable;
}

}  // namespace hydralora::panel_detail
