// A step's work as one CUDA graph: the device is handed all of it at once and does not wait for the host between kernels.
#pragma once

#include <utility>

#include "cuda_system.hpp"
#include "thrust_backend.hpp"

namespace hydralora {

namespace cuda_detail {

/// What a stream is asked to do while this lives, kept as a graph instead of being done. Only calls of this thread are held to
/// the rules of a capture; other backends in other threads go on.
class Capture {
public:
    explicit Capture(CudaSystem& system) : system_(system) {
        check(!system.capturing(), "CudaGraph: run within a run, or on a stream that is captured already");
        check_cuda(cudaStreamBeginCapture(system.stream(), cudaStreamCaptureModeThreadLocal), "beginning a capture");
        open_ = true;
    }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    ~Capture() {
        if (open_ && cudaStreamEndCapture(system_.stream(), &graph_) != cudaSuccess)
            static_cast<void>(cudaGetLastError());
        static_cast<void>(system_.free_deferred());
        if (graph_ != nullptr) static_cast<void>(cudaGraphDestroy(graph_));
    }

    /// The graph, as long as this lives.
    [[nodiscard]] cudaGraph_t end() {
        open_ = false;
        check_cuda(cudaStreamEndCapture(system_.stream(), &graph_), "ending a capture");
        check(!system_.free_deferred(),
              "CudaGraph: the step gave memory back that the graph may hold; run it once without "
              "a graph first, so that all its memory is there");
        return graph_;
    }

private:
    CudaSystem& system_;
    cudaGraph_t graph_ = nullptr;
    bool open_ = false;
};

}  // namespace cuda_detail

/// Runs steps as CUDA graphs on a backend's stream, its own or the caller's. The executable graph is kept from run to run and
/// only its arguments are exchanged (addresses, learning rate, random step, ...), as long as the same kernels are asked for
/// in the same order; else it is made again.
///
///     CudaGraph graph(be);
///     step();                            // once without: memory, plans of products and kernels get their places
///     graph.run(step);                   // every later step
///     be.download(loss.view(), ...);     // outside of the step
///
/// Not copyable; the backend must outlive it.
class CudaGraph {
public:
    template <class Numbers>
    explicit CudaGraph(ThrustBackend<CudaSystem, Numbers>& be) : system_(be.on()) {}
    CudaGraph(const CudaGraph&) = delete;
    CudaGraph& operator=(const CudaGraph&) = delete;
    ~CudaGraph() { forget(); }

    /// What f() asks of the backend, done on its stream in one launch; returns when the work is handed over, as f does.
    /// Errors: whatever f throws, and then none of its work is done on the device, while what it did on the host stays;
    /// memory asked for or given back, uploads, downloads and waits in f, with the remedy.
    template <class F>
    void run(F&& f) {
        cuda_detail::Capture capture(system_);
        std::forward<F>(f)();
        const cudaGraph_t graph = capture.end();
        if (!updated(graph)) {
            forget();
            cuda_detail::check_cuda(cudaGraphInstantiate(&executable_, graph, 0), "making a graph");
            ++made_;
        }
        cuda_detail::check_cuda(cudaGraphLaunch(executable_, system_.stream()), "starting a graph");
    }

    /// How often an executable graph was made: 1 where all runs were alike.
    [[nodiscard]] Index made() const { return made_; }

private:
    /// Whether the executable graph could take over the arguments of `graph`.
    [[nodiscard]] bool updated(cudaGraph_t graph) {
        if (executable_ == nullptr) return false;
        cudaGraphExecUpdateResultInfo info{};
        const bool taken = cudaGraphExecUpdate(executable_, graph, &info) == cudaSuccess;
        if (!taken) static_cast<void>(cudaGetLastError());
        return taken;
    }
    /// One that is running is freed when it is done.
    void forget() noexcept {
        if (executable_ != nullptr) static_cast<void>(cudaGraphExecDestroy(executable_));
        executable_ = nullptr;
    }

    CudaSystem& system_;
    cudaGraphExec_t executable_ = nullptr;
    Index made_ = 0;
};

}  // namespace hydralora
