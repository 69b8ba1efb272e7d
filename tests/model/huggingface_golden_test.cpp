// Whole model directories as transformers writes them, and its numbers for them: golden/make_models.py. Seven small random
// models of five families: shards, 16-bit storage, tied and own heads, old and new keys, biases, norms of heads and around
// layers, sliding windows shorter than sequences and documents. Logits, losses, gradients of the weights and of adapters in the released layer's formulation, ten AdamW steps, packed documents.
#include <doctest/doctest.h>

#include <filesystem>
#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/llama_files.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace model_huggingface_golden_test {

using namespace hydralora;

namespace {

/// Largest difference over the largest expected size.
template <class T>
double relative(MatrixView<const T> got, const test::Matrix<double>& expected) {
    double difference = 0, size = 0;
    for (Index i = 0; i < got.rows; ++i)
        for (Index j = 0; j < got.cols; ++j) {
            difference = std::max(difference, std::abs(static_cast<double>(got(i, j)) - expected(i, j)));
            size = std::max(size, std::abs(expected(i, j)));
        }
    return difference / size;
}

template <class B>
struct Case {
    using T = Scalar<B>;
    B be{test::TestOptions{.threads = 2, .slab_rows = 4}};
    io::LlamaFiles<B> base;
    io::SafetensorsFile file;
    LlamaAdapterConfig config;
    LlamaAdapters<ParamBuffer<B>> adapters, grads;

    explicit Case(const std::string& name)
        : base(io::open_llama(be, HYDRALORA_TEST_DATA "/golden/models/" + name)),
          file(io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/models/" + name + "/expected.safetensors")) {
        config.adapter.rank = static_cast<Index>(number("rank"));
        config.adapter.heads = static_cast<Index>(number("heads"));
        config.adapter.alpha = number("alpha");
        for (std::size_t t = 0; t < target_count; ++t) config.targets.push_back(static_cast<Target>(t));
        adapters = make_buffers(be, adapter_shapes(base.config, config));
        grads = make_buffers(be, adapter_shapes(base.config, config));
        each_tensor(adapters, [&](const std::string& key, auto view) { file.read_as("init." + key, view); });
    }
    [[nodiscard]] double number(const std::string& key) const { return std::stod(*file.metadata(key)); }

    /// f(key in the files, part of a parameter) for every tensor of an adapter set.
    template <class F>
    void each_tensor(LlamaAdapters<ParamBuffer<B>>& set, F&& f) const {
        io::AdapterFileConfig names;
        names.rank = config.adapter.rank;
        names.heads = config.adapter.heads;
        io::adapter_files_detail::for_each_tensor(
            names, set, [&](const std::string& key, auto view, const auto&) { f(key, view); });
    }
    [[nodiscard]] test::Matrix<double> expected(const std::string& name) const {
        const Shape shape = file.at(name).shape.matrix();
        test::Matrix<double> m(shape.rows, shape.cols);
        file.read_as(name, m.view());
        return m;
    }
    [[nodiscard]] TokenBatch<B> batch(const std::string& prefix) const {
        const auto ids = file.view<std::int32_t>(prefix + "input_ids"),
                   labels = file.view<std::int32_t>(prefix + "labels");
        TokenBatch<B> tokens{host_view(ids.data, 1, ids.size()), host_view(labels.data, 1, ids.size()), ids.rows};
        if (prefix == "packed.") tokens.starts = file.view<std::int32_t>("packed.starts");
        return tokens;
    }
    [[nodiscard]] static double labelled(const TokenBatch<B>& tokens) {
        double count = 0;
        for (Index t = 0; t < tokens.tokens(); ++t) count += tokens.labels(0, t) == ignored_label ? 0 : 1;
        return count;
    }
    [[nodiscard]] double logits_difference(const Llama<B>& model, const TokenBatch<B>& tokens,
                                           const std::string& name) {
        typename Llama<B>::Cache cache;
        model.forward(be, tokens, cache);
        test::Matrix<T> logits(tokens.tokens(), base.config.vocabulary);
        model.logits(be, cache, logits.view());
        auto wanted = expected(name);
        return relative<T>(logits.view(), wanted);
    }
    /// Loss, and gradients added to `set`.
    template <class Set>
    double backward(const Llama<B>& model, const TokenBatch<B>& tokens, const Set& set, Keep keep) {
        typename Llama<B>::Cache cache;
        cache.keep = keep;
        double sum = 0;
        const double scale = 1 / labelled(tokens);
        model.forward(be, tokens, cache);
        model.backward(be, tokens, scale, cache, host_view(&sum, 1, 1), set);
        return sum * scale;
    }
};

struct Tolerance {
    double logits, loss, gradient, steps;
};

template <class B>
void compare(const std::string& name, Storage storage, const Tolerance& most) {
    CAPTURE(name);
    Case<B> c(name);
    CHECK(c.base.views.layers[0].projections[0].storage() == storage);
    const auto tokens = c.batch(""), packed = c.batch("packed.");
    check_starts(packed.starts, packed.sequences);

    const Llama<B> bare(c.be, c.base.config, c.base.views);
    CHECK(c.logits_difference(bare, tokens, "logits") <= most.logits);
    auto weight_grads = make_buffers(c.be, weight_shapes(c.base.config));
    const double loss = c.backward(bare, tokens, views(weight_grads), Keep::all);
    CHECK(std::abs(loss - c.expected("loss")(0, 0)) <= most.loss);
    visit(
        [&](const ParamPath& path, const ParamBuffer<B>& g) {
            CAPTURE(path.name());
            auto wanted = c.expected("base.grad." + path.name());
            if (path.role == Role::norm || path.role == Role::bias) REQUIRE(g.shape() == wanted.view().shape());
            CHECK(relative<Scalar<B>>(g.view(), wanted) <= most.gradient);
        },
        weight_grads);

    const Llama<B> model(c.be, c.base.config, c.base.views, c.config, views(std::as_const(c.adapters)));
    CHECK(c.logits_difference(model, tokens, "adapter.logits") <= most.logits);
    const auto check_gradients = [&](const std::string& prefix) {
        int compared = 0;
        c.each_tensor(c.grads, [&](const std::string& key, auto view) {
            CAPTURE(key);
            auto wanted = c.expected(prefix + key);
            CHECK(relative<Scalar<B>>(view, wanted) <= most.gradient);
            ++compared;
        });
        CHECK(compared == c.base.config.layers * 7 * 5);
    };
    CHECK(c.logits_difference(model, packed, "packed.logits") <= most.logits);
    CHECK(std::abs(c.backward(model, packed, views(c.grads), Keep::inputs) - c.expected("packed.loss")(0, 0)) <=
          most.loss);
    check_gradients("packed.grad.");

    const AdamW adamw{.lr = c.number("lr"),
                      .beta1 = c.number("beta1"),
                      .beta2 = c.number("beta2"),
                      .eps = c.number("eps"),
                      .weight_decay = c.number("weight_decay")};
    auto state = adamw.init(c.be, c.adapters);
    const auto losses = c.expected("adapter.losses");
    const auto steps = static_cast<Index>(c.number("steps"));
    REQUIRE(losses.view().size() == steps);
    for (Index step = 0; step < steps; ++step) {
        visit([&](const ParamPath&, auto& g) { c.be.fill(g.view(), Scalar<B>{0}); }, c.grads);
        const double got = c.backward(model, tokens, views(c.grads), Keep::all);
        CHECK(std::abs(got - losses.view().data[step]) <= (step == 0 ? most.loss : most.steps));
        if (step == 0) check_gradients("grad.");
        adamw.step(c.be, c.adapters, c.grads, state);
    }
    c.each_tensor(c.adapters, [&](const std::string& key, auto view) {
        CAPTURE(key);
        auto wanted = c.expected("after." + key);
        CHECK(relative<Scalar<B>>(view, wanted) <= most.steps);
    });
}

const std::vector<std::pair<std::string, Storage>> models{
    {"llama", Storage::param},    {"llama_tied", Storage::bfloat16}, {"llama_old", Storage::float16},
    {"mistral", Storage::param},  {"qwen2", Storage::bfloat16},      {"qwen3", Storage::param},
    {"gemma3", Storage::bfloat16}};

}  // namespace

TEST_CASE("float: logits within 2e-5, loss within 1e-6, gradients and ten steps within 1e-4 of PyTorch's") {
    for (const auto& [name, storage] : models) compare<test::TestBackend>(name, storage, {2e-5, 1e-6, 1e-4, 1e-4});
}

TEST_CASE("double: as close as float32 tables of angles and a record in float32 allow") {
    for (const auto& [name, storage] : models)
        compare<test::BasicTestBackend<double>>(name, storage, {2e-6, 3e-7, 5e-6, 5e-6});
}

TEST_CASE("old keys and new keys of config.json say the same") {
    test::TestBackend be;
    for (const std::string model : {"llama_tied", "gemma3"}) {
        const auto read = [&](const char* name) {
            const io::Json document = io::read_json(HYDRALORA_TEST_DATA "/golden/models/" + model + "/" + name);
            return io::to_json(io::llama_config_from_json(io::JsonView(document, name)), "bfloat16");
        };
        CHECK(read("config.json") == read("config_4x.json"));
    }
}

TEST_CASE("settings of RoPE in config.json: the frequencies and logits of transformers") {
    const std::filesystem::path folder = HYDRALORA_TEST_DATA "/golden", cases_path = folder / "rope.json",
                                model_path = folder / "models/llama", config_path = model_path / "config.json";
    const io::Json cases = io::read_json(cases_path), original = io::read_json(config_path);
    const auto file = io::SafetensorsFile::open(folder / "rope.safetensors");
    const auto with = [&](const io::Json& keys, bool long_heads) {
        io::Json config;
        for (const auto& [key, value] : *original.get_if<io::Json::Object>())
            if (keys.find(key) == nullptr) config.set(key, value);
        for (const auto& [key, value] : *keys.get_if<io::Json::Object>())
            if (!value.is_null()) config.set(key, value);
        if (long_heads) config.set("head_dim", 32);
        return io::llama_config_from_json(io::JsonView(config, "config.json"));
    };
    test::TestBackend be({.threads = 1});
    const auto base = io::open_llama(be, model_path);
    const auto ids = file.view<std::int32_t>("input_ids");
    int compared = 0, scaled = 0;
    for (const auto& member : *cases.get_if<io::Json::Object>()) {
        const std::string& name = member.first;
        const io::Json& each = member.second;
        CAPTURE(name);
        const io::JsonView expected(each, "rope.json");
        const LlamaConfig c = with(*each.find("keys"), true);
        const RopeConfig rope{c.head_dim, c.rope_theta, c.rope_scaling, c.max_positions};
        REQUIRE(expected["inv_freq"].size() == 16);
        for (Index i = 0; i < 16; ++i)
            CHECK(rope_frequency(rope, i) ==
                  doctest::Approx(expected["inv_freq"].element(i).number(0, 1)).epsilon(5e-7));
        const double amplitude = c.rope_scaling.kind == RopeScaling::Kind::yarn ? c.rope_scaling.attention_factor : 1;
        CHECK(amplitude == doctest::Approx(expected["attention_factor"].number(0, 10)).epsilon(1e-12));
        scaled += amplitude != 1 ? 1 : 0;
        if (file.find(name) == nullptr) continue;
        const auto logits_of = [&](const LlamaConfig& config) {
            const Llama<test::TestBackend> model(be, config, base.views);
            Llama<test::TestBackend>::Cache cache;
            model.forward(be, {host_view(ids.data, 1, ids.size()), {}, 1, {}}, cache);
            test::Matrix<float> logits(ids.size(), config.vocabulary);
            model.logits(be, cache, logits.view());
            return logits;
        };
        const auto wanted = file.view<float>(name);
        CHECK(test::max_difference(logits_of(with(*each.find("keys"), false)).cview(), wanted) < 1e-5);
        CHECK(test::max_difference(logits_of(base.config).cview(), wanted) > 1e-3);
        ++compared;
    }
    CHECK(compared == 5);
    CHECK(scaled >= 6);
}

}  // namespace model_huggingface_golden_test
