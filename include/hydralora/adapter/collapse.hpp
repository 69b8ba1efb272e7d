// Adapters as ordinary LoRAs: one a head, or all heads in one under fixed gates.
//
// With gates w that do not depend on the token, Delta W = s sum_i w_i B_i A_i (arXiv 2404.19245, eq. 3) is a LoRA itself, by
// algebra and without a decomposition:
//     shared_a   B' = sum_i w_i B_i        (out, r)     A' = A  (r, in)     rank r      alpha' = alpha
//     own_a      B' = [w_1 B_1 | ... ]     (out, N*r)   A' = A  (N*r, in)   rank N*r    alpha' = N alpha: the same s
//   r rank, N heads
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "params.hpp"

namespace hydralora {

/// Whether the gates are the same for every token.
template <class Rank, class Heads>
[[nodiscard]] bool has_fixed_gates(const BasicAdapterConfig<Rank, Heads>& c) {
    return c.gate == Gate::none || c.gate == Gate::uniform;
}

/// The gates (N) of Gate::none and Gate::uniform; throws for a gate that depends on the token.
template <class Rank, class Heads>
[[nodiscard]] std::vector<double> fixed_gates(const BasicAdapterConfig<Rank, Heads>& c) {
    check(has_fixed_gates(c), "fixed_gates: the gate ", enum_name(c.gate, adapter_names::gate),
          " depends on the token, expected none or uniform; give the gates to collapse with");
    const Index heads = c.heads;
    return std::vector<double>(static_cast<std::size_t>(heads),
                               c.gate == Gate::uniform ? 1.0 / static_cast<double>(heads) : 1.0);
}

/// A plain LoRA of the same scaling: what a head is, and what collapse makes. Throws where in or out is below its rank.
template <class Rank, class Heads>
[[nodiscard]] AdapterConfig head_config(const BasicAdapterConfig<Rank, Heads>& c) {
    return {.in = c.in,
            .out = c.out,
            .rank = c.rank,
            .heads = 1,
            .alpha = c.alpha,
            .gate = Gate::none,
            .dropout = c.dropout};
}
template <class Rank, class Heads>
[[nodiscard]] AdapterConfig collapsed_config(const BasicAdapterConfig<Rank, Heads>& c) {
    AdapterConfig lora = head_config(c);
    if (c.sharing == Sharing::own_a) {
        lora.rank = c.a_rows();
        lora.alpha = c.alpha * static_cast<double>(Index{c.heads});
    }
    return lora;
}

/// Head i alone, as views of the adapter's memory: A (r, in), B (out, r).
template <class T, class Space, class Rank, class Heads>
[[nodiscard]] AdapterParams<MatrixView<T, Space>> head_views(const BasicAdapterConfig<Rank, Heads>& c,
                                                             const AdapterParams<MatrixView<T, Space>>& params,
                                                             Index head) {
    const Index r = c.rank, heads = c.heads;
    check(head >= 0 && head < heads, "head_views: head ", head, ", expected 0 to ", heads - 1);
    AdapterParams<MatrixView<T, Space>> one;
    one.A = c.sharing == Sharing::own_a ? params.A.row_slice(head * r, r) : params.A;
    one.B = params.B.col_slice(head * r, r);
    return one;
}

/// Fills `to`, shaped as collapsed_config says, with the adapter under these gates (N). Sums are in double; one head with
/// gate 1 keeps its bits.
template <Backend B, class Rank, class Heads, class From, class To>
void collapse(B& be, const BasicAdapterConfig<Rank, Heads>& config, const AdapterParams<From>& from,
              std::span<const double> gates, AdapterParams<To>& to) {
    using T = ParamScalar<B>;
    validate(config);
    const Index r = config.rank, heads = config.heads;
    check(gates.size() == static_cast<std::size_t>(heads), "collapse: ", gates.size(),
          " gates, expected one for each of ", heads, " heads");
    for (std::size_t i = 0; i < gates.size(); ++i)
        check(std::isfinite(gates[i]), "collapse: gate ", i, " is ", gates[i], ", expected a finite number");
    const auto expected = adapter_shapes(collapsed_config(config));
    const auto a = view_of(to.A), b = view_of(to.B);
    check(a.shape() == expected.A && b.shape() == expected.B, "collapse: A is (", a.rows, ", ", a.cols, "), B is (",
          b.rows, ", ", b.cols, "), expected (", expected.A.rows, ", ", expected.A.cols, ") and (", expected.B.rows,
          ", ", expected.B.cols, ")");

    const ConstParamView<B> a_from = view_of(from.A), b_from = view_of(from.B);
    be.copy(a_from, a);
    std::vector<T> wide(static_cast<std::size_t>(b_from.size()));  // (out, N*r)
    std::vector<T> narrow(static_cast<std::size_t>(b.size()));     // (out, r) or (out, N*r)
    const auto all = host_view(wide.data(), b_from.rows, b_from.cols);
    const auto sum = host_view(narrow.data(), b.rows, b.cols);
    be.download(b_from, all);
    const Index groups = b.cols / r;  // 1, or N where each head keeps its columns
    for (Index o = 0; o < b.rows; ++o)
        for (Index j = 0; j < b.cols; ++j) {
            const auto term = [&](Index i) {
                return gates[static_cast<std::size_t>(i)] * static_cast<double>(all(o, i * r + j % r));
            };
            double value = term(j / r);  // not 0 + that, for -0 stays
            for (Index i = j / r + groups; i < heads; i += groups) value += term(i);
            sum(o, j) = static_cast<T>(value);
        }
    be.upload(host_view(std::as_const(narrow).data(), b.rows, b.cols), b);
}

/// w0 (out, in) += Delta W = s B A of a plain LoRA.
template <Backend B, class Rank, class Heads, class M>
void add_delta_weight(B& be, const BasicAdapterConfig<Rank, Heads>& lora, const AdapterParams<M>& params, View<B> w0) {
    check(lora.heads == 1 && lora.gate == Gate::none, "add_delta_weight: expected one head and gate none, found ",
          Index{lora.heads}, " heads and gate ", enum_name(lora.gate, adapter_names::gate), "; collapse first");
    check(w0.rows == lora.out && w0.cols == lora.in, "add_delta_weight: w0 is (", w0.rows, ", ", w0.cols,
          "), expected (out, in) = (", lora.out, ", ", lora.in, ")");
    const ConstParamView<B> a = view_of(params.A), b = view_of(params.B);
    be.gemm(Op::none, Op::none, static_cast<AccumScalar<B>>(lora.scaling()), b, a, 1, w0);
}

}  // namespace hydralora
