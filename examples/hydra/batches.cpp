#include "batches.hpp"

#include <algorithm>
#include <numeric>

#include <hydralora/core/check.hpp>

#include "vocabulary.hpp"

namespace hydra {

using hydralora::Index;

namespace {
constexpr std::uint32_t shuffle_stream = 0x5f000000u;  // decks count up from here
}

ExampleOrder::ExampleOrder(const std::vector<Domain>& domains, Mix mix, hydralora::Seed seed) : seed_(seed) {
    decks_.resize(mix == Mix::equal ? domains.size() : 1);
    for (std::size_t d = 0; d < domains.size(); ++d)
        for (const Example& example : domains[d].train) {
            hydralora::check(
                mix != Mix::components || example.component >= 0,
                "--mix components: an example has no component; packed sequences and pretraining have none");
            const std::size_t deck = mix == Mix::equal        ? d
                                     : mix == Mix::components ? static_cast<std::size_t>(example.component)
                                                              : 0;
            if (deck >= decks_.size()) decks_.resize(deck + 1);
            decks_[deck].examples.push_back(&example);
        }
    if (mix == Mix::components)  // of a given component, all may be held out
        std::erase_if(decks_, [](const Deck& deck) { return deck.examples.empty(); });
    hydralora::check(!decks_.empty(), "the data has no training example");
    for (Deck& deck : decks_) {
        hydralora::check(!deck.examples.empty(), "the data has no training example");
        deck.order.resize(deck.examples.size());
        epoch_ += static_cast<Index>(deck.examples.size());
    }
}

const Example* ExampleOrder::draw(std::size_t deck_index, Index position) {
    Deck& deck = decks_[deck_index];
    const Index size = static_cast<Index>(deck.examples.size()), epoch = position / size;
    if (deck.shuffled_for != epoch) {  // Fisher-Yates
        std::iota(deck.order.begin(), deck.order.end(), 0u);
        const hydralora::RandomKey key{seed_, shuffle_stream + static_cast<std::uint32_t>(deck_index),
                                       static_cast<std::uint32_t>(epoch)};
        for (Index i = size - 1; i > 0; --i) {
            const auto j =
                hydralora::uniform_below(key, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(i + 1));
            std::swap(deck.order[static_cast<std::size_t>(i)], deck.order[j]);
        }
        deck.shuffled_for = epoch;
    }
    return deck.examples[deck.order[static_cast<std::size_t>(position % size)]];
}

std::vector<const Example*> ExampleOrder::batch(Index step, Index size) {
    std::vector<const Example*> examples;
    const Index decks = static_cast<Index>(decks_.size());
    for (Index i = step * size; i < (step + 1) * size; ++i)
        examples.push_back(draw(static_cast<std::size_t>(i % decks), i / decks));
    std::stable_sort(examples.begin(), examples.end(),
                     [](const Example* a, const Example* b) { return a->ids.size() < b->ids.size(); });
    return examples;
}

namespace {
Index padded(const Example* example, Index multiple) {
    return padded_length(static_cast<Index>(example->ids.size()), multiple);
}
}  // namespace

std::vector<Index> cut_batch(const std::vector<const Example*>& examples, Index most_tokens, Index multiple) {
    constexpr Index enough = 1024;  // tokens that make a part worth its overheads
    std::vector<Index> sizes;
    Index count = 0, shortest = 0;
    for (const Example* example : examples) {
        const Index length = padded(example, multiple);
        const bool full = (count + 1) * length > most_tokens;
        const bool wasteful = count * shortest >= enough && length * 3 > shortest * 4;
        if (count > 0 && (full || wasteful)) {
            sizes.push_back(count);
            count = 0;
        }
        if (count++ == 0) shortest = length;
    }
    sizes.push_back(count);
    return sizes;
}

void PaddedBatch::assign(const Example* const* examples, Index count, Index multiple) {
    sequences = count;
    length = 0;
    tokens = labelled = 0;
    for (Index s = 0; s < count; ++s) {
        length = std::max(length, padded(examples[s], multiple));
        tokens += static_cast<Index>(examples[s]->ids.size());
        labelled += examples[s]->labelled;
    }
    ids.assign(static_cast<std::size_t>(count * length), 0);
    labels.assign(static_cast<std::size_t>(count * length), ignored);
    const bool packed = std::any_of(examples, examples + count, [](const Example* e) { return !e->starts.empty(); });
    starts.assign(packed ? ids.size() : 0, 0);
    for (Index s = 0; s < count; ++s) {
        std::copy(examples[s]->ids.begin(), examples[s]->ids.end(), ids.begin() + s * length);
        std::copy(examples[s]->labels.begin(), examples[s]->labels.end(), labels.begin() + s * length);
        if (!packed) continue;
        const auto used = static_cast<Index>(examples[s]->ids.size());
        std::copy(examples[s]->starts.begin(), examples[s]->starts.end(), starts.begin() + s * length);
        std::fill(starts.begin() + s * length + used, starts.begin() + (s + 1) * length,
                  static_cast<std::int32_t>(used));  // the padding, a document of its own
    }
}

}  // namespace hydra
