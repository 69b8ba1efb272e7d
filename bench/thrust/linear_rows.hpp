// Rows about one linear layer: over its frozen product, what the products reach, what is kept for the way back.
#pragma once

#include <array>

#include "linear_forms.hpp"

namespace bench {

struct LinearCase {
    LinearShape shape;
    double target;  // of the whole layer over the frozen product
};

[[nodiscard]] inline std::array<LinearCase, 3> linear_cases(const Sizes& sizes) {
    const Index t = sizes.tokens(), d = sizes.of(4096, 32), f = sizes.of(11008, 48), h = sizes.of(2048, 16);
    return {LinearCase{{d, d, t}, 1.15}, LinearCase{{d, f, t}, 1.10}, LinearCase{{h, h, t}, 1.30}};
}

template <class D>
void linear_rows(Report& report, const Sizes& sizes) {
    using B = HalfBackend<D>;
    for (const LinearCase& c : linear_cases(sizes)) {
        const std::string words = c.shape.words() + ", r = 8, N = 4";
        const std::string best = BestForm<B>::name, added = AddedForm<B>::name;
        report.add({{best + " fwd+bwd / frozen fwd+dX", words, "x", at_most(c.target)},
                    {added + " fwd+bwd / frozen fwd+dX", words, "x"},
                    {"frozen fwd+dX", c.shape.words(), "ms"},
                    {"frozen fwd+dX", c.shape.words(), "TFLOP/s"},
                    {best + " fwd+bwd", words, "ms"},
                    {best + " fwd+bwd, dropout 0.05", words, "ms"},
                    {added + " fwd+bwd", words, "ms"}},
                   [&] {
                       B be;
                       LinearMemory<B> memory(be, c.shape);
                       FrozenForm<B> frozen{memory};
                       BestForm<B> layer(memory), dropping(memory, 0.05);
                       AddedForm<B> after(memory);
                       const Times t = interleave<D>(
                           be,
                           {[&] { step(frozen); }, [&] { step(layer); }, [&] { step(dropping); }, [&] { step(after); }},
                           sizes.effort(4));
                       std::vector<double> rate;
                       for (const double s : t[0]) rate.push_back(2e-12 * c.shape.flops() / s);
                       return std::vector<Spread>{spread_of(ratios(t[1], t[0])),
                                                  spread_of(ratios(t[3], t[0])),
                                                  in_ms(t[0]),
                                                  spread_of(rate),
                                                  in_ms(t[1]),
                                                  in_ms(t[2]),
                                                  in_ms(t[3])};
                   });
    }
}

/// What the released layer keeps for backward besides x, in eager PyTorch at 16 bits: for each head its (T, out) output
/// and its own A x; the gates in float and in 16 bits; with dropout the dropped x and a byte a mask besides.
/// Clin0212/HydraLoRA, HydraLoRA/peft/tuners/lora.py; bench/peers/gpu_layer.py counts the same where PyTorch is.
[[nodiscard]] inline double released_bytes(const LinearShape& s, bool dropout) {
    const double per_head =
        2.0 * static_cast<double>(s.out + bench_rank) + (dropout ? 3.0 * static_cast<double>(s.in) : 0);
    return static_cast<double>(s.tokens * bench_heads) * (per_head + 4 + 2);
}

/// The projections of a decoder block of 7B's shape.
[[nodiscard]] inline std::array<LinearShape, 7> block_shapes(const Sizes& sizes) {
    const Index t = sizes.tokens(), d = sizes.of(4096, 32), f = sizes.of(11008, 48);
    return {LinearShape{d, d, t}, {d, d, t}, {d, d, t}, {d, d, t}, {d, f, t}, {d, f, t}, {f, d, t}};
}

template <class D>
void saved_rows(Report& report, const Sizes& sizes) {
    using B = HalfBackend<D>;
    report.add(
        {{"saved by the adapters: released (by formula) / ours", "7B-shaped block", "x", at_least(50)},
         {"saved by the adapters: released (by formula) / ours", "7B-shaped block, dropout 0.05", "x", at_least(50)},
         {"saved by the adapters: ours", "7B-shaped block", "MB"}},
        [&] {
            double ours = 0, released = 0, dropping = 0;
            for (const LinearShape& s : block_shapes(sizes)) {
                B be;
                LinearMemory<B> memory(be, s);
                BestForm<B> layer(memory);
                layer.prepare();
                layer.forward();
                ours += static_cast<double>(layer.saved_bytes());
                released += released_bytes(s, false);
                dropping += released_bytes(s, true);
            }
            return std::vector<Spread>{only(released / ours), only(dropping / ours), only(1e-6 * ours)};
        });
}

}  // namespace bench
