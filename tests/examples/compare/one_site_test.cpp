// The shortcut of the comparison: features that are computed once give what the whole decoder gives.
#include "one_site.hpp"
#include "components.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace compare_one_site_test {

namespace {

using namespace compare;
using hydralora::Gate;
using hydralora::Seed;

const char* const base = COMPARE_BASE;

TEST_CASE("before the first step the site answers as the decoder does") {
    const Site site(base);
    const SiteData data = site.data(Mix::cipher, Seed{2}, 200, 20);
    Method method;
    method.adapter.rank = 4;
    method.adapter.heads = 8;
    const Result found = site.train(method, data, Seed{2}, 1e-2, 0);

    Backend be({.threads = 1});
    const auto files = hydralora::io::open_llama(be, base);
    const hydralora::Llama<Backend> model(be, files.config, files.views);
    std::vector<Example> held_out;
    for (Index i = 0; i < 20; ++i)
        for (Index task = 0; task < 8; ++task) held_out.push_back(example_of(Mix::cipher, task, Seed{2}, true, i));
    const TaskScore expected = score(be, model, held_out);
    CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-5));
    CHECK(found.tokens == doctest::Approx(expected.tokens).epsilon(1e-9));
    CHECK(found.exact == doctest::Approx(expected.exact).epsilon(1e-9));
}

TEST_CASE("components are found by their tags, and a router with a context that begins from them finds the tasks") {
    const Site site(base);
    const SiteData data = site.data(Mix::cipher, Seed{3}, 200, 20);
    CHECK(data.component_fit >= 0.99);
    Method method;
    method.adapter.rank = 4;
    method.adapter.heads = 8;
    method.component_start = true;
    method.ratios.router = 0.2;
    const Result token = site.train(method, data, Seed{3}, 1e-2, 20);
    method.adapter.router_pooling = hydralora::RouterPooling::context;
    const Result context = site.train(method, data, Seed{3}, 1e-2, 20);
    CHECK(context.nmi >= 0.85);
    CHECK(token.nmi < context.nmi);
    method.component_start = false;
    CHECK(site.train(method, data, Seed{3}, 1e-2, 20).nmi < 0.5);
}

TEST_CASE("the search sees the tags because frequent words do not count; with them it sees the letters") {
    std::vector<Example> examples;
    for (Index i = 0; i < 60; ++i)
        for (Index task = 0; task < 8; ++task) examples.push_back(example_of(Mix::cipher, task, Seed{0}, false, i));
    CHECK(fit_of(components_of(examples, 8), examples) == doctest::Approx(1));
    CHECK(fit_of(components_of(examples, 8, 0.9), examples) < 0.6);
}

TEST_CASE("heads that the tasks are assigned to learn more than equal ones") {
    const Site site(base);
    const SiteData data = site.data(Mix::cipher, Seed{4}, 200, 20);
    Method method;
    method.adapter.rank = 4;
    method.adapter.heads = 8;
    method.adapter.gate = Gate::assigned;
    const double known = site.train(method, data, Seed{4}, 4e-2, 150).loss;
    method.adapter.gate = Gate::uniform;
    CHECK(known < site.train(method, data, Seed{4}, 4e-2, 150).loss - 0.2);
}

}  // namespace

}  // namespace compare_one_site_test
