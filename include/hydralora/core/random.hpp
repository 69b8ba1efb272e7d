// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A number is a pure function of (seed, stream, step, index), so a mask is made again instead of stored, any thread may
// make any part of it, and a resumed run continues where it stopped without a generator's state.
#pragma once

#include <cmath>
#include <cstdint>

#include "view.hpp"

namespace hydralora {

/// The seed of a run.
struct Seed {
    std::uint64_t value = 0;
};

/// Names one sequence of random numbers. Streams separate uses (initialisation, dropout of layer 3, shuffling ...),
/// steps separate optimiser steps.
struct RandomKey {
    Seed seed;
    std::uint32_t stream = 0;
    std::uint32_t step = 0;
};

namespace random_detail {
struct Product {
    std::uint32_t high, low;
};
HYDRALORA_HD constexpr Product multiply(std::uint32_t a, std::uint32_t b) {
    const std::uint64_t p = static_cast<std::uint64_t>(a) * b;
    return {static_cast<std::uint32_t>(p >> 32), static_cast<std::uint32_t>(p)};
}
}  // namespace random_detail

struct PhiloxBlock {
    std::uint32_t word[4];
};

/// Ten rounds of Philox4x32 on a 128-bit counter under a 64-bit key.
HYDRALORA_HD constexpr PhiloxBlock philox4x32(PhiloxBlock c, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const auto p0 = random_detail::multiply(0xD2511F53u, c.word[0]);
        const auto p1 = random_detail::multiply(0xCD9E8D57u, c.word[2]);
        c = PhiloxBlock{{p1.high ^ c.word[1] ^ key0, p1.low, p0.high ^ c.word[3] ^ key1, p0.low}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

/// Random words 4 * block .. 4 * block + 3 of the key's sequence.
HYDRALORA_HD constexpr PhiloxBlock random_block(RandomKey key, std::uint64_t block) {
    return philox4x32(
        PhiloxBlock{{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), key.step, key.stream}},
        static_cast<std::uint32_t>(key.seed.value), static_cast<std::uint32_t>(key.seed.value >> 32));
}

/// Random word number `index` of the key's sequence.
HYDRALORA_HD constexpr std::uint32_t random_word(RandomKey key, std::uint64_t index) {
    return random_block(key, index / 4).word[index % 4];
}

/// A word as a number in [0, 1) with 24 bits: exact in float and double alike.
template <class T>
HYDRALORA_HD constexpr T unit_interval(std::uint32_t word) {
    return static_cast<T>(word >> 8) * static_cast<T>(0x1p-24);
}

/// Uniform in [0, 1).
template <class T>
HYDRALORA_HD constexpr T uniform(RandomKey key, std::uint64_t index) {
    return unit_interval<T>(random_word(key, index));
}

/// Standard normal (Box-Muller on two words), computed in double.
template <class T>
T normal(RandomKey key, std::uint64_t index) {
    const auto b = random_block(key, index);
    const double u = (static_cast<double>(b.word[0]) + 0.5) * 0x1p-32;
    const double v = static_cast<double>(b.word[1]) * 0x1p-32;
    return static_cast<T>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

/// Uniform integer in [0, bound), without bias worth naming (64-bit multiply-shift).
constexpr std::uint64_t uniform_below(RandomKey key, std::uint64_t index, std::uint32_t bound) {
    return (static_cast<std::uint64_t>(random_word(key, index)) * bound) >> 32;
}

}  // namespace hydralora
