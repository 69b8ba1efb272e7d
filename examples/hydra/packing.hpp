// Sequences of tokens with what is to be learnt of them, and several of them laid into one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>

namespace hydra {

/// One sequence. ids and labels have the same length n >= 1.
struct Example {
    std::vector<std::int32_t> ids, labels;   ///< labels[i] is the token to predict after ids[i], or `ignored`
    hydralora::Index labelled = 0;           ///< labels that are not ignored
    hydralora::Index bytes = 0;              ///< of those, the bytes of text: control tokens have none
    std::vector<std::int32_t> starts{};      ///< of each token, where its document begins; empty: one document
    std::int32_t component = -1;             ///< of its document; -1: not known, or several packed together
    std::vector<std::int32_t> components{};  ///< of each token, where labelled examples were packed; else empty

    /// The component of token i.
    [[nodiscard]] std::int32_t component_at(std::size_t i) const {
        return components.empty() ? component : components[i];
    }
};

/// none: a sequence is an example. documents: examples are laid one behind another as documents of their own, between
/// which attention does not look and at which positions begin again. concatenated: the same, without the boundaries.
enum class Packing { none, documents, concatenated };
inline constexpr std::array<std::string_view, 3> packing_names{"none", "documents", "concatenated"};

/// The examples, in sequences of at most `length` tokens: in an order shuffled by seed and name, each is laid behind those
/// of the sequence that it fills best. No example is cut.
[[nodiscard]] std::vector<Example> pack(std::vector<Example> examples, Packing packing, hydralora::Index length,
                                        hydralora::Seed seed, std::string_view name);

}  // namespace hydra
