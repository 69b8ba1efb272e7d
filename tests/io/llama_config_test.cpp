#include <hydralora/io/llama_config.hpp>

#include <hydralora/io/json.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>

#include "scratch.hpp"

namespace io_llama_config_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

/// A configuration with `key` set to the JSON text `value` (empty: without the key).
std::string with(const std::string& key = "", const std::string& value = "") {
    Json json = parse_json(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 100,
        "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 40, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 500.0,
        "hidden_act": "silu", "tie_word_embeddings": true})",
                           "x");
    Json changed;
    for (const auto& [name, old] : *json.get_if<Json::Object>())
        if (name != key) changed.set(name, old);
    if (!value.empty()) changed.set(key, parse_json(value, "value"));
    return to_text(changed);
}
LlamaConfig read(const std::string& text) {
    const Json document = parse_json(text, "config.json");
    return llama_config_from_json(JsonView(document, "config.json"));
}
std::string refusal(const std::string& key, const std::string& value) {
    return error_of([&] { static_cast<void>(read(with(key, value))); });
}

}  // namespace

TEST_CASE("the keys of config.json") {
    const LlamaConfig c = read(with());
    CHECK(c.vocabulary == 100);
    CHECK(c.width == 24);
    CHECK(c.layers == 2);
    CHECK(c.heads == 4);
    CHECK(c.kv_heads == 2);
    CHECK(c.head_dim == 8);
    CHECK(c.feed_forward == 40);
    CHECK(c.max_positions == 64);
    CHECK(c.rope_theta == 500);
    CHECK(c.lm_head == LmHead::tied);
    CHECK(c.attention_bias == AttentionBias::none);
    CHECK(c.sliding_window == 0);
}

TEST_CASE("what older files leave out") {
    CHECK(read(with("num_key_value_heads")).kv_heads == 4);
    CHECK(read(with("head_dim")).head_dim == 6);
    CHECK(read(with("head_dim", "null")).head_dim == 6);
    CHECK(read(with("rope_theta")).rope_theta == 10000);
    CHECK(read(with("tie_word_embeddings")).lm_head == LmHead::own);
    CHECK(read(with("architectures")).layers == 2);
}

TEST_CASE("settings of rope: old and new keys, and what is refused") {
    const std::string llama3 =
        R"("factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 3.0, "original_max_position_embeddings": 32)";
    for (const std::string key : {"rope_scaling", "rope_parameters"})
        for (const std::string kind : {"type", "rope_type"}) {
            const LlamaConfig c = read(with(key, "{\"" + kind + "\": \"llama3\", " + llama3 + "}"));
            CHECK(c.rope_scaling.kind == RopeScaling::Kind::llama3);
            CHECK(c.rope_scaling.factor == 4);
            CHECK(c.rope_scaling.high_freq_factor == 3);
            CHECK(c.rope_scaling.original_max_positions == 32);
            CHECK(c.rope_theta == 500);
        }
    CHECK(read(with("rope_scaling", "null")).rope_scaling.kind == RopeScaling::Kind::none);
    CHECK(read(with("rope_parameters", R"({"rope_type": "default", "rope_theta": 500})")).rope_theta == 500);
    CHECK(read(with("rope_parameters", R"({"rope_type": "default", "rope_theta": 7})")).rope_theta == 7);
    CHECK(refusal("rope_scaling", R"({"type": "longrope", "factor": 4.0})") ==
          "config.json: \"rope_scaling.type\": expected one of \"default\", \"llama3\", \"linear\", \"dynamic\", "
          "\"yarn\", "
          "found \"longrope\"");
    const LlamaConfig yarn = read(with("rope_scaling", R"({"type": "yarn", "factor": 4.0, "finetuned": true})"));
    CHECK(yarn.rope_scaling.kind == RopeScaling::Kind::yarn);
    CHECK(yarn.rope_scaling.original_max_positions == 64);
    CHECK(has(refusal("rope_parameters", R"({"rope_type": "yarn", "rope_theta": 0.5, "factor": 4.0})"),
              "a number above 1"));
    CHECK(has(refusal("rope_parameters", R"({"rope_type": "yarn"})"), "\"rope_parameters.factor\": expected a number"));
    CHECK(has(refusal("partial_rotary_factor", "0.5"), "\"partial_rotary_factor\": expected 1"));
    const LlamaConfig linear = read(with("rope_scaling", R"({"type": "linear", "factor": 4.0})"));
    CHECK(linear.rope_scaling.kind == RopeScaling::Kind::linear);
    CHECK(linear.rope_scaling.factor == 4);
    CHECK(has(refusal("rope_scaling", R"({"type": "linear"})"), "\"rope_scaling.factor\": expected a number"));
    CHECK(has(refusal("rope_scaling", R"({"factor": 4.0})"), "\"rope_scaling.type\": expected a string"));
    CHECK(read(with("rope_scaling", R"({"rope_type": "dynamic", "factor": 4.0})")).rope_scaling.kind ==
          RopeScaling::Kind::dynamic);
    CHECK(has(refusal("rope_parameters", R"({"full_attention": {"rope_type": "default"}})"), "full_attention"));
    CHECK(has(refusal("rope_parameters", R"({"rope_type": "default", "partial_rotary_factor": 0.5})"), "partial"));
    CHECK(has(refusal("rope_scaling", "{\"type\": \"llama3\", \"factor\": 4.0}"), "low_freq_factor"));
    CHECK(has(refusal("rope_scaling", R"({"type": "llama3", "factor": 4.0, "low_freq_factor": 4.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32})"),
              "above low_freq_factor"));
}

TEST_CASE("families") {
    const auto family = [](const std::string& type, const std::string& add) {
        std::string text = with("architectures");
        text.replace(text.find("\"llama\""), 7, "\"" + type + "\"");
        text.insert(text.size() - 1, add);
        return text;
    };
    CHECK(read(family("qwen2", "")).attention_bias == AttentionBias::qkv);
    CHECK(read(family("qwen2", R"(,"sliding_window": 16, "use_sliding_window": false)")).sliding_window == 0);
    CHECK(read(family("qwen3", "")).head_norm == HeadNorm::rms);
    CHECK(read(family("qwen3", R"(,"attention_bias": true)")).attention_bias == AttentionBias::qkvo);
    CHECK(read(family("mistral", R"(,"sliding_window": 16)")).sliding_window == 16);
    CHECK(read(family("mistral", R"(,"sliding_window": null)")).sliding_window == 0);
    CHECK(read(family("mistral", "")).sliding_window == 4096);  // as transformers' MistralConfig() has it
    CHECK(read(family("llama", R"(,"attention_bias": true)")).attention_bias == AttentionBias::qkvo);
    CHECK(has(error_of([&] { read(family("gemma2", "")); }), "found \"gemma2\""));
    CHECK(has(error_of([&] { read(family("qwen2", R"(,"architectures": ["LlamaForCausalLM"])")); }),
              "expected one of \"Qwen2ForCausalLM\", found \"LlamaForCausalLM\""));
    for (const char* add :
         {R"(,"mlp_bias": true)", R"(,"quantization_config": {"bits": 4})", R"(,"attention_bias": true)"})
        CHECK(has(error_of([&] { read(family("mistral", add)); }), "config.json: "));
}

/// As transformers 5.24 has them: seen from the attention weights of random models with these settings.
TEST_CASE("which layers see a window") {
    const auto family = [](const std::string& type, const std::string& add) {
        std::string text = with("architectures");
        text.replace(text.find("\"llama\""), 7, "\"" + type + "\"");
        return text.insert(text.size() - 1, "," + add);
    };
    const auto layers = [&](const std::string& type, const std::string& add) {
        const LlamaConfig c = read(family(type, add));
        return std::pair(c.is_local(0) ? c.sliding_window : 0, c.is_local(1) ? c.sliding_window : 0);
    };
    using Layers = std::pair<Index, Index>;
    CHECK(layers("mistral", R"("sliding_window": 16)") == Layers{16, 16});
    CHECK(layers("mistral", R"("sliding_window": 16, "layer_types": ["full_attention", "full_attention"])") ==
          Layers{16, 16});
    CHECK(layers("mistral", R"("sliding_window": null)") == Layers{0, 0});
    for (const std::string qwen : {"qwen2", "qwen3"}) {
        const std::string used = R"("sliding_window": 5, "use_sliding_window": true)";
        CHECK(layers(qwen, R"("sliding_window": 5)") == Layers{0, 0});
        CHECK(layers(qwen, used) == Layers{0, 0});  // from max_window_layers = 28 on
        CHECK(layers(qwen, used + R"(, "max_window_layers": 1)") == Layers{0, 5});
        CHECK(layers(qwen, used + R"(, "max_window_layers": 0)") == Layers{5, 5});
        CHECK(layers(qwen, used + R"(, "layer_types": ["sliding_attention", "full_attention"])") == Layers{5, 0});
        CHECK(layers(qwen, R"("use_sliding_window": true, "max_window_layers": 1)") == Layers{0, 4096});
        CHECK(layers(qwen, R"("sliding_window": null, "use_sliding_window": true, "max_window_layers": 1)") ==
              Layers{0, 0});
        CHECK(has(error_of([&] {
                      layers(qwen, R"("sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"])");
                  }),
                  "\"layer_types\": expected \"full_attention\" alone without use_sliding_window"));
        CHECK(has(error_of([&] { layers(qwen, used + R"(, "layer_types": ["full_attention"])"); }),
                  "expected an entry for each of num_hidden_layers = 2, found an array of 1 elements"));
        CHECK(has(error_of([&] { layers(qwen, used + R"(, "layer_types": ["full_attention", "chunked_attention"])"); }),
                  "\"layer_types[1]\": expected one of \"full_attention\", \"sliding_attention\", found"));
    }
    CHECK(layers("llama", R"("sliding_window": 5, "layer_types": ["full_attention", "full_attention"])") ==
          Layers{0, 0});
    CHECK(has(error_of([&] { layers("llama", R"("layer_types": ["sliding_attention", "full_attention"])"); }),
              "for a llama has no window"));
}

TEST_CASE("Gemma 3's text models") {
    const auto gemma = [](const std::string& add = "", const std::string& without = "") {
        const Json document = parse_json(with("architectures"), "x");
        Json changed;
        for (const auto& [name, old] : *document.get_if<Json::Object>())
            if (name != without && name != "tie_word_embeddings" && name != "hidden_act") changed.set(name, old);
        changed.set("model_type", "gemma3_text").set("num_hidden_layers", 7);
        std::string text = to_text(changed);
        if (!add.empty()) text.insert(text.size() - 1, "," + add);
        return text;
    };
    const LlamaConfig c = read(gemma());
    CHECK(c.architecture == Architecture::gemma3);
    CHECK(c.lm_head == LmHead::tied);
    CHECK(c.head_norm == HeadNorm::rms);
    CHECK(c.block_norms == BlockNorms::around);
    CHECK(c.gate_activation == GateActivation::gelu_tanh);
    CHECK(c.embedding_scale == std::sqrt(24.0));
    CHECK(c.attention_scale == 1.0 / 16);  // query_pre_attn_scalar is 256 where it is missing
    CHECK(c.sliding_window == 4096);
    CHECK((c.is_local(0) && c.is_local(4) && !c.is_local(5) && c.is_local(6)));
    CHECK(c.rope_theta == 500);
    CHECK(c.local_rope_theta == 1e4);
    CHECK(read(gemma("", "rope_theta")).rope_theta == 1e6);
    CHECK(read(gemma(R"("rope_local_base_freq": 30)")).local_rope_theta == 30);
    CHECK(read(gemma(R"("query_pre_attn_scalar": 64, "tie_word_embeddings": false)")).attention_scale == 1.0 / 8);
    CHECK(read(gemma(R"("tie_word_embeddings": false)")).lm_head == LmHead::own);
    CHECK(!read(gemma(R"("sliding_window_pattern": 2)")).is_local(1));
    CHECK(read(gemma(R"("sliding_window_pattern": 1)")).sliding_window == 0);
    CHECK(read(gemma(R"("rope_scaling": {"rope_type": "linear", "factor": 8.0})")).rope_scaling.factor == 8);
    const LlamaConfig five = read(gemma(R"("rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0,
        "rope_theta": 500}, "sliding_attention": {"rope_type": "default", "rope_theta": 7}}, "attention_bias": true)"));
    CHECK(five.rope_scaling.kind == RopeScaling::Kind::linear);
    CHECK(five.local_rope_theta == 7);
    CHECK(five.attention_bias == AttentionBias::qkvo);

    const auto refused = [&](const std::string& add, const std::string& without = "") {
        return error_of([&] { read(gemma(add, without)); });
    };
    CHECK(refused(R"("final_logit_softcapping": 30.0)") ==
          "config.json: \"final_logit_softcapping\": expected null, for capped scores and logits are not computed, "
          "found 30.0");
    CHECK(has(refused(R"("attn_logit_softcapping": 50)"), "\"attn_logit_softcapping\": expected null"));
    CHECK(has(refused(R"("use_bidirectional_attention": true)"), "expected false, for attention is causal"));
    CHECK(has(refused(R"("hidden_activation": "gelu")"), "expected one of \"gelu_pytorch_tanh\""));
    CHECK(has(refused("", "head_dim"), "\"head_dim\": expected an integer"));
    CHECK(has(refused(R"("sliding_window": null)"), "\"sliding_window\": expected the tokens that local layers see"));
    CHECK(has(refused(R"("sliding_window_pattern": 0)"), "\"sliding_window_pattern\": expected an integer in [1, "));
    CHECK(has(refused(R"("rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}})"),
              "scaling in local layers is not computed"));
    CHECK(has(refused(R"("rope_parameters": {"rope_type": "default"})"),
              "expected settings of full_attention and sliding_attention alone"));
    for (const char* scalar : {"0", "14.5", "1e300", "\"x\""})
        CHECK(has(refused(std::string("\"query_pre_attn_scalar\": ") + scalar),
                  "\"query_pre_attn_scalar\": expected an integer in [1, 1000000000]"));
    CHECK(has(error_of([&] {
                  std::string whole = gemma();
                  read(whole.replace(whole.find("gemma3_text"), 11, "gemma3"));
              }),
              "found \"gemma3\""));
}

TEST_CASE("what is out of range is refused with its place") {
    CHECK(refusal("hidden_act", "\"gelu\"") == "config.json: \"hidden_act\": expected one of \"silu\", found \"gelu\"");
    for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                            "intermediate_size", "max_position_embeddings"})
        for (const char* value : {"", "0", "-1", "1.5", "1e30", "9223372036854775807", "18446744073709551615", "\"8\"",
                                  "null", "[]", "true"})
            CHECK(has(refusal(key, value), std::string("config.json: \"") + key + "\": expected an integer in [1, "));
    for (const char* value : {"0", "3", "5", "-2", "\"2\""}) CHECK(has(refusal("num_key_value_heads", value), "heads"));
    for (const char* value : {"0", "7", "-8", "1000000000000"}) CHECK(has(refusal("head_dim", value), "head_dim"));
    for (const char* value : {"", "-1", "2", "\"x\"", "1e999"}) CHECK(refusal("rms_norm_eps", value) != "");
    for (const char* value : {"0", "-3", "1e30"}) CHECK(has(refusal("rope_theta", value), "rope_theta"));
    CHECK(has(refusal("tie_word_embeddings", "1"), "expected true or false, found 1"));
    std::string odd = with("head_dim");
    odd.replace(odd.find("\"num_attention_heads\":4"), 23, "\"num_attention_heads\":5");
    CHECK(has(error_of([&] { read(odd); }), "num_"));
    CHECK(error_of([] { read("[1]"); }) != "");
}

TEST_CASE("writing and reading again") {
    LlamaConfig c = read(with());
    const auto again = [](const LlamaConfig& config) {
        const Json document = to_json(config, "float16");
        CHECK(*document.find("dtype") == Json("float16"));
        const LlamaConfig back = llama_config_from_json(JsonView(document, "x"));
        CHECK(to_json(back, "float16") == document);
        return back;
    };
    CHECK(again(c).rope_theta == 500);
    c.rope_scaling = {.kind = RopeScaling::Kind::llama3, .factor = 3, .original_max_positions = 7};
    CHECK(again(c).rope_scaling.factor == 3);
    c.rope_scaling = {.kind = RopeScaling::Kind::yarn,
                      .factor = 3,
                      .original_max_positions = 7,
                      .beta_fast = 9,
                      .attention_factor = 1.5,
                      .whole_pairs = false};
    CHECK(again(c).rope_scaling.attention_factor == 1.5);
    CHECK(again(c).rope_scaling.beta_fast == 9);
    CHECK(!again(c).rope_scaling.whole_pairs);
    c.rope_scaling = {.kind = RopeScaling::Kind::dynamic, .factor = 3};
    CHECK(again(c).rope_scaling.kind == RopeScaling::Kind::dynamic);
    c.attention_bias = AttentionBias::qkvo;
    CHECK(again(c).attention_bias == AttentionBias::qkvo);
    c.architecture = Architecture::qwen2;
    CHECK(has(error_of([&] { static_cast<void>(to_json(c, "float32")); }), "no model_type has these biases"));
    c.attention_bias = AttentionBias::qkv;
    c.sliding_window = 12;
    CHECK(again(c).sliding_window == 12);
    CHECK(again(c).spans.empty());
    c.spans = {AttentionSpan::local, AttentionSpan::global};
    CHECK(again(c).spans == c.spans);
    c.spans.clear();
    c.architecture = Architecture::qwen3;
    c.attention_bias = AttentionBias::none;
    c.head_norm = HeadNorm::rms;
    CHECK(again(c).head_norm == HeadNorm::rms);
    c.architecture = Architecture::mistral;
    c.head_norm = HeadNorm::none;
    CHECK(again(c).sliding_window == 12);
    c.spans = {AttentionSpan::local, AttentionSpan::global};
    CHECK(has(error_of([&] { static_cast<void>(to_json(c, "float32")); }), "mistral has no such sliding_window"));
    c.spans.clear();
    c.sliding_window = 0;
    CHECK(again(c).sliding_window == 0);
    c.architecture = Architecture::llama;
    c.sliding_window = 3;
    CHECK(has(error_of([&] { static_cast<void>(to_json(c, "float32")); }), "llama has no such sliding_window"));

    LlamaConfig g = read(with());
    g.architecture = Architecture::gemma3;
    g.rope_scaling = {.kind = RopeScaling::Kind::linear, .factor = 3};
    g.head_norm = HeadNorm::rms;
    g.sliding_window = 12;
    g.spans = {AttentionSpan::local, AttentionSpan::global};
    g.local_rope_theta = 700;
    g.block_norms = BlockNorms::around;
    g.gate_activation = GateActivation::gelu_tanh;
    g.attention_scale = 1 / std::sqrt(168.0);
    CHECK(has(error_of([&] { static_cast<void>(to_json(g, "float32")); }), "no model_type has this activation"));
    g.embedding_scale = std::sqrt(24.0);
    CHECK(again(g).spans == g.spans);
    CHECK(again(g).attention_scale == g.attention_scale);
    CHECK(again(g).local_rope_theta == 700);
    CHECK(again(g).rope_scaling.factor == 3);
    CHECK(*to_json(g, "float32").find("query_pre_attn_scalar") == Json(168));
    for (const Index scalar : {Index{1}, Index{3}, Index{999999999}, Index{1000000000}}) {
        g.attention_scale = 1 / std::sqrt(static_cast<double>(scalar));
        CHECK(*to_json(g, "float32").find("query_pre_attn_scalar") == Json(scalar));
        CHECK(again(g).attention_scale == g.attention_scale);
    }
    g.attention_scale = 0.3;
    CHECK(has(error_of([&] { static_cast<void>(to_json(g, "float32")); }), "no model_type has this activation"));
    g.attention_scale = 1;
    g.block_norms = BlockNorms::before;
    CHECK(has(error_of([&] { static_cast<void>(to_json(g, "float32")); }), "no model_type has these biases"));
}

}  // namespace io_llama_config_test
