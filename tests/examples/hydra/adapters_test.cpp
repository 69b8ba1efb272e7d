// Adapters out and in: round trips to the byte, logits as PEFT computes them, measured gates, merged weights.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/adapter_directory.hpp>
#include <hydralora/io/gguf.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/peft.hpp>

#include "evaluate.hpp"
#include "export.hpp"
#include "import.hpp"
#include "measure_gates.hpp"
#include "session.hpp"
#include "support/matrix.hpp"
#include "trainer_case.hpp"

namespace trainer_adapters_test {

using namespace test;
using namespace hydralora;
using hydra::ExportKind;
using hydra::Overwrite;

namespace {

const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden";

/// One base and one adapter of each kind, for all tests; a folder for what they write.
struct Made {
    ScratchDirectory scratch;
    std::filesystem::path base = scratch / "base/model", text = scratch / "text.txt";

    Made() {
        write_data(scratch.path());
        make_tiny_base(scratch.path());
        set_content(text, "double\n12 lines, and line 4 of 16.\nline 9");
        train("routed", Gate::softmax, Sharing::shared_a);
        train("uniform", Gate::uniform, Sharing::shared_a);
        train("own", Gate::softmax, Sharing::own_a);
    }
    void train(const std::string& name, Gate gate, Sharing sharing) {
        auto options = tiny_train(scratch.path(), name);
        options.loop.adamw.lr = 3e-2;
        options.adapter.adapter.gate = gate;
        options.adapter.adapter.sharing = sharing;
        REQUIRE(hydra::train(options, {}) == hydra::Outcome::done);
    }
    [[nodiscard]] std::filesystem::path adapter(const std::string& name) const {
        return scratch.path() / name / "adapter";
    }
    [[nodiscard]] hydra::ExportOptions to(ExportKind kind, const std::string& name, const std::string& out) const {
        hydra::ExportOptions options;
        options.adapter = adapter(name);
        options.base = base;
        options.out = scratch / out;
        options.to = kind;
        options.sequence_length = 48;
        options.threads = 1;
        return options;
    }
    [[nodiscard]] hydra::ImportOptions from(const std::filesystem::path& path, const std::string& out) const {
        hydra::ImportOptions options;
        options.path = path;
        options.base = base;
        options.out = scratch / out;
        options.threads = 1;
        return options;
    }
};
const Made& made() {
    static const Made all;
    return all;
}

bool same_files(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const auto name : {io::adapter_config_name, io::adapter_tensors_name})
        if (content(a / name) != content(b / name) || content(a / name).empty()) return false;
    return true;
}

/// Logits (T, V) of one sequence.
Matrix<float> logits_of(hydra::Session& session, const std::vector<std::int32_t>& ids) {
    const auto length = static_cast<Index>(ids.size());
    Llama<hydra::HostBackend>::Cache cache;
    TokenBatch<hydra::HostBackend> batch;
    batch.ids = host_view(ids.data(), 1, length);
    Pass<hydra::HostBackend> pass;
    pass.mode = Mode::inference;
    session.model().forward(session.backend(), batch, cache, pass);
    Matrix<float> logits(length, session.model().config().vocabulary);
    session.model().logits(session.backend(), cache, logits.view());
    return logits;
}

std::vector<hydra::Domain> read_text(const std::filesystem::path& path) {
    return hydra::read_domains(
        {path}, {.sequence_length = 48, .held_out = 1.0, .seed = {}, .prompts = hydra::Prompts::trained});
}

}  // namespace

TEST_CASE("a LoRA of PEFT, imported, has the logits that PEFT computes") {
    const ScratchDirectory scratch;
    for (const auto& [name, model] :
         {std::pair{"on_llama", "llama"}, {"on_qwen2", "qwen2"}, {"on_llama_copies", "llama"}}) {
        hydra::ImportOptions options;
        options.path = golden / "peft" / name;
        options.base = golden / "models" / model;
        options.out = scratch / name;
        options.threads = 1;
        hydra::run_import(options);
        hydra::Session session(options.base, options.out, hydra::host_options(1)),
            alone(options.base, {}, hydra::host_options(1));
        const auto recorded = io::SafetensorsFile::open(options.path / "logits.safetensors");
        const auto ids = recorded.view<std::int32_t>("ids");
        const std::vector<std::int32_t> tokens(ids.data, ids.data + ids.size());
        const auto expected = recorded.view<float>("logits");
        CHECK(max_difference(logits_of(session, tokens).cview(), expected) < 2e-5);
        CHECK(max_difference(logits_of(alone, tokens).cview(), expected) > 1e-2);
        const auto file = io::read_adapter_config(options.out);
        CHECK(file.base_checksum == session.base().checksum);
        CHECK(file.gate == "none");
    }
}

TEST_CASE("what no adapter holds is refused by import, and merged has the logits that PEFT computes") {
    const ScratchDirectory scratch;
    for (const char* name : {"merge_dora", "merge_ends", "merge_rows", "on_llama_copies"}) {
        CAPTURE(name);
        const auto path = golden / "peft" / name;
        hydra::ImportOptions import;
        import.path = path;
        import.base = golden / "models/llama";
        import.out = scratch / "refused";
        const std::string refusal = error_of([&] { hydra::run_import(import); });
        const bool held = std::string(name) == "on_llama_copies";
        CHECK(refusal.empty() == held);
        CHECK((held || has(refusal, "merge it into the base, by `hydra merge`")));
        hydra::MergeOptions options;
        options.adapter = path;
        options.base = import.base;
        options.out = scratch / name;
        options.threads = 1;
        hydra::run_merge(options);
        hydra::Session session(options.out, {}, hydra::host_options(1)),
            alone(options.base, {}, hydra::host_options(1));
        const auto recorded = io::SafetensorsFile::open(path / "logits.safetensors");
        const auto ids = recorded.view<std::int32_t>("ids");
        const std::vector<std::int32_t> tokens(ids.data, ids.data + ids.size());
        const auto expected = recorded.view<float>("logits");
        CHECK(max_difference(logits_of(session, tokens).cview(), expected) < 2e-5);
        CHECK(max_difference(logits_of(alone, tokens).cview(), expected) > 1e-2);
    }
    // A copy of the base's tensor that is another one.
    hydra::ImportOptions options;
    options.path = golden / "peft/merge_rows";
    options.base = golden / "models/llama";
    options.out = scratch / "refused2";
    CHECK(has(error_of([&] { hydra::run_import(options); }), "\"trainable_token_indices\": expected it to be off"));
    // A tied head that is trained becomes one of its own; a trained embedding of a tied head is refused.
    hydra::MergeOptions merge;
    merge.adapter = golden / "peft/merge_ends";
    merge.base = golden / "models/llama_tied";
    merge.out = scratch / "tied";
    CHECK(has(error_of([&] { hydra::run_merge(merge); }), "trains the embedding, which is the head of this base too"));
    merge.base = golden / "gguf_models/llama.gguf";
    CHECK(has(error_of([&] { hydra::run_merge(merge); }), "is a GGUF file; `hydra import` makes an adapter of"));
}

TEST_CASE("exports in 16 bits are read back rounded, and what they cannot hold is not written") {
    const Made& m = made();
    auto whole = m.to(ExportKind::peft_collapsed, "uniform", "in_f32"),
         half = m.to(ExportKind::peft_collapsed, "uniform", "in_bf16"),
         gguf = m.to(ExportKind::gguf_collapsed, "uniform", "in_f16.gguf");
    half.type = hydra::ExportType::bf16;
    gguf.type = hydra::ExportType::f16;
    for (const auto* options : {&whole, &half, &gguf}) hydra::run_export(*options);
    const auto key = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";
    const auto full = io::SafetensorsFile::open(whole.out / io::adapter_tensors_name),
               rounded = io::SafetensorsFile::open(half.out / io::adapter_tensors_name);
    const auto values = full.view<float>(key);
    const auto short_values = rounded.view<bfloat16>(key);
    for (Index i = 0; i < values.size(); ++i)
        CHECK(static_cast<float>(short_values.data[i]) == static_cast<float>(bfloat16(values.data[i])));
    // Read back by import, as floats: of the GGUF file the rows in the order of halves.
    hydra::run_import(m.from(whole.out, "in_f32_back"));
    hydra::run_import(m.from(gguf.out, "in_f16_back"));
    const auto one = io::SafetensorsFile::open(m.scratch / "in_f32_back" / io::adapter_tensors_name),
               other = io::SafetensorsFile::open(m.scratch / "in_f16_back" / io::adapter_tensors_name);
    REQUIRE(one.entries().size() == other.entries().size());
    for (const auto& entry : one.entries()) {
        const auto a = one.view<float>(entry.name), b = other.view<float>(entry.name);
        for (Index i = 0; i < a.size(); ++i) CHECK(static_cast<float>(float16(a.data[i])) == b.data[i]);
    }
    auto native = m.to(ExportKind::native, "uniform", "no");
    native.type = hydra::ExportType::f16;
    CHECK(has(error_of([&] { hydra::run_export(native); }), "--dtype f16: adapters of ours are in f32"));
    std::deque<std::vector<std::byte>> memory;
    const std::vector<float> large{1, 70000};
    CHECK(has(error_of([&] {
                  static_cast<void>(
                      io::in_type(io::Dtype::f16, {io::named_tensor("x", host_view(large.data(), 1, 2))}, memory));
              }),
              "x: element (0, 1) is 70000, which F16 cannot hold"));
}

TEST_CASE("native, released, imported: the same bytes") {
    const Made& m = made();
    hydra::run_export(m.to(ExportKind::released, "routed", "trip_released"));
    CHECK(has(content(m.scratch / "trip_released/adapter_config.json"), "\"peft_type\": \"LORA\""));
    hydra::run_import(m.from(m.scratch / "trip_released", "trip_native"));
    CHECK(same_files(m.adapter("routed"), m.scratch / "trip_native"));
    hydra::run_export(m.to(ExportKind::native, "routed", "trip_again"));
    CHECK(same_files(m.adapter("routed"), m.scratch / "trip_again"));
}

TEST_CASE("collapsed, imported, exported: the same bytes") {
    const Made& m = made();
    for (const char* name : {"routed", "own"}) {
        auto options = m.to(ExportKind::peft_collapsed, name, std::string("collapsed_") + name);
        options.text = {m.text};
        hydra::run_export(options);
        const std::string imported = std::string("collapsed_imported_") + name;
        hydra::run_import(m.from(options.out, imported));
        auto again = m.to(ExportKind::peft_collapsed, name, std::string("collapsed_again_") + name);
        again.adapter = m.scratch / imported;
        hydra::run_export(again);
        CHECK(same_files(options.out, again.out));
        const auto config = io::read_peft_config(again.out);
        CHECK(config.rank == (std::string(name) == "own" ? 6 : 2));
        CHECK(config.alpha / static_cast<double>(config.rank) == 2);
    }
}

TEST_CASE("the gates of a text are those that evaluation counts, and what collapsing costs is what it costs") {
    const Made& m = made();
    auto options = m.to(ExportKind::peft_heads, "routed", "heads");
    options.text = {m.text};
    hydra::run_export(options);
    const auto document = io::read_json(options.out / "gates.json");
    const io::JsonView gates(document, "gates.json");
    CHECK(gates["modules"].size() == 6);
    CHECK(has(gates["combine"].string(), "combination_type=\"cat\""));
    CHECK(has(gates["combine"].string(), "\"linear\" mixes A and B apart and is another adapter"));

    hydra::Session session(m.base, m.adapter("routed"), hydra::host_options(1), 80);
    const auto domains = read_text(m.text);
    hydra::EvaluationOptions evaluation;
    evaluation.answers = 0;
    const auto score = hydra::evaluate(session.backend(), session.model(), 3, domains,
                                       hydra::speech_of(session.vocabulary(), ""), evaluation);
    double sum = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(gates["mean"].element(i).number(0, 1) == doctest::Approx(score[0].head_share[i]).epsilon(1e-6));
        sum += gates["modules"]["layers.1.mlp.down_proj"].element(i).number(0, 1);
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-6));
    CHECK(std::abs(score[0].head_share[0] - 1.0 / 3) > 1e-4);

    // Against the model of the imported collapse, evaluated by other code.
    auto collapse = m.to(ExportKind::peft_collapsed, "routed", "costs");
    collapse.text = {m.text};
    hydra::run_export(collapse);
    hydra::run_import(m.from(collapse.out, "costs_imported"));
    hydra::Session other(m.base, m.scratch / "costs_imported", hydra::host_options(1), 80);
    const auto other_score = hydra::evaluate(other.backend(), other.model(), 0, domains,
                                             hydra::speech_of(other.vocabulary(), ""), evaluation);
    std::vector<const hydra::Example*> examples;
    for (const auto& example : domains[0].held_out) examples.push_back(&example);
    const auto comparison = hydra::compare(session.backend(), session.model(), other.model(), examples);
    CHECK(comparison.tokens == score[0].tokens);
    CHECK(comparison.loss == doctest::Approx(score[0].loss).epsilon(1e-6));
    CHECK(comparison.other_loss == doctest::Approx(other_score[0].loss).epsilon(1e-6));
    CHECK(comparison.divergence > 1e-9);
    CHECK(comparison.largest_divergence >= comparison.divergence);
    // Plain loops over one piece: KL in double from the logits.
    const auto& piece = *examples[0];
    const auto p = logits_of(session, piece.ids), q = logits_of(other, piece.ids);
    double divergence = 0;
    for (Index t = 0; t < p.rows; ++t) {
        double p_sum = 0, q_sum = 0;
        for (Index v = 0; v < p.cols; ++v) {
            p_sum += std::exp(static_cast<double>(p(t, v)));
            q_sum += std::exp(static_cast<double>(q(t, v)));
        }
        for (Index v = 0; v < p.cols; ++v) {
            const double pv = std::exp(static_cast<double>(p(t, v))) / p_sum;
            divergence += pv * std::log(pv / (std::exp(static_cast<double>(q(t, v))) / q_sum));
        }
    }
    const auto one = hydra::compare(session.backend(), session.model(), other.model(), {&piece});
    REQUIRE(one.tokens == p.rows);
    CHECK(one.divergence == doctest::Approx(divergence / static_cast<double>(p.rows)).epsilon(1e-3));
    CHECK(hydra::compare(session.backend(), session.model(), session.model(), {&piece}).divergence == 0);
}

TEST_CASE("heads, weighted and summed, are the adapter under those gates") {
    const Made& m = made();
    for (const char* name : {"routed", "own"}) {
        auto options = m.to(ExportKind::peft_heads, name, std::string("by_heads_") + name);
        hydra::run_export(options);
        CHECK(io::list_directory(options.out) == std::vector<std::string>{"gates.json", "head_0", "head_1", "head_2"});
        hydra::Session session(m.base, m.adapter(name), hydra::host_options(1));
        const std::string key = "base_model.model.model.layers.1.mlp.down_proj.";
        const auto all = io::SafetensorsFile::open(m.adapter(name) / io::adapter_tensors_name);
        for (int i = 0; i < 3; ++i) {
            const auto head = options.out / ("head_" + std::to_string(i));
            const auto config = io::read_peft_config(head);
            CHECK(config.alpha == 4);
            CHECK(config.target_modules == std::vector<std::string>{"q_proj", "gate_proj", "down_proj"});
            const auto file = io::SafetensorsFile::open(head / io::adapter_tensors_name);
            const std::string n = std::to_string(i), a = std::string(name) == "own" ? "lora_A" + n : "lora_A";
            CHECK(same_bits(file.view<float>(key + "lora_A.weight"), all.view<float>(key + a + ".weight")));
            CHECK(same_bits(file.view<float>(key + "lora_B.weight"), all.view<float>(key + "lora_B" + n + ".weight")));
        }
        // The same for llama.cpp; the feed-forward's rows keep their order.
        options.to = ExportKind::gguf_heads;
        options.out = m.scratch / (std::string("by_gguf_") + name);
        hydra::run_export(options);
        const auto gguf = io::GgufFile::open(options.out / "head_2.gguf");
        CHECK(gguf.value<std::string>("general.architecture") == "llama");
        CHECK(gguf.value<float>("adapter.lora.alpha") == 4);
        CHECK(gguf.entries().size() == 2 * 2 * 3);
        CHECK(same_bits(gguf.view<float>("blk.1.ffn_down.weight.lora_b"), all.view<float>(key + "lora_B2.weight")));
    }
}

TEST_CASE("an export is replaced when asked for, and never mixed with what it is not") {
    const Made& m = made();
    auto options = m.to(ExportKind::gguf_heads, "uniform", "replaced");
    const auto refusal = [&] { return error_of([&] { hydra::run_export(options); }); };
    hydra::run_export(options);
    CHECK(has(refusal(), "replaced: exists already; choose another --out, or --force replaces it"));
    options.overwrite = Overwrite::replace;
    options.to = ExportKind::peft_heads;
    hydra::run_export(options);
    CHECK(io::list_directory(options.out) == std::vector<std::string>{"gates.json", "head_0", "head_1", "head_2"});
    hydra::run_export(options);
    set_content(options.out / "notes.txt", "mine");
    CHECK(has(refusal(), "not replaced, for it also holds \"notes.txt\""));
    options.to = ExportKind::gguf_collapsed;
    CHECK(has(refusal(), "expected a file to replace, found something else"));
    for (const auto& name : io::list_directory(m.scratch.path())) CHECK(!has(name, ".tmp-"));
}

TEST_CASE("merged weights are W0 + s sum_i w_i B_i A_i, rounded once") {
    const Made& m = made();
    hydra::MergeOptions options;
    options.adapter = m.adapter("uniform");
    options.base = m.base;
    options.out = m.scratch / "merged";
    options.threads = 1;
    set_content(m.base / "tokenizer.json", "{\"a\": 1}");
    hydra::run_merge(options);
    std::filesystem::remove(m.base / "tokenizer.json");
    CHECK(content(options.out / "config.json") == content(m.base / "config.json"));
    CHECK(content(options.out / "tokenizer.json") == "{\"a\": 1}");
    const auto before = io::SafetensorsFile::open(m.base / "model.safetensors");
    const auto after = io::SafetensorsFile::open(options.out / "model.safetensors");
    const auto adapter = io::SafetensorsFile::open(options.adapter / io::adapter_tensors_name);
    REQUIRE(before.entries().size() == after.entries().size());
    for (const auto& entry : before.entries()) {
        const auto old = before.view<bfloat16>(entry.name), now = after.view<bfloat16>(entry.name);
        const std::string key = "base_model.model." + entry.name.substr(0, entry.name.rfind('.')) + ".";
        if (adapter.find(key + "lora_A.weight") == nullptr) {
            CHECK(same_bits(old, now));
            continue;
        }
        CHECK(!same_bits(old, now));
        const auto a = adapter.view<float>(key + "lora_A.weight");
        Index wrong = 0;
        for (Index o = 0; o < old.rows; ++o)
            for (Index k = 0; k < old.cols; ++k) {
                double sum = static_cast<double>(static_cast<float>(old(o, k)));
                for (int i = 0; i < 3; ++i) {
                    const auto b = adapter.view<float>(key + "lora_B" + std::to_string(i) + ".weight");
                    for (Index j = 0; j < 2; ++j)
                        sum += 2.0 / 3 * static_cast<double>(b(o, j)) * static_cast<double>(a(j, k));
                }
                // Half a unit in the last place of bfloat16, and a little for float before it.
                const double error = std::abs(static_cast<double>(static_cast<float>(now(o, k))) - sum);
                wrong += error > std::abs(sum) * 0x1.01p-8 + 1e-7 ? 1 : 0;
            }
        CHECK(wrong == 0);
    }
    // It is a base, close to what the adapter computes.
    hydra::Session merged(options.out, {}, hydra::host_options(1)),
        session(m.base, options.adapter, hydra::host_options(1)), alone(m.base, {}, hydra::host_options(1));
    const std::vector<std::int32_t> ids{256, 'd', 'o', 'u', 'b', 'l', 'e', '\n', '7', 256};
    const auto expected = logits_of(session, ids);
    const double moved = max_difference(expected.cview(), logits_of(alone, ids).cview());
    CHECK(max_difference(expected.cview(), logits_of(merged, ids).cview()) < 0.1 * moved);
}

TEST_CASE("what cannot be done is refused, and nothing is left") {
    const Made& m = made();
    const auto names = io::list_directory(m.scratch.path());
    const auto refused = [&](ExportKind kind, const char* name, auto&& change) {
        auto options = m.to(kind, name, "refused");
        change(options);
        return error_of([&] { hydra::run_export(options); });
    };
    const auto as_it_is = [](auto&) {};
    CHECK(has(refused(ExportKind::peft_collapsed, "routed", as_it_is),
              "--to peft-collapsed: the gate softmax depends on the token; give --text FILE"));
    CHECK(has(refused(ExportKind::gguf_collapsed, "routed",
                      [](auto& o) {
                          o.gates = {0.5, 0.5};
                      }),
              "--gate: expected 3 numbers, one a head, found 2"));
    CHECK(has(refused(ExportKind::gguf_collapsed, "uniform",
                      [](auto& o) {
                          o.gates = {1, 1, 1};
                      }),
              "the adapter's gates are fixed by its gate uniform already"));
    test::set_content(m.scratch / "foreign", "not a GGUF file");
    CHECK(has(refused(ExportKind::gguf_collapsed, "uniform",
                      [&](auto& o) {
                          o.out = m.scratch / "foreign";
                          o.overwrite = hydra::Overwrite::replace;
                      }),
              "foreign: not replaced, for it is no GGUF file"));
    std::filesystem::remove(m.scratch / "foreign");
    CHECK(has(refused(ExportKind::peft_collapsed, "uniform", [&](auto& o) { o.out = m.scratch / "no" / "refused"; }),
              "no to write it into; make it first"));
    CHECK(has(refused(ExportKind::peft_collapsed, "uniform", [&](auto& o) { o.out = o.adapter / "inside"; }),
              "would be written over"));
    CHECK(has(refused(ExportKind::released, "routed", [&](auto& o) { o.text = {m.text}; }), "keeps the router"));
    CHECK(has(refused(ExportKind::released, "uniform", as_it_is),
              "the released layout: gate \"uniform\": expected \"softmax\""));
    CHECK(has(refused(ExportKind::released, "own", as_it_is), "sharing \"own_a\": expected \"shared_a\""));
    CHECK(has(refused(ExportKind::peft_collapsed, "uniform", [&](auto& o) { o.adapter = golden / "peft/plain"; }),
              "is a LoRA of PEFT; `hydra import` makes an adapter of it first"));
    CHECK(has(refused(ExportKind::peft_collapsed, "routed", [&](auto& o) { o.text = {m.scratch / "no.txt"}; }),
              "no.txt"));
    CHECK(has(refused(ExportKind::peft_collapsed, "uniform",
                      [&](auto& o) {
                          o.text = {m.text};
                          o.sequence_length = 100000;
                      }),
              "--length 100000: the base has max_position_embeddings = 64"));

    const auto imports = [&](const std::filesystem::path& path) {
        return error_of([&] { hydra::run_import(m.from(path, "refused")); });
    };
    CHECK(has(imports(m.adapter("routed")), "is an adapter of ours already"));
    CHECK(has(imports(golden / "peft/on_llama"), "does the adapter belong to another model?"));  // of another base
    CHECK(has(imports(golden / "peft/dora"), "use_dora"));
    const auto merge = [&](const std::filesystem::path& adapter, const std::filesystem::path& out) {
        hydra::MergeOptions options;
        options.adapter = adapter;
        options.base = m.base;
        options.out = out;
        return error_of([&] { hydra::run_merge(options); });
    };
    CHECK(has(merge(m.adapter("routed"), m.scratch / "refused"), "`hydra export --to peft-collapsed --text FILE`"));
    CHECK(has(merge(m.adapter("uniform"), m.base), "exists already; choose another --out"));
    CHECK(io::list_directory(m.scratch.path()) == names);
}

}  // namespace trainer_adapters_test
