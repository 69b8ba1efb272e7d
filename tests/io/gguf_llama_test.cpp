// Models in GGUF against transformers' numbers for the weights that the gguf package decodes (golden/make_gguf_models.py):
// formats side by side, rows in the file's order, RoPE factors, biases, norms of heads, Gemma's layers, a file in parts. What
// is wrong with a file is said by name. Adapters on blocks have the gradients that they have on the decoded weights.
#include <hydralora/io/gguf_llama.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/gguf_writer.hpp>
#include <hydralora/io/safetensors.hpp>
#include <hydralora/model/llama.hpp>
#include <string>
#include <utility>
#include <vector>

#include "scratch.hpp"
#include "support/matrix.hpp"

namespace io_gguf_llama_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

const std::string golden = HYDRALORA_TEST_DATA "/golden/gguf_models/";
const std::pair<const char*, const char*> models[] = {{"llama", "llama.gguf"},
                                                      {"qwen2", "qwen2.gguf"},
                                                      {"qwen3", "qwen3-00002-of-00003.gguf"},
                                                      {"gemma3", "gemma3.gguf"}};

template <class B>
LlamaFiles<B> opened(B& be, const std::string& file) {
    auto model = open_llama(be, GgufParts::open(golden + file));
    return model;
}

/// Largest difference over the largest expected size.
template <class A, class E>
double relative(MatrixView<const A> got, MatrixView<const E> expected) {
    REQUIRE(got.shape() == expected.shape());
    double difference = 0, size = 0;
    for (Index i = 0; i < got.rows; ++i)
        for (Index j = 0; j < got.cols; ++j) {
            const auto e = static_cast<double>(expected(i, j));
            difference = std::max(difference, std::abs(static_cast<double>(got(i, j)) - e));
            size = std::max(size, std::abs(e));
        }
    return difference / size;
}

template <class B>
void compare_logits(double most) {
    const auto expected = SafetensorsFile::open(golden + "expected.safetensors");
    for (const auto& [name, file] : models) {
        CAPTURE(name);
        B be({.threads = 2, .slab_rows = 4});
        const auto files = opened(be, file);
        const Llama<B> model(be, files.config, files.views);
        const auto ids = expected.view<std::int32_t>(std::string(name) + ".ids");
        const TokenBatch<B> batch{host_view(ids.data, 1, ids.size()), {}, ids.rows, {}};
        typename Llama<B>::Cache cache;
        model.forward(be, batch, cache, {.mode = Mode::inference});
        test::Matrix<Scalar<B>> logits(ids.size(), files.config.vocabulary);
        model.logits(be, cache, logits.view());
        CHECK(relative<Scalar<B>>(logits.cview(), expected.view<float>(std::string(name) + ".logits")) <= most);
    }
}

/// A model of these files that carries adapters, and their gradient for a batch.
template <class B>
struct Adapted {
    B be{{.threads = 2, .slab_rows = 4}};
    LlamaFiles<B> files;
    LlamaAdapterConfig config;
    LlamaAdapters<ParamBuffer<B>> adapters;

    explicit Adapted(const std::string& file) : files(opened(be, file)) {
        config.adapter.rank = 3;
        config.adapter.heads = 2;
        for (std::size_t t = 0; t < target_count; ++t) config.targets.push_back(static_cast<Target>(t));
        adapters = make_buffers(be, adapter_shapes(files.config, config));
        initialise(be, adapters, files.config, config, Seed{5}, {.b_std = 0.1});
    }
    [[nodiscard]] LlamaAdapters<ParamBuffer<B>> gradient(const Llama<B>& model) {
        const std::vector<std::int32_t> ids{3, 17, 5, 29, 3, 8, 11, 2}, labels{17, 5, 29, 3, 8, -100, 2, 30};
        const TokenBatch<B> batch{host_view(ids.data(), 1, 8), host_view(labels.data(), 1, 8), 2, {}};
        auto grads = make_buffers(be, adapter_shapes(files.config, config));
        typename Llama<B>::Cache cache;
        double loss = 0;
        model.forward(be, batch, cache);
        model.backward(be, batch, 1.0, cache, host_view(&loss, 1, 1), views(grads));
        return grads;
    }
    /// Of the decoded weights as floats of their own.
    [[nodiscard]] LlamaAdapters<ParamBuffer<B>> gradient_of_decoded() {
        const auto weights = trainable_weights(be, files);
        return gradient({be, files.config, views(std::as_const(weights)), config, views(std::as_const(adapters))});
    }
};

template <class P>
void check_equal(const P& got, const P& expected, double most) {
    visit(
        [&](const ParamPath& path, const auto& a, const auto& b) {
            CAPTURE(path.name());
            using T = typename std::decay_t<decltype(a.view())>::value_type;
            CHECK(relative<T>(a.view(), b.view()) <= most);
        },
        got, expected);
}

/// A golden file with something changed in it.
struct Edited {
    GgufFile source;
    GgufFields fields;
    std::vector<GgufTensor> tensors;
    std::string bytes;

    explicit Edited(const std::string& file) : source(GgufFile::open(golden + file)), fields(gguf_fields(source)) {
        for (const GgufEntry& entry : source.entries()) tensors.push_back(gguf_tensor(source, entry));
    }
    void set(const std::string& key, GgufValue value) {
        for (auto& field : fields)
            if (field.first == key) return static_cast<void>(field.second = std::move(value));
        fields.emplace_back(key, std::move(value));
    }
    void set(const std::string& key, const char* text) { set(key, GgufScalar(std::string(text))); }
    void drop(const std::string& key) {
        std::erase_if(fields, [&](const auto& field) { return field.first == key; });
    }
    GgufTensor& tensor(const std::string& name) {
        for (GgufTensor& t : tensors)
            if (t.name == name) return t;
        throw std::logic_error("no tensor " + name);
    }
    const std::string& write() {
        bytes.clear();
        write_gguf_blocks([&](std::span<const std::byte> part) { bytes += as_text(part); }, fields, tensors);
        return bytes;
    }
    [[nodiscard]] GgufParts parts() {
        write();
        std::vector<GgufFile> files;
        files.emplace_back(as_byte_span(bytes), "m.gguf");
        return GgufParts(std::move(files));
    }
};

GgufScalar u32(std::uint32_t value) { return GgufScalar(value); }
GgufScalar f32(float value) { return GgufScalar(value); }

}  // namespace

TEST_CASE("logits of every architecture are transformers' for the decoded weights") {
    SUBCASE("in double") { compare_logits<BasicEigenBackend<double>>(1e-6); }
    SUBCASE("in float") { compare_logits<EigenBackend>(1e-6); }
}

TEST_CASE("matrices stay in the file, each in its format; rows of q and k are in our order") {
    EigenBackend be({.threads = 1});
    const auto model = opened(be, "llama.gguf");
    const auto bytes = model.gguf().first().file_bytes();
    const auto inside = [&](const void* p) { return p >= bytes.data() && p < bytes.data() + bytes.size(); };
    visit(
        [&](const ParamPath& path, const StoredView<EigenBackend>& view) {
            view.visit([&](auto v) { CHECK(inside(v.data) == (path.role == Role::weight)); });
        },
        model.views);
    const auto& layer = model.views.layers[0];
    const auto at = [&](Target t) { return layer.projections[index_of(t)]; };
    CHECK(model.views.embedding.format() == QuantFormat::q8_0);
    CHECK(model.views.lm_head.storage() == Storage::bfloat16);
    CHECK(at(Target::q_proj).format() == QuantFormat::q4_1);
    CHECK(at(Target::k_proj).storage() == Storage::blocks);  // plain, but rows are elsewhere
    CHECK(at(Target::k_proj).format() == QuantFormat::f16);
    CHECK(at(Target::down_proj).format() == QuantFormat::q4_k);
    CHECK(model.config.rope_scaling.kind == RopeScaling::Kind::factors);
    CHECK(model.bytes() == bytes.size());
    CHECK(model.checksum() == checksum_text(xxh64(bytes)));

    const auto qwen = opened(be, "qwen2.gguf");
    CHECK(qwen.views.embedding.storage() == Storage::float16);
    CHECK(qwen.config.lm_head == LmHead::tied);
}

TEST_CASE("adapters on blocks have the gradients that they have on decoded weights") {
    for (const auto& [name, file] : models) {
        CAPTURE(name);
        Adapted<BasicEigenBackend<double>> wide(file);
        const auto views_of = [](auto& a) { return views(std::as_const(a.adapters)); };
        check_equal(wide.gradient({wide.be, wide.files.config, wide.files.views, wide.config, views_of(wide)}),
                    wide.gradient_of_decoded(), 1e-12);

        Adapted<EigenBackend> a(file);
        const auto expected = a.gradient_of_decoded();
        check_equal(a.gradient({a.be, a.files.config, a.files.views, a.config, views_of(a)}), expected, 2e-6);
        JoinedProjections<EigenBackend> joined(a.be, a.files.config, a.config,
                                               PackOptions{.storage = PanelStorage::in_place});
        joined.copy_frozen(a.be, a.files.views);
        check_equal(a.gradient({a.be, a.files.config, a.files.views, a.config, views_of(a), joined}), expected, 2e-6);
    }
}

TEST_CASE("settings: any integer, equal numbers of layers, defaults") {
    Edited file("qwen2.gguf");
    file.set("qwen2.block_count", GgufScalar(std::int64_t{2}));
    file.set("qwen2.attention.head_count_kv", GgufArray(std::vector<std::uint64_t>{1, 1}));
    file.set("qwen2.feed_forward_length", GgufScalar(std::uint16_t{64}));
    file.set("qwen2.rope.freq_base", GgufScalar(1e5));
    file.set("qwen2.rope.scale_linear", f32(2));
    file.set("qwen2.attention.scale", f32(0.5f));
    file.set("qwen2.attention.sliding_window", u32(100));
    file.drop("qwen2.attention.head_count_kv");
    file.set("qwen2.attention.head_count_kv", u32(1));
    const LlamaConfig c = llama_config_from_gguf(file.parts());
    CHECK(c.architecture == Architecture::qwen2);
    CHECK(c.layers == 2);
    CHECK(c.kv_heads == 1);
    CHECK(c.head_dim == 16);
    CHECK(c.rope_theta == 1e5);
    CHECK(c.rope_scaling.kind == RopeScaling::Kind::linear);
    CHECK(c.rope_scaling.factor == 2);
    CHECK(c.attention_scale == 0.5);
    CHECK(c.attention_bias == AttentionBias::qkv);
    CHECK(c.is_local(1));
    file.set("qwen2.rope.scaling.type", "none");
    file.set("qwen2.attention.sliding_window_pattern", GgufArray(std::vector<bool>{true, false}));
    file.set("qwen2.rope.scaling.type", "yarn");
    file.set("qwen2.rope.scaling.original_context_length", u32(32));
    file.set("qwen2.rope.scaling.yarn_beta_fast", f32(16));
    const RopeScaling yarn = llama_config_from_gguf(file.parts()).rope_scaling;
    CHECK(yarn.kind == RopeScaling::Kind::yarn);
    CHECK(yarn.factor == 2);
    CHECK(yarn.original_max_positions == 32);
    CHECK(yarn.beta_fast == 16);
    CHECK(yarn.beta_slow == 1);
    CHECK(yarn.attention_factor == doctest::Approx(1 + 0.1 * std::log(2.0)));
    file.set("qwen2.rope.scaling.type", "none");
    const LlamaConfig without = llama_config_from_gguf(file.parts());
    CHECK(without.rope_scaling.kind == RopeScaling::Kind::none);
    CHECK(without.is_local(0));
    CHECK(!without.is_local(1));

    Edited gemma("gemma3.gguf");
    const LlamaConfig g = llama_config_from_gguf(gemma.parts());
    CHECK(g.local_rope_theta == 1e4);
    for (Index l = 0; l < g.layers; ++l) CHECK(g.is_local(l) == (l != 5));
    gemma.set("gemma3.attention.sliding_window_pattern", u32(2));
    gemma.set("gemma3.rope.freq_base_swa", f32(500));
    CHECK(!llama_config_from_gguf(gemma.parts()).is_local(1));
    CHECK(llama_config_from_gguf(gemma.parts()).local_rope_theta == 500);
}

TEST_CASE("what is wrong with a file is refused by name") {
    struct Case {
        const char* file;
        std::function<void(Edited&)> edit;
        std::string message;
    };
    static const std::vector<float> zeros(4096);
    const auto plain = [](const char* type, std::initializer_list<Index> dims) {
        GgufTensor t{"", ggml_type(type), TensorShape(dims), reinterpret_cast<const std::byte*>(zeros.data()), 1, 0, 0};
        Index elements = 1;
        for (const Index d : dims) elements *= d;
        t.row_bytes = t.stride_bytes = elements / static_cast<Index>(t.type.block) * static_cast<Index>(t.type.bytes);
        return t;
    };
    const auto replace = [&](const std::string& name, const GgufTensor& by) {
        return [name, by](Edited& e) {
            GgufTensor& t = e.tensor(name);
            t = by;
            t.name = name;
        };
    };
    const auto add = [&](const std::string& name, GgufTensor t) {
        t.name = name;
        return [t](Edited& e) { e.tensors.push_back(t); };
    };
    const auto set = [](const char* key, GgufValue value) { return [key, value](Edited& e) { e.set(key, value); }; };
    const auto text = [](const char* t) { return GgufScalar(std::string(t)); };
    const auto drop = [](const char* key) { return [key](Edited& e) { e.drop(key); }; };
    const auto drop_tensor = [](const char* name) {
        return [name](Edited& e) { std::erase_if(e.tensors, [&](const GgufTensor& t) { return t.name == name; }); };
    };
    const Case cases[] = {
        {"qwen2.gguf", set("general.architecture", text("mamba")),
         "m.gguf: field \"general.architecture\": expected one of \"llama\", \"qwen2\", \"qwen3\", \"gemma3\", found "
         "\"mamba\""},
        {"qwen2.gguf", set("general.architecture", u32(3)), "\"general.architecture\": expected a string, found 3"},
        {"qwen2.gguf", set("general.type", text("adapter")), "\"general.type\": expected \"model\""},
        {"qwen2.gguf", drop("general.architecture"), "expected a field \"general.architecture\", found none"},
        {"qwen2.gguf", drop("qwen2.block_count"), "expected a field \"qwen2.block_count\", found none"},
        {"qwen2.gguf", set("qwen2.block_count", u32(0)),
         "\"qwen2.block_count\": expected a whole number from 1 to 4096, found 0"},
        {"qwen2.gguf", set("qwen2.block_count", GgufScalar(std::int32_t{-1})), "whole number from 1 to 4096, found -1"},
        {"qwen2.gguf", set("qwen2.block_count", f32(2)), "\"qwen2.block_count\": expected a whole number"},
        {"qwen2.gguf", set("qwen2.block_count", text("two")), "\"qwen2.block_count\": expected a whole number"},
        {"llama.gguf", set("llama.block_count", u32(3)),
         "expected a tensor \"blk.2.attn_norm.weight\" of a model of architecture llama with 3 layers, found none"},
        {"llama.gguf", set("llama.block_count", u32(1)), "\"blk.1.attn_k.weight\": not a tensor that a model"},
        {"qwen2.gguf", set("qwen2.block_count", u32(1)),
         "\"qwen2.feed_forward_length\": expected a whole number, or one for each of 1 layers"},
        {"qwen2.gguf", set("qwen2.feed_forward_length", GgufArray(std::vector<std::uint32_t>{64, 32})),
         "\"qwen2.feed_forward_length\": expected the same number for every layer, found 64 for layer 0 and 32 for "
         "layer 1; layers of different shapes are not computed"},
        {"qwen2.gguf", set("qwen2.attention.head_count_kv", GgufArray(std::vector<float>{1, 1})),
         "\"qwen2.attention.head_count_kv\": expected a whole number, or one for each of 2 layers, found an array of 2 "
         "values of type f32"},
        {"qwen2.gguf", set("qwen2.attention.head_count", u32(3)),
         "\"qwen2.attention.head_count\": expected a divisor of embedding_length = 32, or a field "
         "attention.key_length"},
        {"llama.gguf", set("llama.attention.head_count_kv", u32(3)),
         "\"llama.attention.head_count_kv\": expected a divisor of attention.head_count = 4, found 3"},
        {"qwen2.gguf", set("qwen2.embedding_length", u32(64)),
         "m.gguf: tensor \"token_embd.weight\": expected shape [40, 64] by the metadata, found [40, 32]"},
        {"qwen2.gguf", set("qwen2.attention.key_length", u32(15)),
         "\"qwen2.attention.key_length\": expected what makes heads of an even number"},
        {"qwen2.gguf", set("qwen2.attention.value_length", u32(8)),
         "\"qwen2.attention.value_length\": expected the 16 dimensions of a head"},
        {"qwen2.gguf", set("qwen2.rope.dimension_count", u32(8)),
         "\"qwen2.rope.dimension_count\": expected the 16 dimensions of a head"},
        {"qwen2.gguf", set("qwen2.rope.scaling.type", text("longrope")),
         "\"qwen2.rope.scaling.type\": expected \"none\", \"linear\" or \"yarn\""},
        {"qwen2.gguf", set("qwen2.rope.scaling.attn_factor", f32(2)),
         "\"qwen2.rope.scaling.attn_factor\": expected 1 or no such field"},
        {"qwen2.gguf", set("qwen2.rope.freq_base", f32(std::nanf(""))),
         "\"qwen2.rope.freq_base\": expected a number from"},
        {"qwen2.gguf", set("qwen2.attention.layer_norm_rms_epsilon", f32(0)),
         "layer_norm_rms_epsilon\": expected a number from"},
        {"qwen2.gguf", set("qwen2.expert_count", u32(8)),
         "\"qwen2.expert_count\": expected 0 or no such field, for mixtures of experts"},
        {"qwen2.gguf", set("qwen2.final_logit_softcapping", f32(30)),
         "\"qwen2.final_logit_softcapping\": expected 0 or no such field"},
        {"qwen2.gguf", set("qwen2.attention.causal", GgufScalar(false)),
         "\"qwen2.attention.causal\": expected true, found false"},
        {"qwen2.gguf", set("qwen2.vocab_size", u32(41)),
         "\"qwen2.vocab_size\": expected the rows of \"token_embd.weight\", 40, found 41"},
        {"llama.gguf", set("tokenizer.ggml.tokens", GgufArray(std::vector<std::string>{"a", "b"})),
         "\"tokenizer.ggml.tokens\": expected an array of 264 strings, one for each row of \"token_embd.weight\", "
         "found an "
         "array of 2 values"},
        {"qwen2.gguf", set("qwen2.attention.sliding_window", text("4")),
         "\"qwen2.attention.sliding_window\": expected a whole number"},
        {"gemma3.gguf", set("gemma3.attention.sliding_window_pattern", GgufArray(std::vector<bool>{true})),
         "\"gemma3.attention.sliding_window_pattern\": expected a flag for each of 7 layers"},
        {"qwen2.gguf", drop_tensor("token_embd.weight"), "expected a tensor \"token_embd.weight\""},
        {"qwen2.gguf", drop_tensor("blk.1.attn_k.bias"), "expected a tensor \"blk.1.attn_k.bias\""},
        {"qwen2.gguf", drop_tensor("blk.0.ffn_up.weight"), "expected a tensor \"blk.0.ffn_up.weight\""},
        {"qwen2.gguf", add("blk.0.ffn_up.bias", plain("F32", {64})),
         "tensor \"blk.0.ffn_up.bias\": not a tensor that a model of architecture qwen2 with 2 layers is computed "
         "with"},
        {"qwen2.gguf", add("rope_freqs.weight", plain("F32", {8})), "tensor \"rope_freqs.weight\": not a tensor"},
        {"llama.gguf", replace("rope_freqs.weight", plain("F32", {8})),
         "\"rope_freqs.weight\": element 0: expected a finite number above 0, found 0"},
        {"llama.gguf", replace("rope_freqs.weight", plain("F32", {4})), "\"rope_freqs.weight\": expected shape [8]"},
        {"qwen2.gguf", replace("blk.0.ffn_up.weight", plain("F64", {64, 32})),
         "tensor \"blk.0.ffn_up.weight\": is stored as F64, expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, "
         "Q8_0, "
         "Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4; take the model in another quantisation"},
        {"qwen2.gguf", replace("blk.0.ffn_up.weight", plain("I8", {64, 32})), "is stored as I8, expected one of F32"},
        {"qwen2.gguf", replace("blk.0.attn_q.weight", plain("Q8_1", {32, 32})),
         "is stored as Q8_1, expected one of F32"},
        {"qwen2.gguf", replace("blk.0.attn_norm.weight", plain("Q8_0", {32})),
         "\"blk.0.attn_norm.weight\": expected elements F32, F16 or BF16, found Q8_0"},
        {"qwen2.gguf", replace("blk.0.attn_q.bias", plain("F64", {32})),
         "expected elements F32, F16 or BF16, found F64"},
        {"qwen2.gguf", replace("output_norm.weight", plain("F32", {2, 16})),
         "\"output_norm.weight\": expected shape [32]"},
        {"qwen2.gguf", replace("blk.0.attn_output.weight", plain("F32", {32, 16})),
         "\"blk.0.attn_output.weight\": expected shape [32, 32]"},
    };
    EigenBackend be({.threads = 1});
    for (const Case& c : cases) {
        Edited file(c.file);
        c.edit(file);
        const std::string message = error_of([&] { static_cast<void>(open_llama(be, file.parts())); });
        CAPTURE(message);
        CAPTURE(c.message);
        CHECK(has(message, c.message));
    }
}

TEST_CASE("numbers that are not finite are refused, whatever they are stored in") {
    EigenBackend be({.threads = 1});
    for (const char* name : {"token_embd.weight", "output.weight", "blk.1.attn_q.weight", "blk.1.attn_k.weight",
                             "blk.0.ffn_down.weight", "blk.0.ffn_norm.weight"}) {
        Edited file("llama.gguf");
        GgufTensor& t = file.tensor(name);
        std::vector<std::byte> bytes(t.data, t.data + t.row_bytes);
        // The first scale, or the first element: infinite.
        const bool brain = t.type.name == "BF16", whole = t.type.name == "F32";
        bytes[whole ? 2 : 0] = brain || whole ? std::byte{0x80} : std::byte{0};
        bytes[whole ? 3 : 1] = brain || whole ? std::byte{0x7f} : std::byte{0x7c};
        t.data = bytes.data();
        CAPTURE(name);
        CHECK(has(error_of([&] { static_cast<void>(open_llama(be, file.parts())); }),
                  std::string("tensor \"") + name + "\": expected finite numbers"));
    }
}

TEST_CASE("parts: any opens all; one that is missing, renamed or of another model is named") {
    const test::ScratchDirectory scratch;
    const auto copy = [&](int part, const std::string& name) {
        std::filesystem::copy(golden + "qwen3-0000" + std::to_string(part) + "-of-00003.gguf", scratch / name,
                              std::filesystem::copy_options::overwrite_existing);
    };
    const std::string names[] = {"q-00001-of-00003.gguf", "q-00002-of-00003.gguf", "q-00003-of-00003.gguf"};
    const auto refusal = [&](const std::string& name) {
        return error_of([&] { static_cast<void>(GgufParts::open(scratch / name)); });
    };
    copy(1, names[0]);
    copy(2, names[1]);
    CHECK(has(refusal(names[1]), "q-00002-of-00003.gguf: is part 2 of 3, but part 3, "));
    CHECK(has(refusal(names[1]), "q-00003-of-00003.gguf, is not there; fetch it into the same directory"));
    copy(3, names[2]);
    std::string sum;
    for (const auto& name : names) {
        const auto parts = GgufParts::open(scratch / name);
        CHECK(parts.files().size() == 3);
        CHECK(parts.first().find_field("general.architecture") != nullptr);
        CHECK((sum.empty() || parts.checksum() == sum));
        sum = parts.checksum();
    }
    copy(2, "whole.gguf");
    CHECK(has(refusal("whole.gguf"),
              "is part of a model in 3 files, expected a name that ends in \"-0000n-of-00003.gguf\""));
    copy(2, "q-00001-of-00002.gguf");
    CHECK(has(refusal("q-00001-of-00002.gguf"), "expected a name that ends in"));
    copy(1, names[1]);
    CHECK(has(refusal(names[0]), "q-00002-of-00003.gguf: says that it is part 1, expected part 2 by its name"));
    copy(2, names[1]);
    std::filesystem::copy(golden + "qwen2.gguf", scratch / names[2], std::filesystem::copy_options::overwrite_existing);
    CHECK(has(refusal(names[0]), "q-00003-of-00003.gguf: is of a model in 1 files, expected one in 3"));

    // Parts of another model: another count, or tensors that are there already.
    const std::size_t tensors = GgufParts::open(golden + "qwen3-00001-of-00003.gguf").size();
    const auto changed = [&](int part, auto&& edit) {
        const std::string name = "qwen3-0000" + std::to_string(part) + "-of-00003.gguf";
        Edited file(name);
        file.set("split.no", GgufScalar(static_cast<std::uint16_t>(part - 1)));
        file.set("split.count", GgufScalar(std::uint16_t{3}));
        file.set("split.tensors.count", GgufScalar(static_cast<std::int32_t>(tensors)));
        edit(file);
        test::set_content(scratch / names[part - 1], file.write());
    };
    std::filesystem::remove(scratch / names[2]);
    copy(3, names[2]);
    changed(3, [](Edited& e) { e.set("split.tensors.count", GgufScalar(std::int32_t{99})); });
    CHECK(has(refusal(names[0]), "q-00003-of-00003.gguf: is of a model of 99 tensors, expected "));
    changed(3, [](Edited& e) { e.tensors[0].name = "blk.0.attn_norm.weight"; });
    CHECK(has(refusal(names[0]), "tensor \"blk.0.attn_norm.weight\": is in "));
    CHECK(
        has(error_of([&] { static_cast<void>(GgufParts::open(scratch / "none.gguf")); }), "none.gguf: opening failed"));
}

TEST_CASE("blocks are what copies to another type decode") {
    EigenBackend be({.threads = 1});
    const auto model = opened(be, "llama.gguf");
    const auto expected = trainable_weights(be, model);
    const auto& stored = model.views.layers[0].projections[index_of(Target::q_proj)];
    const auto floats = expected.layers[0].projections[index_of(Target::q_proj)].view();
    std::vector<bfloat16> halves(static_cast<std::size_t>(stored.rows * stored.cols));
    upload_as<EigenBackend>(be, stored, host_view(halves.data(), stored.rows, stored.cols));
    for (Index i = 0; i < floats.size(); ++i)
        CHECK(halves[static_cast<std::size_t>(i)].bits == bfloat16(floats.data[i]).bits);
    // Norms are the same floats in every file of a model, and others in another model.
    CHECK(norms_checksum(model.views) == norms_checksum(opened(be, "llama.gguf").views));
    CHECK(norms_checksum(model.views) != norms_checksum(opened(be, "qwen2.gguf").views));
}

}  // namespace io_gguf_llama_test
