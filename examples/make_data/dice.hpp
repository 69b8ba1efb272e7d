// Random choices for generated texts: one Philox sequence a file, so that a change to one file leaves the others as
// they were, and the bytes are the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/core/random.hpp>

namespace make_data {

class Dice {
public:
    explicit Dice(std::uint32_t stream) : key_{hydralora::Seed{20240229}, stream, 0} {}

    std::size_t below(std::size_t bound) {
        return static_cast<std::size_t>(hydralora::uniform_below(key_, next_++, static_cast<std::uint32_t>(bound)));
    }
    int between(int low, int high) { return low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1))); }
    bool one_in(std::size_t n) { return below(n) == 0; }

    /// The smaller of two draws: the front of a list comes up more often than its end.
    std::size_t front_of(std::size_t bound) {
        const std::size_t a = below(bound);
        const std::size_t b = below(bound);
        return a < b ? a : b;
    }
    template <class T>
    const T& pick(const std::vector<T>& from) {
        return from[below(from.size())];
    }
    template <class T>
    void shuffle(std::vector<T>& list) {
        for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
    }

    /// A word that no dictionary has: `syllables` times consonant and vowel.
    std::string coin(int syllables, const std::string& consonants = "bcdfghjklmnprstvwz",
                     const std::string& vowels = "aeiou") {
        std::string word;
        for (int i = 0; i < syllables; ++i) {
            word += consonants[below(consonants.size())];
            word += vowels[below(vowels.size())];
        }
        return word;
    }

private:
    hydralora::RandomKey key_;
    std::uint64_t next_ = 0;
};

}  // namespace make_data
