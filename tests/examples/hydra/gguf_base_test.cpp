// The trainer on a GGUF file: trained, evaluated and merged where a directory of the same weights is the oracle, and what is
// said of the file.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <hydralora/io/gguf_llama.hpp>
#include <hydralora/io/gguf_writer.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/safetensors_writer.hpp>

#include "import.hpp"
#include "inspect.hpp"
#include "memory_plan.hpp"
#include "session.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "trainer_case.hpp"

namespace trainer_gguf_base_test {

using namespace hydralora;
using namespace test;
using hydra::Outcome;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden/gguf_models";

/// The file's tokenizer as a directory has it.
void write_tokenizer(const io::GgufFile& file, const std::filesystem::path& folder) {
    using io::Json;
    const auto tokens = file.values<std::string>("tokenizer.ggml.tokens");
    Json vocabulary = Json::object(), added = Json::array();
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        const auto number = static_cast<Index>(id);
        vocabulary.set(tokens[id], number);
        if (tokens[id].starts_with("<|"))
            added.push(Json::object({{"id", number},
                                     {"content", tokens[id]},
                                     {"special", true},
                                     {"single_word", false},
                                     {"lstrip", false},
                                     {"rstrip", false},
                                     {"normalized", false}}));
    }
    const Json level =
        Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}});
    const Json model = Json::object(
        {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", file.values<std::string>("tokenizer.ggml.merges")}});
    set_content(folder / "tokenizer.json", io::to_text(Json::object({{"version", "1.0"},
                                                                     {"added_tokens", added},
                                                                     {"normalizer", Json()},
                                                                     {"pre_tokenizer", level},
                                                                     {"post_processor", Json()},
                                                                     {"decoder", level},
                                                                     {"model", model}}),
                                                       1));
    const Json beside = Json::object({{"bos_token", "<|im_start|>"},
                                      {"eos_token", "<|im_end|>"},
                                      {"chat_template", file.value<std::string>("tokenizer.chat_template")}});
    set_content(folder / "tokenizer_config.json", io::to_text(beside, 1));
}

/// A directory of the file's weights as floats.
void write_directory(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    hydra::HostBackend be({.threads = 1});
    const auto files = io::open_llama(be, io::GgufParts::open(golden / "llama.gguf"));
    const auto weights = io::trainable_weights(be, files);
    std::vector<io::NamedTensor> tensors;
    visit(
        [&](const ParamPath& path, const ParamBuffer<hydra::HostBackend>& m) {
            tensors.push_back(io::reshaped(io::named_tensor(path.name(), m.view()),
                                           io::llama_files_detail::file_shape(path, m.shape())));
        },
        weights);
    io::save_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
    LlamaConfig config = files.config;
    config.rope_scaling = {.kind = RopeScaling::Kind::llama3, .original_max_positions = 64};
    io::Json json = io::to_json(config, "float32");
    set_content(folder / "config.json", io::to_text(json, 2));
    write_tokenizer(files.gguf().first(), folder);
}

/// The data, the directory, and an adapter trained on either.
struct Made {
    ScratchDirectory scratch;
    std::filesystem::path file = golden / "llama.gguf", directory = scratch / "directory";

    Made() {
        write_data(scratch.path());
        write_directory(directory);
        for (const Gate gate : {Gate::softmax, Gate::uniform}) {
            auto options = on(file, gate == Gate::uniform ? "uniform" : "routed");
            options.adapter.adapter.gate = gate;
            REQUIRE(hydra::train(options, {}) == Outcome::done);
        }
        REQUIRE(hydra::train(on(directory, "of_directory"), {}) == Outcome::done);
    }
    [[nodiscard]] hydra::TrainOptions on(const std::filesystem::path& base, const std::string& out) const {
        auto options = tiny_train(scratch.path(), out);
        options.base = base;
        options.loop.steps = 8;
        options.loop.adamw.lr = 3e-2;
        return options;
    }
    [[nodiscard]] std::filesystem::path adapter(const std::string& name) const { return scratch / name / "adapter"; }
};
const Made& made() {
    static const Made all;
    return all;
}

/// Logits of one text (T, V).
Matrix<float> logits(const std::filesystem::path& base, const std::filesystem::path& adapter) {
    const std::vector<std::int32_t> ids{108, 105, 110, 101, 32, 52, 44, 32, 200, 7};
    hydra::Session session(base, adapter, hydra::host_options(1));
    Llama<hydra::HostBackend>::Cache cache;
    session.model().forward(session.backend(), {host_view(ids.data(), 1, std::ssize(ids)), {}, 1, {}}, cache,
                            {.mode = Mode::inference});
    Matrix<float> result(std::ssize(ids), session.model().config().vocabulary);
    session.model().logits(session.backend(), cache, result.view());
    return result;
}

double apart(const Matrix<float>& a, const Matrix<float>& b) {
    double difference = 0, size = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) {
            difference = std::max(difference, static_cast<double>(std::abs(a(i, j) - b(i, j))));
            size = std::max(size, static_cast<double>(std::abs(b(i, j))));
        }
    return difference / size;
}

}  // namespace

TEST_CASE("training on a GGUF file, its matrices in place or packed") {
    const Made& m = made();
    CHECK(has(content(m.scratch / "routed/run.json"), "\"weights\": \"mapped\""));
    const auto in_place = losses(m.scratch / "routed");
    CHECK(in_place.size() == 8);
    CHECK(in_place.back() < in_place.front());
    const auto of_directory = losses(m.scratch / "of_directory");
    for (std::size_t i = 0; i < in_place.size(); ++i)
        CHECK(std::abs(in_place[i] - of_directory[i]) < 1e-4 * of_directory[i]);
    auto options = m.on(m.file, "codes");
    options.weights = hydra::BaseWeights::packed8;
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    CHECK(losses(m.scratch / "codes") == in_place);
    options = m.on(m.file, "codes_of_half");
    options.weights = hydra::BaseWeights::packed8;
    options.adapter.targets = {Target::k_proj};
    CHECK(has(message_of([&] { static_cast<void>(hydra::train(options, {})); }),
              "--weights packed8: model.layers.0.self_attn.k_proj.weight of the base is in F16, which codes of 8 bits "
              "do not hold to the last "
              "bit; choose packed or mapped"));
    // Panels of floats hold quantised matrices beside one in F16 as they are.
    options.weights = hydra::BaseWeights::packed;
    options.adapter.targets = {Target::q_proj, Target::k_proj};
    options.loop.out = m.scratch / "packed_mixture";
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    options.weights = hydra::BaseWeights::mapped;
    options.loop.out = m.scratch / "mapped_mixture";
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    const auto mixture = losses(m.scratch / "packed_mixture"), mapped = losses(m.scratch / "mapped_mixture");
    for (std::size_t i = 0; i < mixture.size(); ++i) CHECK(std::abs(mixture[i] - mapped[i]) < 1e-5 * mapped[i]);
    options = m.on(m.file, "packed");
    options.weights = hydra::BaseWeights::packed;
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    const auto packed = losses(m.scratch / "packed");
    for (std::size_t i = 0; i < packed.size(); ++i) CHECK(std::abs(packed[i] - in_place[i]) < 2e-2 * in_place[i]);
    CHECK(packed != in_place);  // for it is rounded
    // Stopped and resumed: the same bits.
    REQUIRE(hydra::train(m.on(m.file, "again"), stopping_after(4)) == Outcome::interrupted);
    auto resumed = m.on(m.file, "again");
    resumed.loop.resume = true;
    REQUIRE(hydra::train(resumed, {}) == Outcome::done);
    CHECK(adapter_bytes(m.scratch / "again") == adapter_bytes(m.scratch / "routed"));
}

TEST_CASE("an adapter of the file works on a directory of the same weights, and the other way round") {
    const Made& m = made();
    for (const char* name : {"routed", "of_directory"}) {
        CAPTURE(name);
        const auto of_file = logits(m.file, m.adapter(name)), of_directory = logits(m.directory, m.adapter(name));
        CHECK(apart(of_file, of_directory) < 1e-5);
        CHECK(apart(of_file, logits(m.file, {})) > 1e-2);
    }
    const auto a = io::read_adapter_config(m.adapter("routed")), b = io::read_adapter_config(m.adapter("of_directory"));
    CHECK(a.base_norms == b.base_norms);
    CHECK(a.base_checksum != b.base_checksum);
}

TEST_CASE("an adapter is refused on a file of another model") {
    const Made& m = made();
    const auto source = io::GgufFile::open(m.file);
    std::vector<io::GgufTensor> tensors;
    for (const auto& entry : source.entries()) tensors.push_back(io::gguf_tensor(source, entry));
    const std::vector<float> norm(32, 1.25f);
    for (auto& t : tensors)
        if (t.name == "output_norm.weight") t.data = reinterpret_cast<const std::byte*>(norm.data());
    std::string bytes;
    io::write_gguf_blocks([&](std::span<const std::byte> part) { bytes += io::as_text(part); }, io::gguf_fields(source),
                          tensors);
    set_content(m.scratch / "other.gguf", bytes);
    CHECK(has(message_of([&] { static_cast<void>(logits(m.scratch / "other.gguf", m.adapter("routed"))); }),
              "was trained on another base"));
}

TEST_CASE("merged into the file: the adapted matrices in another type, all else as it was") {
    const Made& m = made();
    const auto expected = logits(m.file, m.adapter("uniform"));
    const auto source = io::GgufFile::open(m.file);
    const std::pair<hydra::MergeType, double> types[] = {{hydra::MergeType::f32, 1e-5},
                                                         {hydra::MergeType::f16, 2e-3},
                                                         {hydra::MergeType::bf16, 2e-2},
                                                         {hydra::MergeType::q8_0, 4e-2}};
    hydra::MergeOptions options;
    options.adapter = m.adapter("uniform");
    options.base = m.file;
    options.threads = 1;
    double before = 0;
    for (const auto& [type, most] : types) {
        const std::string name(enum_name(type, hydra::merge_type_names));
        CAPTURE(name);
        options.out = m.scratch / (name + ".gguf");
        options.to = type;
        hydra::run_merge(options);
        const double distance = apart(logits(options.out, {}), expected);
        CHECK(distance < most);
        CHECK(distance > before);  // each type is coarser
        before = distance;
        const auto merged = io::GgufFile::open(options.out);
        REQUIRE(merged.fields().size() == source.fields().size());
        for (std::size_t i = 0; i < source.fields().size(); ++i) {
            const auto &a = source.fields()[i], &b = merged.fields()[i];
            CHECK(a.key == b.key);
            CHECK(a.type == b.type);
            REQUIRE(a.end - a.begin == b.end - b.begin);
            CHECK(std::memcmp(source.file_bytes().data() + a.begin, merged.file_bytes().data() + b.begin,
                              a.end - a.begin) == 0);
        }
        for (const auto& entry : source.entries()) {
            const auto& other = merged.at(entry.name);
            const bool adapted =
                has(entry.name, "attn_q") || has(entry.name, "ffn_gate") || has(entry.name, "ffn_down");
            CHECK(other.shape == entry.shape);
            if (adapted) {
                CHECK(other.type.name.size() == name.size());
                continue;
            }
            CHECK(other.type.number == entry.type.number);
            const auto a = source.bytes(entry), b = merged.bytes(other);
            CHECK((a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0));
        }
    }
    CHECK(has(message_of([&] { hydra::run_merge(options); }), "exists already"));
    options.base = m.directory;
    options.out = m.scratch / "merged";
    CHECK(has(message_of([&] { hydra::run_merge(options); }), "--to q8_0: is for GGUF files"));
}

TEST_CASE("what a GGUF file cannot be asked is refused; what it takes is planned") {
    const Made& m = made();
    auto options = m.on(m.file, "full");
    options.method = hydra::Method::full;
    CHECK(
        has(message_of([&] { static_cast<void>(hydra::train(options, {})); }),
            "llama.gguf: --method full trains all weights of a model directory, found a GGUF file; train an adapter"));
    options = m.on(golden / "qwen2.gguf", "mute");
    CHECK(has(message_of([&] { static_cast<void>(hydra::train(options, {})); }), "qwen2.gguf: has no tokenizer"));

    options = m.on(m.file, "planned");
    const auto plan = [&](hydra::BaseWeights weights) {
        const auto outline = hydra::outline_of(m.file, options.adapter, weights, hydra::Quantise::none);
        CHECK(outline.bytes == static_cast<Index>(std::filesystem::file_size(m.file)));
        return hydra::memory_plan(outline.config, {outline.bytes, {}, outline.codes}, outline.panels, 0, options);
    };
    CHECK(hydra::weights_of(m.file, {}, hydra::Quantise::none) == hydra::BaseWeights::mapped);
    const auto mapped = plan(hydra::BaseWeights::mapped), packed = plan(hydra::BaseWeights::packed);
    CHECK(mapped.in_place);
    CHECK(mapped.activations == packed.activations);
    // Both ways of q (64, 32), gate (256, 32) and down (32, 256) in bfloat16, of two layers; panels are filled up.
    const Index halves = 2 * 2 * 2 * (64 * 32 + 256 * 32 + 32 * 256);
    CHECK(packed.packed - mapped.packed >= halves);
    CHECK(packed.packed - mapped.packed < halves + halves / 4);
    const auto codes = plan(hydra::BaseWeights::packed8);  // a byte and a quarter to a half an element
    CHECK(codes.packed - mapped.packed > halves / 2);
    CHECK(codes.packed - mapped.packed < halves);
}

TEST_CASE("inspect tells what a GGUF file is") {
    const std::string model = hydra::inspect({golden / "llama.gguf"});
    for (const char* part : {"GGUF file of version 3, 22 tensors",
                             "As a base: 2 layers of width 32, 4 heads of 16 (2 of keys and values), "
                             "feed-forward 256, vocabulary 264, 512 positions, output head of its own",
                             "Tokenizer: \"gpt2\", pre-tokeniser \"gpt-2\", 264 tokens",
                             "Chat template: the model's own, which conversations are written by", "Q4_K (1), Q6_K (1)",
                             "llama.attention.head_count_kv"})
        CHECK(has(model, part));
    const std::string parts = hydra::inspect({golden / "qwen3-00002-of-00003.gguf"});
    CHECK(has(parts, "in 3 parts, 25 tensors"));
    CHECK(has(parts, "Tokenizer: none"));
    const std::string other = hydra::inspect({std::filesystem::path(HYDRALORA_TEST_DATA "/golden/gguf/mixed.gguf")});
    CHECK(has(other, "No base for hydra: "));
    CHECK(has(other, "expected a field \"llama.block_count\", found none"));
}

}  // namespace trainer_gguf_base_test
