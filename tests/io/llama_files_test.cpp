#include <hydralora/io/llama_files.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "scratch.hpp"

namespace io_llama_files_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

const std::string golden = HYDRALORA_TEST_DATA "/golden/models/";

/// A copy of a golden model, to be damaged.
struct Copy {
    test::ScratchDirectory scratch;
    std::string folder = scratch.path().string() + "/";

    explicit Copy(const std::string& model) {
        for (const auto& entry : std::filesystem::directory_iterator(golden + model))
            std::filesystem::copy(entry.path(), scratch / entry.path().filename().string());
    }
    [[nodiscard]] std::string open() const {
        return error_of([&] {
            EigenBackend be({.threads = 1});
            static_cast<void>(open_llama(be, scratch.path()));
        });
    }
    void replace(const std::string& file, const std::string& what, const std::string& by) const {
        std::string text = test::content(folder + file);
        const auto at = text.find(what);
        REQUIRE(at != std::string::npos);
        test::set_content(folder + file, text.replace(at, what.size(), by));
    }
};

}  // namespace

TEST_CASE("weights are views into the files; norms and what needs conversion are buffers") {
    EigenBackend be({.threads = 1});
    const auto model = open_llama(be, golden + "llama_tied");
    CHECK(model.directory().files().size() == 3);
    const auto inside = [&](const void* p) {
        for (const auto& file : model.directory().files())
            if (p >= file.file_bytes().data() && p < file.file_bytes().data() + file.file_bytes().size()) return true;
        return false;
    };
    int in_place = 0, converted = 0;
    visit(
        [&](const ParamPath& path, const StoredView<EigenBackend>& view, const Shape& shape) {
            CHECK(view.shape() == shape);
            view.visit([&](auto v) {
                const bool there = inside(v.data);
                CHECK(there == (path.role == Role::weight));
                (there ? in_place : converted) += 1;
            });
        },
        model.views, weight_shapes(model.config));
    CHECK(in_place == 1 + 14);
    CHECK(converted == 1 + 4);

    BasicEigenBackend<double> wide({.threads = 1});  // floats cannot be used by a backend of doubles
    const auto of_floats = open_llama(wide, golden + "llama");
    CHECK(parameter_count(of_floats.views) == parameter_count(weight_shapes(of_floats.config)));
    auto trainable = trainable_weights(be, model);
    CHECK(static_cast<double>(trainable.embedding.view()(1, 2)) ==
          static_cast<double>(model.views.embedding.visit([](auto v) { return static_cast<float>(v(1, 2)); })));
}

TEST_CASE("norms of Gemma are held with the 1 that files leave out, biases and norms of others as they are") {
    EigenBackend be({.threads = 1});
    for (const std::string name : {"gemma3", "qwen3"}) {
        const auto model = open_llama(be, golden + name);
        const float added = name == "gemma3" ? 1 : 0;
        int norms = 0;
        visit(
            [&](const ParamPath& path, const StoredView<EigenBackend>& view) {
                if (path.role != Role::norm) return;
                const auto tensor = model.directory().find(path.name());
                std::vector<float> stored(static_cast<std::size_t>(view.cols));
                convert_elements(tensor.entry->dtype, tensor.file->bytes(*tensor.entry).data(), stored.data(),
                                 view.cols);
                view.visit([&](auto v) {
                    for (Index i = 0; i < v.cols; ++i)
                        CHECK(static_cast<float>(v(0, i)) == stored[static_cast<std::size_t>(i)] + added);
                });
                ++norms;
            },
            model.views);
        CHECK(norms == (name == "gemma3" ? 3 * 6 + 1 : 2 * 4 + 1));
    }
}

TEST_CASE("the checksum tells models apart, be they in one file or several") {
    EigenBackend be({.threads = 1});
    CHECK(open_llama(be, golden + "llama").checksum() ==
          checksum_text(xxh64(MappedFile::open(golden + "llama/model.safetensors").bytes())));
    Copy copy("llama_tied");
    const std::string before = ModelFiles::open(copy.folder).checksum();
    std::string bytes = test::content(copy.folder + "model-00002-of-00003.safetensors");
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    test::set_content(copy.folder + "model-00002-of-00003.safetensors", bytes);
    CHECK(ModelFiles::open(copy.folder).checksum() != before);
}

TEST_CASE("directories that are no model") {
    test::ScratchDirectory empty;
    EigenBackend be({.threads = 1});
    const auto open = [&] { return error_of([&] { static_cast<void>(open_llama(be, empty.path())); }); };
    CHECK(has(open(), "is not a model directory: it has no config.json"));
    std::filesystem::copy(golden + "llama/config.json", empty / "config.json");
    CHECK(has(open(), "expected model.safetensors or model.safetensors.index.json, found neither"));
    test::set_content(empty / "pytorch_model.bin", "x");
    CHECK(has(open(), "save_pretrained"));
}

TEST_CASE("a model whose tensors disagree with its config") {
    const auto changed = [](const std::string& from, const std::string& to) {
        Copy copy("llama");
        copy.replace("config.json", from, to);
        return copy.open();
    };
    CHECK(has(changed("\"vocab_size\": 101", "\"vocab_size\": 102"),
              "tensor \"model.embed_tokens.weight\": expected shape [102, 24] by config.json, found [101, 24]"));
    CHECK(has(changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
              "expected a tensor \"model.layers.2.input_layernorm.weight\""));
    CHECK(has(changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
              "\"model.layers.1.input_layernorm.weight\": not a tensor of a llama model of 1 layers"));
    CHECK(has(changed("\"attention_bias\": false", "\"attention_bias\": true"), "self_attn.q_proj.bias"));
    Copy qwen("qwen2");
    qwen.replace("config.json", "\"model_type\": \"qwen2\"", "\"model_type\": \"llama\"");
    qwen.replace("config.json", "Qwen2ForCausalLM", "LlamaForCausalLM");
    qwen.replace("config.json", "sliding_attention", "full_attention");
    CHECK(has(qwen.open(), "bias\": not a tensor of a llama model"));
}

TEST_CASE("shards: missing, of another model, listed wrongly, outside the directory") {
    const std::string index = "model.safetensors.index.json", shard = "model-00002-of-00003.safetensors";
    {
        Copy copy("llama_tied");
        std::filesystem::remove(copy.folder + shard);
        CHECK(has(copy.open(), "names the file \"" + shard + "\", which is not there"));
    }
    {
        Copy copy("llama_tied");
        std::filesystem::remove(copy.folder + shard);
        std::filesystem::copy(golden + "llama/model.safetensors", copy.folder + shard);
        CHECK(has(copy.open(), "are the index and its files of one model?"));
    }
    {
        Copy copy("llama_tied");
        copy.replace(index, "\"model.norm.weight\": \"model-0000", "\"model.norm.wheight\": \"model-0000");
        CHECK(has(copy.open(), "expected tensor \"model.norm.wheight\""));
    }
    {
        Copy copy("llama_tied");
        copy.replace(index, "\"model-00001-of-00003.safetensors\"", "\"../model-00001-of-00003.safetensors\"");
        CHECK(has(copy.open(), "expected the plain name of a .safetensors file"));
    }
    {
        Copy copy("llama_tied");
        const std::string bytes = test::content(copy.folder + shard);
        test::set_content(copy.folder + shard, bytes.substr(0, bytes.size() - 1));
        CHECK(has(copy.open(), shard));
    }
}

TEST_CASE("a single file beside an index of shards: the same weights, or a refusal that names both") {
    const auto shards_to_single = [](const Copy& copy, auto&& change) {
        const ModelFiles files = ModelFiles::open(copy.folder);
        std::vector<NamedTensor> tensors;
        for (std::size_t i = 0; i < files.size(); ++i) {
            const auto t = files.tensor(i);
            tensors.push_back(named_tensor(t.entry->name, t.entry->dtype, t.entry->shape, t.file->bytes(*t.entry)));
        }
        change(tensors);
        save_safetensors(copy.folder + "model.safetensors", tensors, {{"format", "pt"}});
    };
    const Copy same("llama_tied"), partial("llama_tied"), other("llama_tied"), absent("llama_tied"),
        broken("llama_tied");
    shards_to_single(same, [](auto&) {});
    CHECK(same.open().empty());
    CHECK(ModelFiles::open(same.folder).files().size() == 1);
    shards_to_single(partial, [](auto& tensors) { tensors.pop_back(); });
    CHECK(has(partial.open(),
              ": has model.safetensors and, by model.safetensors.index.json, other weights in 3 files: "
              "tensor \"model.norm.weight\" is in "));
    std::vector<std::byte> bytes;
    shards_to_single(other, [&](auto& tensors) {
        const auto* data = static_cast<const std::byte*>(tensors.back().data);
        bytes.assign(data, data + tensors.back().rows * tensors.back().row_bytes);
        bytes[1] ^= std::byte{1};
        tensors.back().data = bytes.data();
    });
    CHECK(has(other.open(), "tensor \"model.norm.weight\" differs; some readers take the one and some the other"));
    // Without the shards the single file counts; what it misses, the error sets beside the index.
    shards_to_single(absent, [](auto& tensors) { tensors.pop_back(); });
    std::filesystem::remove(absent.folder + "model-00003-of-00003.safetensors");
    CHECK(has(absent.open(), "expected a tensor \"model.norm.weight\" by config.json, found none"));
    CHECK(has(absent.open(), "model.safetensors.index.json beside it lists "));
    shards_to_single(broken, [](auto&) {});
    test::set_content(broken.folder + "model.safetensors.index.json", "{");
    CHECK(broken.open().empty());
}

TEST_CASE("a head tied or not, with files that have the embedding, the head, both, or another head") {
    EigenBackend be({.threads = 1});
    // (tied, embedding, head: 0 absent, 1 the embedding, 2 half of it)
    const auto made = [&](bool tied, bool embedding, int head) {
        auto owner = std::make_unique<Copy>("llama");
        const Copy& copy = *owner;
        copy.replace("config.json", "\"tie_word_embeddings\": false",
                     tied ? "\"tie_word_embeddings\": true" : "\"tie_word_embeddings\": false");
        const ModelFiles files = ModelFiles::open(copy.folder);
        std::vector<float> half;
        std::vector<NamedTensor> tensors;
        const auto e = files.find("model.embed_tokens.weight");
        for (std::size_t i = 0; i < files.size(); ++i) {
            const auto t = files.tensor(i);
            if (t.entry->name == "lm_head.weight" || (!embedding && t.entry == e.entry)) continue;
            tensors.push_back(named_tensor(t.entry->name, t.entry->dtype, t.entry->shape, t.file->bytes(*t.entry)));
        }
        const auto values = e.file->view<float>(e.entry->name);
        for (Index i = 0; i < values.size(); ++i) half.push_back(values.data[i] / (head == 2 ? 2 : 1));
        if (head > 0)
            tensors.push_back(
                named_tensor("lm_head.weight", host_view(std::as_const(half).data(), values.rows, values.cols)));
        save_safetensors(copy.folder + "new", tensors, {{"format", "pt"}});
        std::filesystem::rename(copy.folder + "new", copy.folder + "model.safetensors");
        return owner;
    };
    const auto head_of = [&](const auto& copy) { return open_llama(be, copy->folder).config.lm_head; };
    const auto plain = made(true, true, 0), copied = made(true, true, 1), head_alone = made(true, false, 1),
               other = made(true, true, 2), own = made(false, true, 2), own_copy = made(false, true, 1);
    for (const Copy* copy : {plain.get(), copied.get(), head_alone.get()}) {
        const auto model = open_llama(be, copy->folder);
        CHECK(model.config.lm_head == LmHead::tied);
        CHECK(model.views.lm_head.empty());
        CHECK(model.views.embedding.shape() == Shape{101, 24});
        CHECK(model.notes.empty());
    }
    CHECK(head_of(own) == LmHead::own);
    CHECK(head_of(own_copy) == LmHead::own);
    const auto differs = open_llama(be, other->folder);
    CHECK(differs.config.lm_head == LmHead::own);
    REQUIRE(differs.notes.size() == 1);
    CHECK(has(differs.notes[0], "\"tie_word_embeddings\" is true, but the files have an lm_head.weight other than"));
    differs.views.lm_head.visit([&](const auto& view) {
        differs.views.embedding.visit(
            [&](const auto& embedding) { CHECK(widened<float>(view(3, 4)) == widened<float>(embedding(3, 4)) / 2); });
    });
    CHECK(has(made(false, true, 0)->open(), "expected a tensor \"lm_head.weight\" by config.json"));
    CHECK(has(made(false, true, 0)->open(),
              "if the head shares the embedding, set \"tie_word_embeddings\": true in config.json"));
    CHECK(has(made(false, false, 1)->open(), "expected a tensor \"model.embed_tokens.weight\""));
    CHECK(has(made(true, false, 0)->open(), "expected a tensor \"model.embed_tokens.weight\""));
}

TEST_CASE("weights that are no numbers") {
    for (const auto& [model, file, bits] : {std::tuple{"llama", "model.safetensors", "\x00\x00\xc0\x7f"},
                                            {"llama_old", "model.safetensors", "\x00\x7c"},
                                            {"llama_tied", "model-00001-of-00003.safetensors", "\x80\x7f"}}) {
        Copy copy(model);
        const std::size_t width = std::string(model) == "llama" ? 4 : 2;
        std::string bytes = test::content(copy.folder + file);
        test::set_content(copy.folder + file, bytes.replace(bytes.size() - width, width, std::string(bits, width)));
        CHECK(has(copy.open(), "expected finite numbers, found others"));
    }
}

}  // namespace io_llama_files_test
