// The adapter as plain loops over tokens and heads in double, A x computed again for each head, as the released layer does
// it (Clin0212/HydraLoRA, HydraLoRA/peft/tuners/lora.py, Linear.forward). Shares no code with the library but the random
// numbers and the names.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <hydralora/adapter/config.hpp>
#include <hydralora/adapter/params.hpp>
#include <hydralora/core/random.hpp>
#include <numeric>
#include <vector>

namespace test {

using namespace hydralora;

/// What the plain adapter reads besides its configuration and parameters.
struct PlainInput {
    MatrixView<const double> x;  // (T, in)
    const std::int32_t* heads_of = nullptr;
    RandomKey random{};
    std::vector<Index> row_numbers = {};  // of each token in the whole batch
    bool train = true;
    std::vector<Index> first = {};  // of each token, its document's first; empty: gates see their own token alone
};

/// x_j of token t as A of one head sees it.
inline double dropped(const AdapterConfig& c, const PlainInput& input, Index head, Index t, Index j) {
    if (!input.train || c.dropout == 0) return input.x(t, j);
    RandomKey key = input.random;
    if (c.dropout_mask == MaskSharing::per_head) key.stream += static_cast<std::uint32_t>(head) << 24;
    const auto word =
        random_word(key, static_cast<std::uint64_t>(input.row_numbers[static_cast<std::size_t>(t)] * c.in + j));
    return static_cast<double>(word) < std::floor(c.dropout * 0x1p32) ? 0 : input.x(t, j) / (1 - c.dropout);
}

/// Gates (N) of one token from its logits (N).
inline std::vector<double> plain_gates(const AdapterConfig& c, const std::vector<double>& logits, Index assigned) {
    const auto heads = static_cast<std::size_t>(c.heads);
    std::vector<double> gates(heads, c.gate == Gate::uniform ? 1 / static_cast<double>(c.heads) : 1);
    if (c.gate == Gate::assigned)
        for (std::size_t i = 0; i < heads; ++i) gates[i] = static_cast<Index>(i) == assigned ? 1 : 0;
    if (!c.routed()) return gates;
    std::vector<std::size_t> order(heads);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
    if (c.gate == Gate::top_k) order.resize(static_cast<std::size_t>(c.top_k));
    double sum = 0;
    for (const auto i : order) sum += std::exp(logits[i] - logits[order[0]]);
    gates.assign(heads, 0);
    for (const auto i : order) gates[i] = std::exp(logits[i] - logits[order[0]]) / sum;
    return gates;
}

/// y (T, out) += s sum_i w_i B_i A_i x, and the gates (T, N).
inline void plain_forward(const AdapterConfig& c, const AdapterParams<MatrixView<const double>>& p,
                          const PlainInput& input, MatrixView<double> y, MatrixView<double> gates) {
    const Index per_head = c.sharing == Sharing::own_a ? c.rank : 0;
    const auto a_x = [&](Index row, Index head, Index t) {
        double sum = 0;
        for (Index j = 0; j < c.in; ++j) sum += p.A(row, j) * dropped(c, input, head, t, j);
        return sum;
    };
    for (Index t = 0; t < input.x.rows; ++t) {
        std::vector<double> logits(static_cast<std::size_t>(c.heads));
        for (Index i = 0; c.routed() && i < c.heads; ++i) {
            double& logit = logits[static_cast<std::size_t>(i)];
            const Index begin = input.first.empty() ? t : input.first[static_cast<std::size_t>(t)];
            for (Index s = begin; s <= t; ++s)
                for (Index j = 0; j < p.router.cols; ++j)
                    logit += p.router(i, j) * (c.router_input == RouterInput::x ? input.x(s, j) : a_x(j, 0, s)) /
                             static_cast<double>(t - begin + 1);
            if (c.router_bias == RouterBias::trained) logit += p.router_bias(0, i);
        }
        const auto g = plain_gates(c, logits, input.heads_of == nullptr ? 0 : input.heads_of[t]);
        for (Index i = 0; i < c.heads; ++i) {
            gates(t, i) = g[static_cast<std::size_t>(i)];
            for (Index k = 0; k < c.rank; ++k) {
                const double u = a_x(i * per_head + k, i, t);
                for (Index o = 0; o < c.out; ++o)
                    y(t, o) += c.alpha / static_cast<double>(c.rank) * gates(t, i) * p.B(o, i * c.rank + k) * u;
            }
        }
    }
}

}  // namespace test
