#include <hydralora/io/adapter_kind.hpp>

#include <doctest/doctest.h>

#include <string>

#include "scratch.hpp"

namespace io_adapter_kind_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden/peft";

std::string refusal(const std::filesystem::path& path) {
    return error_of([&] { static_cast<void>(adapter_kind(path)); });
}

}  // namespace

TEST_CASE("each kind is told by its configuration") {
    const test::ScratchDirectory scratch;
    CHECK(adapter_kind(golden / "plain") == AdapterKind::peft);
    CHECK(adapter_kind(golden / "mlx") == AdapterKind::mlx);
    CHECK(adapter_kind(golden / "plain/adapter.gguf") == AdapterKind::gguf);
    for (const AdapterKind kind : {AdapterKind::peft, AdapterKind::mlx, AdapterKind::gguf})
        CHECK(has(error_of([&] { check_no_import(kind, "x"); }),
                  concat("x: is ", text_of(kind), "; `hydra import` makes an adapter of it first")));
    check_no_import(AdapterKind::released, "x");
    AdapterFileConfig config;
    test::set_content(scratch / "adapter_model.safetensors", "");
    test::set_content(scratch / "adapter_config.json", to_text(to_json(config)));
    CHECK(adapter_kind(scratch.path()) == AdapterKind::native);
    Json released = to_released_json(config);
    const auto written = [&](const Json& document) {
        test::set_content(scratch / "adapter_config.json", to_text(document));
        return scratch.path();
    };
    CHECK(adapter_kind(written(released)) == AdapterKind::released);
    CHECK(has(refusal(written(released.set("use_rslora", true))), "the released HydraLoRA code scales by alpha / r"));
    released.set("use_rslora", false);
    CHECK(has(refusal(written(released.set("modules_to_save", Json::array({"embed_tokens"})))),
              "\"modules_to_save\": expected it to be off"));
    CHECK(has(refusal(written(Json::object({{"peft_type", "IA3"}}))), "expected \"LORA\""));
    CHECK(has(refusal(golden / "dora"), "\"use_dora\": expected it to be off"));
}

TEST_CASE("a directory of mlx-lm without its tensors is named") {
    const test::ScratchDirectory scratch;
    test::set_content(scratch / "adapter_config.json",
                      R"({"fine_tune_type": "lora", "lora_parameters": {"scale": 2}})");
    CHECK(
        has(refusal(scratch.path()), "expected adapters.safetensors beside adapter_config.json of mlx-lm, found none"));
}

TEST_CASE("what is no adapter directory is refused with what to do") {
    const test::ScratchDirectory scratch;
    CHECK(has(refusal(scratch / "none"), "none: expected an adapter directory, found nothing of that name"));
    CHECK(has(refusal(scratch.path()), "found no adapter_config.json in it"));
    test::set_content(scratch / "config.json", "{}");
    CHECK(has(refusal(scratch.path()), "it is a model directory"));
    test::set_content(scratch / "adapter_config.json", "{}");
    CHECK(has(refusal(scratch.path()), "expected adapter_model.safetensors beside adapter_config.json, found none"));
    CHECK(has(refusal(golden / "plain/adapter_model.safetensors"), "found a file; name the directory that it is in"));

    // A pickle, by name in a directory, by extension, by its first bytes.
    test::set_content(scratch / "adapter_model.bin", "");
    test::set_content(scratch / "weights", std::string("PK\3\4") + "....");
    test::set_content(scratch / "old", "\x80\x02}q");
    for (const auto& path : {scratch.path(), scratch / "adapter_model.bin", scratch / "weights", scratch / "old"}) {
        const std::string message = refusal(path);
        CHECK(has(message, "found a pickle of PyTorch"));
        CHECK(
            has(message,
                "\n  import torch, safetensors.torch\n  safetensors.torch.save_file({k: v.clone().contiguous() for "));
        CHECK(has(message, "weights_only=True).items()}, \""));
        CHECK(std::count(message.begin(), message.end(), '\n') == 2);
    }
    CHECK(has(refusal(scratch.path()), "torch.load(\"" + (scratch / "adapter_model.bin").string() + "\""));
    CHECK(has(refusal(scratch.path()), "\"" + (scratch / "adapter_model.safetensors").string() + "\""));
}

}  // namespace io_adapter_kind_test
