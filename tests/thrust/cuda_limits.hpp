// What the backend refuses, and that it goes on well afterwards: no memory left, steps that no graph can hold, numbers that
// are not finite, streams of other devices.
#pragma once

#include <cmath>
#include <hydralora/thrust.hpp>
#include <string>

#include "cuda_expect.hpp"
#include "support/message_of.hpp"
#include "support/tiny_training.hpp"

namespace test {

inline void expect_message(const std::string& message, const std::string& part) {
    expect(message.find(part) != message.npos, "expected `" + part + "`, found `" + message + "`");
}

inline std::size_t free_memory() {
    std::size_t free = 0, total = 0;
    hydralora::cuda_detail::check_cuda(cudaDeviceSynchronize(), "waiting");
    hydralora::cuda_detail::check_cuda(cudaMemGetInfo(&free, &total), "asking for memory");
    return free;
}

inline void out_of_memory_is_named() {
    using namespace hydralora;
    const auto once = [] {
        CudaBackend be;
        expect_message(message_of([&] { Buffer<CudaBackend, float>(be, Index{1} << 22, Index{1} << 22); }),
                       "out of memory on device 0: 70368744177664 bytes wanted");
        // In the middle of a step too: what it holds by then is given back.
        expect_message(message_of([&] {
                           const Buffer<CudaBackend, float> some(be, 1024, 1024);
                           typename Arena<CudaBackend>::Frame frame(be);
                           static_cast<void>(frame.template matrix<float>(1024, 1024));
                           static_cast<void>(frame.template matrix<float>(Index{1} << 22, Index{1} << 22));
                       }),
                       "out of memory on device 0");
        expect(!train_adapters(be, {.steps = 2}).losses.empty(), "training after memory ran out");
    };
    once();  // what the driver and cuBLAS keep is theirs from here on
    const std::size_t before = free_memory();
    once();
    expect(free_memory() >= before, "all memory is given back");
}

inline void stream_of_another_device() {
    using namespace hydralora;
    int devices = 0;
    cuda_detail::check_cuda(cudaGetDeviceCount(&devices), "counting devices");
    expect_message(message_of([&] { CudaBackend({.device = devices}); }),
                   "expected 0 to " + std::to_string(devices - 1));
    cudaStream_t own = nullptr;
    cuda_detail::check_cuda(cudaStreamCreate(&own), "making a stream");
    expect_message(message_of([&] { CudaBackend({.stream = own, .device = 7}); }),
                   "the stream is of device 0, Options::device is 7");
    cuda_detail::check_cuda(cudaStreamDestroy(own), "ending a stream");
    if (devices < 2) return void(std::printf("one device: streams of another one are not tested\n"));
    cudaStream_t stream = nullptr;
    cuda_detail::check_cuda(cudaSetDevice(1), "choosing a device");
    cuda_detail::check_cuda(cudaStreamCreate(&stream), "making a stream");
    cuda_detail::check_cuda(cudaSetDevice(0), "choosing a device");
    expect_message(message_of([&] { CudaBackend({.stream = stream, .device = 0}); }),
                   "the stream is of device 1, Options::device is 0");
    {
        CudaBackend be({.stream = stream}), first;
        expect(be.on().device() == 1, "the stream's device counts");
        const auto there = train_adapters(be, {.steps = 2}), here = train_adapters(first, {.steps = 2});
        expect(difference(there.losses, here.losses, 1e-3) <= 1e-4, "two devices in turn");
    }
    cuda_detail::check_cuda(cudaStreamDestroy(stream), "ending a stream");
}

/// Training with a graph is training without, bit for bit, with another learning rate and other dropout in each step.
inline void graphs_change_nothing() {
    using namespace hydralora;
    for (const bool own_stream : {true, false}) {
        cudaStream_t stream = nullptr;
        if (!own_stream) cuda_detail::check_cuda(cudaStreamCreate(&stream), "making a stream");
        for (Training training : trainings()) {
            training.steps = 6;
            training.decay = 0.9;
            CudaBackend plain, be({.stream = stream});
            CudaGraph graph(be);
            const auto expected = train_adapters(plain, training);
            const auto found =
                train_adapters(be, training, [&](Index step, auto&& f) { step == 0 ? f() : graph.run(f); });
            expect(found.losses == expected.losses, "losses with a graph");
            expect(found.parameters == expected.parameters, "parameters with a graph");
            expect(graph.made() == 1, "one executable graph for steps that are alike");
        }
        if (!own_stream) cuda_detail::check_cuda(cudaStreamDestroy(stream), "ending a stream");
    }
    // All weights: the gradient of the embedding sorts within the step.
    const Training training{.steps = 6, .decay = 0.9};
    CudaBackend plain, be;
    CudaGraph graph(be);
    const auto expected = train_whole(plain, training),
               found = train_whole(be, training, [&](Index step, auto&&f) { step == 0 ? f() : graph.run(f); });
    expect(found.losses == expected.losses, "losses of a whole model with a graph");
    expect(found.parameters == expected.parameters, "parameters of a whole model with a graph");
}

inline void graphs_refuse_what_they_cannot_hold() {
    using namespace hydralora;
    CudaBackend be;
    CudaGraph graph(be);
    Buffer<CudaBackend, float> x(be, 3, 5), y(be, 3, 5);
    float there[15] = {};
    const auto first = [&] {
        be.download(std::as_const(x).view(), host_view(there, 3, 5));
        return there[0];
    };
    graph.run([&] { be.fill(x.view(), 1.0f); });
    expect(first() == 1, "a graph of one kernel");
    graph.run([&] { be.fill(x.view(), 2.0f); });
    expect(first() == 2 && graph.made() == 1, "the same graph with another argument");
    graph.run([&] {
        be.fill(y.view(), 3.0f);
        be.copy(std::as_const(y).view(), x.view());
    });
    expect(first() == 3 && graph.made() == 2, "a graph of other work");

    const auto refused = [&](const std::string& part, auto&& f) {
        expect_message(message_of([&] {
                           graph.run([&] {
                               be.fill(x.view(), 9.0f);
                               f();
                           });
                       }),
                       part);
        expect(first() == 3, "nothing was done of a step that was refused: " + part);
    };
    refused("run the step once without a graph first", [&] { Buffer<CudaBackend, float>(be, 7, 7); });
    refused("download when the graph has run", [&] { first(); });
    refused("upload before the graph", [&] { be.upload(host_view(there, 3, 5), x.view()); });
    refused("wait when the graph has run", [&] { be.on().wait(); });
    refused("run within a run", [&] { graph.run([] {}); });
    refused("out of f", [&] { fail("out of f"); });
    Buffer<CudaBackend, float> z(be, 64, 64);
    refused("gave memory back", [&] { z = Buffer<CudaBackend, float>(); });
    graph.run([&] { be.fill(x.view(), 4.0f); });
    expect(first() == 4, "a graph after refusals");
}

/// A loss that is not finite, or a gradient, keeps the weights as they are, and the host is not asked.
inline void what_is_not_finite_writes_nothing() {
    using namespace hydralora;
    CudaBackend be;
    const AdapterConfig config{.in = 24, .out = 40, .rank = 4, .heads = 3, .alpha = 8};
    auto params = make_params(be, config), grads = make_params(be, config);
    initialise(be, params, config, Seed{1});
    initialise(be, grads, config, Seed{2});
    const AdamW adamw{.lr = 0.1};
    auto state = adamw.init(be, params);
    GradientNorm<CudaBackend> norm;
    Buffer<CudaBackend, double> loss(be, 1, 1);
    const auto changes = [&](double value) {
        const auto before = values_of(be, params);
        be.fill(loss.view(), value);
        adamw.step(be, params, grads, state,
                   {.gradient = ClipByGlobalNorm{}.factor(be, grads, norm, std::as_const(loss).view())});
        return values_of(be, params) != before;
    };
    expect(changes(1.5), "a finite loss steps");
    for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) expect(!changes(bad), "a loss that is not finite");
    be.fill(grads.A.view().row_slice(0, 1), NAN);
    expect(!changes(1.5), "a gradient that is not finite");
}

}  // namespace test
