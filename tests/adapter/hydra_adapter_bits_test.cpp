// Same bits: for any number of threads, for any split into micro-batches, with the rank and heads known at compile time.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "adapter/adapter_case.hpp"
#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace adapter_hydra_adapter_bits_test {

namespace {

using namespace test;

struct Named {
    std::string name;
    AdapterConfig config;
};

/// One of each way through the adapter, at sizes where products are cut into tiles, and at small odd ones.
const std::vector<Named>& variants() {
    static const std::vector<Named> all{
        {"HydraLoRA", {.in = 256, .out = 384, .rank = 8, .heads = 4, .dropout = 0.1}},
        {"mask a head",
         {.in = 256, .out = 384, .rank = 8, .heads = 4, .dropout = 0.1, .dropout_mask = MaskSharing::per_head}},
        {"LoRAMoE", {.in = 256, .out = 384, .rank = 4, .heads = 3, .sharing = Sharing::own_a, .dropout = 0.1}},
        {"top-k on A x with bias",
         {.in = 130,
          .out = 67,
          .rank = 5,
          .heads = 7,
          .gate = Gate::top_k,
          .top_k = 2,
          .router_input = RouterInput::a_x,
          .router_bias = RouterBias::trained}},
        {"LoRA-Split", {.in = 33, .out = 31, .rank = 3, .heads = 2, .sharing = Sharing::own_a, .gate = Gate::assigned}},
        {"LoRA", {.in = 7, .out = 5, .rank = 1, .heads = 1, .gate = Gate::none, .dropout = 0.5}},
    };
    return all;
}

/// All that a step leaves, as bits to compare.
template <class B>
struct Result {
    Matrix<Scalar<B>> y, dx;
    std::vector<Matrix<Scalar<B>>> grads;
};

template <class B>
void check_same(const Result<B>& a, const Result<B>& b) {
    CHECK(same_bits(a.y.view(), b.y.view()));
    CHECK(same_bits(a.dx.view(), b.dx.view()));
    REQUIRE(a.grads.size() == b.grads.size());
    for (std::size_t i = 0; i < a.grads.size(); ++i) {
        CAPTURE(i);
        CHECK(same_bits(a.grads[i].view(), b.grads[i].view()));
    }
}

/// A step of T tokens in `parts` micro-batches: the gradients add up over them.
template <class B, class Config>
Result<B> step(B& be, const Config& config, Index tokens, Index parts, Mode mode = Mode::train) {
    Draw draw(31);
    const AdapterConfig plain{.in = config.in,
                              .out = config.out,
                              .rank = config.rank,
                              .heads = config.heads,
                              .alpha = config.alpha,
                              .sharing = config.sharing,
                              .gate = config.gate,
                              .top_k = config.top_k,
                              .router_input = config.router_input,
                              .router_bias = config.router_bias,
                              .dropout = config.dropout,
                              .dropout_mask = config.dropout_mask};
    AdapterCase<B> c(be, plain, tokens, draw);
    const HydraAdapter adapter(be, config, views(c.params));
    typename decltype(adapter)::Cache cache;
    Result<B> result{Matrix<Scalar<B>>(tokens, config.out), Matrix<Scalar<B>>(tokens, config.in), {}};
    be.copy(c.base.view(), result.y.view());
    const Index size = tokens / parts;
    for (Index first = 0; first < tokens; first += size) {
        const Pass<B> pass{mode, c.pass.random, {.first = first}, c.pass.assigned.col_slice(first, size)};
        const auto x = c.x.view().row_slice(first, size);
        adapter.forward(be, x, result.y.view().row_slice(first, size), cache, pass);
        adapter.backward(be, x, c.dy.view().row_slice(first, size), cache, result.dx.view().row_slice(first, size),
                         views(c.grads));
    }
    visit(
        [&](const ParamPath&, auto& g) {
            result.grads.emplace_back(g.rows(), g.cols());
            be.copy(g.view(), result.grads.back().view());
        },
        c.grads);
    return result;
}

TEST_CASE_TEMPLATE("1, 2, 3 and 4 threads: the same bits", T, float, double) {
    for (const auto& [name, config] : variants())
        for (const auto mode : {Mode::train, Mode::inference}) {
            CAPTURE(name);
            test::BasicTestBackend<T> one({.threads = 1});
            const auto expected = step(one, config, 512, 1, mode);
            for (const int threads : {2, 3, 4}) {
                if (mode == Mode::inference && threads != 3) continue;
                CAPTURE(threads);
                test::BasicTestBackend<T> be({.threads = threads});
                check_same(step(be, config, 512, 1, mode), expected);
            }
        }
}

TEST_CASE_TEMPLATE("1 x 8, 2 x 4, 4 x 2 and 8 x 1 slabs of tokens: the same bits", T, float, double) {
    for (const Index slab : {4, 12, 128})
        for (const auto& [name, config] : variants()) {
            if (slab == 128 && sizeof(T) == 8) continue;  // the default, in the default type
            CAPTURE(name);
            CAPTURE(slab);
            test::BasicTestBackend<T> be({.threads = 2, .slab_rows = slab});
            const auto expected = step(be, config, 8 * slab, 1);
            for (const Index parts : {2, 4, 8}) {
                CAPTURE(parts);
                check_same(step(be, config, 8 * slab, parts), expected);
            }
        }
}

TEST_CASE_TEMPLATE("rank and heads known at compile time: the same bits as at run time", T, float, double) {
    test::BasicTestBackend<T> be({.threads = 1});
    for (const auto sharing : {Sharing::shared_a, Sharing::own_a})
        for (const auto gate : {Gate::none, Gate::uniform, Gate::softmax, Gate::top_k, Gate::assigned})
            for (const double dropout : {0.0, 0.25}) {
                const AdapterConfig run_time{.in = 48,
                                             .out = 40,
                                             .rank = 8,
                                             .heads = 4,
                                             .sharing = sharing,
                                             .gate = gate,
                                             .top_k = 2,
                                             .dropout = dropout};
                const BasicAdapterConfig<Fixed<8>, Fixed<4>> compile_time{
                    .in = 48, .out = 40, .sharing = sharing, .gate = gate, .top_k = 2, .dropout = dropout};
                const BasicAdapterConfig<Fixed<8>> rank_only{
                    .in = 48, .out = 40, .heads = 4, .sharing = sharing, .gate = gate, .top_k = 2, .dropout = dropout};
                const auto expected = step(be, run_time, 37, 1);
                check_same(step(be, compile_time, 37, 1), expected);
                check_same(step(be, rank_only, 37, 1), expected);
            }
}

TEST_CASE("a mask belongs to the row of the batch, not to its place in the micro-batch") {
    Double be({.threads = 1});
    const AdapterConfig config{.in = 9, .out = 5, .rank = 2, .heads = 2, .dropout = 0.5};
    const auto whole = step(be, config, 24, 1);
    CHECK(relative_difference(step(be, config, 24, 24).dx.view(), whole.dx.view()) <= 1e-12);  // one token at a time
}

}  // namespace

}  // namespace adapter_hydra_adapter_bits_test
