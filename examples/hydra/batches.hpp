// Which examples a step sees, and how they are laid out. Pure functions of seed and step: there is nothing to save.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <hydralora/core/random.hpp>

#include "data.hpp"

namespace hydra {

/// proportional: every example once an epoch, all domains shuffled together. equal: domains take turns, each with epochs
/// of its own. components: so do the components, whatever the domain.
enum class Mix { proportional, equal, components };
inline constexpr std::array<std::string_view, 3> mix_names{"proportional", "equal", "components"};

/// The training examples of all domains in an order that depends on the seed and the position alone.
class ExampleOrder {
public:
    ExampleOrder(const std::vector<Domain>& domains, Mix mix, hydralora::Seed seed);

    /// Examples in an epoch.
    [[nodiscard]] hydralora::Index epoch() const { return epoch_; }

    /// The examples of optimiser step `step`, shortest first (so that micro-batches need little padding; equal lengths
    /// keep their order).
    [[nodiscard]] std::vector<const Example*> batch(hydralora::Index step, hydralora::Index size);

private:
    struct Deck {
        std::vector<const Example*> examples;
        std::vector<std::uint32_t> order;
        hydralora::Index shuffled_for = -1;  // epoch that `order` is of
    };
    const Example* draw(std::size_t deck, hydralora::Index position);

    std::vector<Deck> decks_;
    hydralora::Seed seed_;
    hydralora::Index epoch_ = 0;
};

/// A length with its padding to a multiple.
[[nodiscard]] constexpr hydralora::Index padded_length(hydralora::Index length, hydralora::Index multiple) {
    return (length + multiple - 1) / multiple * multiple;
}

/// Cuts the examples of a step, shortest first, into parts to compute one after another: sizes of the parts, which keep
/// within `most_tokens` with padding and hold examples of similar length. How a step is cut does not change its results.
[[nodiscard]] std::vector<hydralora::Index> cut_batch(const std::vector<const Example*>& examples,
                                                      hydralora::Index most_tokens, hydralora::Index multiple);

/// Examples side by side, each padded at its end to a common length that is a multiple of `multiple`; padding is token 0
/// without label.
struct PaddedBatch {
    std::vector<std::int32_t> ids, labels;
    std::vector<std::int32_t> starts;  // of each token, where its document begins in its sequence; empty: at 0
    hydralora::Index sequences = 0, length = 0;
    hydralora::Index tokens = 0, labelled = 0;  // without padding

    void assign(const Example* const* examples, hydralora::Index count, hydralora::Index multiple);
};

}  // namespace hydra
