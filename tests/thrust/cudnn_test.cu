// cuDNN's attention on the device, beside the composed operation there and beside plain loops. Exits with 77 where there is
// no GPU.
#include <cudnn.h>

#include <cstdio>
#include <hydralora/nn/attention.hpp>
#include <hydralora/thrust/cudnn_backend.hpp>
#include <string>
#include <vector>

#include "cuda_expect.hpp"
#include "support/plain_attention.hpp"
#include "support/tiny_training.hpp"

using namespace hydralora;
using test::expect;
using test::expect_near;

namespace {

using Composed = ThrustBackend<CudaSystem, Precision<float, bfloat16, float>>;
static_assert(Backend<CudnnBackend>);

/// S sequences, L queries and K keys each; pad: unused elements after each row.
struct Case {
    Index S, L, K, heads, kv_heads, D, pad = 0;

    [[nodiscard]] std::string name() const {
        return concat(S, " x ", L, " queries, ", K, " keys, ", heads, '/', kv_heads, " heads of ", D, ", pad ", pad);
    }
    [[nodiscard]] AttentionShape shape() const {
        return {.sequences = S, .queries = L, .keys = K, .heads = heads, .kv_heads = kv_heads, .head_dim = D};
    }
};

/// Numbers rounded to bfloat16, so that the host and the device see the same.
std::vector<double> drawn(Index count, std::uint32_t stream) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = widened<double>(
            bfloat16(static_cast<float>(uniform_below(RandomKey{Seed{5}, stream, 0}, i, 4001)) / 1000.0f - 2.0f));
    return values;
}

/// A matrix on the device with `pad` columns beyond its own.
template <class B>
struct Matrix {
    Buffer<B, bfloat16> memory;
    Index rows, cols;

    Matrix(B& be, Index r, Index c, Index pad) : memory(be, r, c + pad), rows(r), cols(c) {}
    Matrix(B& be, const std::vector<double>& values, Index c, Index pad)
        : Matrix(be, static_cast<Index>(values.size()) / c, c, pad) {
        std::vector<bfloat16> packed;
        for (const double value : values) packed.push_back(bfloat16(static_cast<float>(value)));
        be.upload(host_view(packed.data(), rows, cols), view());
        be.on().wait();
    }
    View<B> view() { return memory.view().col_slice(0, cols); }
    std::vector<double> values(B& be) {
        std::vector<bfloat16> packed(static_cast<std::size_t>(rows * cols));
        be.download(ConstView<B>(view()), host_view(packed.data(), rows, cols));
        std::vector<double> numbers;
        for (const bfloat16 value : packed) numbers.push_back(widened<double>(value));
        return numbers;
    }
};

/// Memory of both passes on one backend.
template <class B>
struct Passes {
    B& be;
    Case c;
    Attention<B> layer;
    Matrix<B> q, k, v, dout, o, dq, dk, dv;
    typename Attention<B>::Cache cache;

    Passes(B& b, const Case& of)
        : be(b),
          c(of),
          layer({c.heads, c.kv_heads, c.D}),
          q(be, drawn(c.S * c.L * c.heads * c.D, 1), c.heads * c.D, c.pad),
          k(be, drawn(c.S * c.K * c.kv_heads * c.D, 2), c.kv_heads * c.D, 2 * c.pad),
          v(be, drawn(c.S * c.K * c.kv_heads * c.D, 3), c.kv_heads * c.D, 0),
          dout(be, drawn(c.S * c.L * c.heads * c.D, 4), c.heads * c.D, c.pad),
          o(be, q.rows, q.cols, 0),
          dq(be, q.rows, q.cols, c.pad),
          dk(be, k.rows, k.cols, c.pad),
          dv(be, k.rows, k.cols, 0) {}

    void forward() { layer.forward(be, c.S, q.view(), k.view(), v.view(), o.view(), cache); }
    void backward() {
        layer.backward(be, c.S, q.view(), k.view(), v.view(), o.view(), dout.view(), cache, dq.view(), dk.view(),
                       dv.view());
    }
    /// o, dq, dk, dv and the log-sum-exp
    std::vector<std::vector<double>> results() {
        std::vector<float> kept(static_cast<std::size_t>(cache.log_sum_exp.size()));
        be.download(cache.log_sum_exp.view(),
                    host_view(kept.data(), cache.log_sum_exp.rows(), cache.log_sum_exp.cols()));
        return {o.values(be), dq.values(be), dk.values(be), dv.values(be), {kept.begin(), kept.end()}};
    }
};

double largest(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return HUGE_VAL;
    double most = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double each = std::abs(a[i] - b[i]);
        most = each >= most ? each : std::isnan(each) ? HUGE_VAL : most;
        size = std::max(size, std::abs(b[i]));
    }
    return most / std::max(size, 1e-3);
}

int capability() {
    cudaDeviceProp properties{};
    cuda_detail::check_cuda(cudaGetDeviceProperties(&properties, 0), "asking for the device's properties");
    return properties.major * 10 + properties.minor;
}

/// Backward in a fixed order is cuDNN's on these alone.
bool backward_expected() { return capability() / 10 == 9 || capability() / 10 == 10; }

void agrees(const Case& c) {
    CudnnBackend be;
    Composed composed;
    Passes<CudnnBackend> found(be, c), again(be, c);
    Passes<Composed> other(composed, c);
    found.forward();
    expect(be.why_composed().empty(), c.name() + ": forward was composed: " + be.why_composed());
    found.backward();
    if (backward_expected())
        expect(be.why_composed().empty(), c.name() + ": backward was composed: " + be.why_composed());
    other.forward();
    other.backward();

    test::PlainAttention plain(c.shape(), found.q.values(be), found.k.values(be), found.v.values(be));
    plain.backward(found.dout.values(be));
    const std::vector<std::vector<double>> oracle = {plain.o, plain.dq, plain.dk, plain.dv, plain.log_sum_exp};
    const auto ours = found.results(), theirs = other.results();
    const char* const names[] = {"o", "dq", "dk", "dv", "log_sum_exp"};
    for (std::size_t i = 0; i < oracle.size(); ++i) {
        expect_near(largest(ours[i], oracle[i]), i == 4 ? 1e-4 : 2e-2, c.name() + ": " + names[i] + ", plain loops");
        expect_near(largest(ours[i], theirs[i]), 4e-2, c.name() + ": " + names[i] + ", composed");
    }

    const Index held = be.arena().bytes();
    again.forward();
    again.backward();
    expect(again.results() == ours, c.name() + ": same bits again");
    expect(be.arena().bytes() == held, c.name() + ": no more memory for a repeated step");
}

/// Plans are made in the first step; the second is recorded and played.
void captured_in_a_graph() {
    CudnnBackend be;
    Passes<CudnnBackend> passes(be, {2, 256, 256, 4, 2, 64});
    passes.forward();
    passes.backward();
    const auto expected = passes.results();
    for (auto* m : {&passes.o, &passes.dq, &passes.dk, &passes.dv}) be.fill(m->view(), bfloat16{});
    be.on().wait();

    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    cuda_detail::check_cuda(cudaStreamBeginCapture(be.on().stream(), cudaStreamCaptureModeThreadLocal), "capturing");
    passes.forward();
    passes.backward();
    cuda_detail::check_cuda(cudaStreamEndCapture(be.on().stream(), &graph), "ending a capture");
    cuda_detail::check_cuda(cudaGraphInstantiate(&executable, graph, 0), "making a graph");
    cuda_detail::check_cuda(cudaGraphLaunch(executable, be.on().stream()), "running a graph");
    expect(passes.results() == expected, "a step from a graph has the same bits");
    cuda_detail::check_cuda(cudaGraphExecDestroy(executable), "ending a graph");
    cuda_detail::check_cuda(cudaGraphDestroy(graph), "ending a graph");
}

void borrowed_handle() {
    cudnnHandle_t handle = nullptr;
    expect(cudnnCreate(&handle) == CUDNN_STATUS_SUCCESS, "starting cuDNN");
    cudaStream_t stream = nullptr;
    {
        CudnnBackend be({}, {.handle = handle});
        expect(cudnnGetStream(handle, &stream) == CUDNN_STATUS_SUCCESS && stream == be.on().stream(),
               "the caller's handle works on the backend's stream");
        Passes<CudnnBackend> passes(be, {1, 128, 128, 2, 2, 64});
        passes.forward();
        expect(be.why_composed().empty(), be.why_composed());
    }
    expect(cudnnGetStream(handle, &stream) == CUDNN_STATUS_SUCCESS && stream == nullptr,
           "the caller's handle gets its stream back");
    expect(cudnnDestroy(handle) == CUDNN_STATUS_SUCCESS, "ending cuDNN");
}

void too_much_workspace_is_composed() {
    if (!backward_expected()) return;
    CudnnBackend be({}, {.most_workspace = 0});
    Passes<CudnnBackend> passes(be, {2, 256, 256, 4, 2, 64});
    passes.forward();
    passes.backward();
    expect(be.why_composed().find("most_workspace") != std::string::npos, "workspace: " + be.why_composed());
}

void a_decoder_trains() {
    CudnnBackend be;
    Composed composed;
    const auto found = test::train_adapters(be, {}), expected = test::train_adapters(composed, {});
    expect_near(test::difference(found.losses, expected.losses, 1e-3), 2e-2, "adapters trained: losses");
    expect(test::train_adapters(be, {}).parameters == found.parameters, "adapters trained: same bits again");
}

}  // namespace

int main() {
    return test::run_on_gpu<CudnnBackend>([] {
        for (const Case& c : {Case{2, 128, 128, 4, 4, 64}, Case{1, 200, 200, 8, 2, 128}, Case{2, 100, 100, 4, 1, 64, 8},
                              Case{1, 64, 192, 4, 2, 128}, Case{3, 24, 24, 4, 2, 8}, Case{1, 33, 90, 2, 2, 96, 16}})
            agrees(c);
        captured_in_a_graph();
        borrowed_handle();
        too_much_workspace_is_composed();
        a_decoder_trains();
    });
}
