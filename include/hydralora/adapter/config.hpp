// What an adapter is: shape, scaling, and which member of the family.
//
//   method                      sharing    gate       heads
//   LoRA                        shared_a   none       1
//   HydraLoRA                   shared_a   softmax    N
//   ablation "w/o gate"         shared_a   uniform    N
//   LoRA-Split                  own_a      assigned   N      (summed: none)
//   LoRAMoE, "w/o hydra"        own_a      softmax    N
//   sparse routing              either     top_k      N
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <type_traits>

#include "../core/check.hpp"
#include "../core/enum_names.hpp"
#include "../core/view.hpp"

namespace hydralora {

/// One down-projection A for all heads (HydraLoRA), or one a head.
enum class Sharing { shared_a, own_a };

/// Weights w of the heads: all 1; all 1/N; softmax of the router; softmax over the k largest logits, 0 elsewhere; 1 for the
/// head assigned to the token by the caller, 0 elsewhere.
enum class Gate { none, uniform, softmax, top_k, assigned };

/// What the router sees: the layer's input x (the released code), or A x.
enum class RouterInput { x, a_x };
enum class RouterBias { none, trained };

/// Whose logits make a token's gates: its own (the released code), or the mean over the tokens of its document up to it. The
/// router being linear, that is a router of the mean of x: it sees what stood before, costs as much and has the same shape.
enum class RouterPooling { token, context };

/// Dropout on the input of A: one mask for all heads, or an independent one a head (the released code).
enum class MaskSharing { shared, per_head };

/// Rows of the router at the start of training: uniform as in the released code, or fitted to the components of the data
/// (router_probe.hpp).
enum class RouterInit { released, components };

/// A number known at compile time, usable as the rank or heads of a configuration.
template <Index value>
using Fixed = std::integral_constant<Index, value>;

/// Configuration of one adapter. Rank and Heads are Index (run-time) or Fixed<n>.
template <class Rank = Index, class Heads = Index>
struct BasicAdapterConfig {
    Index in = 0, out = 0;  ///< columns of x and of y
    Rank rank{};            ///< r, at most min(in, out)
    Heads heads{};          ///< N
    double alpha = 16;      ///< scaling s = alpha / r
    Sharing sharing = Sharing::shared_a;
    Gate gate = Gate::softmax;
    Index top_k = 1;  ///< heads a token uses with Gate::top_k
    RouterInput router_input = RouterInput::x;
    RouterBias router_bias = RouterBias::none;
    RouterPooling router_pooling = RouterPooling::token;
    double dropout = 0;  ///< rate in [0, 1) on the input of A, in training only
    MaskSharing dropout_mask = MaskSharing::shared;

    [[nodiscard]] double scaling() const { return alpha / static_cast<double>(Index{rank}); }
    [[nodiscard]] bool routed() const { return gate == Gate::softmax || gate == Gate::top_k; }
    [[nodiscard]] Index a_rows() const { return sharing == Sharing::own_a ? heads * rank : Index{rank}; }
    [[nodiscard]] Index router_cols() const { return router_input == RouterInput::x ? in : a_rows(); }
};

using AdapterConfig = BasicAdapterConfig<>;

/// Throws unless the configuration is one of the family.
template <class Rank, class Heads>
void validate(const BasicAdapterConfig<Rank, Heads>& c) {
    const Index rank = c.rank, heads = c.heads;
    check(c.in >= 1 && c.out >= 1, "AdapterConfig: in = ", c.in, ", out = ", c.out, ", expected both at least 1");
    check(rank >= 1 && rank <= std::min(c.in, c.out), "AdapterConfig: rank = ", rank,
          ", expected 1 to min(in, out) = ", std::min(c.in, c.out));
    check(heads >= 1 && heads <= 1024, "AdapterConfig: heads = ", heads, ", expected 1 to 1024");
    check(std::isfinite(c.alpha), "AdapterConfig: alpha = ", c.alpha, ", expected a finite number");
    check(c.dropout >= 0 && c.dropout < 1, "AdapterConfig: dropout = ", c.dropout, ", expected 0 <= dropout < 1");
    check(c.gate != Gate::top_k || (c.top_k >= 1 && c.top_k <= heads), "AdapterConfig: top_k = ", c.top_k,
          ", expected 1 to heads = ", heads);
    check(c.routed() || c.router_bias == RouterBias::none,
          "AdapterConfig: router_bias needs a gate with a router (softmax or top_k)");
    check(c.routed() || c.router_pooling == RouterPooling::token,
          "AdapterConfig: router_pooling needs a gate with a router (softmax or top_k)");
    check(c.router_input == RouterInput::x || c.dropout_mask == MaskSharing::shared,
          "AdapterConfig: router_input a_x needs dropout_mask shared: with a mask a head there is no single A x");
    check(heads <= 256 || c.dropout_mask == MaskSharing::shared, "AdapterConfig: heads = ", heads,
          ", expected at most 256 with dropout_mask per_head");
}

/// Names of enumerators as files and command lines spell them.
namespace adapter_names {
inline constexpr std::array<std::string_view, 2> sharing{"shared_a", "own_a"};
inline constexpr std::array<std::string_view, 5> gate{"none", "uniform", "softmax", "top_k", "assigned"};
inline constexpr std::array<std::string_view, 2> router_input{"x", "a_x"};
inline constexpr std::array<std::string_view, 2> router_bias{"none", "trained"};
inline constexpr std::array<std::string_view, 2> router_pooling{"token", "context"};
inline constexpr std::array<std::string_view, 2> dropout_mask{"shared", "per_head"};
inline constexpr std::array<std::string_view, 2> router_init{"released", "components"};
}  // namespace adapter_names

}  // namespace hydralora
