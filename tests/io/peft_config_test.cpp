#include <hydralora/io/peft_config.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "scratch.hpp"

namespace io_peft_config_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

Json peft() { return read_json(std::filesystem::path(HYDRALORA_TEST_DATA "/golden/peft/plain/adapter_config.json")); }
AdapterFileConfig read(const Json& document) { return peft_config_from_json(document, "f").adapter; }
std::string refusal(const char* key, Json value) {
    Json document = peft();
    document.set(key, std::move(value));
    return error_of([&] { static_cast<void>(read(document)); });
}

}  // namespace

TEST_CASE("PEFT's configuration is read as one head without a gate") {
    const auto config = read(peft());
    CHECK(config.rank == 2);
    CHECK(config.alpha == 6);
    CHECK(config.dropout == 0.1);
    CHECK(config.heads == 1);
    CHECK(config.gate == "none");
    CHECK(config.sharing == "shared_a");
    CHECK(config.base_model_name_or_path.empty());
    Json document = peft();
    CHECK(read(document.set("use_rslora", true)).alpha == doctest::Approx(6 * std::sqrt(2.0)));
    // The defaults of PEFT's LoraConfig are r = 8 and lora_alpha = 8.
    for (const char* left_out : {"r", "lora_alpha"}) {
        const Json whole = peft();
        Json fewer = Json::object();
        for (const auto& [key, value] : *whole.get_if<Json::Object>())
            if (key != left_out) fewer.set(key, value);
        const auto made = read(fewer);
        CHECK(made.rank == (left_out == std::string("r") ? 8 : 2));
        CHECK(made.alpha == (left_out == std::string("r") ? 6 : 8));
    }
    for (const char* key : {"r", "lora_alpha"}) CHECK(has(refusal(key, Json()), "found null"));
    // Which modules there are the tensors say; so do they with layers and copies.
    for (const Json& targets :
         {Json("all-linear"), Json(".*_proj"), Json(), Json::array({"q_proj", "lm_head"}), Json(7)})
        CHECK(refusal("target_modules", targets).empty());
    CHECK(refusal("exclude_modules", ".*up_proj").empty());
    CHECK(refusal("layers_to_transform", 3).empty());
    CHECK(refusal("layers_pattern", "layers").empty());
    CHECK(refusal("modules_to_save", Json::array({"lm_head"})).empty());
    for (const char* bias : {"none", "all", "lora_only"}) CHECK(refusal("bias", bias).empty());
    for (const char* task : {"CAUSAL_LM", "SEQ_CLS", "FEATURE_EXTRACTION"}) CHECK(refusal("task_type", task).empty());
    for (const char* start : {"gaussian", "orthogonal", "eva", "mica"})
        CHECK(refusal("init_lora_weights", start).empty());
    CHECK(refusal("an_option_of_tomorrow", Json()).empty());
    CHECK(refusal("an_option_of_tomorrow", false).empty());
}

TEST_CASE("rank and scaling of a module: the first pattern that matches") {
    Json document = peft();
    document.set("r", 4).set("lora_alpha", 8);
    document.set("rank_pattern", Json::object({{"q_proj", 2}, {"layers.1.self_attn.q_proj", 16}}));
    document.set("alpha_pattern", Json::object({{"^model.layers.1.mlp.up_proj", 1}, {"[qu]p?_proj", 0.5}}));
    PeftConfig config = peft_config_from_json(document, "f");
    CHECK(config.rank_of("model.layers.1.self_attn.q_proj") == 2);
    CHECK(config.scaling_of("model.layers.1.self_attn.q_proj") == 0.25);
    CHECK(config.scaling_of("model.layers.1.mlp.up_proj") == 0.25);
    CHECK(config.scaling_of("model.layers.0.mlp.up_proj") == 0.125);
    CHECK(config.scaling_of("model.layers.0.mlp.down_proj") == 2);
    document.set("use_rslora", true);
    config = peft_config_from_json(document, "f");
    CHECK(config.scaling_of("model.layers.0.mlp.down_proj") == 4);
    CHECK(config.scaling_of("model.layers.1.self_attn.q_proj") == doctest::Approx(0.5 / std::sqrt(2.0)));
}

TEST_CASE("patterns match the names that PEFT matches, and others are refused") {
    const std::string table = test::content(HYDRALORA_TEST_DATA "/golden/module_patterns.tsv");
    std::size_t lines = 0, matches = 0;
    for (std::size_t at = 0; at < table.size(); ++lines) {
        const std::size_t end = table.find('\n', at), tab = table.find('\t', at), second = table.find('\t', tab + 1);
        const std::string pattern = table.substr(at, tab - at), name = table.substr(tab + 1, second - tab - 1);
        const bool expected = table[end - 1] == '1';
        CAPTURE(pattern);
        CAPTURE(name);
        CHECK(ModulePattern(pattern, "f").matches(name) == expected);
        matches += expected ? 1 : 0;
        at = end + 1;
    }
    CHECK(lines > 700);
    CHECK(matches > 200);
    for (const char* pattern : {"(",
                                ")",
                                "[a",
                                "a**",
                                "*",
                                "a{2}{3}",
                                "\\",
                                "\\b",
                                "\\1",
                                "(?=a)",
                                "(?!a)",
                                "(?<=a)",
                                "(?i)a",
                                "a++",
                                "[b-a]",
                                "a{2,1}",
                                "a{2000}",
                                "(((a{100}){100}){100})",
                                "((){900}){900}",
                                "(?P=n)"})
        CHECK_MESSAGE(has(error_of([&] { ModulePattern(pattern, "f"); }), "write names of modules instead"), pattern);
    CHECK(has(error_of([] { ModulePattern(std::string(2000, '('), "f"); }), "at most 64 groups"));
    CHECK(ModulePattern("(a*)*b", "f").matches(std::string(30, 'a') + 'b'));
    CHECK(!ModulePattern("(a*)*b", "f").matches(std::string(3000, 'a')));
    CHECK(ModulePattern("a{,2}x{1,}y{3}", "f").matches("aaxxyyy"));
    CHECK(!ModulePattern("a{,2}x{1,}y{3}", "f").matches("aaaxxyyy"));
}

TEST_CASE("what is more than A and B is refused by name") {
    for (const char* type : {"IA3", "ADALORA", "PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "LOHA", "OFT", "VERA"})
        CHECK(refusal("peft_type", type) ==
              concat("f: \"peft_type\": expected \"LORA\": an adapter of another method is "
                     "not a LoRA, found \"",
                     type, "\""));
    CHECK(has(refusal("peft_type", "HYDRALORA"), "is of our own format"));
    CHECK(has(refusal("lora_nums", 3), "this is a released HydraLoRA adapter"));
    CHECK(has(refusal("use_dora", true), "\"use_dora\": expected it to be off, found \"true\"; DoRA"));
    CHECK(has(refusal("lora_bias", true), "\"lora_bias\": expected it to be off"));
    CHECK(has(refusal("fan_in_fan_out", true), "\"fan_in_fan_out\": expected false"));
    CHECK(has(refusal("megatron_config", Json::object({{"a", 1}})), "Megatron"));
    CHECK(has(refusal("loftq_config", Json::object({{"a", 1}})), "LoftQ"));
    CHECK(has(refusal("layer_replication", Json::array({1})), "layers more than once"));
    CHECK(has(refusal("an_option_of_tomorrow", true), "an option that is not known here"));
    for (const char* start : {"pissa", "pissa_niter_16", "olora", "loftq", "corda", "lora_ga"})
        CHECK(has(refusal("init_lora_weights", start), "this start changes the base's weights"));
    CHECK(has(refusal("trainable_token_indices", Json::array({3})),
              "rows of the embedding were trained besides the LoRA; m"));
    CHECK(has(refusal("rank_pattern", Json::object({{"q_proj", 0}})), "\"rank_pattern.q_proj\": expected an integer"));
    CHECK(
        has(refusal("alpha_pattern", Json::object({{"q_proj", "a"}})), "\"alpha_pattern.q_proj\": expected a number"));
    CHECK(has(refusal("alpha_pattern", Json::object({{"(?i)q_proj", 1}})),
              "\"alpha_pattern\": the pattern \"(?i)q_proj\", character 3: expected a group without conditions"));
    CHECK(has(refusal("r", 0), "\"r\": expected an integer in [1, 65536], found 0"));
    CHECK(has(refusal("lora_alpha", "8"), "\"lora_alpha\": expected a number"));
}

TEST_CASE("only what each format can say is written") {
    AdapterFileConfig config{.rank = 4, .heads = 1, .alpha = 32, .target_modules = {"q_proj"}, .gate = "none"};
    CHECK(*to_peft_json(config).find("lora_alpha") == Json(32));
    config.alpha = 0.5;
    CHECK(*to_peft_json(config).find("lora_alpha") == Json(0.5));
    CHECK(to_peft_json(config).find("base_model_name_or_path")->is_null());
    AdapterFileConfig untold = config;
    untold.target_modules.clear();
    CHECK(read(to_peft_json(config)) == untold);
    config.gate = "softmax";
    CHECK(has(error_of([&] { static_cast<void>(to_peft_json(config)); }),
              "expected one head without a gate, found 1 heads, gate softmax"));

    config.heads = 3;
    CHECK(adapter_config_from_json(to_released_json(config), "f") == config);
    const auto refused = [&](auto change) {
        AdapterFileConfig other = config;
        change(other);
        return error_of([&] { static_cast<void>(to_released_json(other)); });
    };
    CHECK(has(refused([](auto& c) { c.gate = "top_k"; }), "the released layout: gate \"top_k\": expected \"softmax\""));
    CHECK(has(refused([](auto& c) { c.sharing = "own_a"; }), "sharing \"own_a\": expected \"shared_a\""));
    CHECK(has(refused([](auto& c) { c.router_bias = "trained"; }), "router_bias \"trained\": expected \"none\""));
    CHECK(has(refused([](auto& c) { c.router_input = "a_x"; }), "router_input \"a_x\": expected \"x\""));
}

}  // namespace io_peft_config_test
