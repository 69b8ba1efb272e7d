#include <hydralora/io/adapter_config.hpp>

#include <doctest/doctest.h>

#include "scratch.hpp"

namespace io_adapter_config_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
/// As the released code writes it, without `drop` and with `add` at the end.
std::string released(std::string_view drop = "", std::string_view add = "") {
    std::string text = "{\n";
    for (const std::string_view line :
         {"\"base_model_name_or_path\": \"meta-llama/Llama-2-7b-hf\"", "\"bias\": \"none\"",
          "\"fan_in_fan_out\": false", "\"inference_mode\": true", "\"init_lora_weights\": true", "\"lora_alpha\": 32",
          "\"lora_dropout\": 0.05", "\"lora_nums\": 3", "\"modules_to_save\": null", "\"peft_type\": \"LORA\"",
          "\"r\": 4", "\"target_modules\": [\"gate_proj\", \"down_proj\"]", "\"task_type\": \"CAUSAL_LM\""})
        if (drop.empty() || !has(line, drop)) text += (text.size() > 2 ? ",\n  " : "  ") + std::string(line);
    return text + std::string(add) + "\n}\n";
}
std::string refusal(std::string_view text) {
    return error_of([&] {
        static_cast<void>(adapter_config_from_json(parse_json(text, "adapter_config.json"), "adapter_config.json"));
    });
}
}  // namespace

TEST_CASE("a configuration survives writing and reading") {
    const test::ScratchDirectory scratch;
    AdapterFileConfig config;
    for (int k = 0; k < 2; ++k) {
        test::set_content(scratch / "adapter_config.json", to_text(to_json(config), 2));
        CHECK(read_adapter_config(scratch.path()) == config);
        config = {.rank = 2,
                  .heads = 5,
                  .alpha = 0.1,
                  .dropout = 0.25,
                  .target_modules = {"q_proj", "x"},
                  .sharing = "own_a",
                  .gate = "top_k",
                  .top_k = 2,
                  .router_input = "a_x",
                  .router_bias = "trained",
                  .dropout_mask = "per_head",
                  .base_model_name_or_path = "a \"b\"",
                  .chat_format = "zephyr",
                  .base_checksum = "0123",
                  .base_norms = "4567"};
    }
    // The keys of PEFT that readers look for, and the type that makes PEFT refuse.
    const Json json = to_json(config);
    CHECK(*json.find("peft_type") == Json("HYDRALORA"));
    CHECK(*json.find("r") == Json(2));
    CHECK(*json.find("lora_nums") == Json(5));
    CHECK(*json.find("bias") == Json("none"));
    CHECK(*json.find("task_type") == Json("CAUSAL_LM"));
    CHECK(*json.find("fan_in_fan_out") == Json(false));
}

TEST_CASE("a module named twice is refused") {
    AdapterFileConfig config;
    config.target_modules = {"q_proj", "v_proj", "q_proj"};
    const Json json = to_json(config);
    std::string message;
    try {
        static_cast<void>(adapter_config_from_json(json, "a.json"));
    } catch (const hydralora::Error& error) {
        message = error.what();
    }
    CHECK_MESSAGE(message.find("\"q_proj\" is named twice") != message.npos, message);
}

TEST_CASE("the released configuration is read with the behaviour of the released code") {
    const auto config = adapter_config_from_json(parse_json(released(), "f"), "f");
    CHECK(config == AdapterFileConfig{.rank = 4,
                                      .heads = 3,
                                      .alpha = 32,
                                      .dropout = 0.05,
                                      .target_modules = {"gate_proj", "down_proj"},
                                      .base_model_name_or_path = "meta-llama/Llama-2-7b-hf"});
    CHECK(has(refusal(released("lora_nums")),
              "adapter_config.json: \"lora_nums\": expected the number of heads; a plain LoRA adapter"));
    CHECK(
        has(refusal(released("\"r\"")), "\"r\": expected an integer in [1, 65536], found nothing: the key is missing"));
    CHECK(has(refusal(released("\"r\"", ",\"r\": 0")), "\"r\": expected an integer in [1, 65536], found 0"));
    CHECK(has(refusal(released("lora_nums", ",\"lora_nums\": 1000000")),
              "\"lora_nums\": expected an integer in [1, 4096], found 1000000"));
    CHECK(has(refusal(released("peft_type", ",\"peft_type\": \"IA3\"")),
              "\"peft_type\": expected one of \"HYDRALORA\", \"LORA\", found \"IA3\""));
    CHECK(has(refusal(released("fan_in", ",\"fan_in_fan_out\": true")),
              "\"fan_in_fan_out\": expected false, found true"));
    CHECK(has(refusal(released("bias", ",\"bias\": \"all\"")), "\"bias\": expected one of \"none\", found \"all\""));
    CHECK(has(refusal(released("lora_dropout", ",\"lora_dropout\": 1.5")),
              "\"lora_dropout\": expected a number in [0, 1], found 1.5"));
    CHECK(has(refusal(released("target", ",\"target_modules\": \"all-linear\"")),
              "\"target_modules\": expected an array, found \"all-linear\""));
}

TEST_CASE("our own configuration must be whole") {
    const Json whole = to_json(AdapterFileConfig{.gate = "top_k", .top_k = 2});
    for (const char* key : {"sharing", "gate", "top_k", "router_input", "router_bias", "dropout_mask", "base_checksum",
                            "base_model_name_or_path", "r", "lora_alpha"}) {
        Json::Object members;
        for (const auto& member : *whole.get_if<Json::Object>())
            if (member.first != key) members.push_back(member);
        CHECK(has(refusal(to_text(Json::from_members(members))), hydralora::concat("\"", key, "\": expected ")));
    }
    Json changed = whole;
    CHECK(has(refusal(to_text(changed.set("gate", "soft"))),
              "\"gate\": expected one of \"none\", \"uniform\", \"softmax\", \"top_k\", \"assigned\", found \"soft\""));
    changed = whole;
    CHECK(has(refusal(to_text(changed.set("top_k", 0))), "\"top_k\": expected an integer in [1, 4], found 0"));
}

}  // namespace io_adapter_config_test
