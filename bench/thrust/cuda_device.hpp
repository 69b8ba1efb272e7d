// An NVIDIA GPU as a device of the benchmarks: marks of time are events on the backend's stream.
#pragma once

#include <hydralora/thrust/cuda_graph.hpp>
#include <memory>
#include <vector>

#include "measure.hpp"

namespace bench {

struct CudaDevice {
    template <class Numbers>
    using Backend = hydralora::ThrustBackend<hydralora::CudaSystem, Numbers>;

    static constexpr const char* attention = "attention composed";

    /// `run` as the library runs a step in one launch.
    template <class B>
    [[nodiscard]] static Case captured(B& be, Case run) {
        const auto graph = std::make_shared<hydralora::CudaGraph>(be);
        return [graph, run] { graph->run(run); };
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
