// The decoder with joined projections against the same decoder with plain ones.
#include <hydralora/model/joined.hpp>

#include <doctest/doctest.h>

#include <hydralora/model/generate.hpp>
#include <string>

#include "model_case.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"
#include "support/tiny_training.hpp"

namespace model_joined_test {

namespace {

using namespace test;

/// The weights of a case without those that its joined projections hold.
template <class B>
LlamaWeights<ConstParamView<B>> rest_of(const ModelCase<B>& c) {
    auto rest = views(c.weights);
    for (auto& layer : rest.layers)
        for (const Target t : c.adapter_config.targets) layer.projections[index_of(t)] = {};
    return rest;
}

/// A case whose adapted projections are joined ones.
template <class B>
struct JoinedModel {
    JoinedProjections<B> projections;
    Llama<B> model;

    explicit JoinedModel(ModelCase<B>& c)
        : projections(filled(c)),
          model(c.be, c.config, rest_of(c), c.adapter_config, views(std::as_const(c.adapters)), projections) {}

    static JoinedProjections<B> filled(ModelCase<B>& c) {
        JoinedProjections<B> made(c.be, c.config, c.adapter_config);
        made.copy_frozen(c.be, views(std::as_const(c.weights)));
        return made;
    }
};

/// Everything that a pass gives.
struct PassResult {
    Matrix<double> logits;
    double loss = 0;
    std::vector<double> grads;
};

PassResult pass_of(ModelCase<Double>& c, const Llama<Double>& model, TokenBatch<Double> batch, Keep keep = Keep::all,
                   Mode mode = Mode::train) {
    Llama<Double>::Cache cache;
    cache.keep = keep;
    Pass<Double> pass;
    pass.mode = mode;
    pass.random = {Seed{9}, 1, 3};
    pass.rows.first = 40;
    PassResult result{{batch.tokens(), c.config.vocabulary}, 0, {}};
    zero(c.be, c.adapter_grads);
    model.forward(c.be, batch, cache, pass);
    model.logits(c.be, cache, result.logits.view());
    model.backward(c.be, batch, 0.1, cache, host_view(&result.loss, 1, 1), views(c.adapter_grads));
    result.grads = flat(c.adapter_grads);
    return result;
}

double worst_of(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0, worst = 0;
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, std::abs(b[i]));
        const double d = std::abs(a[i] - b[i]);
        worst = d <= worst ? worst : std::isnan(d) ? HUGE_VAL : d;
    }
    CHECK(largest > 1e-3);  // else the comparison says nothing
    return worst / largest;
}

void compare(ModelCase<Double>& c, const TokenBatch<Double>& batch) {
    JoinedModel<Double> joined(c);
    const Llama<Double> plain = c.adapted();
    for (const Mode mode : {Mode::train, Mode::inference}) {
        const PassResult expected = pass_of(c, plain, batch, Keep::all, mode),
                         found = pass_of(c, joined.model, batch, Keep::all, mode);
        CHECK(worst_of(found.logits.data, expected.logits.data) <= 1e-11);
        CHECK(std::abs(found.loss - expected.loss) <= 1e-11 * expected.loss);
        CHECK(worst_of(found.grads, expected.grads) <= 1e-11);
    }
}

/// All that a block may have: biases, norms of heads, several documents.
LlamaConfig full_config() {
    LlamaConfig config = tiny_config();
    config.width = 20;  // no multiple of 16, nor is head_dim * heads = 24
    config.feed_forward = 28;
    config.attention_bias = AttentionBias::qkvo;
    config.head_norm = HeadNorm::rms;
    return config;
}

const std::vector<std::int32_t> starts{0, 0, 0, 3, 3, 5, 5, 5, 5, 0, 1, 1, 1, 1, 1, 6, 6, 8};

}  // namespace

TEST_CASE("logits, loss and gradients are the plain model's: heads, head, biases, norms, documents") {
    Double be({.threads = 2, .slab_rows = 4});
    for (const Index kv_heads : {4, 2, 1})
        for (const HeadNorm norm : {HeadNorm::none, HeadNorm::rms})
            for (const AttentionBias bias : {AttentionBias::none, AttentionBias::qkvo}) {
                LlamaConfig config = full_config();
                config.kv_heads = kv_heads;
                config.head_norm = norm;
                config.attention_bias = bias;
                config.lm_head = kv_heads == 2 ? LmHead::own : LmHead::tied;
                if (kv_heads == 1 && norm == HeadNorm::rms) config = gemma_kind(config);
                CAPTURE(kv_heads);
                LlamaAdapterConfig adapters = tiny_adapters();
                if (kv_heads == 2) adapters.adapter.router_pooling = RouterPooling::context;
                ModelCase<Double> c(be, config, adapters);
                const Tokens tokens(config, 2, 9), one(config, 1, 1);
                auto batch = tokens.batch<Double>();
                compare(c, batch);
                batch.starts = host_view(starts.data(), 1, 18);
                compare(c, batch);
                compare(c, one.batch<Double>());
            }
}

TEST_CASE("every member of the family, with and without dropout, and targets some of which are adapted") {
    Double be({.threads = 1, .slab_rows = 4});
    const std::vector<std::vector<Target>> some{all_targets,
                                                {Target::q_proj, Target::v_proj},
                                                {Target::k_proj, Target::o_proj, Target::up_proj},
                                                {Target::down_proj}};
    std::size_t number = 0;
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a})
        for (const Gate gate : {Gate::none, Gate::uniform, Gate::softmax, Gate::top_k})
            for (const RouterInput input : {RouterInput::x, RouterInput::a_x})
                for (const double dropout : {0.0, 0.3})
                    for (const MaskSharing masks : {MaskSharing::shared, MaskSharing::per_head}) {
                        const bool per_head = masks == MaskSharing::per_head;
                        if (per_head && (dropout == 0 || input == RouterInput::a_x)) continue;
                        LlamaAdapterConfig adapters = tiny_adapters();
                        adapters.adapter.sharing = sharing;
                        adapters.adapter.gate = gate;
                        adapters.adapter.top_k = 2;
                        if (adapters.adapter.routed()) {
                            adapters.adapter.router_input = input;
                            adapters.adapter.router_bias = RouterBias::trained;
                        }
                        adapters.adapter.dropout = dropout;
                        adapters.adapter.dropout_mask = masks;
                        adapters.targets = some[number++ % some.size()];
                        ModelCase<Double> c(be, full_config(), adapters);
                        CAPTURE(number);
                        const Tokens tokens(c.config, 2, 5);
                        compare(c, tokens.batch<Double>());
                    }
}

TEST_CASE("recomputed blocks, any number of threads and weights that are there twice: the same bits") {
    LlamaAdapterConfig adapters = tiny_adapters();
    adapters.adapter.dropout = 0.2;
    PassResult first{{1, 1}, 0, {}};
    for (const int threads : {1, 2, 3}) {
        Double be({.threads = threads, .slab_rows = 4});
        LlamaConfig config = full_config();
        config.layers = 3;
        ModelCase<Double> c(be, config, adapters);
        JoinedModel<Double> joined(c);
        const Tokens tokens(config, 2, 9);
        auto batch = tokens.batch<Double>();
        batch.starts = host_view(starts.data(), 1, 18);
        const PassResult kept = pass_of(c, joined.model, batch);
        if (threads == 1) first = kept;
        CHECK(kept.grads == first.grads);
        CHECK(kept.loss == first.loss);
        CHECK(pass_of(c, joined.model, batch, Keep::inputs).grads == kept.grads);
        const Llama<Double> twice(be, config, views(std::as_const(c.weights)), adapters,
                                  views(std::as_const(c.adapters)), joined.projections);
        CHECK(pass_of(c, twice, batch).grads == kept.grads);
    }
}

TEST_CASE("generation with a key-value memory continues as the plain model does") {
    Double be({.threads = 1, .slab_rows = 4});
    for (const Gate gate : {Gate::softmax, Gate::top_k}) {
        LlamaAdapterConfig adapters = tiny_adapters();
        adapters.adapter.gate = gate;
        adapters.adapter.dropout = 0.5;  // not in inference
        ModelCase<Double> c(be, full_config(), adapters);
        JoinedModel<Double> joined(c);
        const Llama<Double> plain = c.adapted();
        const std::vector<std::int32_t> prompt{1, 7, 2, 10, 0};
        const auto expected = generate(be, plain, std::span<const std::int32_t>(prompt), {.max_new_tokens = 20});
        CHECK(expected.size() == 20);
        CHECK(generate(be, joined.model, std::span<const std::int32_t>(prompt), {.max_new_tokens = 20}) == expected);

        KeyValueMemory<Double> of_plain(be, c.config, 32), of_joined(be, c.config, 32);
        Llama<Double>::Cache cache;
        Pass<Double> pass;
        pass.mode = Mode::inference;
        Matrix<double> row(1, c.config.vocabulary), plain_row(1, c.config.vocabulary);
        std::vector<std::int32_t> next = prompt;
        for (const std::int32_t id : expected) {
            const auto ids = host_view(std::as_const(next).data(), 1, static_cast<Index>(next.size()));
            plain.decode(be, ids, of_plain, cache, plain_row.view(), pass);
            joined.model.decode(be, ids, of_joined, cache, row.view(), pass);
            CHECK(max_difference(row.view(), plain_row.view()) <= 1e-10);
            next = {id};
        }
    }
}

TEST_CASE("training with a refresh after each step is the plain model's") {
    for (const Training& training : trainings()) {
        TestBackend one({.threads = 2}), other({.threads = 2});
        const Trained expected = train_adapters(one, training), found = train_joined(other, training);
        CHECK(expected.losses.back() < 0.98 * expected.losses.front());
        CHECK(difference(expected.losses, found.losses, 1e-3) <= 1e-5);
        CHECK(difference(expected.parameters, found.parameters, 1e-1) <= 1e-3);
    }
}

TEST_CASE("a second step, refresh among it, allocates nothing") {
    TestBackend be({.threads = 2});
    LlamaAdapterConfig adapters = tiny_adapters();
    adapters.adapter.dropout = 0.1;
    ModelCase<TestBackend> c(be, full_config(), adapters);
    JoinedModel<TestBackend> joined(c);
    const Tokens tokens(c.config, 2, 9);
    const auto grads = views(c.adapter_grads);
    Llama<TestBackend>::Cache cache;
    check_second_allocates_nothing([&] {
        double loss = 0;
        joined.projections.refresh(be, c.adapters);
        joined.model.forward(be, tokens.batch<TestBackend>(), cache);
        joined.model.backward(be, tokens.batch<TestBackend>(), 1, cache, host_view(&loss, 1, 1), grads);
    });
}

TEST_CASE("mistakes are named") {
    Double be({.threads = 1});
    LlamaAdapterConfig adapters = tiny_adapters();
    adapters.targets = {Target::q_proj, Target::down_proj};
    ModelCase<Double> c(be, tiny_config(), adapters);
    JoinedModel<Double> joined(c);
    CHECK(joined.projections.layers() == 2);
    CHECK((joined.projections.has(1, Target::q_proj) && !joined.projections.has(1, Target::k_proj)));
    CHECK((!joined.projections.has(2, Target::q_proj) && !joined.projections.has(-1, Target::q_proj)));
    CHECK(same_bits(joined.projections.at(1, Target::q_proj).frozen(),
                    c.weights.layers[1].projections[index_of(Target::q_proj)].view()));
    CHECK(message_of([&] { (void)joined.projections.at(0, Target::k_proj); }) ==
          "JoinedProjections: layer 0 of 2 has no adapter on k_proj to join with");
    CHECK(message_of([&] { (void)joined.projections.at(2, Target::q_proj); }) ==
          "JoinedProjections: layer 2 of 2 has no adapter on q_proj to join with");

    const auto model_of = [&](const LlamaWeights<ConstParamView<Double>>& weights, JoinedProjections<Double>& with) {
        return message_of(
            [&] { Llama<Double>(be, c.config, weights, adapters, views(std::as_const(c.adapters)), with); });
    };
    CHECK(model_of(rest_of(c), joined.projections) == "no error");
    auto wrong = rest_of(c);
    wrong.layers[0].projections[index_of(Target::k_proj)] = {};
    CHECK(model_of(wrong, joined.projections) ==
          "Llama: model.layers.0.self_attn.k_proj.weight is (0, 0), expected (12, 8)");
    wrong = rest_of(c);
    wrong.layers[0].projections[index_of(Target::q_proj)] = views(std::as_const(c.weights)).embedding;
    CHECK(model_of(wrong, joined.projections) ==
          "Llama: model.layers.0.self_attn.q_proj.weight is (11, 8), expected (24, 8)");
    LlamaConfig other = c.config;
    other.layers = 3;
    JoinedProjections<Double> more(be, other, adapters);
    CHECK(model_of(rest_of(c), more) == "Llama: joined projections of 3 layers, expected 2");
    CHECK(message_of([&] { more.refresh(be, c.adapters); }) == "JoinedProjections: adapters of 2 layers, expected 3");
    CHECK(message_of([&] { more.copy_frozen(be, views(std::as_const(c.weights))); }) ==
          "JoinedProjections: weights of 2 layers, expected 3");
    other = c.config;
    other.feed_forward = 13;
    JoinedProjections<Double> wider(be, other, adapters);
    CHECK(model_of(rest_of(c), wider).find("JoinedLinear: the weight is of in 13, out 8") == 0);
    CHECK(message_of([&] { wider.copy_frozen(be, views(std::as_const(c.weights))); }) ==
          "JoinedProjections: layer 0, mlp.down_proj is (8, 12), expected (8, 13)");

    const Tokens tokens(c.config, 1, 4);
    Llama<Double>::Cache cache;
    double loss = 0;
    joined.model.forward(be, tokens.batch<Double>(), cache);
    CHECK(message_of([&] {
              joined.model.backward(be, tokens.batch<Double>(), 1, cache, host_view(&loss, 1, 1),
                                    views(c.weight_grads));
          }) == "Llama: gradients of the weights asked of a model with adapters; make one from the weights alone");
}

TEST_CASE("W0 of 16 bits is put in its place in the compute type") {
    Double be({.threads = 1});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    std::vector<bfloat16> rounded;
    auto& q = c.weights.layers[0].projections[index_of(Target::q_proj)];
    for (Index i = 0; i < q.size(); ++i) rounded.emplace_back(static_cast<float>(q.view().data[i]));
    auto stored = map_params<StoredView<Double>>(
        std::as_const(c.weights), [](const ParamPath&, const auto& m) { return StoredView<Double>(m.view()); });
    stored.layers[0].projections[index_of(Target::q_proj)] =
        StoredView<Double>(host_view(std::as_const(rounded).data(), q.rows(), q.cols()));
    JoinedProjections<Double> projections(be, c.config, c.adapter_config);
    projections.copy_frozen(be, stored);
    const auto found = projections.at(0, Target::q_proj).frozen();
    bool same = true;
    for (Index i = 0; i < q.rows(); ++i)
        for (Index j = 0; j < q.cols(); ++j)
            same = same && found(i, j) == widened<double>(rounded[static_cast<std::size_t>(i * q.cols() + j)]);
    CHECK(same);
    CHECK(same_bits(projections.at(1, Target::up_proj).frozen(),
                    c.weights.layers[1].projections[index_of(Target::up_proj)].view()));
}

}  // namespace model_joined_test
