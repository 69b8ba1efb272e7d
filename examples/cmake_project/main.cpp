// An adapter's size, and that it is nothing before it is trained.
#include <hydralora/hydralora.hpp>

#include <cstdio>
#include <vector>

int main() {
    using namespace hydralora;
    EigenBackend be;
    const AdapterConfig config{.in = 64, .out = 48, .rank = 4, .heads = 3, .alpha = 8};
    auto params = make_params(be, config);
    initialise(be, params, config, Seed{1});

    const std::vector<float> x(10 * 64, 1.0f);
    std::vector<float> y(10 * 48, 0.0f);
    const HydraAdapter adapter(be, config, views(params));
    decltype(adapter)::Cache cache;
    adapter.forward(be, host_view(x.data(), 10, 64), host_view(y.data(), 10, 48), cache);

    std::printf("hydralora %d.%d.%d: %lld trainable numbers beside %d frozen ones, delta(x) starts at %g\n",
                HYDRALORA_VERSION_MAJOR, HYDRALORA_VERSION_MINOR, HYDRALORA_VERSION_PATCH,
                static_cast<long long>(parameter_count(params)), 64 * 48, static_cast<double>(y[0]));
    return y[0] == 0.0f ? 0 : 1;
}
