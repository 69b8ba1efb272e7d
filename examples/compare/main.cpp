// compare: what HydraLoRA is worth on tasks small enough to run it hundreds of times. See compare.sh.
//
//   compare control | one-site | all-linears [--quick] [--base DIR] [--out DIR]
//   compare texts --hydra FILE --data DIR --out DIR
//   compare one-task-each --out DIR       separate LoRAs, for `hydra analyze`
//   compare make-base DIR                 trains the decoder that the repository has
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <hydralora/core/process_limits.hpp>
#include <hydralora/io/write_file.hpp>

#include "all_linears.hpp"
#include "control.hpp"
#include "methods.hpp"
#include "one_site.hpp"
#include "report.hpp"
#include "texts.hpp"

namespace {

using namespace compare;
using hydralora::AdapterConfig;
using hydralora::check;
using hydralora::concat;
using hydralora::Gate;
using hydralora::RouterPooling;
using hydralora::Sharing;

struct Options {
    std::string what;
    bool quick = false;
    std::filesystem::path base = "examples/compare/base", out, hydra, data;
    int threads = hydralora::available_processors();
};

AdapterConfig adapter(Index rank, Index heads, Gate gate = Gate::softmax, Sharing sharing = Sharing::shared_a) {
    AdapterConfig c;
    c.rank = rank;
    c.heads = heads;
    c.gate = gate;
    c.sharing = sharing;
    return c;
}

Method named(std::string name, AdapterConfig config) {
    Method m;
    m.name = std::move(name);
    m.adapter = config;
    return m;
}

using namespace names;

struct Size {
    Index rank, heads;
};

/// Ranks and heads that give every method about as many parameters, its router counted.
struct Sizes {
    Size lora, split, hydra, without_router, moe;
};

/// The methods of the paper and ours.
std::vector<Method> usual_methods(const Sizes& s) {
    const auto of = [](Size size, Gate gate, Sharing sharing = Sharing::shared_a) {
        return adapter(size.rank, size.heads, gate, sharing);
    };
    std::vector<Method> methods{named(lora, of(s.lora, Gate::none)),
                                named(lora_plus, of(s.lora, Gate::none)),
                                named(split, of(s.split, Gate::assigned, Sharing::own_a)),
                                named(released, of(s.hydra, Gate::softmax)),
                                named(component_start, of(s.hydra, Gate::softmax)),
                                named(context_start, of(s.hydra, Gate::softmax)),
                                named(known, of(s.without_router, Gate::assigned)),
                                named(moe, of(s.moe, Gate::softmax, Sharing::own_a)),
                                named(uniform, of(s.without_router, Gate::uniform))};
    methods[1].ratios.b = 4;
    for (const std::size_t i : {4, 5}) {
        methods[i].component_start = true;
        methods[i].ratios.router = 0.2;
    }
    methods[4].probe = {.ridge = 1, .share = 0, .logit_std = 6};
    methods[5].adapter.router_pooling = RouterPooling::context;
    return methods;
}

/// What else could make the gate find the tasks: routing policies, and starts that need no search for components.
std::vector<Method> other_methods(Index rank, Index heads) {
    const auto hydra = [&](const char* name, auto change) {
        Method m = named(name, adapter(rank, heads));
        change(m);
        return m;
    };
    const auto context = [](Method& m) { m.adapter.router_pooling = RouterPooling::context; };
    return {hydra("small random B 0.02", [](Method& m) { m.b_std = 0.02; }),
            hydra("router 4 times sharper", [](Method& m) { m.router_scale = 4; }),
            hydra("slow router, 0.2", [](Method& m) { m.ratios.router = 0.2; }),
            hydra("LoRA+: B 4", [](Method& m) { m.ratios.b = 4; }),
            hydra("B 4, slow router", [](Method& m) { m.ratios = {.b = 4, .router = 0.2}; }),
            hydra("balance loss 0.01", [](Method& m) { m.balance = 0.01; }),
            hydra("top 2 after half the steps",
                  [](Method& m) {
                      m.adapter.gate = Gate::top_k, m.adapter.top_k = 2;
                      m.dense_share = 0.5;
                  }),
            hydra("context", context),
            hydra("context, slow router", [&](Method& m) { context(m), m.ratios.router = 0.2; }),
            hydra("context, B 4, slow router", [&](Method& m) { context(m), m.ratios = {.b = 4, .router = 0.2}; }),
            hydra("winners, then token router",
                  [](Method& m) { m.winner_share = 0.5, m.b_std = 0.1, m.ratios.router = 0.2; }),
            hydra("winners, then context router",
                  [&](Method& m) { context(m), m.winner_share = 0.5, m.b_std = 0.1, m.ratios.router = 0.2; })};
}

std::vector<std::uint64_t> first_seeds(std::size_t count) {
    std::vector<std::uint64_t> seeds(count);
    std::iota(seeds.begin(), seeds.end(), std::uint64_t{0});
    return seeds;
}

void keep(const Options& o, const std::string& name, const std::string& text) {
    if (o.out.empty()) return;
    std::filesystem::create_directories(o.out);
    hydralora::io::replace_file(o.out / name, text);
}

int run_control_part(const Options& o) {
    const Index seeds = o.quick ? 3 : 10;
    const auto tables = run_control(seeds, o.threads);
    std::string json;
    for (const auto& table : tables) {
        std::printf("%s: %d seeds\n\n%s\n", table.setting.name.c_str(), static_cast<int>(seeds),
                    table_of(table.rows, 0, "unexplained").c_str());
        json += json_of("control: " + table.setting.name, table.rows);
    }
    keep(o, "control.jsonl", json);
    const char *hydra = "HydraLoRA 4 x 4", *low = "LoRA, rank 12", *apart = "LoRA-Split 4 x 3, task known";
    const auto &visible = tables[0].rows, &same = tables[4].rows, &own = tables[5].rows;
    return print_claims({lower_loss(visible, hydra, apart), lower_loss(visible, apart, low),
                         lower_loss(visible, hydra, "LoRAMoE 4 x 3"), lower_loss(visible, hydra, "uniform gate 4 x 5"),
                         not_worse(same, low, hydra, 0.05), lower_loss(own, "LoRAMoE 4 x 3", hydra)});
}

int run_one_site(const Options& o) {
    const Site site(o.base);
    auto methods =
        usual_methods({.lora = {30, 1}, .split = {4, 8}, .hydra = {8, 8}, .without_router = {10, 8}, .moe = {4, 6}});
    methods.push_back(named(ungated, adapter(8, 8, Gate::uniform)));  // the ablation of the paper: a router fewer
    if (!o.quick)
        for (auto& m : other_methods(8, 8)) methods.push_back(m);
    Trials<SiteData> trials;
    for (const Method& m : methods) {
        trials.rows.push_back({m.name, site.parameters(m), 0, false, {}});
        trials.rates.push_back(o.quick ? std::vector<double>{m.ratios.b > 1 ? 1e-2 : 2e-2} : m.rates);
    }
    trials.prepare = [&](Seed seed) { return site.data(Mix::cipher, seed, o.quick ? 600 : 2000, 100); };
    const Index steps = o.quick ? 200 : 300;
    trials.train = [&](std::size_t row, const SiteData& data, Seed seed, double rate) {
        return site.train(methods[row], data, seed, rate, steps);
    };
    trials.seeds = first_seeds(o.quick ? 3 : 10);
    if (o.quick) trials.sweep_seeds.clear();
    trials.threads = o.threads;
    const auto rows = trials.run();
    std::printf(
        "Eight tasks that only their tag tells apart, down_proj of the last block adapted: %zu seeds, %d "
        "steps%s\n\n%s\n",
        trials.seeds.size(), static_cast<int>(steps), o.quick ? ", learning rates not swept" : "",
        table_of(rows, 0, "loss").c_str());
    keep(o, "one_site.jsonl", json_of("one site", rows));
    keep(o, "one_site.svg",
         figure_of(rows, 0, "Loss less that of LoRA, 95 % intervals (eight tasks, one adapted linear)"));
    std::vector<Claim> claims{lower_loss(rows, known, split),
                              lower_loss(rows, split, lora),
                              lower_loss(rows, moe, ungated),
                              lower_loss(rows, released, ungated),
                              lower_loss(rows, released, uniform),
                              lower_loss(rows, context_start, lora, 0.1),
                              lower_loss(rows, context_start, lora_plus, 0.1),
                              not_fewer_exact(rows, context_start, lora, 0.01)};
    for (Claim c : {lower_loss(rows, released, lora), lower_loss(rows, component_start, lora),
                    not_fewer_exact(rows, component_start, lora, 0.01), lower_loss(rows, released, moe),
                    lower_loss(rows, moe, uniform)}) {
        c.asserted = false;
        claims.push_back(c);
    }
    return print_claims(claims);
}

int run_all_linears(const Options& o) {
    const Decoder decoder(o.base);
    std::vector<DecoderMethod> methods;
    const Sizes sizes{.lora = {7, 1}, .split = {1, 8}, .hydra = {2, 4}, .without_router = {2, 6}, .moe = {2, 3}};
    for (const Method& m : usual_methods(sizes)) methods.push_back({m, Whole::no});
    // Fewer heads of a higher rank: where rank is what lacks, heads cost it.
    methods.push_back({named("HydraLoRA 2 x 4, released", adapter(4, 2)), Whole::no});
    methods.push_back({named("HydraLoRA 2 x 4, component start, context", adapter(4, 2)), Whole::no});
    methods.back().method.component_start = true;
    methods.back().method.ratios.router = 0.2;
    methods.back().method.adapter.router_pooling = RouterPooling::context;
    methods.push_back({named("HydraLoRA 2 x 4, context, slow router", adapter(4, 2)), Whole::no});
    methods.back().method.ratios.router = 0.2;
    methods.back().method.adapter.router_pooling = RouterPooling::context;
    for (auto& m : methods) m.method.rates = {5e-3, 1e-2, 2e-2};
    methods.push_back({named("all weights", {}), Whole::all_weights});
    methods.back().method.rates = {1e-3, 2e-3, 4e-3};
    methods.push_back({named("the base", {}), Whole::nothing});
    methods.back().method.rates = {0};
    Trials<DecoderData> trials;
    for (const auto& m : methods) {
        trials.rows.push_back({m.method.name, decoder.parameters(m), 0, false, {}});
        trials.rates.push_back(o.quick ? std::vector<double>{m.method.rates[m.method.rates.size() / 2]}
                                       : m.method.rates);
    }
    trials.prepare = [&](Seed seed) { return decoder.data(Mix::reasoning, seed, o.quick ? 600 : 2000, 100, 4); };
    const Index steps = o.quick ? 40 : 200;
    trials.train = [&](std::size_t row, const DecoderData& data, Seed seed, double rate) {
        return decoder.train(methods[row], data, seed, rate, steps);
    };
    trials.seeds = first_seeds(o.quick ? 2 : 6);
    trials.sweep_seeds = {100};
    if (o.quick) trials.sweep_seeds.clear();
    trials.threads = o.threads;
    const auto rows = trials.run();
    std::printf("Eight tasks of different form, all linears adapted: %zu seeds, %d steps%s\n\n%s\n",
                trials.seeds.size(), static_cast<int>(steps), o.quick ? ", learning rates not swept" : "",
                table_of(rows, 0, "loss").c_str());
    keep(o, "all_linears.jsonl", json_of("all linears", rows));
    std::vector<Claim> claims{lower_loss(rows, released, lora), not_worse(rows, context_start, lora, 0.05),
                              lower_loss(rows, released, uniform), lower_loss(rows, context_start, released),
                              lower_loss(rows, released, moe)};
    for (Claim& c : claims) c.asserted = false;
    return print_claims(claims);
}

int run_text_part(const Options& o) {
    check(!o.hydra.empty() && !o.data.empty() && !o.out.empty(),
          "compare texts: expected --hydra FILE, --data DIR and --out DIR");
    TextTrials trials{.hydra = o.hydra, .data = o.data, .out = o.out / "texts", .threads = o.threads};
    if (o.quick) trials.steps = 4, trials.seeds = 1, trials.sweep = false;
    std::filesystem::create_directories(trials.out);
    const auto rows = run_texts(trials);
    std::printf("Six domains of text, all linears adapted: %zu seeds, %d steps%s\n\n%s\n", trials.seeds,
                static_cast<int>(trials.steps), o.quick ? ", learning rates not swept" : "",
                table_of(rows, 0, "bits/byte").c_str());
    keep(o, "texts.jsonl", json_of("texts", rows));
    std::vector<Claim> claims{lower_loss(rows, released, lora), lower_loss(rows, context_start, lora),
                              not_worse(rows, context_start, lora, 0.05), lower_loss(rows, context_start, released)};
    for (Claim& c : claims) c.asserted = false;
    return print_claims(claims);
}

int run_one_task_each(const Options& o) {
    check(!o.out.empty(), "compare one-task-each: expected --out DIR");
    const Decoder decoder(o.base);
    const Index steps = o.quick ? 40 : 150, tasks = o.quick ? 3 : 8;
    in_parallel(static_cast<std::size_t>(2 * tasks), o.threads, [&](std::size_t i) {
        const bool common = i % 2 == 0;
        const auto task = static_cast<Index>(i / 2);
        const Seed initial{common ? std::uint64_t{0} : static_cast<std::uint64_t>(1 + task)};
        const auto directory = o.out / (common ? "one_start" : "own_starts");
        std::filesystem::create_directories(directory);
        decoder.train_one_task(task, Seed{0}, initial, 1e-3, steps, directory / ("task" + std::to_string(task)),
                               directory / ("start" + std::to_string(task)));
    });
    return 0;
}

Options options_of(int argc, char** argv) {
    Options o;
    check(argc >= 2, "compare: expected control, one-site, all-linears, texts, one-task-each, or make-base");
    o.what = argv[1];
    for (int i = 2; i < argc; ++i) {
        const std::string word = argv[i];
        const auto value = [&] {
            check(i + 1 < argc, "compare: ", word, ": expected a value");
            return std::string(argv[++i]);
        };
        if (word == "--quick")
            o.quick = true;
        else if (word == "--base")
            o.base = value();
        else if (word == "--out")
            o.out = value();
        else if (word == "--hydra")
            o.hydra = value();
        else if (word == "--data")
            o.data = value();
        else if (word == "--threads")
            o.threads = static_cast<int>(std::strtol(value().c_str(), nullptr, 10));
        else if (o.what == "make-base" && o.out.empty() && !word.starts_with("-"))
            o.out = word;
        else
            hydralora::fail("compare: unknown argument ", word,
                            "; known: --quick, --base DIR, --out DIR, --hydra FILE, --data DIR, --threads N");
    }
    check(o.threads >= 1 && o.threads <= 1024, "compare: --threads ", o.threads, ", expected 1 to 1024");
    return o;
}

int run(const Options& o) {
    if (o.what == "control") return run_control_part(o);
    if (o.what == "one-site") return run_one_site(o);
    if (o.what == "all-linears") return run_all_linears(o);
    if (o.what == "texts") return run_text_part(o);
    if (o.what == "one-task-each") return run_one_task_each(o);
    check(o.what == "make-base", "compare: unknown experiment ", o.what,
          ", expected control, one-site, all-linears, texts, one-task-each or make-base");
    check(!o.out.empty(), "compare make-base: expected a directory");
    make_task_base(o.out);
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto begin = std::chrono::steady_clock::now();
    const int failed = run(options_of(argc, argv));
    std::fprintf(stderr, "%.0f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    if (failed > 0) std::fprintf(stderr, "compare: %d asserted claims do not hold\n", failed);
    return failed > 0 ? 3 : 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "Error: %s\n", error.what());
    return 1;
}
