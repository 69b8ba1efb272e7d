// Operations whose rows warps and blocks share, on the device beside Thrust's sequential system: rows that are read 16 bytes
// at a time and rows that cannot be, in float and in bfloat16.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuda_primitives.hpp"

namespace test {

template <class Numbers>
void operations_agree(const std::string& name, double tolerance) {
    using namespace hydralora;
    using T = typename Numbers::compute;
    using Gpu = ThrustBackend<CudaSystem, Numbers>;
    Gpu gpu;
    ThrustBackend<CppSystem, Numbers> cpu;
    double most = 0;
    for (const Index cols : {8, 30, 256, 1032})
        for (const Index padding : {0, 3, 8}) {
            const Index tokens = 21, heads = cols % 4 == 0 ? 2 : 1, half = cols / heads / 2;
            const auto matrix = [&](std::uint64_t seed) { return Twin<Gpu, T>(gpu, tokens, cols, padding, seed); };
            auto x = matrix(1), y = matrix(2), z = matrix(3), dx = matrix(4), dy = matrix(5);
            Twin<Gpu, float> weight(gpu, 1, cols, 0, 6), inverse(gpu, tokens, 1, 0, 7), sine(gpu, tokens, half, 0, 8),
                losses(gpu, 1, tokens, 0, 9);
            Twin<Gpu, std::int32_t> labels(gpu, 1, tokens, 0, 10);
            for (Index t = 0; t < tokens; ++t)
                labels.here()(0, t) = t % 5 == 0 ? ignored_label : static_cast<std::int32_t>(t * 7 % cols);
            labels.upload();
            const DropoutMask mask{.key = {Seed{3}, 1, 2}, .rows = {.first = 5}, .rate = 0.25};
            const auto run = [&](auto& be, auto side) {
                using B = std::remove_reference_t<decltype(be)>;
                ops::swiglu<B>(be, side(x), side(y), side(z));
                ops::swiglu_backward<B>(be, side(x), side(y), side(z), side(dx), side(dy));
                ops::geglu<B>(be, side(dx), side(z), side(y));
                ops::geglu_backward<B>(be, side(dx), side(z), side(y), side(dy), side(dx));
                ops::scale<B>(be, 0.75, side(dx));
                ops::add<B>(be, side(x), side(dy));
                ops::dropout<B>(be, side(dy), mask, side(dx), Grad::accumulate);
                ops::rms_norm<B>(be, side(dx), side(weight), 1e-5, side(y), side(inverse));
                ops::rms_norm_backward<B>(be, side(dx), side(weight), side(inverse), side(x), side(dy),
                                          Grad::accumulate);
                ops::rope<B>(be, side(x), side(sine), side(sine), tokens, 0, Turn::back);
                ops::softmax_cross_entropy_gradient<B, float>(be, side(z), side(labels), 0.5f, side(losses));
            };
            run(cpu, [](auto& twin) { return twin.here(); });
            run(gpu, [](auto& twin) { return twin.there(); });
            for (auto* made : {&x, &y, &z, &dx, &dy}) most = std::max(most, made->difference());
            most = std::max({most, inverse.difference(), losses.difference()});
        }
    expect_near(most, tolerance, name + ": operations");
}

}  // namespace test
