// Thrust's OpenMP system. Compile and link with OpenMP.
#pragma once

#include <omp.h>

#include <thrust/system/omp/execution_policy.h>

#include "host_system.hpp"

namespace hydralora {

namespace thrust_detail {
struct OmpPolicy {
    auto operator()() const { return ::thrust::omp::par; }
    /// The calling thread's number of threads, put back at the end.
    class Threads {
    public:
        explicit Threads(int wanted) : before_(wanted > 0 ? omp_get_max_threads() : 0) {
            if (wanted > 0) omp_set_num_threads(wanted);
        }
        Threads(const Threads&) = delete;
        Threads& operator=(const Threads&) = delete;
        ~Threads() {
            if (before_ > 0) omp_set_num_threads(before_);
        }

    private:
        int before_;
    };
};
}  // namespace thrust_detail

/// ThrustBackend<OmpSystem>: OpenMP's threads, host memory.
struct OmpSystem : HostSystem<thrust_detail::OmpPolicy> {
    using HostSystem::HostSystem;
};

}  // namespace hydralora
