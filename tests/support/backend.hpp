// The backend that tests of layers and operations run on: Eigen's; and once more, where HYDRALORA_TEST_THRUST is defined,
// Thrust's on its host systems, of which the environment variable HYDRALORA_TEST_SYSTEM names one, cpp or omp.
#pragma once

#if !defined(HYDRALORA_TEST_THRUST)

#include <hydralora/eigen/eigen_backend.hpp>

namespace test {
template <class T>
using BasicTestBackend = hydralora::BasicEigenBackend<T>;
using TestOptions = hydralora::EigenOptions;
}

#else

#include <cstdlib>
#include <hydralora/thrust/cpp_system.hpp>
#include <hydralora/thrust/omp_system.hpp>
#include <hydralora/thrust/thrust_backend.hpp>
#include <string_view>

namespace test {

/// Either host system, so that the tests are compiled once.
class EitherSystem : public hydralora::CppSystem {
public:
    explicit EitherSystem(const Options& options) : CppSystem(options), omp_(options) {}

    template <class F>
    void each(hydralora::Index n, const F& f) {
        use_omp() ? omp_.each(n, f) : CppSystem::each(n, f);
    }
    template <class F>
    void rows(hydralora::Index n, const F& f) {
        use_omp() ? omp_.rows(n, f) : CppSystem::rows(n, f);
    }
    template <class... Arguments>
    void gemm(const Arguments&... arguments) {
        use_omp() ? omp_.gemm(arguments...) : CppSystem::gemm(arguments...);
    }
    template <class... Arguments>
    void gemm_batched(const Arguments&... arguments) {
        use_omp() ? omp_.gemm_batched(arguments...) : CppSystem::gemm_batched(arguments...);
    }

private:
    static bool use_omp() {
        static const bool omp = [] {
            const char* name = std::getenv("HYDRALORA_TEST_SYSTEM");
            return name != nullptr && std::string_view(name) == "omp";
        }();
        return omp;
    }

    hydralora::OmpSystem omp_;
};

template <class T>
using BasicTestBackend = hydralora::ThrustBackend<EitherSystem, hydralora::Precision<T>>;
using TestOptions = hydralora::HostOptions;

}  // namespace test

#endif

namespace test {
using TestBackend = BasicTestBackend<float>;
}
