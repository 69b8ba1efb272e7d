// Joining neighbours, the best pair first: what merging by rank and merging by score have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "vocabulary.hpp"

namespace hydralora::text {

/// A pair's right to be joined: the least rank goes first, of equal ones the leftmost.
struct Join {
    std::uint32_t rank, joined;
};

/// What one call to encode needs, kept from word to word.
struct JoinScratch {
    static constexpr std::uint32_t end = ~0u;
    struct Symbol {
        std::uint32_t slot, previous, next;  // slot = none: joined to the one before
    };
    struct Candidate {
        std::uint32_t rank, at, joined;
    };
    std::vector<Symbol> symbols;
    std::vector<std::uint32_t> begins;  // of the symbols in the text, where a model needs them
    std::vector<Candidate> queue;       // a heap, the least (rank, at) first

    void put(std::uint32_t slot) {
        const auto at = static_cast<std::uint32_t>(symbols.size());
        symbols.push_back({slot, at - 1, at + 1});  // the first has no previous: 0 - 1 = end
    }
};

/// Joins what `rule(at)` joins: a `Join`, by pointer or optional, of the symbol `at` and the one after it, or nothing. A
/// candidate may be out of date when its turn comes: it counts if the pair that stands there now makes the same token,
/// which is the test of the Python package `tokenizers`.
template <class Rule>
void join_symbols(JoinScratch& scratch, Rule&& rule) {
    auto& symbols = scratch.symbols;
    auto& queue = scratch.queue;
    const auto later = [](const JoinScratch::Candidate& a, const JoinScratch::Candidate& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    };
    queue.clear();
    for (std::uint32_t at = 0; at + 1 < symbols.size(); ++at)
        if (const auto join = rule(at)) queue.push_back({join->rank, at, join->joined});
    std::make_heap(queue.begin(), queue.end(), later);
    const auto offer = [&](std::uint32_t at) {
        if (const auto join = rule(at)) {
            queue.push_back({join->rank, at, join->joined});
            std::push_heap(queue.begin(), queue.end(), later);
        }
    };
    while (!queue.empty()) {
        const JoinScratch::Candidate best = queue.front();
        std::pop_heap(queue.begin(), queue.end(), later);
        queue.pop_back();
        JoinScratch::Symbol& left = symbols[best.at];
        if (left.slot == Vocabulary::none || left.next == JoinScratch::end) continue;
        const auto join = rule(best.at);
        if (!join || join->joined != best.joined) continue;
        JoinScratch::Symbol& right = symbols[left.next];
        left.slot = best.joined;
        left.next = right.next;
        right.slot = Vocabulary::none;
        if (left.next != JoinScratch::end) symbols[left.next].previous = best.at;
        if (left.previous != JoinScratch::end) offer(left.previous);
        if (left.next != JoinScratch::end) offer(best.at);
    }
}

}  // namespace hydralora::text
