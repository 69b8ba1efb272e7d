// Which vector instructions the CPU code of this process runs, decided once by the processor it runs on, whatever the build
// was made for.
#pragma once

#include <cstdlib>
#include <string_view>

#include "check.hpp"

namespace hydralora {

/// Sets of instructions that there is code for. baseline: those of the build, NEON on ARM.
enum class Isa { baseline, avx2, avx512 };

namespace isa_detail {

#if defined(__ARM_NEON)
inline constexpr std::string_view baseline_name = "neon";
#else
inline constexpr std::string_view baseline_name = "baseline";
#endif

[[nodiscard]] constexpr std::string_view name_of(Isa isa) {
    return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : baseline_name;
}

[[nodiscard]] inline bool supports(Isa isa) {
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    if (isa == Isa::avx512) return avx2 && __builtin_cpu_supports("avx512f") != 0;  // some loops take AVX2 there too
    if (isa == Isa::avx2) return avx2;
#endif
    return isa == Isa::baseline;
}

/// The instructions that `wanted` names, or the best there are where it is null or empty.
[[nodiscard, gnu::noinline]] inline Isa choose(const char* wanted) {
    const bool any = wanted == nullptr || *wanted == '\0';
    for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::baseline}) {
        if (!any && name_of(isa) != wanted) continue;
        check(any || supports(isa), "HYDRALORA_KERNEL=", wanted, ": this processor does not have these instructions; ",
              "unset the variable to run the best kernel that it has");
        if (supports(isa)) return isa;
    }
    fail("HYDRALORA_KERNEL=", wanted, ": unknown kernel, expected avx512, avx2 or ", baseline_name);
}

}  // namespace isa_detail

/// The instructions of this process: the best that the processor has, or what the environment variable HYDRALORA_KERNEL
/// (avx512, avx2, baseline) says at the first call. Throws where it names none, or one not to be had here.
[[nodiscard]] inline Isa isa() {
    static const Isa chosen = isa_detail::choose(std::getenv("HYDRALORA_KERNEL"));
    return chosen;
}

/// Its name: avx512, avx2, neon or baseline.
[[nodiscard]] inline std::string_view isa_name() { return isa_detail::name_of(isa()); }

}  // namespace hydralora
