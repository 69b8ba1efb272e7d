// SentencePiece's byte pair encoding: neighbours are joined wherever the vocabulary has what they make, the token of the
// greatest score first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "join_symbols.hpp"
#include "unicode.hpp"
#include "vocabulary.hpp"

namespace hydralora::text {

/// Ids are those of llama.cpp (src/llama-vocab.cpp, llm_tokenizer_spm) but for one thing: no text is joined to a control
/// token, a byte or the unknown token, which is SentencePiece's own rule (bpe_model.cc looks among the other pieces).
class ScoredMerges {
public:
    struct Options {
        std::vector<std::uint32_t> apart{};        // slots that stand for other text than their own
        std::uint32_t unknown = Vocabulary::none;  // for characters that have neither token nor bytes
    };

    ScoredMerges() = default;
    /// `scores` by slot, none of them NaN. A character without token becomes its bytes if these have tokens, else the
    /// unknown token, one for characters that follow each other, else nothing.
    ScoredMerges(Vocabulary vocabulary, const std::vector<float>& scores, const Options& options)
        : vocabulary_(std::move(vocabulary)), ranks_(scores.size()), unknown_(options.unknown) {
        bytes_ = byte_slots(vocabulary_);
        std::vector<float> falling = scores;
        std::sort(falling.begin(), falling.end(), std::greater<>());
        falling.erase(std::unique(falling.begin(), falling.end()), falling.end());
        for (std::uint32_t slot = 0; slot < ranks_.size(); ++slot) {
            longest_ = std::max(longest_, vocabulary_.content(slot).size());
            ranks_[slot] = static_cast<std::uint32_t>(
                std::lower_bound(falling.begin(), falling.end(), scores[slot], std::greater<>()) - falling.begin());
        }
        for (const std::uint32_t slot : options.apart) ranks_[slot] = apart;
        for (std::uint32_t c = 0; c < common_.size(); ++c) {
            std::string text;
            append_utf8(text, c);
            common_[c] = joinable(text);
        }
    }

    [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

    /// Appends the ids of a text.
    void encode(std::string_view text, std::vector<std::int32_t>& ids, JoinScratch& scratch) const {
        if (text.empty()) return;
        check(text.size() < std::numeric_limits<std::uint32_t>::max(), "Tokenizer: a word of ", text.size(),
              " bytes, expected less than 4 GiB; encode the text in parts");
        auto& symbols = scratch.symbols;
        auto& begins = scratch.begins;
        symbols.clear();
        begins.clear();
        for (std::size_t i = 0; i < text.size();) {
            const Character c = character_at(text, i);
            const std::string_view character = text.substr(i, c.bytes);
            const std::uint32_t slot = c.code < common_.size() ? common_[c.code] : joinable(character);
            begins.push_back(static_cast<std::uint32_t>(i));
            scratch.put(slot == Vocabulary::none ? no_token : slot);
            i += c.bytes;
        }
        symbols.back().next = JoinScratch::end;
        begins.push_back(static_cast<std::uint32_t>(text.size()));

        const auto text_of = [&](std::uint32_t first, std::uint32_t last) {
            const std::uint32_t next = symbols[last].next, begin = begins[first];
            return text.substr(begin, (next == JoinScratch::end ? begins.back() : begins[next]) - begin);
        };
        join_symbols(scratch, [&](std::uint32_t at) -> std::optional<Join> {
            const std::uint32_t slot = joinable(text_of(at, symbols[at].next));
            return slot == Vocabulary::none ? std::nullopt : std::optional(Join{ranks_[slot], slot});
        });
        bool in_unknown = false;
        for (std::uint32_t at = 0; at != JoinScratch::end; at = symbols[at].next) {
            const std::uint32_t slot = symbols[at].slot;
            if (slot != no_token) {
                ids.push_back(vocabulary_.id(slot));
                in_unknown = false;
                continue;
            }
            const std::string_view character = text_of(at, at);
            if (has_bytes(character)) {
                for (const char b : character) ids.push_back(vocabulary_.id(byte_slot(b)));
                in_unknown = false;
            } else if (unknown_ != Vocabulary::none && !std::exchange(in_unknown, true)) {
                ids.push_back(vocabulary_.id(unknown_));
            }
        }
    }

private:
    static constexpr std::uint32_t apart = ~0u;
    static constexpr std::uint32_t no_token = Vocabulary::none - 1;  // of a character that stands for itself so far

    /// The token of that text, none where it is one that nothing is joined to.
    [[nodiscard]] std::uint32_t joinable(std::string_view text) const {
        if (text.size() > longest_) return Vocabulary::none;
        const std::uint32_t slot = vocabulary_.find(text);
        return slot == Vocabulary::none || ranks_[slot] == apart ? Vocabulary::none : slot;
    }
    [[nodiscard]] std::uint32_t byte_slot(char b) const { return bytes_[static_cast<unsigned char>(b)]; }
    [[nodiscard]] bool has_bytes(std::string_view character) const {
        return std::all_of(character.begin(), character.end(),
                           [&](char b) { return byte_slot(b) != Vocabulary::none; });
    }

    Vocabulary vocabulary_;
    std::vector<std::uint32_t> ranks_;  // by slot: equal for equal scores
    std::uint32_t unknown_ = Vocabulary::none;
    std::size_t longest_ = 0;                    // bytes of a token
    std::array<std::uint32_t, 0x200> common_{};  // slots of the characters that most texts are made of
    std::array<std::uint32_t, 256> bytes_{};
};

}  // namespace hydralora::text
