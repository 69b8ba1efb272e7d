// Terms and how often they occur, in memory that is counted before it is taken.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"

namespace hydralora::corpus {

/// Texts by number, one after another in memory.
class TermList {
public:
    void reserve(std::size_t terms, std::size_t bytes) {
        end_.reserve(terms);
        bytes_.reserve(bytes);
    }
    void add(std::string_view term) {
        bytes_ += term;
        end_.push_back(bytes_.size());
    }
    [[nodiscard]] std::size_t size() const { return end_.size(); }
    [[nodiscard]] std::string_view operator[](std::size_t i) const {
        const std::size_t begin = i == 0 ? 0 : end_[i - 1];
        return std::string_view(bytes_).substr(begin, end_[i] - begin);
    }

private:
    std::string bytes_;
    std::vector<std::size_t> end_;
};

/// Counts the documents and occurrences of each term. Open addressing; nothing is ever removed.
class TermTable {
public:
    static constexpr std::uint32_t none = ~0u;
    struct Entry {
        std::size_t begin = 0;
        std::uint64_t occurrences = 0;
        std::uint32_t size = 0;
        std::uint32_t documents = 0;
        std::uint32_t mark = none;  // while counting the last document it was seen in; afterwards the user's
    };

    /// Throws rather than take more than `most_memory` bytes.
    explicit TermTable(std::size_t most_memory) : most_memory_(most_memory), slots_(1024, none) {}

    void count(std::string_view term, std::uint32_t document) {
        std::size_t slot = slot_of(term);
        if (slots_[slot] == none) {
            if (add(term)) slot = slot_of(term);
            slots_[slot] = static_cast<std::uint32_t>(entries_.size() - 1);
        }
        Entry& entry = entries_[slots_[slot]];
        ++entry.occurrences;
        entry.documents += entry.mark != document;
        entry.mark = document;
    }

    /// nullptr for a term that was never counted.
    [[nodiscard]] const Entry* find(std::string_view term) const {
        const std::uint32_t found = slots_[slot_of(term)];
        return found == none ? nullptr : &entries_[found];
    }
    [[nodiscard]] std::string_view text(const Entry& entry) const {
        return std::string_view(bytes_).substr(entry.begin, entry.size);
    }
    [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
    [[nodiscard]] std::size_t memory() const {
        return bytes_.capacity() + entries_.capacity() * sizeof(Entry) + slots_.capacity() * sizeof(std::uint32_t);
    }

private:
    [[nodiscard]] std::size_t slot_of(std::string_view term) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t slot = std::hash<std::string_view>{}(term)&mask;
        while (slots_[slot] != none && text(entries_[slots_[slot]]) != term) slot = (slot + 1) & mask;
        return slot;
    }

    /// Whether the slots have moved.
    bool add(std::string_view term) {
        check(term.size() < none, "tf_idf: a term of ", term.size(), " bytes, expected below 2^32: cut the document");
        check(entries_.size() + 1 < none, "tf_idf: more than 2^32 - 2 different terms; count fewer documents");
        if (bytes_.size() + term.size() > bytes_.capacity()) {
            const std::size_t wanted = std::max(2 * bytes_.capacity(), bytes_.size() + term.size());
            grow(wanted);
            bytes_.reserve(wanted);
        }
        if (entries_.size() == entries_.capacity()) {
            const std::size_t wanted = std::max<std::size_t>(1024, 2 * entries_.capacity());
            grow(wanted * sizeof(Entry));
            entries_.reserve(wanted);
        }
        entries_.push_back({bytes_.size(), 0, static_cast<std::uint32_t>(term.size())});
        bytes_ += term;
        if (2 * entries_.size() <= slots_.size()) return false;
        grow(2 * slots_.size() * sizeof(std::uint32_t));
        slots_.assign(2 * slots_.size(), none);
        for (std::size_t i = 0; i + 1 < entries_.size(); ++i)
            slots_[slot_of(text(entries_[i]))] = static_cast<std::uint32_t>(i);
        return true;
    }
    void grow(std::size_t more) const {
        check(memory() + more <= most_memory_, "tf_idf: ", entries_.size(), " different terms need ", memory() + more,
              " bytes, expected at most most_memory = ", most_memory_,
              "; raise it, give fewer documents, or count byte_ngrams of at most 3");
    }

    std::size_t most_memory_;
    std::string bytes_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> slots_;  // a power of two, at most half of them taken
};

}  // namespace hydralora::corpus
