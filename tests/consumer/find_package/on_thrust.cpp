// An adapter on Thrust's host systems, in a project that found the package.
#include <hydralora/thrust.hpp>

int main() {
    hydralora::ThrustBackend<hydralora::CppSystem> be;
    const hydralora::AdapterConfig config{.in = 8, .out = 8, .rank = 2, .heads = 2, .alpha = 4};
    auto params = hydralora::make_params(be, config);
    hydralora::initialise(be, params, config, hydralora::Seed{1});
    return params.A.rows() == 2 ? 0 : 1;
}
