// Merging: whole tensors beside a LoRA of PEFT, and what rounding takes. That merged weights are right: adapters_test.cpp.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/io/adapter_config.hpp>
#include <hydralora/io/safetensors.hpp>
#include <hydralora/io/safetensors_writer.hpp>

#include "import.hpp"
#include "io/scratch.hpp"
#include "merged_matrix.hpp"
#include "support/matrix.hpp"

namespace trainer_merge_test {

using namespace test;
using namespace hydralora;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden";

std::vector<io::NamedTensor> tensors_of(const io::SafetensorsFile& file) {
    std::vector<io::NamedTensor> tensors;
    for (const auto& entry : file.entries())
        tensors.push_back(io::named_tensor(entry.name, entry.dtype, entry.shape, file.bytes(entry)));
    return tensors;
}

}  // namespace

TEST_CASE("whole tensors beside a LoRA: copies of the base's change nothing, others are named with what differs") {
    const ScratchDirectory scratch;
    const auto base = golden / "models/llama";
    const auto values = io::SafetensorsFile::open(base / "model.safetensors");
    const auto embedding = values.view<float>("model.embed_tokens.weight");
    // The base with the head tied to the embedding, and DoRA on it with copies of both, as PEFT saves them.
    std::filesystem::create_directories(scratch / "tied");
    std::string settings = content(base / "config.json");
    const std::string untied = "\"tie_word_embeddings\": false";
    REQUIRE(has(settings, untied));
    set_content(scratch / "tied/config.json",
                settings.replace(settings.find(untied), untied.size(), "\"tie_word_embeddings\": true"));
    auto tensors = tensors_of(values);
    std::erase_if(tensors, [](const auto& t) { return t.name == "lm_head.weight"; });
    io::save_safetensors(scratch / "tied/model.safetensors", tensors, {{"format", "pt"}});

    const auto dora = io::SafetensorsFile::open(golden / "peft/merge_dora" / io::adapter_tensors_name);
    const auto adapter = [&](const std::string& name, const std::filesystem::path& from,
                             const io::SafetensorsFile& file, const std::vector<io::NamedTensor>& besides) {
        std::filesystem::create_directories(scratch / name);
        auto all = tensors_of(file);
        for (const auto& tensor : besides) {
            std::erase_if(all, [&](const auto& t) { return t.name == tensor.name; });
            all.push_back(tensor);
        }
        io::save_safetensors(scratch / name / io::adapter_tensors_name, all, {{"format", "pt"}});
        set_content(scratch / name / io::adapter_config_name, content(from / io::adapter_config_name));
        return scratch / name;
    };
    const std::string head_key = "base_model.model.lm_head.weight",
                      embedding_key = "base_model.model.model.embed_tokens.weight";
    const auto merged = [&](const std::filesystem::path& path) {
        hydra::MergeOptions options;
        options.adapter = path;
        options.base = scratch / "tied";
        options.out = scratch / (path.filename().string() + "_merged");
        options.threads = 2;
        hydra::run_merge(options);
        CHECK(has(content(options.out / "config.json"), "\"tie_word_embeddings\": true"));
        return content(options.out / "model.safetensors");
    };
    const std::string without = merged(golden / "peft/merge_dora");
    CHECK(merged(adapter("copies", golden / "peft/merge_dora", dora,
                         {io::named_tensor(head_key, embedding), io::named_tensor(embedding_key, embedding)})) ==
          without);
    CHECK(without != content(scratch / "tied/model.safetensors"));

    // One element other than the base's, and an embedding with tokens added.
    const auto copies_path = golden / "peft/on_llama_copies";
    const auto copies = io::SafetensorsFile::open(copies_path / io::adapter_tensors_name);
    Matrix<float> other(101, 24), longer(102, 24);
    copies.read_as(head_key, other.view());
    other(7, 5) = 1.5f;
    const auto refusal = [&](const std::filesystem::path& path) {
        hydra::ImportOptions options;
        options.path = path;
        options.base = base;
        options.out = scratch / "refused";
        return error_of([&] { hydra::run_import(options); });
    };
    const std::string differs =
        refusal(adapter("differs", copies_path, copies, {io::named_tensor(head_key, other.cview())}));
    CHECK(
        has(differs, "is a whole lm_head besides the LoRA, other than the base's: element (7, 5) is 1.5, the base's "));
    CHECK(has(differs, "; merge it into the base, by `hydra merge`"));
    CHECK(
        has(refusal(adapter("longer", copies_path, copies, {io::named_tensor(embedding_key, longer.cview())})),
            "is a whole model.embed_tokens of shape [102, 24], the base's has [101, 24]: tokens were added to the base "
            "before it was trained"));
}

TEST_CASE("what rounding took is told, and warned of beyond a quarter of what was added") {
    hydra::Rounding rounding;
    const std::vector<float> before{1, 2}, after{1.5f, 2}, large{1, 70000};
    const auto stored = [&](io::Dtype type, const std::vector<float>& values) {
        return hydra::stored_as(type, host_view(values.data(), 1, 2), host_view(before.data(), 1, 2), "w", rounding);
    };
    CHECK(stored(io::Dtype::bf16, after).size() == 4);
    CHECK(rounding.whole == 1.5 * 1.5 + 4);
    CHECK(rounding.added == 0.25);
    CHECK(rounding.lost == 0);
    CHECK(stored(io::Dtype::f32, after).size() == 8);
    CHECK(hydra::rounding_text(rounding) ==
          "stored as BF16, F32; rounding to it changes what was added by 0 % (root mean square)");
    CHECK(has(error_of([&] { static_cast<void>(stored(io::Dtype::f16, large)); }),
              "w: element 1 is 70000 after merging, which F16 cannot hold"));
    CHECK(has(error_of([&] { static_cast<void>(stored(io::Dtype::i8, after)); }),
              "w: expected F32, BF16 or F16, found I8, which is not merged"));
    // A bfloat16 near 1 moves by 1 / 128: of 1 / 256 all is lost.
    rounding = {};
    const std::vector<float> little{1 + 1.0f / 256, 2};
    static_cast<void>(stored(io::Dtype::bf16, little));
    CHECK(rounding.lost == rounding.added);
    CHECK(hydra::rounding_warning(rounding, "keep them apart") ==
          "Warning: rounding changes what was added by 100 %, so that much of what was trained is lost; keep them "
          "apart\n");
    rounding.lost = rounding.added / 16;
    CHECK(hydra::rounding_warning(rounding, "x").empty());
    rounding.lost *= 1.01;
    CHECK(!hydra::rounding_warning(rounding, "x").empty());
    CHECK(hydra::rounding_warning({}, "x").empty());
}

}  // namespace trainer_merge_test
