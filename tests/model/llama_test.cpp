// The decoder against plain loops, and what it says to mistakes.
#include <doctest/doctest.h>

#include <cstring>

#include "model_case.hpp"
#include "reference_decoder.hpp"
#include "support/message_of.hpp"

namespace model_llama_test {

namespace {

using namespace test;

ReferenceDecoder reference(const ModelCase<Double>& c, bool adapted) {
    ReferenceDecoder r;
    const auto take = [&](const ParamPath& path, const auto& m) {
        ReferenceMatrix to{static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols()), {}};
        to.data.assign(m.view().data, m.view().data + m.size());
        r.tensors[path.name()] = to;
    };
    visit(take, c.weights);
    if (adapted) visit(take, c.adapters);
    r.layers = static_cast<std::size_t>(c.config.layers);
    r.heads = static_cast<std::size_t>(c.config.heads);
    r.kv_heads = static_cast<std::size_t>(c.config.kv_heads);
    r.head_dim = static_cast<std::size_t>(c.config.head_dim);
    r.eps = c.config.norm_eps;
    r.theta = c.config.rope_theta;
    r.scaling = c.adapter_config.adapter.alpha / static_cast<double>(c.adapter_config.adapter.rank);
    r.llama3 = c.config.rope_scaling.kind == RopeScaling::Kind::llama3;
    r.linear_rope = c.config.rope_scaling.kind == RopeScaling::Kind::linear;
    r.gelu = c.config.gate_activation == GateActivation::gelu_tanh;
    r.local_theta = c.config.local_rope_theta;
    r.embedding_scale = c.config.embedding_scale;
    r.attention_scale = c.config.attention_scale;
    for (Index l = 0; l < c.config.layers; ++l)
        r.windows.push_back(c.config.is_local(l) ? static_cast<std::size_t>(c.config.sliding_window) : 0);
    r.factor = c.config.rope_scaling.factor;
    r.original = static_cast<double>(c.config.rope_scaling.original_max_positions);
    return r;
}

Matrix<double> logits_of(ModelCase<Double>& c, const Llama<Double>& model, const Tokens& tokens,
                         Mode mode = Mode::train) {
    Llama<Double>::Cache cache;
    Pass<Double> pass;
    pass.mode = mode;
    model.forward(c.be, tokens.batch<Double>(), cache, pass);
    Matrix<double> logits(tokens.sequences * tokens.length, c.config.vocabulary);
    model.logits(c.be, cache, logits.view());
    return logits;
}

void compare_with_reference(ModelCase<Double>& c, const Llama<Double>& model, bool adapted) {
    const Tokens tokens(c.config, 3, 9);
    const ReferenceDecoder plain = reference(c, adapted);
    const Matrix<double> logits = logits_of(c, model, tokens);
    double expected_loss = 0;
    for (Index s = 0; s < tokens.sequences; ++s) {
        const auto from = s * tokens.length, to = from + tokens.length;
        const auto expected = plain.logits({tokens.ids.begin() + from, tokens.ids.begin() + to});
        expected_loss += ReferenceDecoder::loss(expected, {tokens.labels.begin() + from, tokens.labels.begin() + to});
        double most = 0;
        for (Index t = 0; t < tokens.length; ++t)
            for (Index v = 0; v < c.config.vocabulary; ++v)
                most = std::max(most, std::abs(expected[static_cast<std::size_t>(t)][static_cast<std::size_t>(v)] -
                                               logits(from + t, v)));
        CHECK(most <= 1e-10);
    }

    Llama<Double>::Cache cache;
    const auto batch = tokens.batch<Double>();
    model.forward(c.be, batch, cache);
    double loss = 0;
    model.loss(c.be, batch, cache, host_view(&loss, 1, 1));
    CHECK(std::abs(loss - expected_loss) <= 1e-10 * expected_loss);

    Matrix<double> per_token(1, batch.tokens());
    model.token_losses(c.be, batch, cache, per_token.view());
    double sum = 0;
    for (Index t = 0; t < batch.tokens(); ++t) {
        sum += per_token(0, t);
        CHECK((per_token(0, t) == 0) == (tokens.labels[static_cast<std::size_t>(t)] == ignored_label));
    }
    CHECK(std::abs(sum - expected_loss) <= 1e-10 * expected_loss);
}

}  // namespace

TEST_CASE("logits and loss are those of plain loops: base and adapted, tied and own head, GQA ratios, llama3 scaling") {
    Double be({.threads = 2, .slab_rows = 4});
    for (const Index kv_heads : {4, 2, 1})
        for (const LmHead head : {LmHead::tied, LmHead::own})
            for (const auto kind : {RopeScaling::Kind::none, RopeScaling::Kind::llama3}) {
                LlamaConfig config = tiny_config();
                config.kv_heads = kv_heads;
                config.lm_head = head;
                config.rope_theta = 500;
                config.rope_scaling = {.kind = kind, .original_max_positions = 16};
                CAPTURE(kv_heads);
                ModelCase<Double> c(be, config, tiny_adapters());
                compare_with_reference(c, c.base(), false);
                compare_with_reference(c, c.adapted(), true);
                c.adapter_config.targets = {Target::v_proj, Target::up_proj};
                c.adapters = make_buffers(be, adapter_shapes(config, c.adapter_config));
                initialise(be, c.adapters, config, c.adapter_config, Seed{1});
                visit(
                    [](const ParamPath& path, auto& m) {
                        if (path.role == Role::b) Draw(3).normal(m.view());
                    },
                    c.adapters);
                compare_with_reference(c, c.adapted(), true);
            }
}

TEST_CASE("logits and loss are those of plain loops: Gemma 3's kind, and windows in all layers or some") {
    Double be({.threads = 2, .slab_rows = 4});
    LlamaConfig windows = tiny_config();
    windows.sliding_window = 4;
    LlamaConfig last = windows;
    last.spans = {AttentionSpan::global, AttentionSpan::local};
    LlamaConfig own = gemma_kind(tiny_config());
    own.lm_head = LmHead::own;
    own.local_rope_theta = 0;
    for (const LlamaConfig& config : {gemma_kind(tiny_config()), own, windows, last}) {
        ModelCase<Double> c(be, config, tiny_adapters());
        compare_with_reference(c, c.base(), false);
        compare_with_reference(c, c.adapted(), true);
    }
}

TEST_CASE("adapters as they begin (B = 0) leave the base as it is, bit for bit") {
    Double be({.threads = 2, .slab_rows = 4});
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a})
        for (const Gate gate : {Gate::none, Gate::uniform, Gate::softmax, Gate::top_k})
            for (const double dropout : {0.0, 0.2}) {
                LlamaAdapterConfig adapters = tiny_adapters();
                adapters.adapter.sharing = sharing;
                adapters.adapter.gate = gate;
                adapters.adapter.dropout = dropout;
                ModelCase<Double> c(be, tiny_config(), adapters);
                initialise(be, c.adapters, c.config, adapters, Seed{4});
                const Tokens tokens(c.config, 2, 7);
                const auto base = logits_of(c, c.base(), tokens);
                CHECK(same_bits(logits_of(c, c.adapted(), tokens).view(), base.view()));
                CHECK(same_bits(logits_of(c, c.adapted(), tokens, Mode::inference).view(), base.view()));
            }
}

TEST_CASE("sequences of a batch do not see each other, nor a token what follows it") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.adapted();
    Tokens tokens(c.config, 3, 6);
    const auto before = logits_of(c, model, tokens);
    tokens.ids[6 + 4] = (tokens.ids[6 + 4] + 1) % 11;  // token 4 of the second sequence
    const auto after = logits_of(c, model, tokens);
    for (Index t = 0; t < 18; ++t) {
        const bool same = std::memcmp(before.view().row(t), after.view().row(t), 11 * sizeof(double)) == 0;
        CHECK(same == (t != 10 && t != 11));
    }
}

TEST_CASE("a cache serves batches of any size, one after another") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.adapted();
    Llama<Double>::Cache kept;
    for (const Index sequences : {2, 5, 1, 3}) {
        const Tokens tokens(c.config, sequences, 4);
        const auto batch = tokens.batch<Double>();
        double loss_kept = 0, loss_fresh = 0;
        Llama<Double>::Cache fresh;
        zero(be, c.adapter_grads);
        model.forward(be, batch, kept);
        model.backward(be, batch, 1, kept, host_view(&loss_kept, 1, 1), views(c.adapter_grads));
        const auto grads = flat(c.adapter_grads);
        zero(be, c.adapter_grads);
        model.forward(be, batch, fresh);
        model.backward(be, batch, 1, fresh, host_view(&loss_fresh, 1, 1), views(c.adapter_grads));
        CHECK(loss_kept == loss_fresh);
        CHECK(grads == flat(c.adapter_grads));
    }
}

TEST_CASE("dropout: every layer has its own mask, each step another, and inference none") {
    Double be({.threads = 1, .slab_rows = 4});
    LlamaAdapterConfig adapters = tiny_adapters();
    adapters.adapter.dropout = 0.5;
    ModelCase<Double> c(be, tiny_config(), adapters);
    const auto a_of = [&](Target t) { return c.adapters.layers[0][index_of(t)].A.view(); };
    be.copy(a_of(Target::q_proj), a_of(Target::k_proj));  // the same A on the same input: A x tells masks apart
    const auto model = c.adapted();
    const Tokens tokens(c.config, 2, 8);
    Llama<Double>::Cache cache;
    const auto down = [&](Mode mode, std::uint32_t step, Target t) {
        Pass<Double> pass;
        pass.mode = mode;
        pass.random.step = step;
        model.forward(be, tokens.batch<Double>(), cache, pass);
        Matrix<double> u(16, c.adapter_config.adapter.rank);
        be.copy(std::as_const(cache.adapters[0][index_of(t)].u).view(), u.view());
        return u.data;
    };
    CHECK(down(Mode::inference, 0, Target::q_proj) == down(Mode::inference, 1, Target::k_proj));
    CHECK(down(Mode::train, 0, Target::q_proj) != down(Mode::inference, 0, Target::q_proj));
    CHECK(down(Mode::train, 0, Target::q_proj) != down(Mode::train, 0, Target::k_proj));
    CHECK(down(Mode::train, 0, Target::q_proj) != down(Mode::train, 1, Target::q_proj));
    CHECK(down(Mode::train, 1, Target::q_proj) == down(Mode::train, 1, Target::q_proj));
}

TEST_CASE("what a projection read, times its weight, is what the block had of it") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.base();
    const Tokens tokens(c.config, 2, 5);
    Llama<Double>::Cache cache;
    model.forward(be, tokens.batch<Double>(), cache);
    for (Index l = 0; l < c.config.layers; ++l) {
        const auto& block = cache.blocks[static_cast<std::size_t>(l)];
        const auto& next = l + 1 < c.config.layers ? cache.blocks[static_cast<std::size_t>(l + 1)].x : cache.x;
        const auto compare = [&](Target target, ConstView<Double> given, ConstView<Double> without) {
            ActivationBuffer<Double> read(be, 10, target_shape(c.config, target).cols);
            model.projection_input(be, cache, l, target, read.view());
            const ConstView<Double> x = read.view();
            const auto w = c.weights.layers[static_cast<std::size_t>(l)].projections[index_of(target)].view();
            REQUIRE((x.rows == 10 && x.cols == w.cols));
            for (Index t = 0; t < x.rows; ++t)
                for (Index o = 0; o < w.rows; ++o) {
                    double sum = without.empty() ? 0 : without(t, o);
                    for (Index j = 0; j < x.cols; ++j) sum += w(o, j) * x(t, j);
                    CHECK(std::abs(sum - given(t, o)) <= 1e-12);
                }
        };
        compare(Target::v_proj, block.v.view(), {});  // q and k read the same, but are turned
        compare(Target::o_proj, block.middle.view(), block.x.view());
        compare(Target::gate_proj, block.gate.view(), {});
        compare(Target::up_proj, block.up.view(), {});
        compare(Target::down_proj, next.view(), block.middle.view());
    }
    ActivationBuffer<Double> read(be, 10, c.config.width);
    CHECK(message_of([&] { model.projection_input(be, cache, 2, Target::q_proj, read.view()); }) ==
          "Llama: layer 2, expected 0 to 1");
    CHECK(message_of([&] { model.projection_input(be, cache, 0, Target::down_proj, read.view()); }) ==
          concat("Llama: what down_proj read goes to (10, ", c.config.width, "), expected (10, ", c.config.feed_forward,
                 ")"));
    cache.keep = Keep::nothing;
    model.forward(be, tokens.batch<Double>(), cache);
    CHECK(message_of([&] { model.projection_input(be, cache, 0, Target::q_proj, read.view()); }) ==
          "Llama: the inputs of projections are asked of a cache that has them not: run forward with Keep::all");
}

TEST_CASE("mistakes are named") {
    Double be({.threads = 1, .slab_rows = 4});
    LlamaConfig config = tiny_config();
    config.lm_head = LmHead::own;
    ModelCase<Double> c(be, config, tiny_adapters());
    const auto weights = views(std::as_const(c.weights));
    const auto model_of = [&](const LlamaConfig& changed, const LlamaWeights<ConstParamView<Double>>& w) {
        return message_of([&] { Llama<Double>(be, changed, w); });
    };
    CHECK(model_of(config, weights) == "no error");

    LlamaConfig bad = config;
    bad.head_dim = 0;
    CHECK(model_of(bad, weights) == "LlamaConfig: head_dim = 0, expected 1 to 65536");
    bad = config;
    bad.max_positions = Index{1} << 50;  // before anything of that size is made
    CHECK(model_of(bad, weights) == "LlamaConfig: max_positions = 1125899906842624, expected 1 to 16777216");
    bad = config;
    bad.layers = 3;
    CHECK(model_of(bad, weights) == "Llama: weights of 2 layers, expected 3");

    auto wrong = weights;
    wrong.layers[1].projections[index_of(Target::up_proj)] = weights.embedding;
    CHECK(model_of(config, wrong) == "Llama: model.layers.1.mlp.up_proj.weight is (11, 8), expected (12, 8)");
    wrong = weights;
    wrong.lm_head = {};
    CHECK(model_of(config, wrong) == "Llama: lm_head.weight is (0, 0), expected (11, 8)");
    bad = config;
    bad.lm_head = LmHead::tied;
    CHECK(model_of(bad, weights) == "Llama: lm_head.weight is (11, 8), expected (0, 0)");

    auto adapters = views(std::as_const(c.adapters));
    adapters.layers.pop_back();
    CHECK(message_of([&] { Llama<Double>(be, config, weights, c.adapter_config, adapters); }) ==
          "Llama: adapters of 1 layers, expected 2");
    adapters = views(std::as_const(c.adapters));
    adapters.layers[0][index_of(Target::k_proj)].B = adapters.layers[0][index_of(Target::k_proj)].A;
    CHECK(message_of([&] { Llama<Double>(be, config, weights, c.adapter_config, adapters); }) ==
          "HydraAdapter: B is (2, 8), expected (12, 6)");

    const auto base = c.base(), adapted = c.adapted();
    const Tokens tokens(config, 3, 4), longer(config, 1, 33);
    Llama<Double>::Cache cache;
    auto batch = tokens.batch<Double>();
    batch.sequences = 5;
    CHECK(message_of([&] { base.forward(be, batch, cache); }) ==
          "Llama: 12 tokens do not make 5 sequences of equal length");
    batch.ids = batch.ids.col_slice(0, 0);
    CHECK(message_of([&] { base.forward(be, batch, cache); }) ==
          "Llama: 0 tokens do not make 5 sequences of equal length");
    CHECK(message_of([&] { base.forward(be, longer.batch<Double>(), cache); }) ==
          "Llama: sequences of 33 tokens, the model has max_positions = 32");

    batch = tokens.batch<Double>();
    double sum = 0;
    const auto loss = host_view(&sum, 1, 1);
    base.forward(be, batch, cache);
    CHECK(message_of([&] { base.backward(be, batch, 1, cache, loss, views(c.adapter_grads)); }) ==
          "Llama: gradients of adapters asked of a model without any");
    CHECK(message_of([&] { adapted.backward(be, batch, 1, cache, loss, views(c.weight_grads)); }) ==
          "Llama: gradients of the weights asked of a model with adapters; make one from the weights alone");
    auto grads = views(c.weight_grads);
    grads.layers.pop_back();
    CHECK(message_of([&] { base.backward(be, batch, 1, cache, loss, grads); }) ==
          "Llama: gradients of 1 layers, expected 2");
    adapted.forward(be, batch, cache);
    auto adapter_grads = views(c.adapter_grads);
    adapter_grads.layers.pop_back();
    CHECK(message_of([&] { adapted.backward(be, batch, 1, cache, loss, adapter_grads); }) ==
          "Llama: gradients of 1 layers, expected 2");

    batch.labels = batch.labels.col_slice(0, 5);
    CHECK(message_of([&] { base.loss(be, batch, cache, loss); }).find("labels is (1, 5)") != std::string::npos);
    Llama<Double>::Cache empty;
    batch = tokens.batch<Double>();
    CHECK(message_of([&] { base.backward(be, batch, 1, empty, loss, views(c.weight_grads)); }) ==
          "Llama: the cache is of 0 tokens, the batch has 12: pass the cache that forward filled");
}

}  // namespace model_llama_test
