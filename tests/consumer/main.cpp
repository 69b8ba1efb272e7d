// What every consumer project builds: the library found by its own means, and used a little.
#if __has_include(<hydralora/hydralora.hpp>)
#include <hydralora/hydralora.hpp>
#endif
#include <hydralora/core/view.hpp>
#include <hydralora/version.hpp>

#include <cstdio>

int main() {
    float values[6] = {1, 2, 3, 4, 5, 6};
    const auto x = hydralora::host_view(values, 2, 3);
    std::printf("hydralora %d.%d.%d\n", HYDRALORA_VERSION_MAJOR, HYDRALORA_VERSION_MINOR, HYDRALORA_VERSION_PATCH);
    return x(1, 2) == 6.0f ? 0 : 1;
}
