// Small sequence tasks over a vocabulary of 58 tokens: one tag a task, twelve tokens in, up to twelve out. The base learns
// sixteen of them; the mixes that adapters are trained on give known tags new rules.
//
//     BOS tag x1 .. x12 SEP y1 .. yn EOS PAD ..        (28 tokens, n <= 12)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>

namespace compare {

using hydralora::Index;

inline constexpr Index vocabulary = 58, sequence_length = 28, input_length = 12, tags = 16;
inline constexpr Index first_answer = 3 + input_length;  // the place of y1: its label stands one before

/// Numbers of the tokens.
namespace token {
inline constexpr std::int32_t bos = 0, sep = 1, eos = 2, pad = 3, tag = 4, digit = 20, letter = 30, no = 46, yes = 47,
                              operation = 48, end = 51, opening = 52, closing = 55;
}
inline constexpr std::int32_t letters = 16, digits = 10, bracket_kinds = 3;

/// How a token is written: what the search for components reads.
[[nodiscard]] std::string_view name_of(std::int32_t token);

struct Example {
    std::array<std::int32_t, static_cast<std::size_t>(sequence_length)> tokens{};
    std::int32_t task = 0;  // within its mix
    Index answers = 0;      // y and EOS
};

/// The input and the answer as words.
[[nodiscard]] std::string text_of(const Example& example);

/// pretraining: sixteen tasks, each the rule of its tag. cipher: eight that differ in nothing but the tag, tags 0 to 7, each
/// with a permutation of the letters of its own. reasoning: eight of different form in the spirit of BIG-Bench Hard, each a
/// changed rule for a known tag.
enum class Mix { pretraining, cipher, reasoning };
[[nodiscard]] Index task_count(Mix mix);

/// Example `number` of a task: a pure function of its arguments. The rules of a mix follow from the seed; `held_out`
/// examples are drawn apart.
[[nodiscard]] Example example_of(Mix mix, Index task, hydralora::Seed seed, bool held_out, Index number);

}  // namespace compare
