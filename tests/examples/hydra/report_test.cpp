// The page of a report: its sections, its tags, and what is hostile in the files of runs.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "chart.hpp"
#include "io/scratch.hpp"
#include "report_runs.hpp"
#include "support/message_of.hpp"

namespace trainer_report_test {

using namespace test;
using hydralora::Index;

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

Index count(const std::string& text, const std::string& part) {
    Index n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

/// The first tag that closes another than the one that is open, or nothing. Knows no comments: a page has none.
std::string unbalanced(const std::string& html) {
    std::vector<std::string> open;
    for (std::size_t at = html.find('<'); at != html.npos; at = html.find('<', at + 1)) {
        const std::size_t end = html.find('>', at);
        if (end == html.npos) return html.substr(at, 40);
        const std::string tag = html.substr(at + 1, end - at - 1);
        const std::string name = tag.substr(0, tag.find_first_of(" \n"));
        if (name == "!DOCTYPE" || name == "meta" || tag.back() == '/') continue;
        if (name.front() != '/') {
            open.push_back(name);
        } else {
            if (open.empty() || open.back() != name.substr(1)) return "<" + tag + ">";
            open.pop_back();
        }
    }
    return open.empty() ? "" : open.back();
}

void check_page(const std::string& page) {
    CHECK(page.rfind("<!DOCTYPE html>", 0) == 0);
    CHECK(unbalanced(page) == "");
    for (const char* part : {"<script", "http", "javascript:", "onload", "<img", "<link", "url(", "@import"})
        CHECK_MESSAGE(!holds(page, part), part);
}

std::string score(const std::string& domain, double bits, Index right) {
    return R"({"domain": ")" + domain + R"(", "loss": )" + std::to_string(bits / 2) + R"(, "bits_per_byte": )" +
           std::to_string(bits) + R"(, "answers": 8, "exact_matches": )" + std::to_string(right) + "}";
}

/// A run of `domain` and "other" that has only begun.
std::filesystem::path begun(const ScratchDirectory& scratch, const std::string& name, int seed,
                            const std::string& more = {}) {
    const auto run = scratch / name;
    std::filesystem::create_directories(run);
    set_content(run / "run.json",
                R"({"command": "hydra train a.jsonl --out )" + name + R"(", "options": {"out": ")" + name +
                    R"(", "seed": )" + std::to_string(seed) +
                    R"(, "method": "adapter", "heads": 2, "rank": 4, "gate": "softmax", "device": "cpu")" + more +
                    R"(}, "started": "2026-01-02T03:04:05Z", "version": "0.1.0", "compiler": "12", "processors": 2})");
    std::string metrics;
    for (int i = 0; i < 60; ++i)
        metrics += R"({"step": )" + std::to_string(i) + R"(, "loss": )" +
                   (i == 7 ? "null" : std::to_string(3.0 / (i + 1))) + "}\n";
    set_content(run / "metrics.jsonl", metrics + R"({"step": 60, "lo)");
    return run;
}

void end(const std::filesystem::path& run, const std::string& domain, double after) {
    set_content(
        run / "report.json",
        R"({"steps": 60, "skipped": 1, "seconds": 75, "tokens_per_second": 1234.5, "peak_memory_bytes": 10485760,
                    "trainable_parameters": 4321, "trainable_percent": 1.5, "before": [)" +
            score(domain, 8, 0) + "," + score("other", 6, 1) + R"(], "after": [)" + score(domain, after, 5) + "," +
            score("other", after + 1, 6) + "]}");
}

void route(const std::filesystem::path& run, const std::string& domain) {
    set_content(run / "routing.jsonl",
                R"({"step": 0, "entropy": 0.9, "nmi": {"domain": {"mean": 0.1}, "token": null}})"
                "\n"
                R"({"step": 60, "entropy": 0.4, "nmi": {"domain": {"mean": 0.7}, "token": null}})"
                "\n");
    std::string linears, documents;
    for (const char* name : {"layers.0.self_attn.q_proj", "layers.0.mlp.up_proj", "layers.1.self_attn.q_proj"})
        linears += std::string(linears.empty() ? "" : ",") + R"({"name": ")" + name +
                   R"(", "entropy": 0.4, "smallest_share": 0.3, "largest_share": 0.7, "dead_heads": 0, "movement": 1.5,
                       "cosine": 0.25, "nmi": {"domain": 0.7, "token": null}, "domain_shares": {")" +
                   domain + R"(": [0.8, 0.2], "other": [0.1, 0.9]}})";
    for (int i = 0; i < 12; ++i)
        documents += std::string(i == 0 ? "" : ",") + R"({"domain": ")" + (i % 2 == 0 ? domain : "other") +
                     R"(", "component": )" + std::to_string(i % 3) + R"(, "gates": [)" +
                     (i % 2 == 0 ? "0.9, 0.1" : "0.1, 0.9") + "]}";
    set_content(run / "routing.json", R"({"linears": [)" + linears +
                                          R"(], "sentence": "Heads follow the domain.", "documents": [)" + documents +
                                          "]}");
}

}  // namespace

TEST_CASE("A report of one run has its sections, and its numbers as the files have them") {
    const ScratchDirectory scratch;
    const auto run = begun(scratch, "one", 1);
    end(run, "maths", 4);
    route(run, "maths");
    const std::string page = hydra::report_page({run});
    check_page(page);
    for (const char* part :
         {"<h1>Run one</h1>",
          "<h2>Loss</h2>",
          "<h2>Held-out scores</h2>",
          "<h2>Routing</h2>",
          "<h2>Commands and machines</h2>",
          "HydraLoRA, 2 heads of rank 4",
          "4,321 (1.50 %)",
          "1m15s",
          "1,234",
          "10 MiB",
          "ended, 1 step skipped",
          "<td>maths</td><td>8.000</td><td>4.000</td><td>4.000</td><td>2.000</td><td>0/8</td><td>5/8</td>",
          "<td>mean of all</td><td>7.000</td><td>4.500</td><td>3.500</td><td>2.250</td><td>1/16</td><td>11/16</td>",
          "<th scope=\"col\">exact answers, after</th>",
          "Heads follow the domain.",
          "Share of each head, q_proj, mean of 2 layers",
          "Share of each head, up_proj, mean of 1 layer",
          "<summary>Every adapted linear</summary>",
          "NMI with the domain, linear by linear",
          "NMI of the largest gate with each labelling",
          "t-SNE",
          "hydra train a.jsonl --out one",
          "2026-01-02T03:04:05Z",
          "not defined",
          "that a plain LoRA does not get"})
        CHECK_MESSAGE(holds(page, part), part);
    CHECK(count(page, "class=\"raw c0\"") == 1);
    CHECK(page == hydra::report_page({run}));
    CHECK(!holds(page, "Its components"));
    CHECK(!holds(page, "<h2>Components</h2>"));

    const auto told = begun(scratch, "told", 1, R"(, "component_of": "field", "component_field": "task<1>")"),
               found = begun(scratch, "found", 1, R"(, "component_of": "texts", "router_init": "components")");
    for (const auto& each : {told, found}) {
        route(each, "maths");
        end(each, "maths", 4);
    }
    set_content(told / "components.json",
                R"({"reason": "given", "files": ["maths", "other"], "curve": [],
                    "components": [{"documents": 5, "name": "add<>"}, {"documents": 0, "name": "none"}],
                    "documents_of_files": [[2, 3], [0, 0]]})");
    set_content(found / "components.json",
                R"({"reason": "N = 2: the elbow", "files": ["all"],
                    "curve": [{"clusters": 1, "sse": 9.5}, {"clusters": 2, "sse": 3}, {"clusters": 3, "sse": 2.5}],
                    "components": [{"documents": 7, "terms": [{"term": "sum"}, {"term": "of"}]},
                                   {"documents": 1, "terms": []}],
                    "documents_of_files": [[7], [1]]})");
    const std::string both = hydra::report_page({told, found});
    check_page(both);
    CHECK(holds(both, "given, by the field task&lt;1&gt;: information that a plain LoRA does not get."));
    CHECK(holds(both, "found in the training texts, which a plain LoRA is given too."));
    CHECK(holds(both, "HydraLoRA, 2 heads of rank 4, routers from components"));
    CHECK(holds(both, "<td>0: add&lt;&gt;</td><td>5</td><td>2</td><td>3</td>"));
    CHECK(holds(both, "<td>1: none</td><td>0</td><td></td><td></td>"));
    CHECK(holds(both, "which a plain LoRA is given too. N = 2: the elbow."));
    CHECK(holds(both, "<td>0: sum of</td><td>7</td></tr>"));
    CHECK(holds(both, "Squared distance to the centres (SSE), by the number of clusters"));
    CHECK(holds(both, "found: its routers begin from components. Its components were found in the training texts"));
}

TEST_CASE(
    "A run that has not ended, one without a router and one of no routing at all are reported with what there is") {
    const ScratchDirectory scratch;
    const std::string young = hydra::report_page({begun(scratch, "young", 1)});
    check_page(young);
    CHECK(holds(young, "not ended"));
    CHECK(holds(young, "<td>60</td>"));  // the line that is being written does not count
    CHECK(holds(young, "No run has ended with scores yet."));
    CHECK(!holds(young, "<h2>Routing</h2>"));

    const auto full = scratch / "full";
    std::filesystem::create_directories(full);
    set_content(full / "run.json", R"({"options": {"method": "full", "seed": 1}})");
    const std::string page = hydra::report_page({full});
    check_page(page);
    CHECK(holds(page, "full training"));
    CHECK(holds(page, "No step is recorded yet."));

    CHECK(holds(message_of([&] { static_cast<void>(hydra::report_page({scratch / "none"})); }),
                "none: is no run: it has no run.json"));
}

TEST_CASE("Runs that differ in their seed alone are a mean with an interval; others stand beside them") {
    const ScratchDirectory scratch;
    std::vector<std::filesystem::path> runs;
    for (int seed = 1; seed <= 3; ++seed) {
        runs.push_back(begun(scratch, "seed" + std::to_string(seed), seed));
        end(runs.back(), "maths", 2 + seed);
    }
    runs.push_back(begun(scratch, "wide", 1, R"(, "alpha": 3)"));
    end(runs.back(), "maths", 2.5);
    const std::string page = hydra::report_page(runs);
    check_page(page);
    CHECK(holds(page, "<h1>4 runs</h1>"));
    CHECK(holds(page, "HydraLoRA, 2 heads of rank 4, 3 seeds: n = 3, of seed1, seed2, seed3"));
    // 3, 4, 5: deviation 1, 4.303 / sqrt(3)
    CHECK(holds(page,
                "<td>4.000\xc2\xa0\xc2\xb1\xc2\xa0"
                "2.484</td><td>8.000</td><td>2.500</td>"));
    CHECK(holds(page, "wide, after"));
    CHECK(count(page, "class=\"raw c") == 4);

    // Twice the same directory name.
    std::filesystem::create_directories(scratch / "elsewhere");
    std::filesystem::copy(runs[0], scratch / "elsewhere" / "seed1");
    CHECK(holds(hydra::report_page({runs[0], scratch / "elsewhere" / "seed1"}), "seed1 (2)"));
}

TEST_CASE("Names from outside are shown, and do nothing") {
    const ScratchDirectory scratch;
    const std::string evil = R"(</td><script>alert(1)</script><b x='y'>&)";
    const auto run = begun(scratch, "<i>run", 1, R"(, "note": "</pre><script>x</script>")");
    end(run, evil, 4);
    route(run, evil);
    const std::string page = hydra::report_page({run});
    check_page(page);
    CHECK(holds(page, "&lt;/td&gt;&lt;script&gt;alert(1)"));
    CHECK(holds(page, "&lt;i&gt;run"));
    CHECK(!holds(page, "<b x"));
}

TEST_CASE("Files that no run writes are refused by name, and hide no memory") {
    const ScratchDirectory scratch;
    const auto run = begun(scratch, "run", 1);
    const auto refused = [&](const char* file, const std::string& text) {
        set_content(run / file, text);
        const std::string message = message_of([&] { static_cast<void>(hydra::report_page({run})); });
        std::filesystem::remove(run / file);
        return message;
    };
    CHECK(holds(refused("report.json", "{}"), "report.json: \"steps\": expected an integer"));
    CHECK(holds(refused("report.json", "{"), "report.json: line 1"));
    const std::string linear = R"({"name": "q", "entropy": 0, "smallest_share": 0, "largest_share": 1, "dead_heads": 0,
        "nmi": {}, "domain_shares": )";
    CHECK(holds(refused("routing.json", R"({"sentence": "", "documents": [], "linears": [)" + linear +
                                            R"({"a": [1], "b": [0.5, 0.5]}}]})"),
                "domain_shares.b\": expected 1 heads, as another domain has, found 2"));
    CHECK(holds(refused("routing.json", R"({"sentence": "", "documents": [], "linears": [)" + linear +
                                            R"({"a": [1]}}, )" + linear + R"({"b": [1]}}]})"),
                "expected the domains that the first linear has"));
    CHECK(holds(refused("routing.json", R"({"sentence": "", "linears": [], "documents": [
                            {"domain": "a", "gates": [1]}, {"domain": "a", "gates": [1, 0]}]})"),
                "expected as many gates as the first document has"));
    CHECK(holds(refused("routing.json", R"({"sentence": "", "linears": [], "documents": [
                            {"domain": "a", "gates": [1e999]}]})"),
                "routing.json"));
    CHECK(holds(refused("components.json", R"({"reason": "", "files": ["a"], "curve": [], "components": [],
                            "documents_of_files": [[1]]})"),
                "\"documents_of_files\": expected 0 rows, one a component, found 1"));
    CHECK(holds(refused("components.json", R"({"reason": "", "files": ["a"], "curve": [],
                            "components": [{"documents": 1}], "documents_of_files": [[1, 2]]})"),
                "expected 1 numbers, one a file, found 2"));
    CHECK(holds(refused("components.json", R"({"reason": "", "files": [], "curve": [{"sse": -1}], "components": [],
                            "documents_of_files": []})"),
                "sse"));
    // A line that is none ends what is read.
    set_content(run / "routing.jsonl", "{\"step\": 0, \"entropy\": 7, \"nmi\": {}}\n");
    check_page(hydra::report_page({run}));
}

TEST_CASE("A chart draws raw numbers behind the line that smooths them") {
    const std::string chart = hydra::line_chart("t", "x", "y", {{"one", {0, 1, 2}, {1, 2, 3}, {0, 10, 5}}});
    CHECK(count(chart, "class=\"raw c0\"") == 1);
    CHECK(chart.find("class=\"raw") < chart.find("class=\"line"));
    CHECK(holds(chart, ">10</text>"));  // within the axis
    CHECK(holds(message_of([] {
                    static_cast<void>(hydra::line_chart("t", "x", "y", {{"one", {0, 1}, {1, 2}, {0}}}));
                }),
                "'one' has 2 y and 1 raw ones"));
}

}  // namespace trainer_report_test
