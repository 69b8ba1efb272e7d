#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/mlx_adapter.hpp>
#include <hydralora/io/peft.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "peft_case.hpp"
#include "scratch.hpp"
#include "support/matrix.hpp"

namespace io_peft_test {

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
    for (const Case& c : {Case{"plain", 2, 7},
                          {"rslora", 3, 2},
                          {"qwen2", 2, 7},
                          {"half", 2, 1},
                          {"some_layers", 2, 1},
                          {"regex", 2, 2},
                          {"excluded", 2, 2},
                          {"patterns", 3, 3},
                          {"patterns_rslora", 4, 2},
                          {"inner", 2, 2},
                          {"wrapped", 2, 2}}) {
        CAPTURE(c.name);
        const AdapterFileConfig config = read_peft_config(golden / c.name);
        CHECK(config.rank == c.rank);
        CHECK(config.heads == 1);
        CHECK(config.gate == "none");
        REQUIRE(config.target_modules.size() == c.modules);
        auto set = test::lora_buffers(be, config.rank, config.target_modules);
        CHECK(load_peft(golden / c.name, set) == config);

        const auto deltas = SafetensorsFile::open(golden / c.name / "delta.safetensors");
        const PeftLora peft = read_peft(golden / c.name);
        CHECK(deltas.entries().size() == peft.lora.modules.size());
        CHECK(peft.copies.empty());
        CHECK(peft.lora.notes.size() == (std::string(c.name) == "wrapped" ? 1 : 0));
        const LlamaConfig model = test::golden_model();
        for (std::size_t l = 0; l < 2; ++l)
            for (const auto& name : config.target_modules) {
                const Target t = parse_target(name);
                LlamaAdapterConfig adapters;
                adapters.adapter = {.rank = config.rank, .heads = 1, .alpha = config.alpha, .gate = Gate::none};
                const AdapterConfig lora = adapters.at(model, t);
                test::Matrix<float> found(lora.out, lora.in), expected(lora.out, lora.in);
                add_delta_weight(be, lora, set.layers[l][index_of(t)], found.view());
                const std::string module = concat("layers.", l, '.', target_paths[index_of(t)]);
                const bool there = deltas.find(module) != nullptr;
                if (there) deltas.read_as(module, expected.view());  // else zero
                CHECK(test::max_difference(found.cview(), expected.cview()) <
                      (std::string(c.name) == "half" ? 2e-3 : 1e-6));
                const bool zero = !there || (std::string(c.name) == "patterns" && t == Target::down_proj);
                CHECK((std::abs(expected(1, 1)) > 1e-6) != zero);
            }
    }
}

TEST_CASE("a LoRA of mlx-lm is that of PEFT with its factors turned") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    auto one = test::lora_buffers(be, 2, {"q_proj", "up_proj"}),
         other = test::lora_buffers(be, 2, {"q_proj", "up_proj"});
    const AdapterFileConfig config = load_peft(golden / "regex", one);
    const ForeignLora lora = read_mlx(golden / "mlx");
    CHECK(lora.config.rank == 2);
    CHECK(lora.config.alpha == 6);
    CHECK(lora.config.target_modules == config.target_modules);
    put_foreign(lora, other);
    visit([&](const ParamPath&, auto& a, auto& b) { CHECK(test::same_bits(a.view(), b.view())); }, one, other);

    std::filesystem::copy(golden / "mlx", scratch / "mlx");
    Json document = read_json(scratch / "mlx/adapter_config.json");
    const auto refusal = [&] {
        test::set_content(scratch / "mlx/adapter_config.json", to_text(document));
        return error_of([&] { static_cast<void>(read_mlx(scratch / "mlx")); });
    };
    CHECK(refusal().empty());
    document.set("fine_tune_type", "dora");
    CHECK(has(refusal(), "\"fine_tune_type\": expected \"lora\" (DoRA scales whole weights"));
    document.set("fine_tune_type", "lora").set("lora_parameters", Json::object({{"rank", 2}}));
    CHECK(has(refusal(), "\"lora_parameters.scale\": expected a number"));
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

TEST_CASE("keys of PEFT are taken apart") {
    struct Case {
        const char *key, *module, *part, *name;
        bool wrapped = false;
    };
    const std::string q = "model.layers.3.self_attn.q_proj";
    for (const Case& c : {
             Case{"base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", q.c_str(), "lora_A.weight", ""},
             {"base_model.model.layers.3.self_attn.q_proj.lora_B.weight", q.c_str(), "lora_B.weight", ""},
             {"model.layers.3.self_attn.q_proj.lora_B.default.weight", q.c_str(), "lora_B.default.weight", ""},
             {"base_model.model.model.language_model.layers.3.self_attn.q_proj.lora_A.weight", q.c_str(),
              "lora_A.weight", ""},
             {"_orig_mod.base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", q.c_str(), "lora_A.weight",
              "", true},
             {"module.base_model.model.model.layers.3._fsdp_wrapped_module.self_attn.q_proj.lora_A.weight", q.c_str(),
              "lora_A.weight", "", true},
             {"base_model.model.lm_head.weight", "lm_head", "", "lm_head.weight"},
             {"base_model.model.lm_head.base_layer.weight", "lm_head", "", "lm_head.weight"},
             {"base_model.model.lm_head.modules_to_save.default.weight", "lm_head", "", "lm_head.weight"},
             {"base_model.model.model.embed_tokens.weight", "model.embed_tokens", "", "model.embed_tokens.weight"},
             {"base_model.model.embed_tokens.weight", "model.embed_tokens", "", "model.embed_tokens.weight"},
             {"base_model.model.model.layers.3.self_attn.q_proj.base_layer.bias", q.c_str(), "",
              "model.layers.3.self_attn.q_proj.bias"},
             {"base_model.model.score.weight", "score", "", "score.weight"},
             {"base_model.model.model.embed_tokens.lora_embedding_A", "model.embed_tokens", "lora_embedding_A", ""},
             {"base_model.model.lm_head.lora_A.weight", "lm_head", "lora_A.weight", ""},
         }) {
        CAPTURE(c.key);
        const auto key = peft_detail::peft_key(c.key);
        CHECK(key.module == c.module);
        CHECK(key.part == c.part);
        CHECK(key.name == c.name);
        CHECK(key.wrapped == c.wrapped);
    }
    for (const char* key :
         {"", ".", "model", "base_model.model.", "lora_A", "weight", "model.weight", "module", "_orig_mod"})
        static_cast<void>(peft_detail::peft_key(key));
}

TEST_CASE("what is more than a LoRA of linear layers is refused by what it is") {
    const test::ScratchDirectory scratch;
    const auto refusal = [](const std::filesystem::path& directory) {
        return error_of([&] { static_cast<void>(read_peft_config(directory)); });
    };
    CHECK(has(refusal(golden / "dora"), "\"use_dora\": expected it to be off, found \"true\"; DoRA scales the rows"));
    CHECK(has(refusal(golden / "dora"), "merge_and_unload().save_pretrained(NEW), and use NEW as the base"));

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
    CHECK(renamed(without("layers.1.mlp.up_proj")).empty());
    CHECK(renamed(without("up_proj")).empty());
    CHECK(renamed(with("0.mlp.up_proj.lora_B.", "0.mlp.up_proj.lora_B.default.")).empty());
    CHECK(renamed(with("base_model.model.model.layers.0", "base_model.model.layers.0")).empty());
    CHECK(has(renamed(without("layers.0.mlp.up_proj.lora_A")),
              "layers.0.mlp.up_proj: expected lora_A and lora_B, found lora_B alone"));
    CHECK(has(renamed(without("layers.0.mlp.up_proj.lora_B")), "found lora_A alone"));
    CHECK(has(renamed(without("model")), "expected the tensors of a LoRA, found none"));
    const auto up = [&](const char* to) { return renamed(with("0.mlp.up_proj.lora_B.weight", to)); };
    CHECK(has(up("0.mlp.up_proj.lora_magnitude_vector"), "is of DoRA, which no A and B do; merge it into the base"));
    CHECK(has(up("0.mlp.up_proj.lora_embedding_B"), "is a LoRA on model.layers.0.mlp.up_proj, an embedding"));
    CHECK(has(up("0.mlp.up_proj.lora_E"), "is of AdaLoRA"));
    CHECK(has(up("0.mlp.up_proj.ia3_l"), "is of IA3"));
    CHECK(has(up("0.mlp.up_proj.lora_route.weight"), "is a router: a released HydraLoRA adapter says lora_nums"));
    CHECK(has(up("0.mlp.up_proj.lora_B.bias"),
              "is a bias beside B, which an adapter here does not have, and PEFT itself"));
    CHECK(has(up("0.mlp.gate_proj.lora_B.default.weight"), "is there twice, as "));
    CHECK(
        has(renamed(with("layers.0.mlp.up_proj", "lm_head")), "is a LoRA on lm_head; adapters here are on the linear"));
    CHECK(has(renamed(with("layers.0.mlp.up_proj", "layers.0.mlp.gate_up_proj")),
              "is a LoRA on model.layers.0.mlp.gate_up"));
    CHECK(has(renamed(with("layers.0.mlp.up_proj", "embed_tokens.token_adapter")), "rows of the embedding"));
    CHECK(has(renamed(with("layers.1.", "layers.5000.")), "is a LoRA on model.layers.5000.mlp"));
    // A rank that the configuration does not say.
    rewrite(golden / "patterns", scratch / "ranks", [](std::string name) { return name; });
    Json unruled = read_json(scratch / "ranks/adapter_config.json");
    test::set_content(scratch / "ranks/adapter_config.json", to_text(unruled.set("rank_pattern", Json::object())));
    CHECK(has(refusal(scratch / "ranks"), " by adapter_config.json, r and rank_pattern, found ["));
    // A tensor of the base needs the base.
    EigenBackend be({.threads = 1});
    rewrite(golden / "plain", scratch / "copied",
            with("layers.1.mlp.up_proj.lora_B.weight", "layers.1.mlp.up_proj.base_layer.weight"));
    CHECK(has(refusal(scratch / "copied"), "layers.1.mlp.up_proj: expected lora_A and lora_B, found lora_A alone"));

    // Shapes and layers that another base has; the set stays as it is.
    auto set = test::lora_buffers(be, 2, {"q_proj", "up_proj"});
    be.fill(set.layers[0][0].A.view(), 7.0f);
    CHECK(has(error_of([&] { load_peft(golden / "on_llama", set); }),
              "expected 16 columns, as many as layers.0.self_attn."));
    rewrite(golden / "regex", scratch / "deep", with("layers.1.", "layers.2."));
    CHECK(has(error_of([&] { load_peft(scratch / "deep", set); }),
              "has modules in layers 0, 2, expected at most 2 layers, as the base has"));
    CHECK(set.layers[0][0].A.view()(1, 1) == 7);
}

}  // namespace io_peft_test
