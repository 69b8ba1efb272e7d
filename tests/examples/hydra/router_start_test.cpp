// Routers that begin from components: what their gates tell apart at step 0, and what is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <hydralora/core/mutual_information.hpp>

#include "label_components.hpp"
#include "memory_plan.hpp"
#include "router_start.hpp"
#include "session.hpp"
#include "support/draw.hpp"
#include "trainer_case.hpp"

namespace trainer_router_start_test {

using namespace hydra;
using hydralora::Target;
using test::error_of;
using test::has;

namespace {

/// A document of words of one domain; the domains share no byte.
std::string words_of(int domain, test::Draw& draw) {
    std::string text;
    for (int w = 0; w < 6; ++w)
        text += (domain == 0 ? draw.one_of<std::string>({"abba", "cafe", "deed", "bead"})
                             : draw.one_of<std::string>({"WXYZ", "ZOO", "VOW", "YOU"})) +
                (domain == 0 ? ' ' : '-');
    return text;
}

/// Two files of records with a field `kind`, which says the file's domain, and a base.
struct TwoDomains {
    const std::filesystem::path& base = test::base_folder();
    test::ScratchDirectory folder;

    TwoDomains() {
        test::Draw draw(3);
        for (const int domain : {0, 1}) {
            std::string lines;
            for (int d = 0; d < 30; ++d)
                lines += R"({"kind": )" + std::to_string(domain) + R"(, "text": ")" + words_of(domain, draw) + "\"}\n";
            test::set_content(folder / (domain == 0 ? "low.jsonl" : "high.jsonl"), lines);
        }
    }
    [[nodiscard]] TrainOptions options(const std::string& out) const {
        TrainOptions o = test::tiny_train(base, "");
        o.loop.data = {folder / "low.jsonl", folder / "high.jsonl"};
        o.loop.out = folder / out;
        o.loop.held_out = 0.2;
        o.adapter.adapter.heads = 2;
        o.components.router = hydralora::RouterInit::components;
        return o;
    }
};

Speech plain_speech(const Vocabulary& vocabulary) { return {vocabulary, hydralora::text::ChatFormat::hydralora}; }

/// NMI of the largest gate with the domain over the labelled tokens held out, of layer and target, after the start; but for
/// the first of each text, which all of them have.
double visible(const LabelledData& data, Index layer, Target target) {
    HostBackend be(host_options(1));
    const BaseModel base = load_base(be, data.options.base, 96);
    const auto& config = data.options.adapter;
    PlacedWeights<HostBackend> weights(be, base, &config);
    const hydralora::Llama<HostBackend> bare(be, base.config, weights.views());
    auto adapters = hydralora::make_buffers(be, hydralora::adapter_shapes(base.config, config));
    hydralora::initialise(be, adapters, base.config, config, hydralora::Seed{1});
    start_routers(be, bare, config, adapters, data.domains, data.components, data.options);
    const auto model = weights.adapted(be, base, config, hydralora::views(std::as_const(adapters)));
    std::vector<std::int32_t> largest, domains;
    Passage<HostBackend> reading;
    for (std::size_t d = 0; d < data.domains.size(); ++d)
        for (const Example& example : data.domains[d].held_out) {
            const Example* one = &example;
            reading.batch.assign(&one, 1, be.slab_rows());
            static_cast<void>(reading.read(be, model));
            const auto g =
                reading.cache.adapters[static_cast<std::size_t>(layer)][hydralora::index_of(target)].g.view();
            for (std::size_t i = 0; i < example.ids.size(); ++i) {
                if (example.labels[i] == ignored || example.ids[i] >= 256) continue;
                const auto* gates = g.row(static_cast<Index>(i));
                largest.push_back(static_cast<std::int32_t>(std::max_element(gates, gates + g.cols) - gates));
                domains.push_back(static_cast<std::int32_t>(d));
            }
        }
    return hydralora::mutual_information(std::span(largest), std::span(domains)).normalised();
}

TEST_CASE("components of two domains are found, held-out texts too, and the routers tell them apart at step 0") {
    const TwoDomains two;
    const Vocabulary vocabulary;
    for (const auto of : component_of_names) {
        CAPTURE(of);
        TrainOptions options = two.options("none");
        options.components.of = hydralora::parse_enum<ComponentOf>("of", of, component_of_names);
        if (of == "field") options.components.field = "kind";
        const LabelledData data = read_labelled_data(options, plain_speech(vocabulary));
        CHECK(data.components == 2);
        for (const Domain& domain : data.domains) {
            const std::int32_t component = domain.train.front().component;
            CHECK(component >= 0);
            CHECK(!domain.held_out.empty());
            for (const auto& part : {domain.train, domain.held_out})
                for (const Example& example : part) CHECK(example.component == component);
        }
        CHECK(data.domains[0].train.front().component != data.domains[1].train.front().component);
        LabelledData as_it_is = data;  // by default the fit keeps away from directions that vary little
        as_it_is.options.components.ridge = 0;
        CHECK(visible(as_it_is, 0, Target::q_proj) >= 0.9);
        CHECK(visible(as_it_is, 1, Target::gate_proj) >= 0.9);
        LabelledData context = as_it_is;
        context.options.adapter.adapter.router_pooling = hydralora::RouterPooling::context;
        CHECK(visible(context, 1, Target::gate_proj) >= 0.9);
    }
}

TEST_CASE("--heads auto takes as many heads as the one finding has components, and given labels set them too") {
    const TwoDomains two;
    const Vocabulary vocabulary;
    TrainOptions options = two.options("none");
    options.heads_of_data = true;
    LabelledData data = read_labelled_data(options, plain_speech(vocabulary));
    CHECK(data.options.adapter.adapter.heads == data.components);
    CHECK_FALSE(data.options.heads_of_data);
    options.components.of = ComponentOf::files;
    data = read_labelled_data(options, plain_speech(vocabulary));
    CHECK(data.options.adapter.adapter.heads == 2);
    options.heads_of_data = false;
    options.adapter.adapter.heads = 4;
    options.components.of = ComponentOf::texts;
    data = read_labelled_data(options, plain_speech(vocabulary));
    std::set<std::int32_t> seen;
    for (const Domain& domain : data.domains)
        for (const Example& example : domain.train) seen.insert(example.component);
    CHECK(seen == std::set<std::int32_t>{0, 1, 2, 3});
}

TEST_CASE("packed tokens keep the component of their document, in whatever way they are packed") {
    const TwoDomains two;
    const Vocabulary vocabulary;
    for (const Packing packing : {Packing::documents, Packing::concatenated}) {
        TrainOptions options = two.options("none");
        options.components.of = ComponentOf::field;
        options.components.field = "kind";
        test::set_content(two.folder / "low.jsonl",
                          R"({"text": "ab", "kind": "x"}
{"text": "AB", "kind": true}
{"text": "abc", "kind": "x"}
{"text": "ABC", "kind": true}
)");
        options.loop.data = {two.folder / "low.jsonl"};
        options.loop.packing = packing;
        options.loop.held_out = 0;
        const LabelledData data = read_labelled_data(options, plain_speech(vocabulary));
        REQUIRE(data.domains[0].train.size() == 1);
        const Example& all = data.domains[0].train.front();
        CHECK(all.component == -1);
        REQUIRE(all.components.size() == all.ids.size());
        for (std::size_t i = 0; i < all.ids.size(); ++i) {
            if (all.ids[i] < 256) CHECK(all.component_at(i) == (all.ids[i] >= 'a' ? 0 : 1));
        }
    }
}

TEST_CASE("--mix components takes from all components alike") {
    const TwoDomains two;
    const Vocabulary vocabulary;
    TrainOptions options = two.options("none");
    options.components.of = ComponentOf::field;
    options.components.field = "kind";
    std::string lines;
    for (int d = 0; d < 20; ++d)
        lines += R"({"text": "a)" + std::to_string(d) + R"(", "kind": ")" + (d % 10 == 0 ? "rare" : "usual") + "\"}\n";
    test::set_content(two.folder / "low.jsonl", lines);
    options.loop.data = {two.folder / "low.jsonl"};
    options.loop.held_out = 0;
    options.loop.mix = Mix::components;
    const LabelledData data = read_labelled_data(options, plain_speech(vocabulary));
    ExampleOrder order(data.domains, Mix::components, hydralora::Seed{1});
    for (Index step = 0; step < 5; ++step) {
        const auto batch = order.batch(step, 8);
        CHECK(std::count_if(batch.begin(), batch.end(), [](const Example* e) { return e->component == 0; }) == 4);
    }
}

TEST_CASE("a run from components, with every policy, resumes to the same bits and in parts has them too") {
    const TwoDomains two;
    const auto with = [&](const std::string& out) {
        TrainOptions o = two.options(out);
        o.loop.steps = 8;
        o.loop.mix = Mix::components;
        o.loop.routing = {.top_k_after = 4, .balance = 0.1, .z = 0.01, .balance_decay = 0.9};
        o.adapter.adapter.gate = hydralora::Gate::top_k;
        o.components.start.b_std = 0.01;
        return o;
    };
    TrainOptions options = with("whole");
    CHECK(train(options, {}) == Outcome::done);
    const std::string whole = test::adapter_bytes(options.loop.out);
    const std::string run = test::content(options.loop.out / "run.json");
    CHECK(has(run, "\"router_init\": \"components\""));
    CHECK(has(run, "found in the training texts"));
    for (const Index stop : {3, 6}) {
        options = with("stopped" + std::to_string(stop));
        CHECK(train(options, test::stopping_after(stop)) == Outcome::interrupted);
        options.loop.resume = true;
        CHECK(train(options, {}) == Outcome::done);
        CHECK(test::adapter_bytes(options.loop.out) == whole);
    }
    options = with("parts");
    options.loop.accumulation = 4;
    options.loop.keep = hydralora::Keep::inputs;
    CHECK(train(options, {}) == Outcome::done);
    CHECK(test::adapter_bytes(options.loop.out) == whole);

    options = with("without");
    options.loop.routing = {};
    CHECK(train(options, {}) == Outcome::done);
    CHECK(test::adapter_bytes(options.loop.out) != whole);
}

TEST_CASE("what cannot be labelled or fitted is refused by file and line, or with the remedy") {
    const TwoDomains two;
    const auto error = [&](const std::vector<std::string>& files, auto change) {
        TrainOptions options = two.options("refused");
        options.loop.data.clear();
        for (std::size_t i = 0; i < files.size(); ++i) {
            options.loop.data.push_back(two.folder / ("f" + std::to_string(i) + ".jsonl"));
            test::set_content(options.loop.data.back(), files[i]);
        }
        if (files.empty()) options.loop.data = two.options("").loop.data;
        options.loop.held_out = 0;
        change(options);
        return error_of([&] { train(options, {}); });
    };
    const auto field = [](TrainOptions& o) {
        o.components.of = ComponentOf::field;
        o.components.field = "kind";
    };
    const std::string labelled = R"({"text": "a", "kind": "x"})";
    CHECK(has(error({labelled + "\n" + R"({"text": "b"})"}, field),
              "f0.jsonl:2:1: expected the field \"kind\" in every record"));
    CHECK(has(error({R"({"text": "b", "kind": null})"}, field), "expected the field \"kind\" in every record"));
    CHECK(has(error({R"({"text": "b", "kind": 1.5})"}, field), "as \"kind\", found a number"));
    CHECK(has(error({R"({"kind": 1, "text": "b", "kind": 2})"}, field), "\"kind\" twice"));
    CHECK(has(error({labelled}, field), "1 component for 2 heads"));
    CHECK(has(error({}, [&](TrainOptions& o) { o.components.of = ComponentOf::field; }), "--component-field"));
    CHECK(has(error({},
                    [&](TrainOptions& o) {
                        o.components.of = ComponentOf::field;
                        o.components.field = "text";
                    }),
              "besides the texts"));
    test::set_content(two.folder / "plain.txt", "some text");
    CHECK(has(error({},
                    [&](TrainOptions& o) {
                        field(o);
                        o.loop.data = {two.folder / "plain.txt"};
                    }),
              "plain.txt: a plain text has no fields"));

    const auto none = [](TrainOptions&) {};
    std::string repeated, few = R"({"text": "one two"})"
                                "\n"
                                R"({"text": "two one"})"
                                "\n"
                                R"({"text": "two three"})";
    for (int i = 0; i < 12; ++i)
        repeated += R"({"text": "the same text"})"
                    "\n";
    CHECK(has(error({repeated}, none), "components of the 12 training texts"));
    CHECK(has(error({repeated}, none), "--component-of files or --component-field"));
    CHECK(
        has(error({few}, [](TrainOptions& o) { o.adapter.adapter.heads = 4; }), "components of the 3 training texts"));
    // The same text in both files: no layer tells them apart.
    CHECK(has(error({repeated, repeated}, [](TrainOptions& o) { o.components.of = ComponentOf::files; }),
              "layers.0.self_attn.q_proj: RouterProbe: the mean of x is the same for every head"));
    CHECK(!std::filesystem::exists(two.folder / "refused"));  // a run that could not begin leaves nothing
    CHECK(has(error({labelled},
                    [&](TrainOptions& o) {
                        field(o);
                        o.heads_of_data = true;
                    }),
              "--heads auto: found 1 component, given by the field kind"));
    // A document without words, and one that is empty, are of some component all the same.
    test::Draw draw(8);
    std::string lines = R"({"text": ""})"
                        "\n"
                        R"({"text": "!"})"
                        "\n";
    for (int i = 0; i < 10; ++i)
        for (const int domain : {0, 1}) lines += R"({"text": ")" + words_of(domain, draw) + "\"}\n";
    CHECK(error({lines}, [&](TrainOptions& o) { o.loop.steps = 1, o.loop.out = two.folder / "odd"; }) == "");

    CHECK(has(error({}, [](TrainOptions& o) { o.adapter.adapter.gate = hydralora::Gate::uniform; }), "has no router"));
    CHECK(has(error({}, [](TrainOptions& o) { o.adapter.adapter.heads = 1; }), "expected at least 2"));
    CHECK(has(error({}, [](TrainOptions& o) { o.loop.routing.top_k_after = 3; }), "needs --gate top_k"));
    CHECK(has(error({}, [](TrainOptions& o) { o.loop.routing.balance = -1; }), "--balance -1"));
    CHECK(has(error({},
                    [](TrainOptions& o) {
                        o.loop.mix = Mix::components;
                        o.loop.packing = Packing::documents;
                    }),
              "--packing none"));
}

TEST_CASE("the plan of memory has the inputs that the routers are fitted to, and their means") {
    const auto model = test::tiny_model();  // reads 16 numbers a token in q_proj, 24 in down_proj
    constexpr Index tokens = Index{probed_together} * 32;
    TrainOptions options = test::tiny_train(test::base_folder(), "");
    options.loop.batch = 1;
    options.loop.sequence_length = 32;
    options.components.router = hydralora::RouterInit::components;
    const auto fit = [&](Target target) {  // all that is held while the routers of a target are fitted
        options.adapter.targets = {target};
        const MemoryPlan plan = memory_plan(model, {}, {}, 0, options);
        REQUIRE(plan.routers > 0);
        return plan.routers + plan.parameters + plan.activations;
    };
    const auto solved = [&](Target target) {
        options.adapter.targets = {target};
        return probe_bytes(probe_inputs(model, options.adapter), options.adapter.adapter.heads);
    };
    CHECK(fit(Target::down_proj) - fit(Target::q_proj) ==
          solved(Target::down_proj) - solved(Target::q_proj) + tokens * (24 - 16) * Index{sizeof(float)});
    const Index alone = fit(Target::down_proj);
    options.adapter.adapter.router_pooling = hydralora::RouterPooling::context;
    const Index context = fit(Target::down_proj);
    CHECK(context - alone == tokens * 24 * Index{sizeof(float)});
}

}  // namespace

}  // namespace trainer_router_start_test
