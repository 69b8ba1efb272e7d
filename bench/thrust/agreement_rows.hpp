// Rows about numbers: training on the device beside training on Thrust's sequential system, from one seed.
#pragma once

#include <cmath>
#include <vector>

#include "../../tests/support/tiny_training.hpp"
#include "measure.hpp"

namespace bench {

/// |a - b| / |b| of the losses after the last step; infinite where a number is none.
[[nodiscard]] inline double last_loss_difference(const test::Trained& a, const test::Trained& b) {
    const double difference = std::abs(a.losses.back() - b.losses.back()) / std::abs(b.losses.back());
    return std::isnan(difference) ? HUGE_VAL : difference;
}

template <class D>
void agreement_rows(Report& report, const Sizes& sizes) {
    const auto over_trainings = [&]<class Numbers>(Numbers) {
        std::vector<double> all;
        for (const test::Training& training : test::trainings()) {
            hydralora::ThrustBackend<hydralora::CppSystem> cpu;
            typename D::template Backend<Numbers> device;
            all.push_back(
                last_loss_difference(test::train_adapters(device, training), test::train_adapters(cpu, training)));
            if (sizes.tiny) break;
        }
        const Spread s = spread_of(all);
        return std::vector<Spread>{{s.most, s.least, s.most}};
    };
    const char* row = "loss after 20 steps, CPU and GPU from one seed";
    report.add({{row, "float32, the worst of 6 trainings", "relative", at_most(1e-4)}},
               [&] { return over_trainings(hydralora::Precision<float>{}); });
    report.add({{row, "bfloat16, the worst of 6 trainings", "relative", at_most(2e-2)}},
               [&] { return over_trainings(Half{}); });
}

}  // namespace bench
