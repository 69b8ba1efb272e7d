// An NVIDIA GPU as a device of the benchmarks: marks of time are events on the backend's stream.
#pragma once

#include <memory>
#include <vector>

#include "measure.hpp"

namespace bench {

struct CudaDevice {
    template <class Numbers>
    using Backend = hydralora::ThrustBackend<hydralora::CudaSystem, Numbers>;

    /// The work that `run` asks of the backend's stream, as a CUDA graph: one call of the host. It must allocate nothing.
    template <class B>
    [[nodiscard]] static Case captured(B& be, const Case& run) {
        using hydralora::cuda_detail::check_cuda;
        const cudaStream_t stream = be.on().stream();
        check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning a graph");
        cudaGraph_t graph = nullptr;
        try {
            run();
        } catch (...) {
            static_cast<void>(cudaStreamEndCapture(stream, &graph));
            static_cast<void>(cudaGraphDestroy(graph));
            throw;
        }
        check_cuda(cudaStreamEndCapture(stream, &graph), "ending a graph");
        cudaGraphExec_t executable = nullptr;
        const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
        static_cast<void>(cudaGraphDestroy(graph));
        check_cuda(status, "making a graph executable");
        const std::shared_ptr<CUgraphExec_st> kept(executable, [](cudaGraphExec_t e) { cudaGraphExecDestroy(e); });
        return [kept, stream] { check_cuda(cudaGraphLaunch(kept.get(), stream), "launching a graph"); };
    }

    class Marks {
    public:
        template <class B>
        explicit Marks(B& be) : stream_(be.on().stream()) {}
        Marks(const Marks&) = delete;
        Marks& operator=(const Marks&) = delete;
        ~Marks() {
            for (const cudaEvent_t event : at_) static_cast<void>(cudaEventDestroy(event));
        }

        void add() {
            cudaEvent_t event = nullptr;
            hydralora::cuda_detail::check_cuda(cudaEventCreate(&event), "making an event");
            at_.push_back(event);
            hydralora::cuda_detail::check_cuda(cudaEventRecord(event, stream_), "marking the time");
        }
        /// From each mark to the next, when all are reached.
        [[nodiscard]] std::vector<double> seconds() const {
            using hydralora::cuda_detail::check_cuda;
            check_cuda(cudaEventSynchronize(at_.back()), "waiting for the last mark");
            std::vector<double> all;
            for (std::size_t i = 1; i < at_.size(); ++i) {
                float milliseconds = 0;
                check_cuda(cudaEventElapsedTime(&milliseconds, at_[i - 1], at_[i]), "reading the clock");
                all.push_back(1e-3 * static_cast<double>(milliseconds));
            }
            return all;
        }

    private:
        cudaStream_t stream_;
        std::vector<cudaEvent_t> at_;
    };
};

}  // namespace bench
