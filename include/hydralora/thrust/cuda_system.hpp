// NVIDIA GPUs: kernels for element-wise and row-wise work, cuBLASLt for products, Thrust for sorting. Compiled by nvcc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include <thrust/sort.h>
#include <thrust/system/cuda/execution_policy.h>

#include "../backend/concept.hpp"
#include "cuda_check.hpp"
#include "cuda_cuts.hpp"
#include "cuda_functors.hpp"
#include "cuda_groups.hpp"
#include "cuda_product.hpp"

namespace hydralora {

/// ThrustBackend<CudaSystem>: one GPU, one stream. A call makes that GPU the thread's current one and leaves it so.
class CudaSystem {
public:
    using space = hydralora::device;

    static constexpr AttentionCut attention_cut = cuda_cuts::attention;
    static constexpr Index most_logits = cuda_cuts::logits;

    struct Options {
        cudaStream_t stream = nullptr;  ///< the caller's; null: one of the backend's own
        cublasHandle_t cublas =
            nullptr;  ///< the caller's, of the same GPU, whose stream, workspace and pointer mode are set; null: one of its own
        int device = -1;  ///< number of the GPU; -1: that of the stream, or 0. Throws if the stream is of another
        std::size_t workspace = std::size_t{32} << 20;  ///< bytes for products
        Index slab_rows = 128;                          ///< rows a slab of a sum in `reduce`
    };

    explicit CudaSystem(const Options& options)
        : device_(device_of(options)), stream_(options.stream), cublas_(options.cublas) {
        use();
        check_architecture();
        try {
            if (stream_ == nullptr) {
                cuda_detail::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
                own_stream_ = true;
            }
            if (cublas_ == nullptr) {
                cuda_detail::check_cublas(cublasCreate(&cublas_), "starting cuBLAS");
                own_cublas_ = true;
            }
            cuda_detail::check_cublas(cublasGetStream(cublas_, &former_stream_), "asking cuBLAS for its stream");
            lent_cublas_ = !own_cublas_;
            cuda_detail::check_cublas(cublasSetPointerMode(cublas_, CUBLAS_POINTER_MODE_HOST), "setting up cuBLAS");
            cuda_detail::check_cublas(cublasSetStream(cublas_, stream_), "giving cuBLAS the stream");
            workspace_ = allocate(std::max<std::size_t>(options.workspace, 1));
            cuda_detail::check_cublas(cublasSetWorkspace(cublas_, workspace_, options.workspace),
                                      "giving cuBLAS its workspace");
            products_.emplace(cublas_, stream_, workspace_, options.workspace);
        } catch (...) {
            release();
            throw;
        }
    }
    CudaSystem(const CudaSystem&) = delete;
    CudaSystem& operator=(const CudaSystem&) = delete;
    ~CudaSystem() { release(); }

    [[nodiscard]] cudaStream_t stream() const { return stream_; }
    [[nodiscard]] cublasHandle_t cublas() const { return cublas_; }
    [[nodiscard]] int device() const { return device_; }

    /// Waits until everything asked of the stream is done; throws what went wrong meanwhile.
    void wait() const {
        check(!capturing(),
              "CudaBackend: a wait while the stream is captured into a graph; wait when the graph has run");
        cuda_detail::check_cuda(cudaStreamSynchronize(stream_), "waiting for the stream");
    }

    /// Whether the stream's work is kept for a CUDA graph instead of being done: neither memory nor results are to be had.
    [[nodiscard]] bool capturing() const noexcept {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        return cudaStreamIsCapturing(stream_, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone;
    }

    [[nodiscard]] void* allocate(std::size_t bytes) {
        use();
        check(!capturing(), "CudaBackend: ", bytes,
              " bytes of memory wanted while the stream is captured into a graph; run "
              "the step once without a graph first, so that all its memory is there");
        static_cast<void>(free_deferred());
        void* p = nullptr;
        const cudaError_t status = cudaMalloc(&p, bytes);
        if (status == cudaErrorMemoryAllocation) {
            static_cast<void>(cudaGetLastError());
            std::size_t free = 0, total = 0;
            static_cast<void>(cudaMemGetInfo(&free, &total));
            fail("CudaBackend: out of memory on device ", device_, ": ", bytes, " bytes wanted, ", free, " of ", total,
                 " free");
        }
        cuda_detail::check_cuda(status, "allocating memory");
        return p;
    }
    /// During a capture the memory is kept until its end, for what was captured may hold its address.
    void deallocate(void* p) noexcept {
        if (!capturing()) {
            static_cast<void>(cudaFree(p));
            return;
        }
        try {
            deferred_.push_back(p);
        } catch (...) {  // no room even for the address: better lost than freed
        }
    }
    /// Frees what was given back during a capture that has ended, and says whether there was any.
    [[nodiscard]] bool free_deferred() noexcept {
        const bool any = !deferred_.empty();
        for (void* p : deferred_) static_cast<void>(cudaFree(p));
        deferred_.clear();
        return any;
    }

    template <class T>
    void fill(MatrixView<T, space> to, T value) {
        const auto elements = ElementRows::of(to.shape(), to);
        rows(elements.count(), functor::FillRow<T>{to.data, elements.step(to.ld), elements, value});
    }
    template <class T>
    void copy(MatrixView<const T, space> from, MatrixView<T, space> to) {
        transfer(from, to, cudaMemcpyDeviceToDevice, "copying");
    }
    template <class T>
    void upload(MatrixView<const T, host> from, MatrixView<T, space> to) {
        check(!capturing(),
              "CudaBackend: an upload while the stream is captured into a graph, which would read the host's "
              "memory later; upload before the graph is run");
        transfer(from, to, cudaMemcpyHostToDevice, "copying to the device");
        if (!page_locked(from.data)) wait();
    }
    template <class T>
    void download(MatrixView<const T, space> from, MatrixView<T, host> to) {
        check(!capturing(),
              "CudaBackend: a download while the stream is captured into a graph; download when the graph has run");
        transfer(from, to, cudaMemcpyDeviceToHost, "copying to the host");
        wait();
    }

    template <class F>
    void each(Index n, const F& f) {
        use();
        cuda_detail::each_kernel<<<blocks(n, cuda_detail::threads_a_block), cuda_detail::threads_a_block, 0, stream_>>>(
            n, f);
        cuda_detail::check_cuda(cudaGetLastError(), "starting an element-wise kernel");
    }
    template <class F>
    void rows(Index n, const F& f) {
        using namespace cuda_detail;
        use();
        if constexpr (has_wide_rows<F>)
            block_rows_kernel<<<blocks(n, 1), threads_a_block, 0, stream_>>>(n, f);
        else
            warp_rows_kernel<<<blocks(n, threads_a_block / warp_size), threads_a_block, 0, stream_>>>(n, f);
        check_cuda(cudaGetLastError(), "starting a row-wise kernel");
    }
    template <class Key, class Allocator>
    void sort(Key* keys, Index n, Allocator& allocator) {
        use();
        ::thrust::sort(::thrust::cuda::par_nosync(allocator).on(stream_), keys, keys + n);
    }

    /// c = alpha op(a) op(b) + beta c; see CudaProducts.
    template <class A, class T, class TC>
    void gemm(Op op_a, Op op_b, A alpha, MatrixView<const T, space> a, MatrixView<const T, space> b, A beta,
              MatrixView<TC, space> c, Index) {
        if ((op_a == Op::none ? a.cols : a.rows) == 0)  // nothing to add up
            return rows(c.rows, functor::ScaleRow<TC, A>{c.data, c.cols, c.ld, beta});
        use();
        (*products_)(op_a, op_b, alpha, a, b, beta, c);
    }
    /// One call where the outer stride of each side continues its inner one, else one for each step of the smaller count.
    template <class A, class T, class TC>
    void gemm_batched(BatchCount count, Op op_a, Op op_b, A alpha, Batched<const T, space> a, Batched<const T, space> b,
                      A beta, Batched<TC, space> c, Index) {
        use();
        const auto continues = [&](const auto& m) { return count.outer == 1 || m.outer == m.inner * count.inner; };
        if (continues(a) && continues(b) && continues(c)) count = {1, count.outer * count.inner};
        const bool outer_first = count.outer <= count.inner;
        const Index calls = outer_first ? count.outer : count.inner, together = outer_first ? count.inner : count.outer;
        const auto stride = [&](const auto& m) { return outer_first ? m.inner : m.outer; };
        const auto of_call = [&](const auto& m, Index i) { return outer_first ? m.at(i, 0) : m.at(0, i); };
        for (Index i = 0; i < calls; ++i)
            (*products_)(op_a, op_b, alpha, of_call(a, i), of_call(b, i), beta, of_call(c, i), together, stride(a),
                         stride(b), stride(c));
    }

private:
    static int device_of(const Options& options) {
        int count = 0;
        const cudaError_t status = cudaGetDeviceCount(&count);
        if (status != cudaSuccess || count == 0) {
            static_cast<void>(cudaGetLastError());
            fail("CudaBackend: no NVIDIA GPU to run on: ",
                 status == cudaSuccess ? "the driver lists none" : cudaGetErrorString(status),
                 "; EigenBackend and ThrustBackend<CppSystem> run on the processor");
        }
        int device = options.device == -1 ? 0 : options.device;
        if (options.stream != nullptr) {
            cuda_detail::check_cuda(cudaStreamGetDevice(options.stream, &device), "asking the stream for its device");
            check(options.device == -1 || options.device == device, "CudaBackend: the stream is of device ", device,
                  ", Options::device is ", options.device, "; leave it out, or give a stream of that device");
        }
        check(device >= 0 && device < count, "CudaBackend: device ", device, ", expected 0 to ", count - 1);
        return device;
    }

    /// Throws unless this program holds code for the device.
    void check_architecture() const {
        cudaFuncAttributes attributes{};
        const auto kernel = &cuda_detail::each_kernel<functor::Nothing>;
        const cudaError_t status = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel));
        if (status == cudaSuccess) return;
        static_cast<void>(cudaGetLastError());
        int generation = 0, revision = 0;
        static_cast<void>(cudaDeviceGetAttribute(&generation, cudaDevAttrComputeCapabilityMajor, device_));
        static_cast<void>(cudaDeviceGetAttribute(&revision, cudaDevAttrComputeCapabilityMinor, device_));
        fail("CudaBackend: device ", device_, " has compute capability ", generation, '.', revision,
             ", for which this program was not compiled (", cudaGetErrorName(status), "); add ",
             generation * 10 + revision, " to CMAKE_CUDA_ARCHITECTURES");
    }
    void use() const { cuda_detail::check_cuda(cudaSetDevice(device_), "choosing the device"); }

    void release() noexcept {
        static_cast<void>(cudaSetDevice(device_));
        if (stream_ != nullptr) static_cast<void>(cudaStreamSynchronize(stream_));
        if (own_cublas_)
            static_cast<void>(cublasDestroy(cublas_));
        else if (lent_cublas_)  // the caller's forgets the workspace with the stream
            static_cast<void>(cublasSetStream(cublas_, former_stream_));
        if (own_stream_) static_cast<void>(cudaStreamDestroy(stream_));
        static_cast<void>(free_deferred());
        static_cast<void>(cudaFree(workspace_));
    }

    /// Of other memory, CUDA leaves open whether an asynchronous copy has read it on return.
    static bool page_locked(const void* p) {
        cudaPointerAttributes attributes{};
        if (cudaPointerGetAttributes(&attributes, p) == cudaSuccess) return attributes.type == cudaMemoryTypeHost;
        static_cast<void>(cudaGetLastError());
        return false;
    }

    /// Blocks for n items, `each` of them a block, which may take several.
    static unsigned blocks(Index n, Index each) {
        return static_cast<unsigned>(std::min<Index>((n + each - 1) / each, Index{1} << 20));
    }

    template <class From, class To>
    void transfer(From from, To to, cudaMemcpyKind kind, const char* what) const {
        using T = typename To::value_type;
        use();
        const auto bytes = [](Index elements) { return static_cast<std::size_t>(elements) * sizeof(T); };
        const bool flat = from.contiguous() && to.contiguous();
        const Index rows = flat ? 1 : to.rows, cols = flat ? to.size() : to.cols;
        cuda_detail::check_cuda(flat ? cudaMemcpyAsync(to.data, from.data, bytes(cols), kind, stream_)
                                     : cudaMemcpy2DAsync(to.data, bytes(to.ld), from.data, bytes(from.ld), bytes(cols),
                                                         static_cast<std::size_t>(rows), kind, stream_),
                                what);
    }

    int device_ = 0;
    cudaStream_t stream_ = nullptr, former_stream_ = nullptr;
    cublasHandle_t cublas_ = nullptr;
    void* workspace_ = nullptr;
    std::vector<void*> deferred_;
    std::optional<cuda_detail::CudaProducts> products_;
    bool own_stream_ = false, own_cublas_ = false, lent_cublas_ = false;
};

}  // namespace hydralora
