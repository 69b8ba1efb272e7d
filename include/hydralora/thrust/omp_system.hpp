// Thrust's OpenMP system. Compile and link with OpenMP.
#pragma once

#include <thrust/system/omp/execution_policy.h>

#include "host_system.hpp"

namespace hydralora {

namespace thrust_detail {
struct OmpPolicy {
    auto operator()() const { return ::thrust::omp::par; }
    template <class Allocator>
    static auto with(Allocator& allocator) {
        return ::thrust::omp::par(allocator);
    }
};
}  // namespace thrust_detail

/// ThrustBackend<OmpSystem>: OpenMP's threads, host memory.
struct OmpSystem : HostSystem<thrust_detail::OmpPolicy> {
    using HostSystem::HostSystem;
};

}  // namespace hydralora
