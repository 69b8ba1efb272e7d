// Byte pair encoding of one word: characters, joined pair by pair in the order of the merges' ranks.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../io/quote.hpp"
#include "join_symbols.hpp"
#include "unicode.hpp"
#include "vocabulary.hpp"

namespace hydralora::text {

/// A rule: `left` and `right` become `joined`; slots of the vocabulary. The least rank goes first.
struct Merge {
    std::uint32_t left, right, rank, joined;
};

/// Merges by left and right, as rows of a sparse matrix.
class MergeTable {
public:
    MergeTable() = default;
    /// Of two rules for one pair the later counts, as in the Python package.
    MergeTable(std::vector<Merge> merges, std::size_t vocabulary) : merges_(std::move(merges)), rows_(vocabulary + 1) {
        std::sort(merges_.begin(), merges_.end(), [](const Merge& a, const Merge& b) {
            return a.left != b.left ? a.left < b.left : a.right != b.right ? a.right < b.right : a.rank > b.rank;
        });
        const auto same = [](const Merge& a, const Merge& b) { return a.left == b.left && a.right == b.right; };
        merges_.erase(std::unique(merges_.begin(), merges_.end(), same), merges_.end());
        for (const Merge& merge : merges_) ++rows_[merge.left + 1];
        for (std::size_t i = 1; i < rows_.size(); ++i) rows_[i] += rows_[i - 1];
    }
    [[nodiscard]] const Merge* find(std::uint32_t left, std::uint32_t right) const {
        const Merge *at = merges_.data() + rows_[left], *const end = merges_.data() + rows_[left + 1];
        at = std::lower_bound(at, end, right, [](const Merge& m, std::uint32_t r) { return m.right < r; });
        return at != end && at->right == right ? at : nullptr;
    }
    [[nodiscard]] const std::vector<Merge>& all() const { return merges_; }

private:
    std::vector<Merge> merges_;
    std::vector<std::uint32_t> rows_;
};

/// What special tokens (added ones with `special`, such as <|im_end|>) spelled out in a text are. Text from outside
/// must not reach the model as control tokens, so `as_text` is the default; a chat template needs `recognised`.
enum class Specials { as_text, recognised };

class Bpe {
public:
    /// What becomes of characters without token: the unknown token for each or for each run, if there is one, else
    /// nothing, their neighbours being neighbours; or nothing, and no rule joins what stands around them.
    enum class Unknown { each, fused, gap };
    struct Options {
        std::string unknown;  // "": none
        Unknown unknowns = Unknown::each;
        bool byte_fallback = false;
        bool whole_words_first = false;  // `ignore_merges`
    };

    Bpe() = default;
    Bpe(Vocabulary vocabulary, std::vector<Merge> merges, Options options)
        : vocabulary_(std::move(vocabulary)),
          merges_(std::move(merges), vocabulary_.size() + 1),  // and a row without rules for `gap`

          options_(std::move(options)),
          unknown_(options_.unknown.empty() ? Vocabulary::none : vocabulary_.find(options_.unknown)) {
        for (std::uint32_t c = 0; c < common_.size(); ++c) {
            std::string text;
            append_utf8(text, c);
            common_[c] = vocabulary_.find(text);
        }
        bytes_ = byte_slots(vocabulary_);
    }

    [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
    /// The number of rules; of those for one pair one counts.
    [[nodiscard]] std::size_t merges() const { return merges_.all().size(); }

    /// Says which slots are special tokens. As text, such a token is written with those that it is joined from, at last
    /// with none that is special, and the ids of other tokens stay the Python package's. A character has no such parts:
    /// where the model has bytes it is written with them, else it stays, because nothing else spells it. The unknown
    /// token and bytes stay: they stand for other text than their own.
    void set_specials(std::vector<std::uint32_t> which) {
        const auto length = [&](std::uint32_t slot) { return vocabulary_.content(slot).size(); };
        std::sort(which.begin(), which.end());
        specials_.clear();
        for (const std::uint32_t slot : which) specials_.push_back({slot, {slot}});

        // The rule that makes each; the first of several. Rules with an empty side never apply.
        std::vector<const Merge*> rules(specials_.size());
        for (const Merge& merge : merges_.all()) {
            if (length(merge.left) == 0 || length(merge.right) == 0) continue;
            if (const Special* special = special_of(merge.joined)) {
                const Merge*& rule = rules[static_cast<std::size_t>(special - specials_.data())];
                if (rule == nullptr || merge.rank < rule->rank) rule = &merge;
            }
        }
        // Short ones first, so that parts that are special themselves are in parts already.
        std::vector<std::size_t> order(specials_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return length(specials_[a].slot) < length(specials_[b].slot);
        });
        for (const std::size_t i : order) {
            auto& [slot, parts] = specials_[i];
            if (slot == unknown_ ||
                (options_.byte_fallback && std::find(bytes_.begin(), bytes_.end(), slot) != bytes_.end()))
                continue;
            if (rules[i] != nullptr) {
                parts.clear();
                for (const std::uint32_t part : {rules[i]->left, rules[i]->right}) {
                    const Special* special = special_of(part);
                    if (special == nullptr)
                        parts.push_back(part);
                    else
                        parts.insert(parts.end(), special->parts.begin(), special->parts.end());
                }
            } else if (const std::string_view text = vocabulary_.content(slot); is_character(text) && has_bytes(text)) {
                parts.clear();
                for (const char b : text) parts.push_back(bytes_[static_cast<unsigned char>(b)]);
            }
        }
    }

    /// Appends the ids of a word.
    void encode(std::string_view text, std::vector<std::int32_t>& ids, JoinScratch& scratch,
                Specials specials = Specials::as_text) const {
        if (text.empty()) return;
        check(text.size() < std::numeric_limits<std::uint32_t>::max(), "Tokenizer: a word of ", text.size(),
              " bytes, expected less than 4 GiB; encode the text in parts");
        if (options_.whole_words_first)
            if (const std::uint32_t slot = vocabulary_.find(text);
                slot != Vocabulary::none && (specials == Specials::recognised || special_of(slot) == nullptr)) {
                ids.push_back(vocabulary_.id(slot));
                return;
            }
        first_symbols(text, scratch);
        join_symbols(scratch, [&](std::uint32_t at) {
            return merges_.find(scratch.symbols[at].slot, scratch.symbols[scratch.symbols[at].next].slot);
        });
        for (const auto& symbol : scratch.symbols) {
            if (symbol.slot == Vocabulary::none || symbol.slot == gap()) continue;
            if (const Special* special = specials == Specials::as_text ? special_of(symbol.slot) : nullptr)
                for (const std::uint32_t part : special->parts) ids.push_back(vocabulary_.id(part));
            else
                ids.push_back(vocabulary_.id(symbol.slot));
        }
    }

private:
    struct Special {
        std::uint32_t slot;
        std::vector<std::uint32_t> parts;  // what it is written with as text
    };

    [[nodiscard]] std::uint32_t gap() const { return static_cast<std::uint32_t>(vocabulary_.size()); }
    [[nodiscard]] const Special* special_of(std::uint32_t slot) const {
        const auto found = std::lower_bound(specials_.begin(), specials_.end(), slot,
                                            [](const Special& special, std::uint32_t s) { return special.slot < s; });
        return found != specials_.end() && found->slot == slot ? &*found : nullptr;
    }
    [[nodiscard]] static bool is_character(std::string_view text) {
        return !text.empty() && character_at(text, 0).bytes == text.size();
    }
    /// Whether characters without token become bytes, and these have tokens.
    [[nodiscard]] bool has_bytes(std::string_view character) const {
        return options_.byte_fallback && std::all_of(character.begin(), character.end(), [&](char b) {
                   return bytes_[static_cast<unsigned char>(b)] != Vocabulary::none;
               });
    }

    [[nodiscard]] std::uint32_t slot_of(std::string_view character, std::uint32_t code) const {
        return code < common_.size() ? common_[code] : vocabulary_.find(character);
    }

    /// One symbol a character. A character without token becomes its bytes, else the unknown token, else nothing; the
    /// unknown token waits for the next known character, and byte tokens overtake it, as in the Python package.
    void first_symbols(std::string_view text, JoinScratch& scratch) const {
        auto& symbols = scratch.symbols;
        symbols.clear();
        const auto put = [&](std::uint32_t slot) { scratch.put(slot); };
        bool waiting = false;
        for (std::size_t i = 0; i < text.size();) {
            const Character c = character_at(text, i);
            const std::string_view character = text.substr(i, c.bytes);
            i += c.bytes;
            if (const std::uint32_t slot = slot_of(character, c.code); slot != Vocabulary::none) {
                if (waiting) put(unknown_);
                waiting = false;
                put(slot);
            } else if (has_bytes(character)) {
                for (const char b : character) put(bytes_[static_cast<unsigned char>(b)]);
            } else if (options_.unknowns == Unknown::gap) {
                put(gap());
            } else if (!options_.unknown.empty()) {
                check(unknown_ != Vocabulary::none, "Tokenizer: no token for ", io::in_quotes(character),
                      ", and the unknown token ", io::in_quotes(options_.unknown), " is not in the vocabulary");
                if (waiting && options_.unknowns == Unknown::each) put(unknown_);
                waiting = true;
            }
        }
        if (waiting) put(unknown_);
        if (!symbols.empty()) symbols.back().next = JoinScratch::end;
    }

    Vocabulary vocabulary_;
    MergeTable merges_;
    Options options_;
    std::uint32_t unknown_ = Vocabulary::none;
    std::array<std::uint32_t, 0x200> common_{};  // slots of the characters that most words are made of
    std::array<std::uint32_t, 256> bytes_{};     // slots of <0x00> .. <0xFF>
    std::vector<Special> specials_;              // by slot
};

}  // namespace hydralora::text
