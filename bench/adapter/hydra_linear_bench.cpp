// HydraLinear, plain and joined, on Eigen's products and on packed ones, forward and backward, beside its own frozen product
// (forward and dX); and the packed frozen product beside Eigen's. A joined step refreshes its weight.
//
//   T tokens, r rank, N heads

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "layer.hpp"

void bench::add_benchmarks(const Settings& settings) {
    std::vector<Shape3> shapes = {{2048, 2048, 512}};
    if (!settings.quick)
        shapes = {{768, 3072, 128}, {768, 3072, 512}, {2048, 2048, 128}, {2048, 2048, 512}, {2048, 5632, 512}};
    for (const int threads : settings.threads) {
        for (const Shape3& s : shapes) {
            const double frozen = FrozenStep::flops(s.tokens, s.in, s.out);
            const auto add = [&](const std::string& row, Index heads, const char* of, double flops, auto make) {
                const std::string adapter = heads > 0 ? " N=" + std::to_string(heads) : "";
                add_case(row + "/" + words(s) + adapter + " threads=" + std::to_string(threads), rounds_for(2 * frozen),
                         [=](benchmark::State& state) {
                             Layer layer(s, std::max(heads, Index{1}), threads);
                             const auto [subject, beside] = make(layer);
                             compare(state, {.flops = flops, .threads = threads}, of, subject, beside);
                         });
            };
            const auto frozen_of = [](Layer& l) { return [&l] { l.frozen_step(l.linear); }; };
            const auto packed_of = [](Layer& l) { return [&l] { l.frozen_step(l.packed); }; };
            add("frozen_linear", 0, "itself", frozen, [=](Layer& l) { return std::pair(frozen_of(l), frozen_of(l)); });
            add("packed_frozen", 0, "frozen fwd+dX", frozen,
                [=](Layer& l) { return std::pair(packed_of(l), frozen_of(l)); });
            for (const Index heads : {Index{3}, Index{8}}) {
                const double flops = frozen + adapter_flops(s, heads);
                add("hydra_linear", heads, "frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([&l] { l.step(l.linear); }, frozen_of(l)); });
                add("joined_linear", heads, "frozen fwd+dX", flops, [=](Layer& l) {
                    const auto joined = std::make_shared<Joined<JoinedWeight<B>>>(l);
                    return std::pair([joined] { joined->step(); }, frozen_of(l));
                });
                const auto packed_joined = [](Layer& l) { return std::make_shared<Joined<PackedJoinedWeight<B>>>(l); };
                add("joined_packed", heads, "packed frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([joined = packed_joined(l)] { joined->step(); }, packed_of(l)); });
                if (s.tokens != 512) continue;
                add("hydra_packed", heads, "packed frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([&l] { l.step(l.packed); }, packed_of(l)); });
                add("joined_refresh", heads, "packed frozen fwd+dX", 0, [=](Layer& l) {
                    return std::pair([joined = packed_joined(l)] { joined->refresh(); }, packed_of(l));
                });
            }
        }
    }
}
