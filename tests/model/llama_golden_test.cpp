// The numbers of Hugging Face's LlamaForCausalLM in double: golden/make_llama.py.
#include <doctest/doctest.h>

#include <hydralora/io/safetensors.hpp>
#include <hydralora/model/llama.hpp>
#include <string>
#include <utility>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace model_llama_golden_test {

using namespace hydralora;
using Double = test::BasicTestBackend<double>;

namespace {

void compare(const std::string& model, const LlamaConfig& config) {
    const auto file = io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/llama_tiny.safetensors");
    Double be({.threads = 2, .slab_rows = 4});
    auto weights = make_buffers(be, weight_shapes(config)), grads = make_buffers(be, weight_shapes(config));
    visit([&](const ParamPath& path, auto& m) { file.read_as(model + '.' + path.name(), m.view()); }, weights);

    const auto ids = file.view<std::int32_t>("ids"), labels = file.view<std::int32_t>("labels");
    const Index T = ids.size();
    const TokenBatch<Double> batch{host_view(ids.data, 1, T), host_view(labels.data, 1, T), ids.rows};
    Index labelled = 0;
    for (Index t = 0; t < T; ++t) labelled += labels.data[t] == ignored_label ? 0 : 1;
    REQUIRE(labelled == 20);

    const Llama<Double> llama(be, config, views(std::as_const(weights)));
    Llama<Double>::Cache cache;
    llama.forward(be, batch, cache);
    test::Matrix<double> logits(T, config.vocabulary);
    llama.logits(be, cache, logits.view());
    CHECK(test::max_difference(logits.view(), file.view<double>(model + ".logits")) <= 1e-11);

    double sum = 0;
    const double scale = 1.0 / static_cast<double>(labelled);
    llama.backward(be, batch, scale, cache, host_view(&sum, 1, 1), views(grads));
    CHECK(std::abs(sum * scale - file.view<double>(model + ".loss")(0, 0)) <= 1e-12);
    int compared = 0;
    visit(
        [&](const ParamPath& path, const auto& g) {
            const auto expected = file.view<double>(model + ".grad." + path.name());
            CHECK_MESSAGE(test::max_difference(g.view(), expected) <= 1e-11, path.name());
            ++compared;
        },
        grads);
    CHECK(compared == (config.lm_head == LmHead::own ? 21 : 20));
}

LlamaConfig config(LmHead head) {
    return {.vocabulary = 32,
            .width = 16,
            .layers = 2,
            .heads = 4,
            .kv_heads = 2,
            .head_dim = 6,
            .feed_forward = 24,
            .max_positions = 64,
            .norm_eps = 1e-5,
            .lm_head = head};
}

}  // namespace

TEST_CASE("logits, loss and gradients of all weights are Hugging Face's: own head") {
    compare("own", config(LmHead::own));
}

TEST_CASE("logits, loss and gradients of all weights are Hugging Face's: tied head, llama3 scaling") {
    LlamaConfig c = config(LmHead::tied);
    c.rope_theta = 500;
    c.rope_scaling = {.kind = RopeScaling::Kind::llama3, .original_max_positions = 16};
    compare("tied", c);
}

}  // namespace model_llama_golden_test
