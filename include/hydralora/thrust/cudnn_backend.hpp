// A backend whose attention is cuDNN's where cuDNN takes the call, and the composed operation elsewhere.
// S sequences, L queries each, T = S * L tokens.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "../backend/buffer.hpp"
#include "../backend/concept.hpp"
#include "cudnn_attention.hpp"
#include "thrust_backend.hpp"
#if defined(__CUDACC__)
#include "cuda_system.hpp"
#endif

namespace hydralora {

namespace functor {

/// The log-sum-exp of a token's scores between the order of the composed operation, tokens (T, heads) with any ld, and
/// cuDNN's, rows (S * heads, L).
struct StatisticsToTokens {
    const float* rows;
    float* tokens;
    Index queries, heads, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index s = t / queries, i = t - s * queries;
        for (Index h = group.rank(); h < heads; h += group.size())
            tokens[t * ld + h] = rows[(s * heads + h) * queries + i];
    }
};
struct StatisticsFromTokens {
    const float* tokens;
    float* rows;
    Index queries, heads, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index s = t / queries, i = t - s * queries;
        for (Index h = group.rank(); h < heads; h += group.size())
            rows[(s * heads + h) * queries + i] = tokens[t * ld + h];
    }
};

}  // namespace functor

/// Base with attention through Engine. Either pass may go either way: the log-sum-exp lies as the composed operation has
/// it. The bits are the same from run to run; unlike the composed ones, those of a sequence may depend on how many are in
/// the call.
template <class Base, class Engine = cudnn::Attention>
class BasicCudnnBackend : public Base {
    static_assert(
        std::is_same_v<Scalar<Base>, bfloat16> && std::is_same_v<AccumScalar<Base>, float>,
        "CudnnBackend: cuDNN's attention is for Precision<Param, bfloat16, float>; use ThrustBackend for others");

public:
    using Options = typename Base::Options;

    BasicCudnnBackend() : BasicCudnnBackend(Options{}) {}
    explicit BasicCudnnBackend(const Options& options, const cudnn::Options& cudnn_options = {})
        : Base(options), engine_(this->on(), cudnn_options) {}

    /// Why the last call of attention that was composed was not cuDNN's; empty: none was.
    [[nodiscard]] const std::string& why_composed() const { return why_composed_; }

    void attention(const AttentionShape& shape, ConstView<Base> q, ConstView<Base> k, ConstView<Base> v, View<Base> o,
                   AccumView<Base> log_sum_exp) {
        const cudnn::Problem problem{cudnn::Direction::forward, shape, {.q = q.ld, .k = k.ld, .v = v.ld, .o = o.ld}};
        const cudnn::Plan* plan = plan_of(problem, q, k, v, o);
        if (plan == nullptr) return ops::attention<Base>(*this, shape, q, k, v, o, log_sum_exp);
        Scratch<Base> scratch(*this);
        const auto statistics = scratch.template matrix<float>(shape.sequences * shape.heads, shape.queries);
        engine_.run(problem, cudnn::ForwardMemory{q.data, k.data, v.data, o.data, statistics.data},
                    workspace(scratch, *plan));
        this->rows(q.rows, functor::StatisticsToTokens{statistics.data, log_sum_exp.data, shape.queries, shape.heads,
                                                       log_sum_exp.ld});
    }

    void attention_backward(const AttentionShape& shape, ConstView<Base> q, ConstView<Base> k, ConstView<Base> v,
                            ConstView<Base> o, ConstView<Base> do_, ConstAccumView<Base> log_sum_exp, View<Base> dq,
                            View<Base> dk, View<Base> dv) {
        const cudnn::Problem problem{
            cudnn::Direction::backward, shape, {q.ld, k.ld, v.ld, o.ld, do_.ld, dq.ld, dk.ld, dv.ld}};
        const cudnn::Plan* plan = plan_of(problem, q, k, v, o, do_, dq, dk, dv);
        if (plan == nullptr)
            return ops::attention_backward<Base>(*this, shape, q, k, v, o, do_, log_sum_exp, dq, dk, dv);
        Scratch<Base> scratch(*this);
        const auto statistics = scratch.template matrix<float>(shape.sequences * shape.heads, shape.queries);
        this->rows(q.rows, functor::StatisticsFromTokens{log_sum_exp.data, statistics.data, shape.queries, shape.heads,
                                                         log_sum_exp.ld});
        engine_.run(
            problem,
            cudnn::BackwardMemory{q.data, k.data, v.data, o.data, do_.data, statistics.data, dq.data, dk.data, dv.data},
            workspace(scratch, *plan));
    }

private:
    static constexpr std::uintptr_t memory_alignment = 16, workspace_alignment = 256;

    /// The plan of a call on the memory of some views; null: to be composed.
    template <class... Views>
    const cudnn::Plan* plan_of(const cudnn::Problem& problem, const Views&... views) {
        const bool aligned = ((reinterpret_cast<std::uintptr_t>(views.data) % memory_alignment == 0) && ...);
        const cudnn::Plan* plan = aligned ? &engine_.plan(problem) : nullptr;
        if (plan != nullptr && plan->taken()) return plan;
        why_composed_ = aligned ? plan->refusal : "a matrix does not begin at a multiple of 16 bytes";
        return nullptr;
    }

    static void* workspace(Scratch<Base>& scratch, const cudnn::Plan& plan) {
        const auto room = static_cast<Index>(workspace_alignment) - 1;
        const auto begin =
            reinterpret_cast<std::uintptr_t>(scratch.template matrix<char>(1, plan.workspace + room).data);
        return reinterpret_cast<void*>((begin + workspace_alignment - 1) / workspace_alignment * workspace_alignment);
    }

    Engine engine_;
    std::string why_composed_;
};

#if defined(__CUDACC__)
/// One NVIDIA GPU, computing in bfloat16; needs the target hydralora::cudnn.
using CudnnBackend = BasicCudnnBackend<ThrustBackend<CudaSystem, Precision<float, bfloat16, float>>>;
#endif

}  // namespace hydralora
