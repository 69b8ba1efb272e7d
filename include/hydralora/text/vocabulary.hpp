// The tokens of a model by id and by content. Sorted arrays: no file can make a look-up slow.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hydralora::text {

/// Tokens are counted by `slot`, their place in the order of ids: ids may have gaps, slots have none.
class Vocabulary {
public:
    static constexpr std::uint32_t none = ~0u;
    struct Token {
        std::int32_t id;
        std::uint32_t begin, size;
    };

    /// Adds a token; `finish` makes them searchable.
    void add(std::string_view content, std::int32_t id) {
        tokens_.push_back({id, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(content.size())});
        bytes_ += content;
    }
    void finish() {
        std::sort(tokens_.begin(), tokens_.end(), [](const Token& a, const Token& b) { return a.id < b.id; });
        by_content_.resize(tokens_.size());
        for (std::uint32_t slot = 0; slot < by_content_.size(); ++slot) by_content_[slot] = {head(content(slot)), slot};
        std::sort(by_content_.begin(), by_content_.end(), [&](const Key& a, const Key& b) {
            return a.head != b.head ? a.head < b.head : content(a.slot) < content(b.slot);
        });
    }

    [[nodiscard]] std::size_t size() const { return tokens_.size(); }
    [[nodiscard]] std::int32_t id(std::uint32_t slot) const { return tokens_[slot].id; }
    [[nodiscard]] std::string_view content(std::uint32_t slot) const {
        return std::string_view(bytes_).substr(tokens_[slot].begin, tokens_[slot].size);
    }

    [[nodiscard]] std::uint32_t find(std::string_view wanted) const {
        const std::uint64_t start = head(wanted);
        const auto found = std::lower_bound(by_content_.begin(), by_content_.end(), start, [&](const Key& key, auto) {
            return key.head != start ? key.head < start : content(key.slot) < wanted;
        });
        return found != by_content_.end() && found->head == start && content(found->slot) == wanted ? found->slot
                                                                                                    : none;
    }
    /// Two tokens of one text that is not empty, if there are such.
    [[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> find_double() const {
        for (std::size_t i = 1; i < by_content_.size(); ++i) {
            const Key &a = by_content_[i - 1], &b = by_content_[i];
            if (a.head == b.head && !content(a.slot).empty() && content(a.slot) == content(b.slot))
                return std::minmax(a.slot, b.slot);
        }
        return std::nullopt;
    }
    [[nodiscard]] std::uint32_t slot_of(std::int32_t id) const {
        if (id < 0) return none;
        const auto guess = static_cast<std::uint32_t>(id);  // right where the ids have no gap
        if (guess < tokens_.size() && tokens_[guess].id == id) return guess;
        const auto found = std::lower_bound(tokens_.begin(), tokens_.end(), id,
                                            [](const Token& token, std::int32_t i) { return token.id < i; });
        return found != tokens_.end() && found->id == id ? static_cast<std::uint32_t>(found - tokens_.begin()) : none;
    }

private:
    struct Key {
        std::uint64_t head;
        std::uint32_t slot;
    };
    /// The first eight bytes as a number of the same order, so that most comparisons touch no text.
    [[nodiscard]] static std::uint64_t head(std::string_view text) {
        std::uint64_t result = 0;
        for (std::size_t i = 0; i < 8; ++i)
            result = result << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
        return result;
    }

    std::string bytes_;
    std::vector<Token> tokens_;    // by id
    std::vector<Key> by_content_;  // by head, then content
};

/// The slots of <0x00> .. <0xFF>, which stand for bytes; `none` where there is no such token.
[[nodiscard]] inline std::array<std::uint32_t, 256> byte_slots(const Vocabulary& vocabulary) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::array<std::uint32_t, 256> ids{};
    for (unsigned b = 0; b < 256; ++b)
        ids[b] = vocabulary.find(std::string{'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'});
    return ids;
}

}  // namespace hydralora::text
