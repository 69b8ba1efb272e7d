// What every consumer project builds: the library found by its own means, and used a little.
#include <hydralora/hydralora.hpp>

#include <cstdio>
#include <vector>

int main() {
    using namespace hydralora;
    std::printf("hydralora %d.%d.%d\n", HYDRALORA_VERSION_MAJOR, HYDRALORA_VERSION_MINOR, HYDRALORA_VERSION_PATCH);
    EigenBackend be({.threads = 2});
    const AdapterConfig config{.in = 12, .out = 8, .rank = 2, .heads = 3, .alpha = 4};
    auto params = make_params(be, config);
    initialise(be, params, config, Seed{1});
    std::vector<float> x(5 * 12, 0.5f), y(5 * 8, 2.0f);
    const HydraAdapter adapter(be, config, views(params));
    decltype(adapter)::Cache cache;
    adapter.forward(be, host_view(x.data(), 5, 12), host_view(y.data(), 5, 8), cache);
    for (const float value : y)
        if (value != 2.0f) return 1;  // B = 0: the adapter is nothing yet
    return 0;
}
