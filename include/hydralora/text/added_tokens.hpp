// Tokens beside the model's that are found in the text as they are, before it is cut into words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unicode.hpp"

namespace hydralora::text {

struct AddedToken {
    std::string content;
    std::string pattern;  // what it looks like in the text: the content, normalised for a token that is found there
    std::int32_t id = 0;
    bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

/// Finds, in linear time, the longest of some texts that begins at a place. An Aho-Corasick automaton of the texts
/// reversed reads from the right; where it stands, it knows the longest text that begins there.
class LongestMatch {
public:
    struct Match {
        std::size_t begin, end;
        std::uint32_t text;  // its place in the list
    };

    LongestMatch() = default;
    /// Of equal texts the first counts; none is empty.
    explicit LongestMatch(const std::vector<std::string>& texts) {
        std::vector<std::uint32_t> order;
        for (std::uint32_t i = 0; i < texts.size(); ++i) order.push_back(i);
        const auto reversed_less = [&](std::uint32_t a, std::uint32_t b) {
            // Bytes as `step` compares them; a char may be signed.
            const auto less = [](char x, char y) {
                return static_cast<unsigned char>(x) < static_cast<unsigned char>(y);
            };
            return std::lexicographical_compare(texts[a].rbegin(), texts[a].rend(), texts[b].rbegin(), texts[b].rend(),
                                                less);
        };
        std::stable_sort(order.begin(), order.end(), reversed_less);

        // States by depth. A state stands for the run [first, last) of the order whose texts end in the same `depth`
        // bytes; its children, by the next byte, follow each other.
        struct Run {
            std::size_t first, last, depth;
        };
        std::vector<Run> runs{{0, order.size(), 0}};
        states_.push_back({});
        for (std::uint32_t s = 0; s < runs.size(); ++s) {
            auto [first, last, depth] = runs[s];
            const auto byte = [&, d = depth](std::size_t i) {
                const std::string& text = texts[order[i]];
                return static_cast<unsigned char>(text[text.size() - 1 - d]);
            };
            if (first < last && texts[order[first]].size() == depth) {
                states_[s].text = order[first];
                states_[s].length = depth;
            }
            while (first < last && texts[order[first]].size() == depth) ++first;
            states_[s].children = static_cast<std::uint32_t>(runs.size());
            while (first < last) {
                std::size_t end = first + 1;
                while (end < last && byte(end) == byte(first)) ++end;
                runs.push_back({first, end, depth + 1});
                states_.push_back({});
                states_.back().byte = byte(first);
                states_.back().parent = s;
                first = end;
            }
            states_[s].children_end = static_cast<std::uint32_t>(runs.size());
        }
        for (std::uint32_t s = 1; s < states_.size(); ++s) {
            State& state = states_[s];
            state.fallback = state.parent == root ? root : step(states_[state.parent].fallback, state.byte);
            if (state.length == 0) {
                state.text = states_[state.fallback].text;
                state.length = states_[state.fallback].length;
            }
        }
    }

    /// The leftmost matches, the longest of each place, that do not overlap.
    [[nodiscard]] std::vector<Match> find(std::string_view text) const {
        std::vector<Match> all, chosen;
        if (states_.size() < 2) return chosen;
        std::uint32_t state = root;
        for (std::size_t i = text.size(); i-- > 0;) {
            state = step(state, static_cast<unsigned char>(text[i]));
            if (const State& s = states_[state]; s.length > 0) all.push_back({i, i + s.length, s.text});
        }
        for (auto match = all.rbegin(); match != all.rend(); ++match)
            if (chosen.empty() || match->begin >= chosen.back().end) chosen.push_back(*match);
        return chosen;
    }

private:
    static constexpr std::uint32_t root = 0;
    struct State {
        std::uint32_t children = 0, children_end = 0, parent = 0, fallback = 0, text = 0;
        std::size_t length = 0;  // of the longest text that begins here, 0 if none does
        unsigned char byte = 0;
    };

    [[nodiscard]] std::uint32_t step(std::uint32_t state, unsigned char byte) const {
        for (;;) {
            const auto begin = states_.begin() + states_[state].children;
            const auto end = states_.begin() + states_[state].children_end;
            const auto child = std::lower_bound(begin, end, byte, [](const State& s, auto b) { return s.byte < b; });
            if (child != end && child->byte == byte) return static_cast<std::uint32_t>(child - states_.begin());
            if (state == root) return root;
            state = states_[state].fallback;
        }
    }

    std::vector<State> states_;
};

/// A list of added tokens and how they cut a text.
class AddedTokens {
public:
    struct Piece {
        std::size_t begin, end;
        const AddedToken* token;  // nullptr: text
    };

    AddedTokens() = default;
    /// Of equal patterns the first counts.
    explicit AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), matcher_(patterns(tokens_)) {}

    /// Where the tokens stand in the text: the longest of each place, none over another.
    [[nodiscard]] std::vector<LongestMatch::Match> matches(std::string_view text) const { return matcher_.find(text); }

    /// The pieces of the text, in order; tokens for which `plain(token, begin, end)` holds, with their place in the text,
    /// are text. A token that strips takes the white space beside it. As in the Python package both count if that runs
    /// into the next token, unless that takes white space before it and nothing is left.
    template <class Plain>
    [[nodiscard]] std::vector<Piece> split(std::string_view text, Plain&& plain) const {
        std::vector<Piece> pieces;
        std::size_t done = 0, space_end = 0;  // of the white space that was last looked for after a token
        for (const LongestMatch::Match& match : matches(text)) {
            const AddedToken& token = tokens_[match.text];
            std::size_t begin = match.begin, end = match.end;
            if (plain(token, begin, end) || (token.single_word && !stands_alone(text, begin, end))) continue;
            if (token.lstrip) {
                // No further than `done`, and below not where it is known already: many tokens may stand in one run.
                while (begin > done && is(space, character_before(text, begin)))
                    begin -= character_before(text, begin).bytes;
                begin = std::max(begin, done);
            }
            if (token.rstrip) {
                if (end >= space_end) {
                    space_end = end;
                    while (space_end < text.size() && is(space, character_at(text, space_end)))
                        space_end += character_at(text, space_end).bytes;
                }
                end = space_end;
            }
            if (begin >= end) continue;  // all of it is white space that the token before has taken
            if (done < begin) pieces.push_back({done, begin, nullptr});
            pieces.push_back({begin, end, &token});
            done = end;
        }
        if (done < text.size()) pieces.push_back({done, text.size(), nullptr});
        return pieces;
    }

private:
    static std::vector<std::string> patterns(const std::vector<AddedToken>& tokens) {
        std::vector<std::string> result;
        for (const AddedToken& token : tokens) result.push_back(token.pattern);
        return result;
    }
    static bool is(Property property, Character c) { return (properties(c.code) & property) != 0; }
    static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
        return !(begin > 0 && is(word, character_before(text, begin))) &&
               !(end < text.size() && is(word, character_at(text, end)));
    }

    std::vector<AddedToken> tokens_;
    LongestMatch matcher_;
};

}  // namespace hydralora::text
