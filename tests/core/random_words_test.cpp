#include <hydralora/core/random_words.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

namespace core_random_words_test {

using namespace hydralora;

namespace {

template <int blocks>
void check_words(RandomKey key, std::uint64_t first) {
    const auto words = random_words<blocks>(key, first);
    for (int b = 0; b < blocks; ++b) {
        const auto block = random_block(key, first + static_cast<std::uint64_t>(b));
        for (int w = 0; w < 4; ++w) CHECK(words.word[4 * b + w] == block.word[w]);
    }
}

}  // namespace

TEST_CASE("random_words: the words of random_block, one block after another, in any instructions") {
    for (const RandomKey key : {RandomKey{Seed{1}, 3, 7}, RandomKey{Seed{~0ull}, ~0u, ~0u}})
        for (const std::uint64_t first : {0ull, 5ull, 0xfffffff9ull, 0x123456789abcdull}) {
            check_words<1>(key, first);
            check_words<2>(key, first);
            check_words<8>(key, first);
            check_words<16>(key, first);
        }
}

}  // namespace core_random_words_test
