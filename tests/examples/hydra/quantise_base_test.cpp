// Training on a base that is quantised when it is loaded, against training on a base whose files hold what the codes stand
// for; and what a run with one must not lose.
#include <doctest/doctest.h>

#include <deque>

#include <hydralora/io/adapter_config.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/model_files.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <hydralora/io/write_file.hpp>

#include "commands.hpp"
#include "session.hpp"
#include "support/message_of.hpp"
#include "trainer_case.hpp"

namespace trainer_quantise_base_test {

using namespace test;
using namespace hydralora;
using hydra::Outcome;
using hydra::Quantise;

namespace {

hydra::TrainOptions options_for(const std::string& out, Quantise how) {
    auto options = tiny_train(base_folder(), out);
    options.quantise = how;
    return options;
}

/// The base with its projections quantised and decoded again, as floats in files. Returns its directory.
std::filesystem::path decoded_base(Quantise how) {
    const auto from = base_folder() / "base" / "model";
    const auto to = base_folder() / ("decoded-" + std::string(enum_name(how, hydra::quantise_names)));
    std::filesystem::copy(from, to);
    EigenBackend be({.threads = 1});
    const auto files = io::ModelFiles::open(from);
    std::vector<io::NamedTensor> tensors;
    std::deque<std::vector<float>> memory;
    Index changed = 0;
    const bool head = how == Quantise::int8_head;  // which of this base is the embedding
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto tensor = files.tensor(i);
        const auto& entry = *tensor.entry;
        if (!entry.name.ends_with("_proj.weight") && (!head || entry.name != "model.embed_tokens.weight")) {
            tensors.push_back(io::named_tensor(entry.name, entry.dtype, entry.shape, tensor.file->bytes(entry)));
            continue;
        }
        const auto stored = tensor.file->view<bfloat16>(entry.name);
        const QuantisedMatrix<EigenBackend> q(be, stored, hydra::format_of(how));
        auto& values = memory.emplace_back(static_cast<std::size_t>(stored.size()));
        for (Index r = 0; r < stored.rows; ++r)
            functor::DecodeRow<float, host>{q.view(), values.data(), stored.cols}(Solo{}, r);
        for (Index j = 0; j < stored.size(); ++j)
            changed += values[static_cast<std::size_t>(j)] != static_cast<float>(stored.data[j]) ? 1 : 0;
        tensors.push_back(io::reshaped(io::named_tensor(entry.name, std::span<const float>(values)), entry.shape));
    }
    CHECK(changed > 1000);
    std::string bytes;
    io::write_safetensors([&](std::span<const std::byte> part) { bytes += io::as_text(part); }, tensors, {});
    set_content(to / "model.safetensors", bytes);
    return to;
}

double apart(const std::vector<double>& x, const std::vector<double>& y) {
    REQUIRE(x.size() == y.size());
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]) / std::abs(x[i]));
    return most;
}

std::string text_at(const std::filesystem::path& file, const char* outer, const char* key) {
    const auto document = io::read_json(file);
    const auto* inside = outer == nullptr ? &document : document.find(outer);
    const auto* found = inside == nullptr ? nullptr : inside->find(key);
    return found == nullptr ? "" : *found->get_if<std::string>();
}

}  // namespace

TEST_CASE("a run on a quantised base has the losses of one on a base that holds the decoded numbers") {
    auto plain = options_for("plain", Quantise::none);
    REQUIRE(hydra::train(plain, {}) == Outcome::done);
    for (const Quantise how : {Quantise::nf4, Quantise::nf4_nested, Quantise::int8, Quantise::int8_head}) {
        const std::string name(enum_name(how, hydra::quantise_names));
        INFO(name);
        auto quantised = options_for(name, how), decoded = options_for(name + "-floats", Quantise::none);
        decoded.base = decoded_base(how);
        REQUIRE(hydra::train(quantised, {}) == Outcome::done);
        REQUIRE(hydra::train(decoded, {}) == Outcome::done);
        const auto found = losses(quantised.loop.out);
        CHECK(apart(found, losses(decoded.loop.out)) < (hydra::takes_head(how) ? 1e-4 : 1e-5));
        CHECK(apart(found, losses(plain.loop.out)) > 1e-5);
        CHECK(text_at(quantised.loop.out / "run.json", "options", "quantise") == name);
        CHECK(text_at(quantised.loop.out / "adapter" / "adapter_config.json", nullptr, "base_quantisation") == name);
        CHECK(io::read_adapter_config(quantised.loop.out / "adapter").base_quantisation == name);
    }
}

TEST_CASE("threads, accumulation, recomputation, stopping and resuming do not change a bit on a quantised base") {
    auto whole = options_for("whole", Quantise::nf4_nested);
    REQUIRE(hydra::train(whole, {}) == Outcome::done);
    for (const int threads : {1, 3, 4}) {
        auto options = options_for("threads" + std::to_string(threads), Quantise::nf4_nested);
        options.loop.threads = threads;
        options.loop.accumulation = threads == 3 ? 4 : 1;
        options.loop.keep = threads == 4 ? Keep::inputs : Keep::all;
        REQUIRE(hydra::train(options, {}) == Outcome::done);
        CHECK(adapter_bytes(options.loop.out) == adapter_bytes(whole.loop.out));
    }
    auto parts = options_for("parts", Quantise::nf4_nested);
    REQUIRE(hydra::train(parts, stopping_after(7)) == Outcome::interrupted);
    parts.loop.resume = true;
    auto others = parts;
    others.quantise = Quantise::nf4;
    CHECK(message_of([&] { hydra::train(others, {}); }).find("has quantise = \"nf4-nested\", now it is \"nf4\"") !=
          std::string::npos);
    others.quantise = Quantise::none;
    CHECK(message_of([&] { hydra::train(others, {}); }).find("has quantise = \"nf4-nested\", now it is nothing") !=
          std::string::npos);
    REQUIRE(hydra::train(parts, {}) == Outcome::done);
    CHECK(checkpoint_bytes(parts.loop.out) == checkpoint_bytes(whole.loop.out));
    CHECK(losses(parts.loop.out) == losses(whole.loop.out));
}

TEST_CASE("an adapter is used on its base as it was trained on it, or as is asked for") {
    auto trained = options_for("used", Quantise::nf4);
    REQUIRE(hydra::train(trained, {}) == Outcome::done);
    const auto adapter = trained.loop.out / "adapter";
    const auto scores = [&](const std::filesystem::path& base, std::optional<Quantise> how) {
        hydra::EvaluateOptions options;
        options.base = base;
        options.adapter = adapter;
        options.data = trained.loop.data;
        options.sequence_length = 48;
        options.quantise = how;
        options.evaluation.answers = 0;
        options.json = base_folder() / "scores.json";
        hydra::run_evaluate(options);
        const auto document = io::read_json(options.json);
        return io::JsonView(document, "scores.json")["all"]["bits_per_byte"].number(0, 100);
    };
    const double own = scores(trained.base, {}), asked = scores(trained.base, Quantise::nf4);
    CHECK(own == asked);
    CHECK(scores(trained.base, Quantise::none) != own);
    const hydra::Session session(trained.base, adapter, hydra::host_options(2));
    CHECK(session.base().quantise == Quantise::nf4);
    CHECK(session.base().files.views.layers[1].projections[0].format() == QuantFormat::nf4);
    CHECK(session.base().files.views.embedding.storage() != Storage::blocks);
    const hydra::Session bare(trained.base, {}, hydra::host_options(2));
    CHECK(bare.base().quantise == Quantise::none);
}

TEST_CASE("what --quantise does not go with is refused before anything is made") {
    const auto refusal = [](auto change) {
        auto options = options_for("refused", Quantise::int8);
        change(options);
        const std::string message = message_of([&] { hydra::train(options, {}); });
        CHECK(!std::filesystem::exists(options.loop.out));
        return message;
    };
    CHECK(refusal([](auto& o) { o.method = hydra::Method::full; }) ==
          "--quantise int8: --method full trains the matrices themselves; train an adapter, or leave it out");
    CHECK(refusal([](auto& o) { o.weights = hydra::BaseWeights::packed; }) ==
          "--quantise int8: quantised matrices are read as they are, not packed; leave out --weights packed");
    const std::string gguf = refusal([](auto& o) { o.base = o.loop.data[1]; });
    CHECK(gguf.find("a GGUF file, are used as they are stored; leave it out") != std::string::npos);
}

}  // namespace trainer_quantise_base_test
