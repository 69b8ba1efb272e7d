// The trainer on a Hugging Face directory with a tokenizer and a chat template: a small random model of Qwen2's family.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/safetensors.hpp>
#include <hydralora/io/safetensors_writer.hpp>

#include "base_model.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "documents.hpp"
#include "import.hpp"
#include "logits.hpp"
#include "memory_plan.hpp"
#include "session.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "trainer_case.hpp"

namespace trainer_huggingface_test {

using namespace hydralora;
using namespace test;
using hydra::Outcome;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden";

LlamaConfig model_config(Index vocabulary) {
    LlamaConfig c{.vocabulary = vocabulary,
                  .width = 16,
                  .layers = 3,
                  .heads = 2,
                  .kv_heads = 1,
                  .head_dim = 8,
                  .feed_forward = 24,
                  .max_positions = 160,
                  .lm_head = LmHead::tied};
    c.architecture = Architecture::qwen2;
    c.attention_bias = AttentionBias::qkv;
    return c;
}

/// The same of Gemma 3's family, with windows shorter than most examples.
LlamaConfig gemma_config() {
    LlamaConfig c = model_config(384);
    c.architecture = Architecture::gemma3;
    c.attention_bias = AttentionBias::none;
    c.head_norm = HeadNorm::rms;
    c.block_norms = BlockNorms::around;
    c.gate_activation = GateActivation::gelu_tanh;
    c.sliding_window = 8;
    c.spans = alternating_spans(c.layers, 2);
    c.local_rope_theta = 100;
    c.embedding_scale = 4;
    c.attention_scale = 0.25;
    return c;
}

/// A directory with config.json, model.safetensors in bfloat16, tokenizer.json and tokenizer_config.json.
void make_model(const std::filesystem::path& folder, const LlamaConfig& config = model_config(384)) {
    std::filesystem::create_directories(folder);
    hydra::HostBackend be({.threads = 1});
    const float less = config.architecture == Architecture::gemma3 ? 1 : 0;
    auto weights = make_buffers(be, weight_shapes(config));
    initialise(be, weights, config, Seed{3});
    std::vector<std::vector<bfloat16>> rounded;
    std::vector<io::NamedTensor> tensors;
    visit(
        [&](const ParamPath& path, const ParamBuffer<hydra::HostBackend>& m) {
            auto& values = rounded.emplace_back();
            for (Index i = 0; i < m.size(); ++i)
                values.emplace_back(path.role == Role::norm ? m.view().data[i] - less : m.view().data[i] * 8);
            const bool vector = path.role == Role::norm || path.role == Role::bias;
            tensors.push_back(io::reshaped(io::named_tensor(path.name(), std::span<const bfloat16>(values)),
                                           vector ? io::TensorShape{m.cols()} : io::TensorShape(m.shape())));
        },
        weights);
    io::save_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
    io::Json json = io::to_json(config, "bfloat16");
    json.set("eos_token_id", Index{2});
    set_content(folder / "config.json", io::to_text(json, 2));
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
        std::filesystem::copy(golden / "chat_chatml" / name, folder / name);
}

std::string conversations() {
    std::string text;
    for (int i = 0; i < 40; ++i)
        text += R"({"messages": [{"role": "user", "content": "what follows )" + std::to_string(i) +
                R"( ?"}, {"role": "assistant", "content": "it is )" + std::to_string(i + 1) + "\"}]}\n";
    return text;
}

const std::filesystem::path& folder() {
    static const ScratchDirectory scratch;
    static const bool made = [] {
        make_model(scratch / "model");
        set_content(scratch / "talk.jsonl", conversations());
        set_content(scratch / "questions.jsonl",
                    R"({"question": "what follows 3 ?", "choices": ["it is 4", "it is 11", "no"], "answer": 0}
{"question": "what follows 4 ?", "choices": ["it is 9", "it is 5"], "answer": "B", "domain": "five"}
)");
        return true;
    }();
    static_cast<void>(made);
    return scratch.path();
}

hydra::TrainOptions options_for(const std::string& out) {
    auto options = tiny_train(folder(), out);
    options.base = folder() / "model";
    options.loop.data = {folder() / "talk.jsonl"};
    options.loop.sequence_length = 96;
    options.loop.steps = 6;
    return options;
}

std::string trained_bytes(const hydra::TrainOptions& options) {
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    return adapter_bytes(options.loop.out);
}

}  // namespace

TEST_CASE("training on a conversation file: keeping inputs, accumulating and packing give the bits of doing without") {
    const std::string all = trained_bytes(options_for("all"));
    auto options = options_for("inputs");
    options.loop.keep = Keep::inputs;
    CHECK(trained_bytes(options) == all);
    options = options_for("parts");
    options.loop.accumulation = 4;
    options.loop.keep = Keep::inputs;
    options.loop.threads = 1;
    CHECK(trained_bytes(options) == all);

    const auto packed = [&](const char* out, Index accumulation, Keep keep) {
        auto o = options_for(out);
        o.loop.packing = hydra::Packing::documents;
        o.loop.batch = 4;
        o.loop.accumulation = accumulation;
        o.loop.keep = keep;
        return trained_bytes(o);
    };
    const std::string whole = packed("packed", 1, Keep::all);
    CHECK(whole != all);
    CHECK(packed("packed4", 4, Keep::inputs) == whole);
}

TEST_CASE("a packed document has the loss that it has alone") {
    hydra::Session session(folder() / "model", {}, hydra::host_options(1));
    const hydra::Speech speech = hydra::speech_of(session.vocabulary(), "");
    REQUIRE(speech.format.has_value());
    CHECK(speech.format->own() != nullptr);
    const auto losses = [&](hydra::Packing packing) {
        const auto domains = hydra::read_domains(
            {folder() / "talk.jsonl"},
            {.sequence_length = 96, .held_out = 0, .seed = Seed{1}, .packing = packing, .chat = speech.format},
            session.vocabulary());
        double sum = 0;
        Index labelled = 0;
        Llama<hydra::HostBackend>::Cache cache;
        for (const auto& example : domains.front().train) {
            const auto n = static_cast<Index>(example.ids.size());
            TokenBatch<hydra::HostBackend> batch{
                host_view(example.ids.data(), 1, n), host_view(example.labels.data(), 1, n), 1, {}};
            if (!example.starts.empty()) batch.starts = host_view(example.starts.data(), 1, n);
            session.model().forward(session.backend(), batch, cache);
            session.model().loss(session.backend(), batch, cache, host_view(&sum, 1, 1));
            labelled += example.labelled;
        }
        return std::pair(sum / static_cast<double>(labelled), labelled);
    };
    const auto alone = losses(hydra::Packing::none), packed = losses(hydra::Packing::documents),
               joined = losses(hydra::Packing::concatenated);
    CHECK(alone.second == packed.second);
    CHECK(std::abs(alone.first - packed.first) < 1e-6);
    CHECK(std::abs(alone.first - joined.first) > 1e-4);
}

TEST_CASE("the likeliest choice is that of the model's own losses") {
    hydra::Session session(folder() / "model", {}, hydra::host_options(1));
    const hydra::Speech speech = hydra::speech_of(session.vocabulary(), "");
    const std::string content = test::content(folder() / "questions.jsonl");
    CHECK(hydra::holds_questions(content, "questions.jsonl"));
    CHECK(!hydra::holds_questions(conversations(), "talk.jsonl"));
    CHECK(!hydra::holds_questions(content, "questions.txt"));
    const auto questions = hydra::read_questions(content, "questions.jsonl");
    REQUIRE(questions.size() == 2);
    CHECK(questions[0].domain == "questions");
    CHECK(questions[1].domain == "five");
    CHECK(questions[1].answer == 1);

    Index by_sum = 0, by_length = 0;
    for (const auto& question : questions) {  // each choice alone, by the logits
        std::vector<double> sums;
        for (const auto& choice : question.choices) {
            const auto document = hydra::document_of(
                session.vocabulary(), *speech.format,
                hydra::written(session.vocabulary(), *speech.format,
                               {{text::Speaker::user, question.text}, {text::Speaker::assistant, choice}})
                    .segments);
            const auto n = static_cast<Index>(document.ids.size());
            Llama<hydra::HostBackend>::Cache cache;
            session.model().forward(session.backend(), {host_view(document.ids.data(), 1, n), {}, 1, {}}, cache);
            test::Matrix<float> logits(n, session.model().config().vocabulary);
            session.model().logits(session.backend(), cache, logits.view());
            double sum = 0;
            for (Index t = 1; t < n; ++t) {
                if (!document.trained[static_cast<std::size_t>(t)] || !document.words[static_cast<std::size_t>(t)])
                    continue;
                double all = 0;
                for (Index v = 0; v < logits.cols; ++v) all += std::exp(static_cast<double>(logits(t - 1, v)));
                sum += static_cast<double>(logits(t - 1, document.ids[static_cast<std::size_t>(t)])) - std::log(all);
            }
            sums.push_back(sum);
        }
        const auto best = [](const std::vector<double>& v) {
            return static_cast<std::size_t>(std::max_element(v.begin(), v.end()) - v.begin());
        };
        by_sum += best(sums) == question.answer ? 1 : 0;
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] /= static_cast<double>(question.choices[i].size());
        by_length += best(sums) == question.answer ? 1 : 0;
    }
    const auto scores = hydra::score_questions(session.backend(), session.model(), questions, speech);
    REQUIRE(scores.size() == 2);
    CHECK(scores[0].by_sum + scores[1].by_sum == by_sum);
    CHECK(scores[0].by_length + scores[1].by_length == by_length);
}

TEST_CASE("training on the right answers makes their choices the likeliest") {
    auto options = options_for("learns");
    options.loop.steps = 150;
    options.loop.adamw.lr = 2e-2;
    options.adapter.adapter.dropout = 0;
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    hydra::Session session(options.base, options.loop.out / "adapter", hydra::host_options(1));
    const hydra::Speech speech = hydra::speech_of(session.vocabulary(), "");
    std::string text;
    for (int i = 0; i < 12; ++i)
        text += R"({"question": "what follows )" + std::to_string(i) + R"( ?", "choices": ["zebra crossing", "it is )" +
                std::to_string(i + 1) + "\"], \"answer\": 1}\n";
    const auto scores =
        hydra::score_questions(session.backend(), session.model(), hydra::read_questions(text, "q.jsonl"), speech);
    CHECK(scores.front().by_length == 12);
}

TEST_CASE("questions that are none") {
    const auto refusal = [](const std::string& line) {
        return message_of([&] { static_cast<void>(hydra::read_questions(line, "q.jsonl")); });
    };
    CHECK(has(refusal(R"({"choices": ["a", "b"], "answer": 0})"), "q.jsonl:1:1: \"question\": expected a string"));
    CHECK(has(refusal(R"({"question": "x", "choices": ["a"], "answer": 0})"), "2 to 26 choices"));
    CHECK(has(refusal(R"({"question": "x", "choices": ["a", ""], "answer": 0})"), "not empty"));
    CHECK(has(refusal("\n"
                      R"({"question": "x", "choices": ["a", "b"], "answer": 2})"),
              "q.jsonl:2:1: \"answer\""));
    CHECK(has(refusal(R"({"question": "x", "choices": ["a", "b"], "answer": "C"})"), "its letter, or its text"));
    CHECK(has(refusal(R"({"question": "x", )"), "q.jsonl:1:"));
    const std::string by_text = R"([{"question": "x", "choices": ["a", "b"], "answer": "b"}])";
    CHECK(hydra::read_questions(by_text, "q.json").front().answer == 1);
}

TEST_CASE("a Gemma 3 is planned, trained by adapters and whole, and merged; norms are written as its files have them") {
    make_model(folder() / "gemma", gemma_config());
    auto options = options_for("gemma_lora");
    options.base = folder() / "gemma";
    options.adapter.adapter.heads = 1;
    options.adapter.adapter.gate = Gate::none;
    options.loop.adamw.lr = 1e-2;
    hydra::HostBackend be({.threads = 1});
    const auto base = io::open_llama(be, options.base);
    CHECK(base.config.is_local(0));
    CHECK(!base.config.is_local(1));
    const auto weight_bytes = static_cast<Index>(std::filesystem::file_size(options.base / "model.safetensors"));
    const auto plan = hydra::memory_plan(base.config, {weight_bytes}, PanelStorage::bfloat16, 0, options);
    LlamaConfig without = base.config;
    without.block_norms = BlockNorms::before;
    // Two matrices (T, d) a layer before the norms behind, and their 1 / rms.
    const Index tokens = options.loop.batch * options.loop.sequence_length;
    CHECK(plan.activations -
              hydra::memory_plan(without, {weight_bytes}, PanelStorage::bfloat16, 0, options).activations >=
          3 * 2 * tokens * (16 + 1) * 4);
    REQUIRE(hydra::train(options, {}) == Outcome::done);

    hydra::MergeOptions merge;
    merge.adapter = options.loop.out / "adapter";
    merge.base = options.base;
    merge.out = folder() / "gemma_merged";
    merge.threads = 1;
    hydra::run_merge(merge);
    hydra::Session adapted(options.base, merge.adapter, hydra::host_options(1)),
        merged(merge.out, {}, hydra::host_options(1)), bare(options.base, {}, hydra::host_options(1));
    const auto logits = [](hydra::Session& session) {
        std::vector<std::int32_t> ids;
        for (std::int32_t i = 0; i < 60; ++i) ids.push_back(i * 37 % 384);
        Llama<hydra::HostBackend>::Cache cache;
        session.model().forward(session.backend(), {host_view(std::as_const(ids).data(), 1, 60), {}, 1, {}}, cache);
        test::Matrix<float> all(60, 384);
        session.model().logits(session.backend(), cache, all.view());
        return all;
    };
    const auto expected = logits(adapted);
    const double apart = test::max_difference(logits(bare).view(), expected.view());
    CHECK(test::max_difference(logits(merged).view(), expected.view()) < 0.2 * apart);

    options.method = hydra::Method::full;
    options.loop.out = folder() / "gemma_full";
    options.loop.steps = 2;
    options.loop.adamw.lr = 1e-3;
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    const auto trained = io::open_llama(be, options.loop.out / "model");
    visit(
        [](const ParamPath& path, const StoredView<hydra::HostBackend>& now,
           const StoredView<hydra::HostBackend>& before) {
            if (path.role != Role::norm) return;
            double most = 0;
            for (Index i = 0; i < now.cols; ++i)
                most = std::max(most, std::abs(static_cast<double>(vector_of<hydra::HostBackend>(now)(0, i)) -
                                               static_cast<double>(vector_of<hydra::HostBackend>(before)(0, i))));
            CAPTURE(path.name());
            CHECK(most > 0);
            CHECK(most < 0.1);
        },
        trained.views, base.views);
}

TEST_CASE("--logits writes the logits of a token file, and refuses what is none") {
    hydra::Session session(folder() / "model", {}, hydra::host_options(2));
    const std::vector<std::int64_t> ids{1, 2, 3, 4, 5, 383};
    const auto write = [&](const io::TensorShape& shape, const char* name, const std::vector<std::int64_t>& values) {
        const auto tensor = io::named_tensor(name, io::Dtype::i64, shape, std::as_bytes(std::span(values)));
        io::save_safetensors(folder() / "ids.safetensors", std::span(&tensor, 1));
        hydra::write_logits(session, folder() / "ids.safetensors", folder() / "logits.safetensors");
    };
    write({2, 3}, "input_ids", ids);
    const auto file = io::SafetensorsFile::open(folder() / "logits.safetensors");
    CHECK(file.at("logits").shape.text() == io::TensorShape{2, 3, 384}.text());
    const auto all = file.view<float>("logits");  // (6, 384)
    for (Index s = 0; s < 2; ++s) {
        const std::vector<std::int32_t> sequence(ids.begin() + s * 3, ids.begin() + s * 3 + 3);
        Llama<hydra::HostBackend>::Cache cache;
        session.model().forward(session.backend(), {host_view(sequence.data(), 1, 3), {}, 1, {}}, cache);
        test::Matrix<float> logits(3, 384);
        session.model().logits(session.backend(), cache, logits.view());
        for (Index t = 0; t < 3; ++t)
            for (Index v = 0; v < 384; ++v) REQUIRE(logits(t, v) == all(s * 3 + t, v));
    }
    const auto refusal = [&](auto&&... arguments) { return message_of([&] { write(arguments...); }); };
    CHECK(has(refusal(io::TensorShape{6}, "input_ids", ids), "of shape [batch, time]"));
    CHECK(has(refusal(io::TensorShape{2, 3}, "ids", ids), "expected a tensor \"input_ids\""));
    CHECK(has(refusal(io::TensorShape{1, 2}, "input_ids", std::vector<std::int64_t>{0, 384}),
              "element (0, 1): expected a token below the model's vocab_size = 384, found 384"));
    CHECK(has(refusal(io::TensorShape{1, 2}, "input_ids", std::vector<std::int64_t>{-1, 0}), "found -1"));
    CHECK(has(refusal(io::TensorShape{1, 161}, "input_ids", std::vector<std::int64_t>(161, 0)), "1 to 160 tokens"));
}

TEST_CASE("a model with fewer rows than its tokenizer has tokens is refused where such a token comes up") {
    const ScratchDirectory scratch;
    make_model(scratch / "small", model_config(300));
    auto options = options_for("unused");
    options.base = scratch / "small";
    options.loop.out = scratch / "run";
    const std::string message = message_of([&] { static_cast<void>(hydra::train(options, {})); });
    CHECK(has(message, "300"));
    CHECK(has(message, "vocab"));
    CHECK(!std::filesystem::exists(scratch / "run"));
}

TEST_CASE("a tokenizer that begins every text with a token that the model has not is refused") {
    const ScratchDirectory scratch;
    make_model(scratch / "base");
    const auto path = scratch / "base" / "tokenizer.json";
    io::Json tokenizer = io::read_json(path), added = *tokenizer.find("added_tokens");
    added.push(io::parse_json(R"({"id": 9000000, "content": "<s>", "single_word": false, "lstrip": false,
                                  "rstrip": false, "normalized": false, "special": true})",
                              "token"));
    tokenizer.set("added_tokens", added);
    tokenizer.set("post_processor", io::parse_json(R"({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [9000000], "tokens": ["<s>"]}}})",
                                                   "template"));
    set_content(path, io::to_text(tokenizer, 1));
    hydra::HostBackend be({.threads = 1});
    const std::string message = message_of([&] { static_cast<void>(hydra::load_base(be, scratch / "base")); });
    CHECK_MESSAGE(has(message, "9000000"), message);
}

TEST_CASE("questions alone are scored, and results are not written over what is read") {
    hydra::EvaluateOptions options;
    options.base = folder() / "model";
    options.data = {folder() / "questions.jsonl"};
    options.sequence_length = 64;
    options.json = folder() / "scores.json";
    hydra::run_evaluate(options);
    const io::Json scores = io::read_json(folder() / "scores.json");
    const std::string name = "scores.json";
    CHECK(io::JsonView(scores, name)["domains"].size() == 0);
    CHECK(io::JsonView(scores, name)["questions"].size() > 0);
    const auto refusal = [&](const std::filesystem::path& json) {
        options.json = json;
        return message_of([&] { hydra::run_evaluate(options); });
    };
    CHECK(has(refusal(options.data[0]), "would be written over"));
    CHECK(has(refusal(options.base / "config.json"), "would be written over"));
    CHECK(has(refusal(folder() / "none" / "scores.json"), "make it first"));
}

TEST_CASE("a plan beyond the machine is said, with what takes less") {
    hydra::TrainOptions options;
    hydra::MemoryPlan plan;
    CHECK(hydra::memory_warning(plan, options).empty());
    plan.activations = hydra::machine_memory() + (Index{1} << 30);
    const std::string warning = hydra::memory_warning(plan, options);
    CHECK(has(warning, "the machine has"));
    CHECK(has(warning, "--keep inputs"));
    options.loop.keep = Keep::inputs;
    CHECK(!has(hydra::memory_warning(plan, options), "--keep inputs"));
}

}  // namespace trainer_huggingface_test
