// A plan counts what a real backend holds: the same training step on both.
#include <doctest/doctest.h>

#include <hydralora/backend/planning_backend.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <utility>
#include <vector>

namespace backend_planning_backend_test {

using namespace hydralora;

namespace {

/// Counts the bytes of buffers; scratch memory goes by the base class, past it.
struct CountingBackend : EigenBackend {
    using EigenBackend::EigenBackend;
    MemoryCount memory;

    template <class U>
    [[nodiscard]] U* allocate(Index count) {
        memory.add(count * static_cast<Index>(sizeof(U)));
        return EigenBackend::allocate<U>(count);
    }
    template <class U>
    void deallocate(U* p, Index count) noexcept {
        memory.add(-count * static_cast<Index>(sizeof(U)));
        EigenBackend::deallocate(p, count);
    }
};

LlamaConfig config() {
    return {.vocabulary = 301,
            .width = 48,
            .layers = 3,
            .heads = 4,
            .kv_heads = 2,
            .head_dim = 16,
            .feed_forward = 96,
            .max_positions = 128,
            .head_norm = HeadNorm::rms,
            .sliding_window = 40,
            .spans = alternating_spans(3, 2),
            .local_rope_theta = 1e3,
            .block_norms = BlockNorms::around};
}

/// Adapters, gradients, moments and two steps of training; the cache at their end is held while `then` is called.
template <class B, class Then>
void train(B& be, Keep keep, TokenBatch<B> batch, ViewOf<B, double> loss, Then&& then) {
    LlamaAdapterConfig with;
    with.adapter = {.rank = 4, .heads = 3, .dropout = 0.1};
    for (std::size_t t = 0; t < target_count; ++t) with.targets.push_back(static_cast<Target>(t));
    auto weights = make_buffers(be, weight_shapes(config()));
    auto adapters = make_buffers(be, adapter_shapes(config(), with));
    auto grads = make_buffers(be, adapter_shapes(config(), with));
    const AdamW adamw;
    auto state = adamw.init(be, adapters);
    const Llama<B> model(be, config(), views(std::as_const(weights)), with, views(std::as_const(adapters)));
    typename Llama<B>::Cache cache;
    cache.keep = keep;
    for (int step = 0; step < 2; ++step) {
        model.forward(be, batch, cache);
        model.backward(be, batch, 1, cache, loss, views(grads));
        adamw.step(be, adapters, grads, state);
    }
    then();
}

}  // namespace

static_assert(Backend<PlanningBackend>);
static_assert(!std::is_convertible_v<MatrixView<float, nowhere>, MatrixView<float, host>>);

TEST_CASE("buffers are counted to the byte, scratch memory to what was drawn") {
    for (const Keep keep : {Keep::all, Keep::inputs}) {
        PlanningBackend plan(32);
        Index planned = 0;
        train(plan, keep,
              {{plan.address<const std::int32_t>(256 * 4), 1, 256},
               {plan.address<const std::int32_t>(256 * 4), 1, 256},
               4},
              {plan.address<double>(8), 1, 1}, [&] { planned = plan.memory().now; });
        CHECK(plan.memory().now == 0);

        CountingBackend real(EigenOptions{.threads = 2, .slab_rows = 32});
        const std::vector<std::int32_t> ids(256, 7);
        double loss = 0;
        Index held = 0;
        const auto tokens = host_view(ids.data(), 1, 256);
        train(real, keep, TokenBatch<CountingBackend>{tokens, tokens, 4}, host_view(&loss, 1, 1),
              [&] { held = real.memory.now; });
        CHECK(loss > 0);
        CHECK(held > 1 << 20);
        CHECK(planned == held);
        const Index scratch = plan.memory().peak - planned;
        CHECK(scratch <= real.arena().bytes());
        // Beside what is drawn by name, products and attention have a workspace for each thread.
        const Index attention = 2 * panel_attention::BackwardSpace::size(64, 16) * static_cast<Index>(sizeof(float));
        CHECK(2 * (scratch + attention) + panel::workspace_bytes(2) >= real.arena().bytes());
    }
}

TEST_CASE("scratch memory is that of the backend planned for, which may cut its work otherwise") {
    const auto scores = [](const AttentionCut& cut) {
        PlanningBackend plan(32, cut);
        train(plan, Keep::inputs,
              {{plan.address<const std::int32_t>(4096 * 4), 1, 4096},
               {plan.address<const std::int32_t>(4096 * 4), 1, 4096},
               32},
              {plan.address<double>(8), 1, 1}, [] {});
        return plan.memory().peak;
    };
    CHECK(scores({.queries = 128, .scores = Index{1} << 24}) > scores({.queries = 32, .scores = Index{1} << 12}));

    const auto logits = [](Index most) {
        PlanningBackend plan(32, {}, most);
        using P = PlanningBackend;
        ops::lm_head_loss<P>(plan, {plan.address<const float>(4), 4096, 8},
                             ViewOf<P, const float>{plan.address<const float>(4), 1000, 8},
                             {plan.address<const std::int32_t>(4), 1, 4096}, {plan.address<double>(8), 1, 1});
        return plan.memory().peak;
    };
    CHECK(logits(Index{1} << 20) == 1024 * 1000 * 4 + 4096 * 8);  // whole slabs of 32 tokens, and a loss of each
    CHECK(logits(Index{1} << 26) == 4096 * 1000 * 4 + 4096 * 8);
}

TEST_CASE("keeping the inputs of blocks alone takes less than keeping all") {
    std::vector<Index> peaks;
    for (const Keep keep : {Keep::all, Keep::inputs}) {
        PlanningBackend plan(32);
        train(plan, keep,
              {{plan.address<const std::int32_t>(4096 * 4), 1, 4096},
               {plan.address<const std::int32_t>(4096 * 4), 1, 4096},
               32},
              {plan.address<double>(8), 1, 1}, [] {});
        peaks.push_back(plan.memory().peak);
    }
    CHECK(peaks[1] < peaks[0] * 6 / 10);
}

}  // namespace backend_planning_backend_test
