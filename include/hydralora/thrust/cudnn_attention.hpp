// Attention by cuDNN: which calls it is asked for, and an object that runs them. Nothing of cuDNN is included here; the
// bodies stand in cudnn_attention.cpp, which the target hydralora::cudnn compiles.
// S sequences, L queries and K keys each, D head_dim.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "../backend/compose/attention.hpp"

struct cudnnContext;  // cudnnHandle_t points to it
struct CUstream_st;   // and cudaStream_t to this

namespace hydralora::cudnn {

enum class Direction { forward, backward };

/// Elements from a row to the next in each matrix of a call; 0 for those that its direction does not have.
struct LeadingDimensions {
    Index q = 0, k = 0, v = 0, o = 0, do_ = 0, dq = 0, dk = 0, dv = 0;
};

/// What a call of ops::attention or ops::attention_backward looks like, without its memory.
struct Problem {
    Direction direction = Direction::forward;
    AttentionShape shape;
    LeadingDimensions ld;
};

/// What a call would run on: compute capability 90 is 9.0, cuDNN 91900 is 9.19.0.
struct Platform {
    int compute_capability = 0;
    int cudnn_version = 0;
};

/// Earlier ones need detours for single shapes, some through host memory.
inline constexpr int least_cudnn_version = 91600;

/// Why cuDNN is not asked for this call, which the composed operation takes then; empty where it is asked. It may still
/// decline when it sees the graph: Attention::plan.
[[nodiscard]] inline std::string_view refusal(const Problem& problem, const Platform& platform) {
    const AttentionShape& shape = problem.shape;
    const LeadingDimensions& ld = problem.ld;
    const bool backward = problem.direction == Direction::backward;
    const int generation = platform.compute_capability / 10;
    if (platform.cudnn_version < least_cudnn_version) return "cuDNN is older than 9.16";
    if (generation < 8) return "the GPU's compute capability is below 8.0";
    if (backward && generation != 9 && generation != 10)
        return "cuDNN's backward pass in a fixed order needs compute capability 9.x or 10.x";
    if (backward && generation == 10 && platform.cudnn_version < 91801)
        return "cuDNN's backward pass in a fixed order needs 9.18.1 on compute capability 10.x";

    if (shape.starts != nullptr) return "a sequence holds several documents";
    if (shape.slides()) return "queries see a window of their keys";
    if (shape.sequences < 1 || shape.queries < 2)
        return "a single query a sequence: each length of a growing cache would be a plan of its own";
    if (shape.keys < shape.queries) return "there are fewer keys than queries";
    if (shape.kv_heads < 1 || shape.heads % shape.kv_heads != 0) return "heads is not a multiple of kv_heads";
    if (shape.head_dim < 8 || shape.head_dim % 8 != 0) return "head_dim is not a multiple of 8";
    if (shape.head_dim > (generation == 9 ? 256 : 128)) return "head_dim is larger than cuDNN takes on this GPU";
    if (backward && shape.kv_stride() != shape.keys) return "keys lie apart in a cache, which is for forward alone";

    const auto fits = [](Index leading, Index width) { return leading >= width && leading % 8 == 0; };
    const Index width = shape.heads * shape.head_dim, kv_width = shape.kv_heads * shape.head_dim;
    const bool read = fits(ld.q, width) && fits(ld.k, kv_width) && fits(ld.v, kv_width) && fits(ld.o, width);
    const bool wrote = fits(ld.do_, width) && fits(ld.dq, width) && fits(ld.dk, kv_width) && fits(ld.dv, kv_width);
    if (!read || (backward && !wrote)) return "a leading dimension is not a multiple of 8 elements";
    return {};
}

[[nodiscard]] inline bool supported(const Problem& problem, const Platform& platform) {
    return refusal(problem, platform).empty();
}

/// Of the cuDNN that the program runs with.
[[nodiscard]] int version();

/// What cuDNN and its frontend say against the graph of a problem on GPUs of a compute capability; empty: nothing. Needs
/// no GPU. Whether there are kernels for it is known on the GPU alone.
[[nodiscard]] std::string validate(const Problem& problem, int compute_capability);

struct Options {
    cudnnContext* handle = nullptr;  ///< the caller's cudnnHandle_t, whose stream is set; null: one of its own
    /// Bytes; what needs more is composed. On compute capability 9.x backward needs a little over 2 S heads L K.
    Index most_workspace = Index{5} << 30;
};

/// The memory of a call, as its Problem has it; statistics (S * heads, L): the log-sum-exp of each row of scores.
struct ForwardMemory {
    const void *q, *k, *v;
    void* o;
    float* statistics;
};
struct BackwardMemory {
    const void *q, *k, *v, *o, *do_;
    const float* statistics;
    void *dq, *dk, *dv;
};

/// What became of a problem: cuDNN's plan for it, which needs so many bytes of workspace, or why there is none.
struct Plan {
    Index workspace = 0;
    std::string refusal;

    [[nodiscard]] bool taken() const { return refusal.empty(); }
};

/// cuDNN on one stream, in bfloat16 with sums in float, backward in a fixed order. The first call of a problem makes its
/// plan, which takes a second or so and is kept; calls after that ask for no memory and can be captured in a CUDA graph.
class Attention {
public:
    /// On the stream and device of a system: ThrustBackend::on().
    template <class System>
    explicit Attention(const System& system, const Options& options = {})
        : Attention(system.stream(), system.device(), options) {}
    Attention(CUstream_st* stream, int device, const Options& options);
    Attention(const Attention&) = delete;
    Attention& operator=(const Attention&) = delete;
    ~Attention();

    /// Valid until the next call.
    [[nodiscard]] const Plan& plan(const Problem& problem);

    /// Of a plan that is taken: all memory aligned to 16 bytes, workspace to 256 and as large as the plan says.
    void run(const Problem& problem, const ForwardMemory& memory, void* workspace);
    void run(const Problem& problem, const BackwardMemory& memory, void* workspace);

private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace hydralora::cudnn
