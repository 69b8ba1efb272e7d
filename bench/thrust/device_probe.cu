// Says on one line which device bench/gpu.sh builds for: name|architecture|CUDA of the driver|CUDA runtime|GiB of memory.
// Without one it says why not and exits with 77.
#include <cuda_runtime_api.h>

#include <cstdio>

int main() {
    int devices = 0, driver = 0, runtime = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess || devices == 0) {
        std::fprintf(stderr, "%s\n", status != cudaSuccess ? cudaGetErrorString(status) : "the driver lists no device");
        return 77;
    }
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return 1;
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&runtime));
    std::printf("%s|%d%d|%d.%d|%d.%d|%.0f\n", properties.name, properties.major, properties.minor, driver / 1000,
                driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10,
                static_cast<double>(properties.totalGlobalMem) / (1 << 30));
    return 0;
}
