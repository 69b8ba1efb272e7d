// The trainer as a whole, against itself: what must not change a result, and what must not be lost.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/safetensors.hpp>

#include "trainer_case.hpp"

namespace trainer_train_test {

using namespace test;
using hydra::Outcome;
using hydralora::Index;

namespace {

hydra::TrainOptions options_for(const std::string& out) { return tiny_train(base_folder(), out); }

}  // namespace

TEST_CASE("a run learns, and leaves what it promises") {
    auto options = options_for("learns");
    options.loop.steps = 60;
    options.loop.adamw.lr = 5e-2;
    CHECK(hydra::train(options, {.command = "hydra train ..."}) == Outcome::done);
    const auto loss = losses(options.loop.out);
    REQUIRE(loss.size() == 60);
    CHECK(std::accumulate(loss.end() - 10, loss.end(), 0.0) < std::accumulate(loss.begin(), loss.begin() + 10, 0.0));
    for (const char* name : {"run.json", "report.json", "adapter/adapter_config.json"})
        CHECK(std::filesystem::exists(options.loop.out / name));
    const auto report = hydralora::io::read_json(options.loop.out / "report.json");
    const hydralora::io::JsonView view(report, "report.json");
    CHECK(view["after"].size() == 2);
    for (const std::size_t domain : {0u, 1u})
        CHECK(view["after"].element(domain)["bits_per_byte"].number(0, 100) <
              view["before"].element(domain)["bits_per_byte"].number(0, 100));
    const auto share = view["after"].element(0)["head_share"];
    REQUIRE(share.size() == 3);
    CHECK(share.element(0).number(0, 1) + share.element(1).number(0, 1) + share.element(2).number(0, 1) ==
          doctest::Approx(1).epsilon(1e-5));
    // q_proj (16 in, 16 out), gate_proj (16, 24), down_proj (24, 16), two layers: A r*in, B out*N*r, router N*in
    CHECK(view["trainable_parameters"].integer(0, 1 << 30) ==
          2 * ((2 * 16 + 16 * 6 + 3 * 16) + (2 * 16 + 24 * 6 + 3 * 16) + (2 * 24 + 16 * 6 + 3 * 24)));
}

TEST_CASE("threads and accumulation do not change a bit") {
    auto reference = options_for("one");
    REQUIRE(hydra::train(reference, {}) == Outcome::done);
    for (const int threads : {1, 3, 4}) {
        auto options = options_for("threads" + std::to_string(threads));
        options.loop.threads = threads;
        hydra::train(options, {});
        CHECK(adapter_bytes(options.loop.out) == adapter_bytes(reference.loop.out));
    }
    for (const Index parts : {2, 4, 8}) {
        auto options = options_for("parts" + std::to_string(parts));
        options.loop.accumulation = parts;
        hydra::train(options, {});
        CHECK(adapter_bytes(options.loop.out) == adapter_bytes(reference.loop.out));
        CHECK(losses(options.loop.out) == losses(reference.loop.out));
    }
    auto other = options_for("seed");
    other.loop.seed = 42;
    hydra::train(other, {});
    CHECK(adapter_bytes(other.loop.out) != adapter_bytes(reference.loop.out));
}

TEST_CASE("stopped after any step and resumed, a run ends with the same bits") {
    for (const auto method : {hydra::Method::adapter, hydra::Method::full}) {
        const std::string name = method == hydra::Method::full ? "full" : "adapter";
        auto whole = options_for(name + "-whole");
        whole.method = method;
        REQUIRE(hydra::train(whole, {}) == Outcome::done);
        for (Index k = 1; k < 20; k += method == hydra::Method::full ? 6 : 1) {
            auto options = options_for(name + std::to_string(k));
            options.method = method;
            REQUIRE(hydra::train(options, stopping_after(k)) == Outcome::interrupted);
            options.loop.resume = true;
            REQUIRE(hydra::train(options, {}) == Outcome::done);
            CHECK(checkpoint_bytes(options.loop.out) == checkpoint_bytes(whole.loop.out));
            CHECK(losses(options.loop.out) == losses(whole.loop.out));
        }
        CHECK(checkpoint_bytes(whole.loop.out).size() > 1000);
    }
}

TEST_CASE("a loss that is not finite skips its step, and touches nothing") {
    auto options = options_for("nan");
    const hydra::Surroundings surroundings{
        .command = "",
        .stop = [] { return false; },
        .first_loss = [](Index step) { return step == 7 ? std::numeric_limits<double>::quiet_NaN() : 0.0; }};
    CHECK(hydra::train(options, surroundings) == Outcome::done);
    const auto report = hydralora::io::read_json(options.loop.out / "report.json");
    CHECK(hydralora::io::JsonView(report, "report.json")["skipped"].integer(0, 100) == 1);
    CHECK(std::isnan(losses(options.loop.out)[7]));

    // Stopped before and after the skipped step: the same weights and moments.
    std::string state[2];
    for (const Index stop : {7, 8}) {
        auto part = options_for("nan-stop" + std::to_string(stop));
        auto stopping = stopping_after(stop);
        stopping.first_loss = surroundings.first_loss;
        hydra::train(part, stopping);
        const auto place = hydralora::io::find_checkpoint(part.loop.out / "checkpoints");
        REQUIRE(place);
        CHECK(place->step == stop);
        state[stop - 7] = content(place->directory / "tensors.safetensors");
    }
    CHECK(state[0] == state[1]);
}

TEST_CASE("ten bad steps in a row end the run with the last good weights saved") {
    auto options = options_for("diverged");
    const auto bad = [](Index step) { return step >= 5 ? std::numeric_limits<double>::infinity() : 0.0; };
    CHECK(hydra::train(options, {.command = "", .stop = [] { return false; }, .first_loss = bad}) == Outcome::diverged);
    CHECK(losses(options.loop.out).size() == 15);
    auto good = options_for("good");
    hydra::train(good, stopping_after(5));
    const auto last = hydralora::io::find_checkpoint(options.loop.out / "checkpoints"),
               first = hydralora::io::find_checkpoint(good.loop.out / "checkpoints");
    REQUIRE(last);
    REQUIRE(first);
    CHECK(content(last->directory / "tensors.safetensors") == content(first->directory / "tensors.safetensors"));
    CHECK(!std::filesystem::exists(options.loop.out / "adapter"));
}

TEST_CASE("a learning rate that diverges by itself never saves what is not finite") {
    auto options = options_for("wild");
    options.loop.adamw.lr = 1e30;
    options.loop.clip = 0;
    options.loop.warm_up = 0;
    options.loop.steps = 60;
    CHECK(hydra::train(options, {}) == Outcome::diverged);
    const auto place = hydralora::io::find_checkpoint(options.loop.out / "checkpoints");
    REQUIRE(place);
    const auto checkpoint = hydralora::io::load_checkpoint(*place);
    for (const auto& entry : checkpoint.tensors.entries()) {
        const auto view = checkpoint.tensors.view<float>(entry.name);
        for (Index i = 0; i < view.size(); ++i) REQUIRE(std::isfinite(view.data[i]));
    }
}

TEST_CASE("a run that is over may be resumed, and ends with what it had; with other data it is refused") {
    auto options = options_for("over");
    const auto copy = base_folder() / "copy.jsonl";
    set_content(copy, content(base_folder() / "double.jsonl"));
    options.loop.data = {copy};
    REQUIRE(hydra::train(options, {}) == Outcome::done);
    const std::string adapter = adapter_bytes(options.loop.out);
    options.loop.resume = true;
    CHECK(hydra::train(options, {}) == Outcome::done);
    CHECK(adapter_bytes(options.loop.out) == adapter);
    set_content(copy, content(base_folder() / "double.jsonl") + R"({"text": "more"})"
                                                                "\n");
    CHECK(has(error_of([&] { hydra::train(options, {}); }), "the run to resume has data_checksums = "));
}

TEST_CASE("one step is a step") {
    auto options = options_for("single");
    options.loop.steps = 1;
    hydra::train(options, {});
    auto other = options_for("start");
    other.loop.steps = 1;
    other.loop.adamw.lr = 0;
    hydra::train(other, {});
    CHECK(adapter_bytes(options.loop.out) != adapter_bytes(other.loop.out));
}

TEST_CASE("a domain with nothing held out has no score") {
    auto options = options_for("unscored");
    set_content(base_folder() / "one.jsonl", R"({"instruction": "a", "output": "b"})"
                                             "\n");
    options.loop.data.push_back(base_folder() / "one.jsonl");
    hydra::train(options, {});
    const auto report = hydralora::io::read_json(options.loop.out / "report.json");
    CHECK(hydralora::io::JsonView(report, "report.json")["after"].size() == 2);
}

TEST_CASE("mistakes are refused before anything is made") {
    const auto refused = [](hydra::TrainOptions options) {
        const std::string message = error_of([&] { hydra::train(options, {}); });
        CHECK(!std::filesystem::exists(options.loop.out));
        return message;
    };
    auto options = options_for("mistake");
    options.adapter.adapter.rank = 17;
    CHECK(refused(options) == "AdapterConfig: rank = 17, expected 1 to min(in, out) = 16");
    options = options_for("mistake");
    options.adapter.adapter.heads = 0;
    CHECK(refused(options) == "AdapterConfig: heads = 0, expected 1 to 1024");
    options = options_for("mistake");
    options.adapter.targets.clear();
    CHECK(refused(options) == "--targets: name at least one linear layer");
    options = options_for("mistake");
    options.loop.accumulation = 3;
    CHECK(refused(options) == "--batch 8 cannot be made in --accumulation 3 equal parts");
    options = options_for("mistake");
    options.loop.sequence_length = 65;
    CHECK(refused(options) ==
          "--length 65: sequences are padded to 96 tokens, the base has max_position_embeddings = 64; ask for 64 at "
          "most");
    options = options_for("mistake");
    options.loop.warm_up = 2.5;
    CHECK(has(refused(options), "Schedule: warm_up = 2.5"));
    options = options_for("mistake");
    options.loop.adamw.ratios.b = -1;
    CHECK(has(refused(options), "AdamW: ratios.b = -1"));
    options = options_for("mistake");
    options.loop.evaluation.answers = -1;
    CHECK(refused(options) == "--eval-answers -1: expected 0 or more");
    options = options_for("mistake");
    options.base = base_folder() / "nowhere";
    CHECK(has(refused(options), "nowhere: is not a model directory: it has no config.json"));

    options = options_for("twice");
    hydra::train(options, stopping_after(2));
    CHECK(has(error_of([&] { hydra::train(options, {}); }),
              "twice: exists already; choose another --out, or continue that run with --resume"));
    options.loop.resume = true;
    options.loop.adamw.lr = 0.5;
    CHECK(has(error_of([&] { hydra::train(options, {}); }), "the run to resume has lr = 0.01, now it is 0.5"));
}

}  // namespace trainer_train_test
