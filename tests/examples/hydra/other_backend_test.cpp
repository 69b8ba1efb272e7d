// The trainer on a backend that is not the one it reads files with: the sources that run on a GPU, on a host system of Thrust.
#include <doctest/doctest.h>

#include <cmath>

#include <hydralora/thrust.hpp>

#include "commands_with.hpp"
#include "train_with.hpp"
#include "trainer_case.hpp"

namespace trainer_other_backend_test {

using namespace test;
using namespace hydralora;
using hydra::Outcome;

namespace {

using Float = ThrustBackend<CppSystem>;
using Bfloat16 = ThrustBackend<CppSystem, Precision<float, bfloat16, float>>;

const HostOptions backend_options{.slab_rows = hydra::slab_rows};

template <class B>
Outcome train_on(const hydra::TrainOptions& options, const hydra::Surroundings& surroundings = {}) {
    B be(backend_options);
    return hydra::train_with(be, options, surroundings);
}

/// The largest difference of the losses of two runs, relative.
double apart(const std::filesystem::path& a, const std::filesystem::path& b) {
    const auto x = losses(a), y = losses(b);
    REQUIRE(x.size() == y.size());
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]) / std::abs(x[i]));
    return most;
}

}  // namespace

TEST_CASE("A run on another backend: losses, evaluation and files as on the trainer's own") {
    for (const auto method : {hydra::Method::adapter, hydra::Method::full}) {
        const std::string name = method == hydra::Method::full ? "full" : "adapter";
        auto own = tiny_train(base_folder(), name + "-own"), other = tiny_train(base_folder(), name + "-other");
        own.method = other.method = method;
        REQUIRE(hydra::train(own, {}) == Outcome::done);
        REQUIRE(train_on<Float>(other) == Outcome::done);
        CHECK(apart(own.loop.out, other.loop.out) < 1e-4);

        // Stopped on one and resumed on the other.
        auto mixed = tiny_train(base_folder(), name + "-mixed");
        mixed.method = method;
        REQUIRE(train_on<Float>(mixed, stopping_after(9)) == Outcome::interrupted);
        mixed.loop.resume = true;
        REQUIRE(hydra::train(mixed, {}) == Outcome::done);
        CHECK(apart(own.loop.out, mixed.loop.out) < 1e-4);

        // Stopped and resumed there: the bits of a run in one piece.
        auto parts = tiny_train(base_folder(), name + "-parts");
        parts.method = method;
        REQUIRE(train_on<Float>(parts, stopping_after(9)) == Outcome::interrupted);
        parts.loop.resume = true;
        REQUIRE(train_on<Float>(parts) == Outcome::done);
        CHECK(checkpoint_bytes(parts.loop.out) == checkpoint_bytes(other.loop.out));
        CHECK(losses(parts.loop.out) == losses(other.loop.out));
    }
}

TEST_CASE("A base that is quantised when it is loaded stays so, and has the losses of the trainer's own backend") {
    auto own = tiny_train(base_folder(), "nested-own"), other = tiny_train(base_folder(), "nested-other");
    own.quantise = other.quantise = hydra::Quantise::nf4_nested;
    REQUIRE(hydra::train(own, {}) == Outcome::done);
    REQUIRE(train_on<Float>(other) == Outcome::done);
    CHECK(apart(own.loop.out, other.loop.out) < 1e-4);
}

TEST_CASE("A run in bfloat16 stays near") {
    auto own = tiny_train(base_folder(), "float"), rounded = tiny_train(base_folder(), "bfloat16");
    REQUIRE(hydra::train(own, {}) == Outcome::done);
    REQUIRE(train_on<Bfloat16>(rounded) == Outcome::done);
    const double difference = apart(own.loop.out, rounded.loop.out);
    CHECK(difference < 2e-2);
    CHECK(difference > 0);
}

TEST_CASE("A run on a GGUF file: its blocks are decoded on the way to another backend") {
    const auto with = [](const std::string& out) {
        auto options = tiny_train(base_folder(), out);
        options.base = HYDRALORA_TEST_DATA "/golden/gguf_models/llama.gguf";
        options.loop.steps = 6;
        return options;
    };
    const auto own = with("gguf-own"), other = with("gguf-other");
    REQUIRE(hydra::train(own, {}) == Outcome::done);
    REQUIRE(train_on<Float>(other) == Outcome::done);
    CHECK(apart(own.loop.out, other.loop.out) < 1e-4);
}

TEST_CASE("Routers from components and routing losses are those of the trainer's own backend") {
    const auto with = [](const std::string& out) {
        auto options = tiny_train(base_folder(), out);
        options.adapter.adapter.heads = 2;
        options.components.router = RouterInit::components;
        options.components.of = hydra::ComponentOf::files;
        options.components.start.b_std = 0.05;  // so that gates matter from step 0
        options.loop.routing = {.balance = 0.1, .z = 0.01, .balance_decay = 0.5};
        return options;
    };
    const auto own = with("start-own"), other = with("start-other"), rounded = with("start-bfloat16");
    REQUIRE(hydra::train(own, {}) == Outcome::done);
    REQUIRE(train_on<Float>(other) == Outcome::done);
    CHECK(apart(own.loop.out, other.loop.out) < 1e-3);
    REQUIRE(train_on<Bfloat16>(rounded) == Outcome::done);
    CHECK(apart(own.loop.out, rounded.loop.out) < 5e-2);

    auto parts = with("start-parts");
    REQUIRE(train_on<Float>(parts, stopping_after(9)) == Outcome::interrupted);
    parts.loop.resume = true;
    REQUIRE(train_on<Float>(parts) == Outcome::done);
    CHECK(checkpoint_bytes(parts.loop.out) == checkpoint_bytes(other.loop.out));
}

TEST_CASE("A loss that is not finite skips its step on another backend too") {
    auto options = tiny_train(base_folder(), "nan");
    hydra::Surroundings surroundings;
    surroundings.first_loss = [](Index step) { return step == 7 ? std::nan("") : 0.0; };
    REQUIRE(train_on<Float>(options, surroundings) == Outcome::done);
    std::string state[2];
    for (const Index stop : {7, 8}) {
        auto part = tiny_train(base_folder(), "nan-" + std::to_string(stop));
        auto stopping = stopping_after(stop);
        stopping.first_loss = surroundings.first_loss;
        REQUIRE(train_on<Float>(part, stopping) == Outcome::interrupted);
        const auto place = io::find_checkpoint(part.loop.out / "checkpoints");
        REQUIRE(place);
        state[stop - 7] = content(place->directory / "tensors.safetensors");
    }
    CHECK(state[0] == state[1]);
    CHECK(state[0].size() > 1000);
}

TEST_CASE("Pretraining, scores and texts on another backend") {
    hydra::PretrainOptions options;
    options.loop = tiny_loop(base_folder(), "pretrained");
    options.model = tiny_model();
    Float be(backend_options);
    REQUIRE(hydra::pretrain_with(be, options, {}) == Outcome::done);
    auto own = options;
    own.loop.out = base_folder() / "pretrained-own";
    REQUIRE(hydra::pretrain(own, {}) == Outcome::done);
    CHECK(apart(own.loop.out, options.loop.out) < 1e-4);

    hydra::EvaluateOptions evaluation;
    evaluation.base = options.loop.out / "model";
    evaluation.data = options.loop.data;
    evaluation.sequence_length = 32;
    evaluation.evaluation = {.batch = 4, .examples = 4, .answers = 2};
    hydra::BasicSession<Float> there(evaluation.base, {}, backend_options);
    hydra::Session here(evaluation.base, {}, hydra::host_options(1));
    const hydra::Speech speech = hydra::speech_of(here.vocabulary(), "");
    const auto domains =
        hydra::read_domains(evaluation.data, {.sequence_length = 32, .held_out = 1, .seed = {}, .chat = speech.format});
    const auto a = hydra::evaluate(there.backend(), there.model(), 0, domains, speech, evaluation.evaluation);
    const auto b = hydra::evaluate(here.backend(), here.model(), 0, domains, speech, evaluation.evaluation);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a[i].loss == doctest::Approx(b[i].loss).epsilon(1e-5));
        CHECK(a[i].tokens == b[i].tokens);
    }
    const std::vector<std::int32_t> prompt{hydra::end_of_text, 'l', 'i', 'n'};
    CHECK(hydra::continue_text(there.backend(), there.model(), speech, prompt, 12) ==
          hydra::continue_text(here.backend(), here.model(), speech, prompt, 12));
}

}  // namespace trainer_other_backend_test
