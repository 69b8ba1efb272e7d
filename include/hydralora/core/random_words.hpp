// Many random words at once, in vectors: those of random_block, one after another.
#pragma once

#include "isa.hpp"
#include "random.hpp"

namespace hydralora {

/// Consecutive words of a key's sequence.
template <int blocks>
struct RandomWords {
    std::uint32_t word[4 * blocks];
};

namespace random_detail {

/// random_words by any instructions.
template <int blocks>
HYDRALORA_HD RandomWords<blocks> random_words_plain(RandomKey key, std::uint64_t first) {
    std::uint32_t c0[blocks] = {}, c1[blocks] = {}, c2[blocks] = {}, c3[blocks] = {};
    for (int l = 0; l < blocks; ++l) {
        const std::uint64_t block = first + static_cast<std::uint64_t>(l);
        c0[l] = static_cast<std::uint32_t>(block);
        c1[l] = static_cast<std::uint32_t>(block >> 32);
        c2[l] = key.step;
        c3[l] = key.stream;
    }
    auto key0 = static_cast<std::uint32_t>(key.seed.value), key1 = static_cast<std::uint32_t>(key.seed.value >> 32);
    for (int round = 0; round < 10; ++round) {
        for (int l = 0; l < blocks; ++l) {
            const auto p0 = random_detail::multiply(0xD2511F53u, c0[l]);
            const auto p1 = random_detail::multiply(0xCD9E8D57u, c2[l]);
            c0[l] = p1.high ^ c1[l] ^ key0;
            c1[l] = p1.low;
            c2[l] = p0.high ^ c3[l] ^ key1;
            c3[l] = p0.low;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    RandomWords<blocks> words{};
    for (int l = 0; l < blocks; ++l) {
        words.word[4 * l] = c0[l];
        words.word[4 * l + 1] = c1[l];
        words.word[4 * l + 2] = c2[l];
        words.word[4 * l + 3] = c3[l];
    }
    return words;
}

#if defined(__x86_64__) && !defined(__CUDACC__)
/// random_words, four blocks a vector. Of a number only the lower half of its 64 bits counts: a multiplication reads no
/// more, and takes one instruction that compilers do not find by themselves.
template <int blocks>
[[gnu::target("avx2")]] RandomWords<blocks> random_words_avx2(RandomKey key, std::uint64_t first) {
    typedef std::uint64_t Lanes __attribute__((vector_size(32)));
    typedef std::uint64_t Loose __attribute__((vector_size(32), aligned(4), may_alias));
    typedef int Halves __attribute__((vector_size(32)));
    constexpr int together = 2;  // vectors: all their numbers are in registers
    const Lanes low = Lanes{} + 0xffffffffu;
    const auto m0 = (Halves)(Lanes{} + 0xD2511F53u), m1 = (Halves)(Lanes{} + 0xCD9E8D57u);

    RandomWords<blocks> words;
    for (int begin = 0; begin < blocks; begin += 4 * together) {
        Lanes c0[together], c1[together], c2[together], c3[together];
#pragma GCC unroll 2
        for (int i = 0; i < together; ++i) {
            c0[i] = Lanes{0, 1, 2, 3} + (first + static_cast<std::uint64_t>(begin + 4 * i));
            c1[i] = c0[i] >> 32;
            c2[i] = Lanes{} + key.step;
            c3[i] = Lanes{} + key.stream;
        }
        auto key0 = static_cast<std::uint32_t>(key.seed.value), key1 = static_cast<std::uint32_t>(key.seed.value >> 32);
        for (int round = 0; round < 10; ++round) {
            const Lanes k0 = Lanes{} + key0, k1 = Lanes{} + key1;
#pragma GCC unroll 2
            for (int i = 0; i < together; ++i) {
                const auto p0 = (Lanes)__builtin_ia32_pmuludq256((Halves)c0[i], m0);
                const auto p1 = (Lanes)__builtin_ia32_pmuludq256((Halves)c2[i], m1);
                c0[i] = (p1 >> 32) ^ c1[i] ^ k0;
                c1[i] = p1;
                c2[i] = (p0 >> 32) ^ c3[i] ^ k1;
                c3[i] = p0;
            }
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
#pragma GCC unroll 2
        for (int i = 0; i < together; ++i) {
            const Lanes front = (c0[i] & low) | (c1[i] << 32), back = (c2[i] & low) | (c3[i] << 32);
            std::uint32_t* to = words.word + 4 * begin + 16 * i;
            *reinterpret_cast<Loose*>(to) = Lanes{front[0], back[0], front[1], back[1]};
            *reinterpret_cast<Loose*>(to + 8) = Lanes{front[2], back[2], front[3], back[3]};
        }
    }
    return words;
}
#endif

}  // namespace random_detail

/// Words 4 * first .. 4 * (first + blocks) - 1 of the key's sequence, in the instructions of this process (core/isa.hpp).
template <int blocks>
[[nodiscard]] HYDRALORA_HD RandomWords<blocks> random_words(RandomKey key, std::uint64_t first) {
#if defined(__x86_64__) && !defined(__CUDACC__)
    if constexpr (blocks % 8 == 0)
        if (isa() != Isa::baseline) return random_detail::random_words_avx2<blocks>(key, first);
#endif
    return random_detail::random_words_plain<blocks>(key, first);
}

}  // namespace hydralora
