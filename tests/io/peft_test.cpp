#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/peft.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "peft_case.hpp"
#include "scratch.hpp"
#include "support/matrix.hpp"

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden/peft";

/// The tensors of a directory under other names, or without some ("").
template <class Rename>
void rewrite(const std::filesystem::path& from, const std::filesystem::path& to, Rename&& rename) {
    const auto file = SafetensorsFile::open(from / adapter_tensors_name);
    std::vector<NamedTensor> tensors;
    for (const TensorEntry& entry : file.entries())
        if (const std::string name = rename(entry.name); !name.empty())
            tensors.push_back(named_tensor(name, entry.dtype, entry.shape, file.bytes(entry)));
    std::filesystem::create_directories(to);
    save_safetensors(to / adapter_tensors_name, tensors, {{"format", "pt"}});
    test::set_content(to / adapter_config_name, test::content(from / adapter_config_name));
}

}  // namespace

TEST_CASE("adapters of PEFT have the delta weights that PEFT computes") {
    EigenBackend be({.threads = 1});
    struct Case {
        const char* name;
        Index rank;
        std::size_t modules;
    };
    for (const Case& c : {Case{"plain", 2, 7}, {"rslora", 3, 2}, {"qwen2", 2, 7}, {"half", 2, 1}}) {
        CAPTURE(c.name);
        const AdapterFileConfig config = read_peft_config(golden / c.name);
        CHECK(config.rank == c.rank);
        CHECK(config.heads == 1);
        CHECK(config.gate == "none");
        REQUIRE(config.target_modules.size() == c.modules);
        auto set = test::lora_buffers(be, config.rank, config.target_modules);
        CHECK(load_peft(golden / c.name, set) == config);

        const auto deltas = SafetensorsFile::open(golden / c.name / "delta.safetensors");
        CHECK(deltas.entries().size() == 2 * c.modules);
        const LlamaConfig model = test::golden_model();
        for (std::size_t l = 0; l < 2; ++l)
            for (const auto& name : config.target_modules) {
                const Target t = parse_target(name);
                LlamaAdapterConfig adapters;
                adapters.adapter = {.rank = config.rank, .heads = 1, .alpha = config.alpha, .gate = Gate::none};
                const AdapterConfig lora = adapters.at(model, t);
                test::Matrix<float> found(lora.out, lora.in), expected(lora.out, lora.in);
                add_delta_weight(be, lora, set.layers[l][index_of(t)], found.view());
                deltas.read_as(concat("layers.", l, '.', target_paths[index_of(t)]), expected.view());
                CHECK(test::max_difference(found.cview(), expected.cview()) <
                      (std::string(c.name) == "half" ? 2e-3 : 1e-6));
                CHECK(std::abs(expected(1, 1)) > 1e-6);
            }
    }
}

TEST_CASE("an adapter of PEFT survives reading and writing, to the byte of its tensors") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    AdapterFileConfig config = read_peft_config(golden / "plain");
    CHECK(config.dropout == 0.1);
    CHECK(config.alpha == 6);
    auto set = test::lora_buffers(be, config.rank, config.target_modules);
    load_peft(golden / "plain", set);
    save_peft(scratch / "again", config, set);
    CHECK(test::content(scratch / "again/adapter_model.safetensors") ==
          test::content(golden / "plain/adapter_model.safetensors"));
    CHECK(read_peft_config(scratch / "again") == config);
    // Ours again: the same bytes in both files.
    auto other = test::lora_buffers(be, config.rank, config.target_modules);
    config = load_peft(scratch / "again", other);
    save_peft(scratch / "third", config, other);
    for (const auto name : {adapter_config_name, adapter_tensors_name})
        CHECK(test::content(scratch.path() / "third" / name) == test::content(scratch.path() / "again" / name));
    CHECK(has(error_of([&] { save_peft(scratch / "third", config, other); }), "third: exists already"));
}

TEST_CASE("an adapter survives the released layout, to the byte") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    const AdapterFileConfig config{.rank = 2,
                                   .heads = 3,
                                   .alpha = 6,
                                   .dropout = 0.05,
                                   .target_modules = {"q_proj", "down_proj"},
                                   .base_model_name_or_path = "base"};
    auto set = test::lora_buffers(be, 2, config.target_modules, 3, Gate::softmax);
    LlamaAdapterConfig adapters;
    adapters.adapter = {.rank = 2, .heads = 3};
    adapters.targets = {Target::q_proj, Target::down_proj};
    initialise(be, set, test::golden_model(), adapters, Seed{3});
    for (auto& block : set.layers)
        for (const Target t : adapters.targets) be.fill(block[index_of(t)].B.view(), 0.25f);
    save_adapter(scratch / "native", config, set);
    save_released(scratch / "released", config, set);
    const std::string document = test::content(scratch / "released/adapter_config.json");
    CHECK(has(document, "\"peft_type\": \"LORA\""));
    CHECK(has(document, "\"lora_nums\": 3"));
    CHECK(has(document, "\"lora_alpha\": 6,"));
    for (const char* ours : {"gate", "sharing", "router", "checksum", "dropout_mask", "HYDRALORA"})
        CHECK_MESSAGE(!has(document, std::string("\"") + ours), ours);
    auto other = test::lora_buffers(be, 2, config.target_modules, 3, Gate::softmax);
    const auto read = load_adapter(scratch / "released", other);
    CHECK(read == config);
    save_adapter(scratch / "again", read, other);
    for (const auto name : {adapter_config_name, adapter_tensors_name})
        CHECK(test::content(scratch.path() / "again" / name) == test::content(scratch.path() / "native" / name));
}

TEST_CASE("what is not a LoRA on every layer is refused by name") {
    const test::ScratchDirectory scratch;
    const auto refusal = [](const std::filesystem::path& directory) {
        return error_of([&] { static_cast<void>(read_peft_config(directory)); });
    };
    CHECK(has(refusal(golden / "dora"), "\"use_dora\": expected it to be off, found \"true\"; DoRA scales the rows"));
    CHECK(has(refusal(golden / "some_layers"), "\"layers_to_transform\": expected it to be off, found \"[1]\""));

    const auto renamed = [&](auto&& rename) {
        rewrite(golden / "plain", scratch / "changed", rename);
        return refusal(scratch / "changed");
    };
    const auto with = [](std::string from, std::string to) {
        return [from, to](std::string name) {
            if (const auto at = name.find(from); at != name.npos) name.replace(at, from.size(), to);
            return name;
        };
    };
    const auto without = [](std::string part) {
        return [part](std::string name) { return has(name, part) ? std::string() : name; };
    };
    CHECK(renamed([](std::string name) { return name; }).empty());
    CHECK(has(renamed(without("layers.1.mlp.up_proj")),
              "layers.1.mlp.up_proj: expected lora_A and lora_B, found neither, though other layers have them"));
    CHECK(has(renamed(without("layers.0.mlp.up_proj.lora_A")),
              "layers.0.mlp.up_proj: expected lora_A and lora_B, found lora_B alone"));
    CHECK(has(renamed(without("layers.0.mlp.up_proj.lora_B")), "found lora_A alone"));
    CHECK(has(renamed(without("up_proj")), "\"target_modules\": names \"up_proj\", of which there is no tensor"));
    CHECK(has(renamed(without("model")), "expected the tensors of a LoRA, found none"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.weight", "0.mlp.up_proj.lora_magnitude_vector")), "DoRA is not read"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.weight", "0.mlp.up_proj.lora_embedding_B")), "LoRA on the embedding"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.weight", "0.mlp.up_proj.lora_E")), "AdaLoRA is not read"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.weight", "0.mlp.up_proj.ia3_l")), "IA3 is not read"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B", "0.mlp.up_proj.lora_route")), "lora_nums"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.weight", "0.mlp.up_proj.lora_B.bias")), "biases besides the LoRA"));
    CHECK(has(renamed(with("0.mlp.up_proj.lora_B.", "0.mlp.up_proj.lora_B.default.")), "keys with the adapter's name"));
    CHECK(has(renamed(with("layers.0.mlp.up_proj", "lm_head")), "output head is not read"));
    CHECK(has(renamed(with("layers.0.mlp.up_proj", "layers.0.mlp.gate_up_proj")),
              "expected base_model.model.model.layers.<n>.<module>.lora_A.weight or lora_B; only the linear layers"));
    CHECK(has(renamed(with("base_model.model.model.layers.0", "base_model.model.layers.0")), "only the linear layers"));
    CHECK(has(renamed(with("layers.1.", "layers.5000.")), "only the linear layers"));

    // Named by one, not by the other.
    rewrite(golden / "half", scratch / "half", [](std::string name) { return name; });
    auto document = read_json(scratch / "half/adapter_config.json");
    const auto listing = [&](std::vector<std::string> names) {
        test::set_content(scratch / "half/adapter_config.json", to_text(document.set("target_modules", names)));
        return refusal(scratch / "half");
    };
    CHECK(listing({"down_proj"}).empty());
    CHECK(listing({"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}).empty());
    CHECK(has(listing({"down_proj", "lm_head"}), "\"lm_head\": expected linear layers of a Llama-family block"));
    rewrite(golden / "plain", scratch / "plain", [](std::string name) { return name; });
    document = read_json(scratch / "plain/adapter_config.json");
    test::set_content(scratch / "plain/adapter_config.json",
                      to_text(document.set("target_modules", std::vector<std::string>{"q_proj"})));
    CHECK(has(refusal(scratch / "plain"), "\"target_modules\": does not name k_proj, of which there are tensors"));

    // Shapes that another base has.
    EigenBackend be({.threads = 1});
    auto set = test::lora_buffers(be, 3, {"down_proj"});
    CHECK(has(error_of([&] { load_peft(golden / "half", set); }), "expected shape [3, 24], found [2, 24]"));
}
