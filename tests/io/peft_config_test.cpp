#include <hydralora/io/peft_config.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "scratch.hpp"

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

Json peft() { return read_json(std::filesystem::path(HYDRALORA_TEST_DATA "/golden/peft/plain/adapter_config.json")); }
AdapterFileConfig read(const Json& document) { return peft_config_from_json(document, "f"); }
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
    CHECK(config.target_modules.size() == 7);
    CHECK(config.base_model_name_or_path.empty());
    Json document = peft();
    CHECK(read(document.set("use_rslora", true)).alpha == doctest::Approx(6 * std::sqrt(2.0)));
    CHECK(read(document.set("target_modules", "all-linear")).target_modules.empty());
    for (const char* start : {"gaussian", "orthogonal", "eva"}) CHECK(refusal("init_lora_weights", start).empty());
    CHECK(refusal("an_option_of_tomorrow", Json()).empty());
    CHECK(refusal("an_option_of_tomorrow", false).empty());
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
    CHECK(has(refusal("bias", "all"), "\"bias\": expected one of \"none\", found \"all\""));
    CHECK(has(refusal("fan_in_fan_out", true), "\"fan_in_fan_out\": expected false"));
    CHECK(has(refusal("rank_pattern", Json::object({{"q_proj", 4}})), "\"rank_pattern\": expected it to be off"));
    CHECK(has(refusal("alpha_pattern", Json::object({{"q_proj", 4}})), "\"alpha_pattern\": expected it to be off"));
    CHECK(has(refusal("modules_to_save", Json::array({"lm_head"})), "\"modules_to_save\": expected it to be off"));
    CHECK(has(refusal("layers_to_transform", 3), "adapters must be on every layer"));
    CHECK(has(refusal("layers_pattern", "layers"), "\"layers_pattern\": expected it to be off"));
    CHECK(has(refusal("megatron_config", Json::object({{"a", 1}})), "Megatron"));
    CHECK(has(refusal("loftq_config", Json::object({{"a", 1}})), "LoftQ"));
    CHECK(has(refusal("layer_replication", Json::array({1})), "layers more than once"));
    CHECK(has(refusal("an_option_of_tomorrow", true), "an option that is not known here"));
    CHECK(has(refusal("target_modules", ".*_proj"),
              "a pattern is not matched here: write the names), found \".*_proj\""));
    CHECK(has(refusal("target_modules", Json()), "\"target_modules\": expected an array, found null"));
    CHECK(has(refusal("task_type", "SEQ_CLS"), "\"task_type\": expected one of \"CAUSAL_LM\""));
    for (const char* start : {"pissa", "pissa_niter_16", "olora", "loftq", "corda", "lora_ga"})
        CHECK(has(refusal("init_lora_weights", start), "others change the base's weights"));
    CHECK(has(refusal("r", 0), "\"r\": expected an integer in [1, 65536], found 0"));
    CHECK(has(refusal("lora_alpha", "8"), "\"lora_alpha\": expected a number"));
}

TEST_CASE("only what each format can say is written") {
    AdapterFileConfig config{.rank = 4, .heads = 1, .alpha = 32, .target_modules = {"q_proj"}, .gate = "none"};
    CHECK(*to_peft_json(config).find("lora_alpha") == Json(32));
    config.alpha = 0.5;
    CHECK(*to_peft_json(config).find("lora_alpha") == Json(0.5));
    CHECK(to_peft_json(config).find("base_model_name_or_path")->is_null());
    CHECK(read(to_peft_json(config)) == config);
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
