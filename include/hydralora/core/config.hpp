// The only macros of the library, and the compiler settings it insists on.
#pragma once

#if defined(__CUDACC__)
#define HYDRALORA_HD __host__ __device__
#elif defined(__clang__)
#define HYDRALORA_HD __attribute__((always_inline))  // its [[gnu::flatten]] inlines one call, not those inside
#else
#define HYDRALORA_HD  // marks what runs on host and device alike
#endif

// Marks functions that stand in every unit that includes them, or once, in the target hydralora::compiled (compiled.hpp).
#if defined(HYDRALORA_COMPILING)
#define HYDRALORA_INLINE
#else
#define HYDRALORA_INLINE inline
#endif

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error \
    "hydralora: compile without -ffast-math and its parts -ffinite-math-only, -fassociative-math and \
-funsafe-math-optimizations: same-bits promises, checks for NaN and the exponential need IEEE arithmetic"
#endif

static_assert(__cplusplus >= 202002L, "hydralora needs C++20: compile with -std=c++20 or newer");
