// Thrust's sequential system as a device of the benchmarks: it proves their paths, its times mean nothing.
#pragma once

#include <vector>

#include "measure.hpp"

namespace bench {

struct HostDevice {
    template <class Numbers>
    using Backend = hydralora::ThrustBackend<hydralora::CppSystem, Numbers>;

    /// Marks on the host's clock: calls have finished when they return.
    class Marks {
    public:
        template <class B>
        explicit Marks(B&) {}
        void add() { at_.push_back(bench::seconds()); }
        /// From each mark to the next.
        [[nodiscard]] std::vector<double> seconds() const {
            std::vector<double> all;
            for (std::size_t i = 1; i < at_.size(); ++i) all.push_back(at_[i] - at_[i - 1]);
            return all;
        }

    private:
        std::vector<double> at_;
    };
};

}  // namespace bench
