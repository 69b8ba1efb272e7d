// Loops in the vector instructions that the processor has (core/isa.hpp), whatever the build was made for: work compiled
// twice, for the build and for AVX2 with FMA, of which a process runs one.
#pragma once

#include "isa.hpp"

// A build that has these instructions anyway needs no second form.
#if defined(__x86_64__) && !(defined(__AVX2__) && defined(__FMA__))
#define HYDRALORA_VECTOR_LOOPS
#endif

namespace hydralora {

namespace vector_detail {

// All that work calls is inlined: only there are the instructions allowed, and only loops without calls become vectors.
template <class Work>
[[gnu::flatten]] void run(const Work& work) {
    work();
}
#if defined(HYDRALORA_VECTOR_LOOPS)
template <class Work>
[[gnu::target("avx2,fma"), gnu::flatten]] void run_avx2(const Work& work) {
    work();
}
#endif

}  // namespace vector_detail

/// work(), a loop over a functor that is defined in a header.
template <class Work>
void in_vectors(const Work& work) {
#if defined(HYDRALORA_VECTOR_LOOPS)
    if (isa() != Isa::baseline) return vector_detail::run_avx2(work);
#endif
    vector_detail::run(work);
}

}  // namespace hydralora

#undef HYDRALORA_VECTOR_LOOPS
