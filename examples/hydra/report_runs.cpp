#include "report_runs.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <string_view>

#include <hydralora/analysis/interval.hpp>
#include <hydralora/core/check.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

#include "chart.hpp"
#include "outputs.hpp"
#include "read_run.hpp"
#include "report_components.hpp"
#include "report_routing.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;
using io::Json;

namespace {

/// "HydraLoRA, 4 heads of rank 8"
std::string method_of(const RecordedRun& run) {
    if (run.options.find("method") == nullptr) return "pretraining";
    if (option(run, "method") == "full") return "full training";
    const std::string gate = option(run, "gate"), heads = option(run, "heads"), rank = option(run, "rank");
    if (gate == "none" && heads == "1") return "LoRA of rank " + rank;
    const bool own = option(run, "sharing") == "own_a";
    return std::string(own ? "LoRAMoE" : "HydraLoRA") + ", " + heads + " heads of rank " + rank +
           (gate == "softmax" ? "" : ", gate " + gate) +
           (option(run, "router_init") != "components" ? ""
            : option(run, "component_of") == "texts"   ? ", routers from components"
                                                       : ", routers from given components") +
           (option(run, "router_pooling") == "context" ? ", reading their context" : "");
}

/// Runs that differ in their seed alone.
struct Group {
    std::string name;
    std::vector<const RecordedRun*> runs;
};

std::vector<Group> grouped_runs(const std::vector<RecordedRun>& runs) {
    std::map<std::string, std::size_t> group_of;
    std::vector<Group> groups;
    for (const RecordedRun& run : runs) {
        Json key = Json::object();
        for (const auto& [name, value] : *run.options.get_if<Json::Object>()) {
            bool apart = true;  // seed and place, and what changes no number
            for (const char* each : {"seed", "out", "data", "base", "threads", "device", "accumulation", "keep",
                                     "weights", "eval_every", "save_every"})
                apart = apart && name != each;
            if (apart) key.set(name, value);
        }
        const auto [at, added] = group_of.emplace(io::to_text(key), groups.size());
        if (added) groups.push_back({run.name, {}});
        groups[at->second].runs.push_back(&run);
    }
    std::set<std::string> taken;
    for (Group& group : groups) {
        if (group.runs.size() > 1) {
            std::set<std::string> seeds;
            for (const RecordedRun* run : group.runs) seeds.insert(option(*run, "seed"));
            group.name = method_of(*group.runs.front());
            if (seeds.size() == group.runs.size())
                group.name += concat(", ", seeds.size(), " seeds");
            else
                group.name +=
                    concat(", ", group.runs.size(), " runs of ", counted(static_cast<Index>(seeds.size()), "seed"));
        }
        const std::string wanted = group.name;
        for (int k = 2; !taken.insert(group.name).second; ++k) group.name = concat(wanted, " (", k, ')');
    }
    return groups;
}

std::string runs_table(const std::vector<RecordedRun>& runs) {
    std::vector<std::vector<std::string>> rows;
    for (const RecordedRun& run : runs) {
        const auto made = run.ended ? run.ended->steps : static_cast<Index>(run.steps.size());
        std::vector<std::string> row{run.name, method_of(run), option(run, "seed"), grouped(made)};
        if (run.ended) {
            const RecordedEnding& e = *run.ended;
            row.push_back(grouped(e.trainable) + " (" + fixed(e.trainable_percent, 2) + " %)");
            row.push_back(e.seconds < 3e9 ? duration(e.seconds) : concat(e.seconds, " s"));
            row.push_back(e.tokens_per_second < 9e18 ? grouped(static_cast<long long>(e.tokens_per_second)) : "");
            row.push_back(grouped(e.peak_memory >> 20) + " MiB");
            row.push_back(e.skipped > 0 ? "ended, " + counted(e.skipped, "step") + " skipped" : "ended");
        } else {
            row.insert(row.end(), {"", "", "", "", "not ended"});
        }
        rows.push_back(std::move(row));
    }
    return html_table({"run", "method", "seed", "steps", "trainable parameters", "time of the steps", "tokens/s",
                       "peak memory", "state"},
                      rows);
}

/// The mean of about a fiftieth of the losses before each, the near ones counting most.
std::vector<double> smoothed(const std::vector<double>& losses) {
    const double keep = 1 - 1 / std::max(1.0, static_cast<double>(losses.size()) / 50);
    std::vector<double> smooth;
    double sum = 0, weight = 0;
    for (const double loss : losses) {
        if (std::isfinite(loss)) {
            sum = keep * sum + loss;
            weight = keep * weight + 1;
        }
        smooth.push_back(std::isfinite(loss) ? sum / weight : loss);
    }
    return smooth;
}

std::string loss_section(const std::vector<RecordedRun>& runs) {
    std::vector<Series> lines;
    for (const RecordedRun& run : runs)
        if (!run.steps.empty()) lines.push_back({run.name, run.steps, smoothed(run.losses), run.losses});
    std::string text = html_heading(2, "Loss");
    if (lines.empty()) return text + html_paragraph("No step is recorded yet.");
    return text + line_chart("Training loss, smoothed; thin: of each step", "step", "nats a token", lines);
}

const RecordedScore* find(const std::vector<RecordedScore>& scores, const std::string& domain) {
    for (const RecordedScore& score : scores)
        if (score.domain == domain) return &score;
    return nullptr;
}

std::string with_interval(const std::vector<double>& values, int digits) {
    if (values.empty()) return {};
    const auto [mean, half] = interval(values);
    return fixed(mean, digits) + (values.size() > 1 ? "\xc2\xa0\xc2\xb1\xc2\xa0" + fixed(half, digits) : "");
}

std::string exact_answers(const std::vector<const RecordedScore*>& scores) {
    std::vector<double> percent;
    for (const RecordedScore* score : scores)
        if (score->answers > 0)
            percent.push_back(100 * static_cast<double>(score->exact_matches) / static_cast<double>(score->answers));
    if (percent.empty()) return {};
    if (scores.size() == 1) return concat(scores[0]->exact_matches, '/', scores[0]->answers);
    return with_interval(percent, 1) + " %";
}

std::vector<std::string> domains_of(const std::vector<RecordedRun>& runs) {
    std::vector<std::string> domains;
    std::set<std::string> known;
    for (const RecordedRun& run : runs)
        if (run.ended)
            for (const RecordedScore& score : run.ended->after)
                if (known.insert(score.domain).second) domains.push_back(score.domain);
    return domains;
}

using When = std::vector<RecordedScore> RecordedEnding::*;

/// A measure: its name, and what a cell says of the scores of a group's runs in a domain.
struct Measure {
    std::string name;
    std::function<std::string(const std::vector<const RecordedScore*>&)> cell;
};

/// A row a domain; for each measure and group two columns, before and after.
std::string score_table(const std::string& corner, const std::vector<Measure>& measures,
                        const std::vector<Group>& groups, const std::vector<std::string>& domains) {
    std::vector<std::string> header{corner};
    for (const Measure& measure : measures)
        for (const Group& group : groups) {
            const std::string name = groups.size() > 1 ? group.name : measure.name;
            header.insert(header.end(), {name + ", before", name + ", after"});
        }
    std::vector<std::vector<std::string>> rows;
    for (const std::string& domain : domains) {
        rows.push_back({domain});
        for (const Measure& measure : measures)
            for (const Group& group : groups)
                for (const When when : {&RecordedEnding::before, &RecordedEnding::after}) {
                    std::vector<const RecordedScore*> scores;
                    for (const RecordedRun* run : group.runs)
                        if (const auto* score = find((*run->ended).*when, domain)) scores.push_back(score);
                    rows.back().push_back(measure.cell(scores));
                }
    }
    return html_table(header, rows);
}

/// Adds the mean over the domains to the scores of each run, as a domain of its own, where all runs have the same ones.
void add_means(std::vector<RecordedRun>& runs) {
    const std::vector<std::string> domains = domains_of(runs);
    const auto whole = [&](const std::vector<RecordedScore>& scores) { return scores.size() == domains.size(); };
    if (domains.size() < 2 || !std::all_of(runs.begin(), runs.end(), [&](const RecordedRun& run) {
            return !run.ended || (whole(run.ended->before) && whole(run.ended->after));
        }))
        return;
    for (RecordedRun& run : runs)
        if (run.ended)
            for (const When when : {&RecordedEnding::before, &RecordedEnding::after}) {
                RecordedScore mean{.domain = "mean of all"};
                for (const RecordedScore& score : (*run.ended).*when) {
                    mean.loss += score.loss / static_cast<double>(domains.size());
                    mean.bits_per_byte += score.bits_per_byte / static_cast<double>(domains.size());
                    mean.answers += score.answers;
                    mean.exact_matches += score.exact_matches;
                }
                ((*run.ended).*when).push_back(mean);
            }
}

std::string score_section(const std::vector<RecordedRun>& runs, const std::vector<Group>& groups) {
    std::string text = html_heading(2, "Held-out scores");
    const std::vector<std::string> domains = domains_of(runs);
    if (domains.empty()) return text + html_paragraph("No run has ended with scores yet.");
    std::vector<Group> ended;
    bool seeds = false;
    for (const Group& group : groups) {
        Group of{group.name, {}};
        for (const RecordedRun* run : group.runs)
            if (run->ended) of.runs.push_back(run);
        if (!of.runs.empty()) ended.push_back(of);
        seeds = seeds || of.runs.size() > 1;
    }
    if (seeds)
        text += html_paragraph(
            "Of methods with several seeds: the mean over the runs that ended, \xc2\xb1 its 95 % interval "
            "by Student's t. A seed draws the adapter's start, the order of the data and what is held out.");
    for (const Group& group : ended)
        if (group.runs.size() > 1) {
            std::string names;
            for (const RecordedRun* run : group.runs) names += (names.empty() ? "" : ", ") + run->name;
            text += html_paragraph(concat(group.name, ": n = ", group.runs.size(), ", of ", names));
        }
    const auto mean_of = [](double RecordedScore::*value) {
        return [value](const std::vector<const RecordedScore*>& scores) {
            std::vector<double> values;
            for (const RecordedScore* score : scores) values.push_back(score->*value);
            return with_interval(values, 3);
        };
    };
    for (const RecordedRun& run : runs)
        if (run.ended && option(run, "router_init") == "components")
            text += html_paragraph(run.name + ": its routers begin from components. " + component_origin(run));
    std::vector<Measure> measures{{"bits per byte", mean_of(&RecordedScore::bits_per_byte)},
                                  {"loss, nats a token", mean_of(&RecordedScore::loss)}};
    const bool answers = std::any_of(ended.begin(), ended.end(), [](const Group& group) {
        return std::any_of(group.runs.begin(), group.runs.end(), [](const RecordedRun* run) {
            return std::any_of(run->ended->after.begin(), run->ended->after.end(),
                               [](const RecordedScore& score) { return score.answers > 0; });
        });
    });
    if (answers) measures.push_back({"exact answers", exact_answers});
    if (ended.size() == 1) return text + score_table("domain", measures, ended, domains);
    for (const Measure& measure : measures) text += score_table(measure.name, {measure}, ended, domains);
    return text;
}

std::string environment_section(const std::vector<RecordedRun>& runs) {
    std::string text = html_heading(2, "Commands and machines");
    for (const RecordedRun& run : runs) {
        text += "<h3>" + html_escaped(run.name) + "</h3>\n<pre>" + html_escaped(run.command) + "</pre>\n";
        text += html_paragraph(concat("Begun ", run.started, ", hydralora ", run.version, ", compiler ", run.compiler,
                                      ", ", counted(run.processors, "processor"), ", device ", option(run, "device"),
                                      ", numbers ", option(run, "numbers"), "."));
        text += "<details><summary>All options</summary>\n<pre>" + html_escaped(io::to_text(run.options, 2)) +
                "</pre>\n</details>\n";
    }
    return text;
}

}  // namespace

std::string report_page(const std::vector<fs::path>& paths) {
    check(!paths.empty(), "report: no run, expected at least one directory");
    std::vector<RecordedRun> runs;
    std::set<std::string> names;
    for (const fs::path& path : paths) {
        RecordedRun& run = runs.emplace_back(read_run(path));
        const std::string wanted = run.name;
        for (int k = 2; !names.insert(run.name).second; ++k) run.name = concat(wanted, " (", k, ')');
    }
    add_means(runs);
    const std::vector<Group> groups = grouped_runs(runs);
    const std::string title = runs.size() == 1 ? "Run " + runs[0].name : concat(runs.size(), " runs");
    return html_page(title, runs_table(runs) + loss_section(runs) + score_section(runs, groups) +
                                components_section(runs) + routing_section(runs) + environment_section(runs));
}

void run_report(const ReportOptions& options) {
    std::vector<fs::path> read;
    for (auto run = options.runs.begin(); run != options.runs.end(); ++run) {
        std::error_code none;
        const bool twice = std::any_of(options.runs.begin(), run,
                                       [&](const fs::path& other) { return fs::equivalent(*run, other, none); });
        check(!twice, run->string(), ": is named twice; a run counts once");
    }
    for (const fs::path& run : options.runs)
        for (const char* name :
             {"run.json", "metrics.jsonl", "report.json", "components.json", "routing.jsonl", "routing.json"})
            read.push_back(run / name);
    check_output(options.out, "--out", read);
    io::replace_file(options.out, report_page(options.runs));
    std::printf("Report: %s\n", options.out.c_str());
}

}  // namespace hydra
