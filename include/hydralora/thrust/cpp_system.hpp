// Thrust's sequential system.
#pragma once

#include <thrust/system/cpp/execution_policy.h>

#include "host_system.hpp"

namespace hydralora {

namespace thrust_detail {
struct CppPolicy {
    auto operator()() const { return ::thrust::cpp::par; }
    struct Threads {
        explicit Threads(int) {}
    };
};
}  // namespace thrust_detail

/// ThrustBackend<CppSystem>: one thread, host memory.
struct CppSystem : HostSystem<thrust_detail::CppPolicy> {
    using HostSystem::HostSystem;
};

}  // namespace hydralora
