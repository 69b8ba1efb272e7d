// The device beside Thrust's sequential system, which the whole suite of tests holds. Exits with 77 where there is no GPU.
#include <cstdio>
#include <hydralora/thrust.hpp>
#include <string>

#include "cuda_expect.hpp"
#include "cuda_limits.hpp"
#include "cuda_operations.hpp"
#include "cuda_primitives.hpp"
#include "support/joined_layer.hpp"
#include "support/tiny_training.hpp"

using namespace hydralora;
using test::expect;
using test::expect_near;

namespace {

// Memory of the host does not pass for the device's, nor the other way round.
static_assert(!std::is_convertible_v<MatrixView<float>, View<CudaBackend>>);
static_assert(!std::is_convertible_v<View<CudaBackend>, MatrixView<float>>);
static_assert(Backend<CudaBackend> && Backend<ThrustBackend<CudaSystem, Precision<float, bfloat16, float>>>);

void trainings_agree() {
    Index number = 0;
    for (const test::Training& training : test::trainings()) {
        CudaBackend gpu;
        ThrustBackend<CppSystem> cpu;
        const auto expected = test::train_adapters(cpu, training), found = test::train_adapters(gpu, training);
        const std::string name = "adapters, training " + std::to_string(number++);
        expect_near(test::difference(expected.losses, found.losses, 1e-3), 1e-4, name + ": losses");
        expect(test::train_adapters(gpu, training).parameters == found.parameters, name + ": same bits again");
    }
    CudaBackend gpu;
    ThrustBackend<CppSystem> cpu;
    const auto expected = test::train_whole(cpu, {}), found = test::train_whole(gpu, {});
    expect_near(test::difference(expected.losses, found.losses, 1e-3), 1e-4, "whole model: losses");
    expect(test::train_whole(gpu, {}).parameters == found.parameters, "whole model: same bits again");
}

void joined_layers_agree() {
    Index number = 0;
    for (const test::Training& training : test::trainings())
        for (const Index tokens : {1, 7, 300}) {
            CudaBackend gpu;
            ThrustBackend<CudaSystem, Precision<float, bfloat16, float>> half;
            ThrustBackend<CppSystem> cpu;
            const auto expected = test::joined_layer(cpu, training.adapter, tokens);
            const std::string name = "joined layer " + std::to_string(number++);
            expect_near(test::share(expected, test::joined_layer(gpu, training.adapter, tokens)), 1e-5, name);
            if (training.adapter.gate == Gate::top_k) continue;  // rounding may choose other heads
            expect_near(test::share(expected, test::joined_layer(half, training.adapter, tokens)), 2e-2,
                        name + ", bfloat16");
        }
}

void joined_trainings_agree() {
    Index number = 0;
    for (const test::Training& training : test::trainings()) {
        CudaBackend gpu;
        ThrustBackend<CudaSystem, Precision<float, bfloat16, float>> half;
        ThrustBackend<CppSystem> cpu;
        const auto expected = test::train_adapters(cpu, training), found = test::train_joined(gpu, training);
        const std::string name = "joined, training " + std::to_string(number++);
        expect_near(test::difference(expected.losses, found.losses, 1e-3), 1e-4, name + ": losses");
        expect(test::train_joined(gpu, training).parameters == found.parameters, name + ": same bits again");
        expect_near(test::difference(expected.losses, test::train_joined(half, training).losses, 1e-3), 2e-2,
                    name + ", bfloat16: losses");
    }
}

void bfloat16_stays_near() {
    using Half = Precision<float, bfloat16, float>;
    ThrustBackend<CudaSystem, Half> gpu;
    ThrustBackend<CppSystem> cpu;
    const auto expected = test::train_adapters(cpu, {}), found = test::train_adapters(gpu, {});
    expect_near(test::difference(expected.losses, found.losses, 1e-3), 2e-2, "bfloat16: losses");
}

void own_stream_and_handle() {
    cudaStream_t stream = nullptr;
    cublasHandle_t cublas = nullptr;
    cuda_detail::check_cuda(cudaStreamCreate(&stream), "making a stream");
    cuda_detail::check_cublas(cublasCreate(&cublas), "starting cuBLAS");
    {
        CudaBackend be({.stream = stream, .cublas = cublas});
        expect(be.on().stream() == stream && be.on().cublas() == cublas, "the caller's stream and handle are used");
        CudaBackend brief{stream};
        expect(!test::train_adapters(brief, {.steps = 2}).losses.empty(), "training on the caller's stream");
    }
    cuda_detail::check_cublas(cublasDestroy(cublas), "ending cuBLAS");
    cuda_detail::check_cuda(cudaStreamDestroy(stream), "ending a stream");
}

}  // namespace

int main() {
    return test::run_on_gpu<CudaBackend>([] {
        test::primitives_agree();
        test::operations_agree<Precision<float>>("float", 1e-4);
        test::operations_agree<Precision<float, bfloat16, float>>(
            "bfloat16", 0.15);  // of terms some times as large, rounded at each step
        trainings_agree();
        joined_layers_agree();
        joined_trainings_agree();
        bfloat16_stays_near();
        own_stream_and_handle();
        test::graphs_change_nothing();
        test::graphs_refuse_what_they_cannot_hold();
        test::what_is_not_finite_writes_nothing();
        test::stream_of_another_device();
        test::out_of_memory_is_named();
    });
}
