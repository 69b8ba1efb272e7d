#include <doctest/doctest.h>

#include <hydralora/model/params.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/backend.hpp"
#include "support/message_of.hpp"

namespace model_params_test {

using namespace hydralora;
using Double = test::BasicTestBackend<double>;

namespace {

constexpr Index V = 50, d = 16, L = 2, heads = 4, kv = 2, D = 6, f = 24;

LlamaConfig config(LmHead head) {
    return {.vocabulary = V,
            .width = d,
            .layers = L,
            .heads = heads,
            .kv_heads = kv,
            .head_dim = D,
            .feed_forward = f,
            .max_positions = 8,
            .lm_head = head};
}

LlamaAdapterConfig adapters(Sharing sharing, Gate gate, std::vector<Target> targets) {
    LlamaAdapterConfig c;
    c.adapter.rank = 3;
    c.adapter.heads = 4;
    c.adapter.sharing = sharing;
    c.adapter.gate = gate;
    c.targets = std::move(targets);
    return c;
}

template <class Set>
std::vector<std::string> names(const Set& set) {
    std::vector<std::string> all;
    visit([&](const ParamPath& path, const auto&) { all.push_back(path.name()); }, set);
    return all;
}

}  // namespace

TEST_CASE("weights have the names of a Hugging Face checkpoint, in its order, and norms their role") {
    const std::vector<std::string> block{
        "input_layernorm.weight",  "self_attn.q_proj.weight", "self_attn.k_proj.weight",
        "self_attn.v_proj.weight", "self_attn.o_proj.weight", "mlp.gate_proj.weight",
        "mlp.up_proj.weight",      "mlp.down_proj.weight",    "post_attention_layernorm.weight"};
    std::vector<std::string> expected{"model.embed_tokens.weight"};
    for (const char* layer : {"model.layers.0.", "model.layers.1."})
        for (const std::string& name : block) expected.push_back(layer + name);
    expected.push_back("model.norm.weight");
    CHECK(names(weight_shapes(config(LmHead::tied))) == expected);
    expected.push_back("lm_head.weight");
    CHECK(names(weight_shapes(config(LmHead::own))) == expected);

    LlamaConfig around = config(LmHead::tied);
    around.block_norms = BlockNorms::around;
    around.layers = 1;
    const auto of_gemma = names(weight_shapes(around));
    CHECK(std::vector(of_gemma.end() - 4, of_gemma.end()) ==
          std::vector<std::string>{"model.layers.0.post_attention_layernorm.weight",
                                   "model.layers.0.pre_feedforward_layernorm.weight",
                                   "model.layers.0.post_feedforward_layernorm.weight", "model.norm.weight"});
    auto shapes = weight_shapes(around);
    shapes.layers[0].feed_forward_norm = {1, 7};
    visit(
        [](const ParamPath& path, const Shape& shape) {
            CHECK((shape.cols == 7) == (path.name() == "model.layers.0.pre_feedforward_layernorm.weight"));
        },
        shapes);

    visit(
        [](const ParamPath& path, const Shape&) {
            const bool norm = path.name().find("norm") != std::string::npos;
            CHECK_MESSAGE((path.role == Role::norm) == norm, path.name());
        },
        weight_shapes(config(LmHead::own)));
}

TEST_CASE("adapters are named by layer, module and part, in the order of layers and modules") {
    const auto both = adapters(Sharing::shared_a, Gate::softmax, {Target::down_proj, Target::q_proj});
    CHECK(names(adapter_shapes(config(LmHead::tied), both)) ==
          std::vector<std::string>{
              "layers.0.self_attn.q_proj.A", "layers.0.self_attn.q_proj.B", "layers.0.self_attn.q_proj.router",
              "layers.0.mlp.down_proj.A", "layers.0.mlp.down_proj.B", "layers.0.mlp.down_proj.router",
              "layers.1.self_attn.q_proj.A", "layers.1.self_attn.q_proj.B", "layers.1.self_attn.q_proj.router",
              "layers.1.mlp.down_proj.A", "layers.1.mlp.down_proj.B", "layers.1.mlp.down_proj.router"});
}

TEST_CASE("parameter_count of weights and adapters") {
    const Index linears = heads * D * d + 2 * kv * D * d + d * heads * D + 3 * f * d;
    CHECK(parameter_count(weight_shapes(config(LmHead::tied))) == V * d + L * (linears + 2 * d) + d);
    CHECK(parameter_count(weight_shapes(config(LmHead::own))) == 2 * V * d + L * (linears + 2 * d) + d);

    constexpr Index r = 3, N = 4, q = heads * D;
    const auto count = [](const LlamaAdapterConfig& c) {
        return parameter_count(adapter_shapes(config(LmHead::tied), c));
    };
    const std::vector<Target> some{Target::q_proj, Target::down_proj};
    CHECK(count(adapters(Sharing::shared_a, Gate::softmax, some)) ==
          L * ((r * d + q * N * r + N * d) + (r * f + d * N * r + N * f)));
    CHECK(count(adapters(Sharing::own_a, Gate::softmax, some)) ==
          L * ((N * r * d + q * N * r + N * d) + (N * r * f + d * N * r + N * f)));
    CHECK(count(adapters(Sharing::shared_a, Gate::uniform, some)) == L * ((r * d + q * N * r) + (r * f + d * N * r)));
    CHECK(count(adapters(Sharing::shared_a, Gate::softmax, {})) == 0);
}

TEST_CASE("a configuration that makes no model, or no adapter of one of its layers, has no shapes") {
    LlamaConfig bad = config(LmHead::tied);
    bad.layers = 0;
    CHECK_THROWS_AS((void)weight_shapes(bad), Error);
    CHECK_THROWS_AS((void)adapter_shapes(bad, adapters(Sharing::shared_a, Gate::softmax, {Target::q_proj})), Error);
    auto wide = adapters(Sharing::shared_a, Gate::softmax, {Target::k_proj});
    wide.adapter.rank = kv * D + 1;  // k_proj has kv * D outputs
    CHECK(test::message_of([&] { (void)adapter_shapes(config(LmHead::tied), wide); }) ==
          "AdapterConfig: rank = 13, expected 1 to min(in, out) = 12");
}

TEST_CASE("weights begin with norms of 1 and normal numbers of deviation 0.02, smaller into the residual stream") {
    Double be({.threads = 1});
    LlamaConfig c = config(LmHead::own);
    c.width = 64;
    c.feed_forward = 96;
    auto w = make_buffers(be, weight_shapes(c));
    initialise(be, w, c, Seed{3});
    visit(
        [&](const ParamPath& path, const auto& m) {
            const std::string name = path.name();
            double sum = 0, squares = 0;
            for (Index i = 0; i < m.size(); ++i) {
                const double v = m.view().data[i];
                sum += v;
                squares += v * v;
            }
            const auto n = static_cast<double>(m.size());
            CAPTURE(name);
            if (path.role == Role::norm) {
                CHECK((sum == n && squares == n));
                return;
            }
            const bool residual = name.find("o_proj") != name.npos || name.find("down_proj") != name.npos;
            const double deviation = residual ? 0.01 : 0.02;  // 0.02 / sqrt(2 * 2 layers)
            CHECK(std::abs(sum / n) < 4 * deviation / std::sqrt(n));
            CHECK(std::sqrt(squares / n) == doctest::Approx(deviation).epsilon(4 / std::sqrt(2 * n)));
        },
        w);
}

TEST_CASE("a seed gives the same start again, another seed another, and no two tensors the same") {
    Double be({.threads = 1});
    const LlamaConfig c = config(LmHead::own);
    const auto with = adapters(Sharing::shared_a, Gate::softmax, {Target::q_proj, Target::k_proj, Target::gate_proj});
    const auto start = [&](std::uint64_t seed) {
        auto w = make_buffers(be, weight_shapes(c));
        auto a = make_buffers(be, adapter_shapes(c, with));
        initialise(be, w, c, Seed{seed});
        initialise(be, a, c, with, Seed{seed});
        std::vector<double> first;  // of each tensor that does not begin constant
        const auto take = [&](const ParamPath& path, const auto& m) {
            if (path.role != Role::norm && path.role != Role::b) first.push_back(m.view()(0, 0));
        };
        visit(take, w);
        visit(take, a);
        return first;
    };
    const auto one = start(1);
    CHECK(start(1) == one);
    CHECK(start(2) != one);
    CHECK(std::set<double>(one.begin(), one.end()).size() == one.size());
}

TEST_CASE("every use of random numbers has its own streams") {
    LlamaConfig c = config(LmHead::own);
    c.layers = 4096;  // the most there may be
    std::set<std::uint32_t> used{sampling_stream};
    std::size_t uses = 1;
    for (Index l = 0; l < c.layers; ++l)
        for (std::size_t t = 0; t < target_count; ++t, uses += 2) {
            used.insert(adapter_stream(l, t));
            used.insert(dropout_stream(l, t));
        }
    std::size_t tensors = 0;
    visit([&](const ParamPath&, const Shape&) { used.insert(weight_stream(tensors++)); }, weight_shapes(c));
    CHECK(used.size() == uses + tensors);
    CHECK(*used.rbegin() < 1u << 24);  // heads with masks of their own use streams 2^24 apart
}

}  // namespace model_params_test
