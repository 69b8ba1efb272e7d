#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <hydralora/core/random.hpp>
#include <set>

namespace core_random_test {

using namespace hydralora;

namespace {
bool equal(PhiloxBlock a, PhiloxBlock b) {
    return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] && a.word[3] == b.word[3];
}
constexpr RandomKey key{Seed{0x123456789abcdef0u}, 3, 7};
}  // namespace

// Random123, examples/kat_vectors, philox4x32 with 10 rounds.
TEST_CASE("Philox4x32-10 gives the known answers of Random123") {
    CHECK(equal(philox4x32({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
    CHECK(equal(philox4x32({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u), {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
    CHECK(equal(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
                {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
    static_assert(philox4x32({{0, 0, 0, 0}}, 0, 0).word[0] == 0x6627e8d5);
}

TEST_CASE("random_block: index, step and stream are the counter, the seed is the key") {
    const std::uint64_t block = 0x0123456789abcdefu;
    CHECK(equal(random_block(key, block), philox4x32({{0x89abcdef, 0x01234567, 7, 3}}, 0x9abcdef0, 0x12345678)));
    for (std::uint64_t i = 0; i < 100; ++i) CHECK(random_word(key, i) == random_block(key, i / 4).word[i % 4]);
}

TEST_CASE("random_word: another seed, stream or step is another sequence") {
    const RandomKey keys[] = {
        key, {Seed{1}, 3, 7}, {Seed{0x123456789abcdef0u ^ (1ull << 40)}, 3, 7}, {key.seed, 4, 7}, {key.seed, 3, 8}};
    std::set<std::uint32_t> words;
    for (const auto& k : keys)
        for (std::uint64_t i = 0; i < 1000; ++i) words.insert(random_word(k, i));
    CHECK(words.size() >= 4995);  // 5000 draws of 2^32: 0.003 collisions expected
}

TEST_CASE("unit_interval: 24 bits, exact, the same number in float and double, below 1") {
    CHECK(unit_interval<float>(0) == 0.0f);
    CHECK(unit_interval<float>(0xffffffffu) == 1.0f - 0x1p-24f);
    CHECK(unit_interval<double>(0x80000000u) == 0.5);
    for (std::uint64_t i = 0; i < 10000; ++i) {
        const auto f = uniform<float>(key, i);
        CHECK((f >= 0 && f < 1));
        CHECK(static_cast<double>(f) == uniform<double>(key, i));
    }
}

TEST_CASE("uniform: mean 1/2, variance 1/12, and even tenths") {
    constexpr int n = 200000;
    double sum = 0, squares = 0;
    int tenths[10] = {};
    for (int i = 0; i < n; ++i) {
        const auto u = uniform<double>(key, static_cast<std::uint64_t>(i));
        sum += u;
        squares += u * u;
        ++tenths[static_cast<int>(u * 10)];
    }
    CHECK(std::abs(sum / n - 0.5) < 5 * std::sqrt(1 / 12.0 / n));
    CHECK(std::abs(squares / n - 1 / 3.0) < 5 * std::sqrt(4 / 45.0 / n));
    double chi = 0;
    for (const int count : tenths) chi += (count - n / 10.0) * (count - n / 10.0) / (n / 10.0);
    CHECK(chi < 33.7);  // 9 degrees of freedom: exceeded once in 10,000
}

TEST_CASE("normal: mean 0, variance 1, kurtosis 3, finite at both ends of the words") {
    constexpr int n = 200000;
    double sum = 0, squares = 0, fourths = 0;
    for (int i = 0; i < n; ++i) {
        const auto z = normal<double>(key, static_cast<std::uint64_t>(i));
        REQUIRE(std::isfinite(z));
        sum += z;
        squares += z * z;
        fourths += z * z * z * z;
    }
    CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
    CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2.0 / n));
    CHECK(std::abs(fourths / n - 3) < 5 * std::sqrt(96.0 / n));
    CHECK(normal<float>(key, 5) == static_cast<float>(normal<double>(key, 5)));
}

TEST_CASE("uniform_below: each value below the bound about as often") {
    constexpr int n = 70000;
    int counts[7] = {};
    for (int i = 0; i < n; ++i) {
        const auto k = uniform_below(key, static_cast<std::uint64_t>(i), 7);
        REQUIRE(k < 7);
        ++counts[k];
    }
    for (const int count : counts) CHECK(std::abs(count - n / 7) < 5 * std::sqrt(n / 7.0));
    CHECK(uniform_below(key, 3, 1) == 0);
}

}  // namespace core_random_test
