// The one compiled file of the library: attention as graphs of cuDNN, through its header-only frontend.
#include "cudnn_attention.hpp"

#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <cudnn_frontend.h>
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <unordered_map>

#include "../core/check.hpp"
#include "cuda_check.hpp"

namespace hydralora::cudnn {

namespace {

namespace fe = cudnn_frontend;
using fe::graph::Graph;
using fe::graph::Tensor_attributes;
using Tensor = std::shared_ptr<Tensor_attributes>;

void check_cudnn(cudnnStatus_t status, const char* what) {
    check(status == CUDNN_STATUS_SUCCESS, "CudnnBackend: ", what, ": ", cudnnGetErrorString(status));
}

/// Names of a graph's tensors for the one who brings their memory.
enum Uid : std::int64_t { uid_q = 1, uid_k, uid_v, uid_o, uid_statistics, uid_do, uid_dq, uid_dk, uid_dv };

/// All that distinguishes two graphs of calls that the rule lets through.
using Key = std::array<Index, 17>;

Key key_of(const Problem& problem) {
    const AttentionShape& s = problem.shape;
    const LeadingDimensions& ld = problem.ld;
    return {static_cast<Index>(problem.direction),
            s.sequences,
            s.queries,
            s.keys,
            s.heads,
            s.kv_heads,
            s.head_dim,
            s.kv_stride(),
            bit_cast<Index>(s.scale()),
            ld.q,
            ld.k,
            ld.v,
            ld.o,
            ld.do_,
            ld.dq,
            ld.dk,
            ld.dv};
}

/// Calls f, which may throw or return an error of the frontend; what it said, empty: nothing.
template <class F>
std::string complaint_of(F&& f) {
    try {
        fe::error_object error = f();
        if (error.is_good()) return {};
        return error.get_message().empty() ? "cuDNN declines the graph" : error.get_message();
    } catch (const std::exception& error) {
        return error.what();
    }
}

/// The tensors of a problem and the operation on them.
class Builder {
public:
    Builder(const Problem& problem, int compute_capability) : problem_(problem), graph_(std::make_shared<Graph>()) {
        graph_->set_io_data_type(fe::DataType_t::BFLOAT16)
            .set_intermediate_data_type(fe::DataType_t::FLOAT)
            .set_compute_data_type(fe::DataType_t::FLOAT)
            .set_sm_version(compute_capability);
    }

    std::shared_ptr<Graph> build() {
        const LeadingDimensions& ld = problem_.ld;
        const auto q = graph_->tensor(of_queries("q", uid_q, ld.q));
        const auto k = graph_->tensor(of_keys("k", uid_k, ld.k)), v = graph_->tensor(of_keys("v", uid_v, ld.v));
        if (problem_.direction == Direction::forward) {
            auto [o, statistics_out] = graph_->sdpa(
                q, k, v, masked(fe::graph::SDPA_attributes().set_name("attention").set_generate_stats(true)));
            give(o, of_queries("o", uid_o, ld.o));
            give(statistics_out, statistics());
        } else {
            const auto o = graph_->tensor(of_queries("o", uid_o, ld.o));
            const auto d_o = graph_->tensor(of_queries("do", uid_do, ld.do_));
            auto [dq, dk, dv] = graph_->sdpa_backward(q, k, v, o, d_o, graph_->tensor(statistics()),
                                                      masked(fe::graph::SDPA_backward_attributes()
                                                                 .set_name("attention_backward")
                                                                 .set_deterministic_algorithm(true)));
            give(dq, of_queries("dq", uid_dq, ld.dq));
            give(dk, of_keys("dk", uid_dk, ld.dk));
            give(dv, of_keys("dv", uid_dv, ld.dv));
        }
        return graph_;
    }

private:
    /// cuDNN counts (sequence, head, row, element) wherever they lie in memory.
    Tensor_attributes of_queries(const char* name, Uid uid, Index ld) const {
        const AttentionShape& s = problem_.shape;
        return tensor(name, uid, {s.sequences, s.heads, s.queries, s.head_dim}, {s.queries * ld, s.head_dim, ld, 1});
    }
    Tensor_attributes of_keys(const char* name, Uid uid, Index ld) const {
        const AttentionShape& s = problem_.shape;
        return tensor(name, uid, {s.sequences, s.kv_heads, s.keys, s.head_dim},
                      {s.kv_stride() * ld, s.head_dim, ld, 1});
    }
    /// Below 9.26 backward reads them in this order alone.
    Tensor_attributes statistics() const {
        const AttentionShape& s = problem_.shape;
        return tensor("log_sum_exp", uid_statistics, {s.sequences, s.heads, s.queries, 1},
                      {s.heads * s.queries, s.queries, 1, 1})
            .set_data_type(fe::DataType_t::FLOAT);
    }
    static Tensor_attributes tensor(const char* name, Uid uid, const std::vector<std::int64_t>& dim,
                                    const std::vector<std::int64_t>& stride) {
        return Tensor_attributes().set_name(name).set_uid(uid).set_dim(dim).set_stride(stride).set_data_type(
            fe::DataType_t::BFLOAT16);
    }
    /// Makes a result one that is written to memory of ours.
    static void give(const Tensor& result, const Tensor_attributes& like) {
        result->set_output(true)
            .set_uid(like.get_uid())
            .set_dim(like.get_dim())
            .set_stride(like.get_stride())
            .set_data_type(like.get_data_type());
    }
    /// Query i sees keys up to K - L + i.
    template <class Attributes>
    Attributes masked(Attributes attributes) const {
        const AttentionShape& s = problem_.shape;
        attributes.set_attn_scale(static_cast<float>(s.scale()))
            .set_diagonal_alignment(s.keys == s.queries ? fe::DiagonalAlignment_t::TOP_LEFT
                                                        : fe::DiagonalAlignment_t::BOTTOM_RIGHT)
            .set_diagonal_band_right_bound(0);
        return attributes;
    }

    const Problem& problem_;
    std::shared_ptr<Graph> graph_;
};

}  // namespace

int version() { return static_cast<int>(cudnnGetVersion()); }

std::string validate(const Problem& problem, int compute_capability) {
    return complaint_of([&] {
        const auto graph = Builder(problem, compute_capability).build();
        auto error = graph->validate();
        return error.is_good() ? graph->build_operation_graph(nullptr) : error;
    });
}

struct Attention::Implementation {
    /// A plan with what runs it; `memory` is filled in anew for each call.
    struct Entry {
        Plan plan;
        std::shared_ptr<Graph> graph;
        std::unordered_map<std::int64_t, void*> memory;
    };

    cudaStream_t stream = nullptr, former_stream = nullptr;
    int device = 0;
    Options options;
    Platform platform;
    cudnnHandle_t handle = nullptr;
    std::map<Key, Entry> entries;
    Plan refused;  // by the rule, the last one

    void use() const { cuda_detail::check_cuda(cudaSetDevice(device), "choosing the device"); }

    Entry make(const Problem& problem) const {
        Entry entry;
        Plan& plan = entry.plan;
        use();
        plan.refusal = complaint_of([&] {
            entry.graph = Builder(problem, platform.compute_capability).build();
            auto error = entry.graph->build(handle, {fe::HeurMode_t::A});
            return error.is_good() ? entry.graph->get_workspace_size(plan.workspace) : error;
        });
        if (plan.taken() && plan.workspace > options.most_workspace)
            plan.refusal = concat(plan.workspace,
                                  " bytes of workspace, more than Options::most_workspace = ", options.most_workspace);
        if (!plan.taken()) entry.graph.reset();
        return entry;
    }

    /// Of a call that the rule lets through: others are many, as a cache of keys grows, and nothing is kept of them.
    Entry& entry_of(const Problem& problem) {
        const Key key = key_of(problem);
        auto found = entries.find(key);
        if (found == entries.end()) found = entries.emplace(key, make(problem)).first;
        return found->second;
    }

    const Plan& plan(const Problem& problem) {
        const std::string_view why = refusal(problem, platform);
        if (why.empty()) return entry_of(problem).plan;
        refused = {0, std::string(why)};
        return refused;
    }

    template <class Fill>
    void run(const Problem& problem, void* workspace, Fill&& fill) {
        const Plan& asked = plan(problem);
        check(asked.taken(), "CudnnBackend: attention that cuDNN does not take was to be run: ", asked.refusal);
        Entry& entry = entry_of(problem);
        fill(entry.memory);
        use();
        const std::string complaint =
            complaint_of([&] { return entry.graph->execute(handle, entry.memory, workspace); });
        check(complaint.empty(), "CudnnBackend: running attention: ", complaint);
    }

    void release() noexcept {
        static_cast<void>(cudaSetDevice(device));
        if (stream != nullptr) static_cast<void>(cudaStreamSynchronize(stream));
        entries.clear();
        if (handle == nullptr) return;
        if (options.handle == nullptr)
            static_cast<void>(cudnnDestroy(handle));
        else
            static_cast<void>(cudnnSetStream(handle, former_stream));
    }
};

Attention::Attention(CUstream_st* stream, int device, const Options& options)
    : implementation_(std::make_unique<Implementation>()) {
    Implementation& my = *implementation_;
    my.stream = stream;
    my.device = device;
    my.options = options;
    my.use();
    int generation = 0, revision = 0;
    cuda_detail::check_cuda(cudaDeviceGetAttribute(&generation, cudaDevAttrComputeCapabilityMajor, device),
                            "asking for the compute capability");
    cuda_detail::check_cuda(cudaDeviceGetAttribute(&revision, cudaDevAttrComputeCapabilityMinor, device),
                            "asking for the compute capability");
    my.platform = {generation * 10 + revision, version()};
    cudnnHandle_t own = nullptr;
    if (options.handle == nullptr) check_cudnn(cudnnCreate(&own), "starting cuDNN");
    my.handle = options.handle == nullptr ? own : options.handle;
    try {
        check_cudnn(cudnnGetStream(my.handle, &my.former_stream), "asking cuDNN for its stream");
        check_cudnn(cudnnSetStream(my.handle, stream), "giving cuDNN the stream");
    } catch (...) {
        my.release();
        throw;
    }
}

Attention::~Attention() { implementation_->release(); }

const Plan& Attention::plan(const Problem& problem) { return implementation_->plan(problem); }

void Attention::run(const Problem& problem, const ForwardMemory& memory, void* workspace) {
    implementation_->run(problem, workspace, [&](auto& of) {
        of[uid_q] = const_cast<void*>(memory.q);
        of[uid_k] = const_cast<void*>(memory.k);
        of[uid_v] = const_cast<void*>(memory.v);
        of[uid_o] = memory.o;
        of[uid_statistics] = memory.statistics;
    });
}

void Attention::run(const Problem& problem, const BackwardMemory& memory, void* workspace) {
    implementation_->run(problem, workspace, [&](auto& of) {
        of[uid_q] = const_cast<void*>(memory.q);
        of[uid_k] = const_cast<void*>(memory.k);
        of[uid_v] = const_cast<void*>(memory.v);
        of[uid_o] = const_cast<void*>(memory.o);
        of[uid_do] = const_cast<void*>(memory.do_);
        of[uid_statistics] = const_cast<float*>(memory.statistics);
        of[uid_dq] = memory.dq;
        of[uid_dk] = memory.dk;
        of[uid_dv] = memory.dv;
    });
}

}  // namespace hydralora::cudnn
