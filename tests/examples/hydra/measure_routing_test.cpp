// Routing of held-out examples, against plain loops over the tokens, and what a run leaves of it.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include "evaluate.hpp"
#include "session.hpp"
#include "trainer_case.hpp"

namespace trainer_measure_routing_test {

using namespace test;
using namespace hydralora;
using hydra::HostBackend;

namespace {

/// One layer whose q_proj alone has an adapter: its gates are those of the embedded token, whatever stands before it.
struct TinyRouting {
    HostBackend be{hydra::host_options(1)};
    LlamaConfig config = [] {
        auto c = tiny_model();
        c.layers = 1;
        return c;
    }();
    LlamaAdapterConfig adapter;
    hydra::WeightBuffers<HostBackend> weights;
    hydra::HostAdapters adapters;

    explicit TinyRouting(Index heads) {
        adapter.adapter = {.rank = 2, .heads = heads, .alpha = 4};
        adapter.targets = {Target::q_proj};
        weights = make_buffers(be, weight_shapes(config));
        initialise(be, weights, config, Seed{3});
        adapters = make_buffers(be, adapter_shapes(config, adapter));
        initialise(be, adapters, config, adapter, Seed{5});
    }
    auto router() { return adapters.layers[0][index_of(Target::q_proj)].router.view(); }
    auto b() { return adapters.layers[0][index_of(Target::q_proj)].B.view(); }

    hydra::RoutingMeasurement measure(const std::vector<hydra::Domain>& domains,
                                      const std::vector<DoubleMatrix>& start = {}) {
        const Llama<HostBackend> model(be, config, views(std::as_const(weights)), adapter,
                                       views(std::as_const(adapters)));
        hydra::RoutingMeasure measure(config, adapter, domains);
        hydra::read_gates(be, model, domains, {.batch = 2, .examples = 64, .answers = 0}, measure);
        auto measured = measure.measured();
        REQUIRE(measured);
        hydra::measure_parameters(be, adapters, start, *measured);
        return std::move(*measured);
    }

    /// softmax(W_g norm(embedding of the token)), in double.
    std::vector<double> gates(std::int32_t token) {
        const auto embedding = weights.embedding.view();
        const auto norm = weights.layers[0].attention_norm.view();
        double squares = 0, sum = 0;
        for (Index j = 0; j < 16; ++j) squares += std::pow(static_cast<double>(embedding(token, j)), 2);
        const double scale = 1 / std::sqrt(squares / 16 + config.norm_eps);
        std::vector<double> g;
        for (Index i = 0; i < adapter.adapter.heads; ++i) {
            double logit = 0;
            for (Index j = 0; j < 16; ++j)
                logit += static_cast<double>(router()(i, j)) * scale * static_cast<double>(embedding(token, j)) *
                         static_cast<double>(norm.data[j]);
            g.push_back(std::exp(logit));
            sum += g.back();
        }
        for (double& each : g) each /= sum;
        return g;
    }
};

/// Sequences over the tokens from `first` on; the first third of each is not trained.
hydra::Domain domain_of(const std::string& name, std::int32_t first, int examples) {
    hydra::Domain domain;
    domain.name = name;
    for (int e = 0; e < examples; ++e) {
        hydra::Example example;
        for (int t = 0; t < 9 + 4 * e; ++t) {
            example.ids.push_back(first + (t * t + 3 * e) % 8);
            example.labels.push_back(t < 3 + e ? hydra::ignored : example.ids.back());
            example.labelled += example.labels.back() != hydra::ignored ? 1 : 0;
        }
        domain.held_out.push_back(example);
    }
    return domain;
}

double entropy_of(const std::map<std::pair<long, long>, double>& joint, int side) {
    std::map<long, double> sums;
    for (const auto& [at, p] : joint)
        sums[side == 0 ? at.first : side == 1 ? at.second : 1000 * at.first + at.second] += p;
    double sum = 0;
    for (const auto& [at, p] : sums) sum -= p * std::log(p);
    return sum;
}

/// 2 I(a, b) / (H(a) + H(b)), from the joint distribution.
double nmi_of(std::map<std::pair<long, long>, double> joint) {
    double all = 0;
    for (const auto& [at, count] : joint) all += count;
    for (auto& [at, count] : joint) count /= all;
    const double a = entropy_of(joint, 0), b = entropy_of(joint, 1);
    return 2 * (a + b - entropy_of(joint, 2)) / (a + b);
}

double nmi(const hydra::RoutingMeasurement& m, const std::string& labelling) {
    for (const LabelFit& fit : m.linears[0].fits)
        if (fit.labelling == labelling) return fit.nmi();
    FAIL("no labelling " << labelling);
    return -1;
}

std::vector<io::Json> lines_of(const std::filesystem::path& file) {
    std::vector<io::Json> lines;
    const std::string text = content(file);
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
        lines.push_back(io::parse_json(text.substr(at, text.find('\n', at) - at), "routing.jsonl"));
    return lines;
}

}  // namespace

TEST_CASE("Routing of labelled tokens is what plain loops over them count") {
    TinyRouting tiny(3);
    for (Index k = 0; k < tiny.router().size(); ++k) tiny.router().data[k] *= 8;
    for (Index k = 0; k < tiny.b().size(); ++k) tiny.b().data[k] = std::sin(static_cast<float>(k * k));
    std::vector<hydra::Domain> domains{domain_of("a", 'a', 3), domain_of("b", 'd', 5), domain_of("none", 'x', 0)};
    for (std::size_t e = 0; e < 5; ++e) domains[1].held_out[e].component = e % 2 == 0 ? 7 : -1;
    domains[0].held_out[0].component = 2;
    auto start = hydra::copy_routers(tiny.be, tiny.adapters);
    for (double& value : start[0].values) value *= 0.5;
    const auto m = tiny.measure(domains, start);

    double tokens = 0, entropy = 0;
    std::array<double, 3> shares{};
    std::array<std::array<double, 3>, 2> by_domain{};
    std::array<double, 2> domain_tokens{};
    std::map<std::pair<long, long>, double> domain_joint, component_joint, token_joint;
    std::size_t document = 0;
    for (long d = 0; d < 2; ++d)
        for (const auto& example : domains[static_cast<std::size_t>(d)].held_out) {
            std::array<double, 3> mean{};
            for (std::size_t t = 0; t < example.ids.size(); ++t) {
                if (example.labels[t] == hydra::ignored) continue;
                const auto g = tiny.gates(example.ids[t]);
                long chosen = 0;
                for (std::size_t i = 0; i < 3; ++i) {
                    shares[i] += g[i];
                    by_domain[static_cast<std::size_t>(d)][i] += g[i];
                    mean[i] += g[i] / static_cast<double>(example.labelled);
                    entropy -= g[i] * std::log(g[i]) / std::log(3.0);
                    if (g[i] > g[static_cast<std::size_t>(chosen)]) chosen = static_cast<long>(i);
                }
                ++tokens, ++domain_tokens[static_cast<std::size_t>(d)];
                ++domain_joint[{d, chosen}];
                ++token_joint[{example.ids[t], chosen}];
                if (example.component >= 0) ++component_joint[{example.component, chosen}];
            }
            REQUIRE(document < m.documents.size());
            CHECK(m.documents[document].domain == static_cast<std::size_t>(d));
            CHECK(m.documents[document].component == example.component);
            for (std::size_t i = 0; i < 3; ++i)
                CHECK(m.documents[document].gates[i] == doctest::Approx(mean[i]).epsilon(1e-5));
            ++document;
        }
    CHECK(m.documents.size() == document);
    REQUIRE(m.linears.size() == 1);
    const RoutingReport& r = m.linears[0];
    CHECK(r.linear == "layers.0.self_attn.q_proj");
    CHECK(static_cast<double>(r.tokens) == tokens);
    CHECK(r.entropy == doctest::Approx(entropy / tokens).epsilon(1e-5));
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(r.shares[i] == doctest::Approx(shares[i] / tokens).epsilon(1e-5));
        for (std::size_t d = 0; d < 2; ++d)
            CHECK(m.domain_shares[0][d][i] == doctest::Approx(by_domain[d][i] / domain_tokens[d]).epsilon(1e-5));
    }
    CHECK(m.domain_shares[0][2].empty());
    CHECK(m.labellings == std::vector<std::string>{"domain", "component", "token"});
    CHECK(nmi(m, "domain") == doctest::Approx(nmi_of(domain_joint)).epsilon(1e-9));
    CHECK(nmi(m, "component") == doctest::Approx(nmi_of(component_joint)).epsilon(1e-9));
    CHECK(nmi(m, "token") == doctest::Approx(nmi_of(token_joint)).epsilon(1e-9));
    CHECK(nmi(m, "token") > nmi(m, "domain"));
    CHECK(*r.movement == doctest::Approx(1).epsilon(1e-6));  // twice where it began

    double cosines = 0;  // of the heads' (16, 2) blocks
    for (Index i = 0; i < 3; ++i)
        for (Index k = 0; k < i; ++k) {
            double ik = 0, ii = 0, kk = 0;
            for (Index row = 0; row < 16; ++row)
                for (Index col = 0; col < 2; ++col) {
                    const double x = static_cast<double>(tiny.b()(row, 2 * i + col)),
                                 y = static_cast<double>(tiny.b()(row, 2 * k + col));
                    ik += x * y, ii += x * x, kk += y * y;
                }
            cosines += ik / std::sqrt(ii * kk) / 3;
        }
    CHECK(*r.cosine == doctest::Approx(cosines).epsilon(1e-9));
}

TEST_CASE("Heads that were made to follow the domains are found to, and equal gates to follow nothing") {
    TinyRouting tiny(2);
    for (Index token = 0; token < 257; ++token) tiny.weights.embedding.view()(token, 0) = token < 'm' ? 2.0f : -2.0f;
    for (Index j = 0; j < 16; ++j) tiny.router()(0, j) = tiny.router()(1, j) = 0;
    const std::vector<hydra::Domain> domains{domain_of("early", 'a', 4), domain_of("late", 'n', 4)};

    const auto equal = tiny.measure(domains, hydra::copy_routers(tiny.be, tiny.adapters));
    CHECK(equal.linears[0].shares == std::vector<double>{0.5, 0.5});
    CHECK(equal.linears[0].entropy == doctest::Approx(1));
    CHECK(!equal.linears[0].movement);  // from zero
    CHECK(hydra::routing_text(equal) ==
          "Routing: gate entropy 1.00, shares of heads 0.50 to 0.50, dead heads 0 of 2, head cosine 0.00\n"
          "Whether heads follow the domain cannot be said: all tokens choose one head.\n");

    tiny.router()(0, 0) = 3;
    tiny.router()(1, 0) = -3;
    auto planted = tiny.measure(domains);
    CHECK(nmi(planted, "domain") >= 0.9);
    CHECK(planted.domain_shares[0][0][0] > 0.9);
    CHECK(planted.domain_shares[0][1][1] > 0.9);
    CHECK(has(hydra::routing_text(planted), "Heads follow the domain: NMI with the largest gate is 1.00"));

    // Of one domain alone, the sentence is about its components.
    std::vector<hydra::Domain> one{domain_of("one", 'a', 4)};
    for (std::size_t e = 0; e < 4; ++e) one[0].held_out[e].component = static_cast<std::int32_t>(e % 2);
    for (Index token = 0; token < 257; ++token) tiny.weights.embedding.view()(token, 0) = token % 2 == 0 ? 2.0f : -2.0f;
    const std::string text = hydra::routing_text(tiny.measure(one));
    CHECK_MESSAGE(has(text, "Heads do not follow the component: "), text);
    CHECK_MESSAGE(has(text, "(--router-init components)"), text);
    CHECK_MESSAGE(has(text, "(--lr-ratio-router 0.2)"), text);
}

TEST_CASE("Gates that are not finite are no measurement, and no error") {
    TinyRouting tiny(2);
    const std::vector<hydra::Domain> domains{domain_of("a", 'a', 2)};
    hydra::RoutingMeasure measure(tiny.config, tiny.adapter, domains);
    CHECK(!measure.measured());
    hydra::PaddedBatch batch;
    const std::vector<const hydra::Example*> examples{&domains[0].held_out[0]};
    batch.assign(examples.data(), 1, 32);
    std::vector<float> gates(64, 0.5f);
    measure.begin(batch, examples, 0);
    measure.add(0, host_view(std::as_const(gates).data(), 32, 2));
    CHECK(measure.measured());
    gates[10] = std::nanf("");
    measure.add(0, host_view(std::as_const(gates).data(), 32, 2));
    CHECK(!measure.measured());
    CHECK(has(measure.problem(), "gate 0 of token 5 is nan"));
    measure.clear();
    CHECK(measure.problem().empty());
}

TEST_CASE("Of many documents some are kept, evenly from the domains") {
    TinyRouting tiny(2);
    const std::vector<hydra::Domain> domains{domain_of("a", 'a', 2), domain_of("b", 'b', 2)};
    hydra::RoutingMeasure measure(tiny.config, tiny.adapter, domains);
    hydra::PaddedBatch batch;
    const std::vector<const hydra::Example*> examples{&domains[0].held_out[0]};
    batch.assign(examples.data(), 1, 32);
    const std::vector<float> gates(64, 0.5f);
    for (int i = 0; i < 1000; ++i) {
        measure.begin(batch, examples, i < 990 ? 0 : 1);
        measure.add(0, host_view(gates.data(), 32, 2));
    }
    CHECK(measure.measured()->documents.size() == 160);
}

TEST_CASE("A run leaves its routing, and stopped and resumed the same") {
    auto whole = tiny_train(base_folder(), "routed");
    whole.loop.evaluate_every = 5;
    REQUIRE(hydra::train(whole, {}) == hydra::Outcome::done);
    const auto lines = lines_of(whole.loop.out / "routing.jsonl");
    REQUIRE(lines.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        const io::JsonView line(lines[i], "routing.jsonl");
        CHECK(line["step"].integer(0, 20) == static_cast<Index>(5 * i));
        CHECK(line["entropy"].number(0, 1) > 0.1);
        CHECK((line["movement"].number(0, 100) == 0) == (i == 0));
        CHECK((line["cosine"].number(-1, 1) == 0) == (i == 0));
        CHECK(line["nmi"]["token"]["least"].number(0, 1) <= line["nmi"]["token"]["mean"].number(0, 1));
        CHECK(!line["nmi"]["component"].exists());
    }

    // The shares of a domain, over its linears, are those of the scores.
    const auto routing = io::read_json(whole.loop.out / "routing.json"),
               report = io::read_json(whole.loop.out / "report.json");
    const io::JsonView of(routing, "routing.json"), scores(report, "report.json");
    REQUIRE(of["linears"].size() == 6);
    CHECK(of["linears"].element(5)["name"].string() == "layers.1.mlp.down_proj");
    CHECK(of["labellings"].strings() == std::vector<std::string>{"domain", "token"});
    CHECK(of["sentence"].string().find("domain") != std::string::npos);
    for (std::size_t d = 0; d < 2; ++d) {
        const auto score = scores["after"].element(d);
        for (std::size_t i = 0; i < 3; ++i) {
            double mean = 0;
            for (std::size_t l = 0; l < 6; ++l)
                mean += of["linears"].element(l)["domain_shares"][score["domain"].string()].element(i).number(0, 1) / 6;
            CHECK(mean == doctest::Approx(score["head_share"].element(i).number(0, 1)).epsilon(1e-9));
        }
    }
    CHECK(of["documents"].size() == 4);  // held out, two of each domain
    CHECK(of["documents"].element(0)["gates"].size() == 6 * 3);

    for (const Index stop : {3, 5, 12}) {
        auto part = tiny_train(base_folder(), "routed-" + std::to_string(stop));
        part.loop.evaluate_every = 5;
        REQUIRE(hydra::train(part, stopping_after(stop)) == hydra::Outcome::interrupted);
        CHECK(!std::filesystem::exists(part.loop.out / "routing.json"));
        part.loop.resume = true;
        REQUIRE(hydra::train(part, {}) == hydra::Outcome::done);
        for (const char* file : {"routing.jsonl", "routing.json"})
            CHECK(content(part.loop.out / file) == content(whole.loop.out / file));
    }

    // A line that was cut off, and lines of steps that are made again.
    auto cut = tiny_train(base_folder(), "routed-cut");
    cut.loop.evaluate_every = 5;
    REQUIRE(hydra::train(cut, stopping_after(7)) == hydra::Outcome::interrupted);
    const std::string before = content(cut.loop.out / "routing.jsonl");
    set_content(cut.loop.out / "routing.jsonl", before + R"({"step": 9, "entropy": 2})" + "\n" + R"({"step": 1)");
    cut.loop.resume = true;
    REQUIRE(hydra::train(cut, {}) == hydra::Outcome::done);
    CHECK(content(cut.loop.out / "routing.jsonl") == content(whole.loop.out / "routing.jsonl"));
}

TEST_CASE("Without a router there is no routing") {
    auto options = tiny_train(base_folder(), "lora");
    options.adapter.adapter.heads = 1;
    options.adapter.adapter.gate = Gate::none;
    REQUIRE(hydra::train(options, {}) == hydra::Outcome::done);
    CHECK(!std::filesystem::exists(options.loop.out / "routing.jsonl"));
    CHECK(!std::filesystem::exists(options.loop.out / "routing.json"));
}

}  // namespace trainer_measure_routing_test
