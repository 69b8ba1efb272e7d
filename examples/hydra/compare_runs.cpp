#include "compare_runs.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include "table.hpp"

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;
using io::Json;
using io::JsonView;

namespace {

struct Report {
    std::string name;
    Json document;
    std::string file;
};

std::vector<Report> read_reports(const std::vector<fs::path>& paths) {
    std::vector<Report> reports;
    for (const auto& path : paths) {
        const fs::path file = path / "report.json";
        check(io::path_exists(file), path.string(), ": no report.json; is it a finished run?");
        reports.push_back({(path.has_filename() ? path : path.parent_path()).filename().string(), io::read_json(file),
                           file.string()});
    }
    return reports;
}

/// The score of a domain "before" or "after" training, or null.
const Json* find(const Report& r, const char* when, const std::string& domain) {
    for (const Json& score : JsonView(r.document, r.file)[when].array())
        if (JsonView(score, r.file)["domain"].string() == domain) return &score;
    return nullptr;
}

/// NaN where the run diverged.
double bits_of(const Report& r, const Json& score) {
    const JsonView bits = JsonView(score, r.file)["bits_per_byte"];
    return bits.exists() ? bits.number(0, 1e300) : std::numeric_limits<double>::quiet_NaN();
}

std::string matches(const Report& r, const Json* score) {
    if (score == nullptr) return {};
    const Index all = JsonView(*score, r.file)["answers"].integer(0, Index{1} << 40);
    return all == 0 ? std::string() : concat(JsonView(*score, r.file)["exact_matches"].integer(0, all), "/", all);
}

/// The domains of all runs, in the order in which they come.
std::vector<std::string> domains_of(const std::vector<Report>& reports) {
    std::vector<std::string> domains;
    for (const auto& r : reports)
        for (const Json& score : JsonView(r.document, r.file)["after"].array()) {
            const std::string domain = JsonView(score, r.file)["domain"].string();
            if (std::find(domains.begin(), domains.end(), domain) == domains.end()) domains.push_back(domain);
        }
    return domains;
}

/// Scores that are shown: of a run, before or after it.
struct Column {
    std::string title;
    const Report* report;
    const char* when;

    [[nodiscard]] const Json* score(const std::string& domain) const { return find(*report, when, domain); }
    [[nodiscard]] bool trained() const { return std::string_view(when) == "after"; }
};

/// One for the base where all runs began from the same scores, else one a run.
std::vector<Column> columns_of(const std::vector<Report>& reports, const std::vector<std::string>& domains) {
    bool one_base = true;
    for (const std::string& domain : domains)
        for (const auto& r : reports) {
            const Json *here = find(r, "before", domain), *first = find(reports[0], "before", domain);
            one_base = one_base && (here == nullptr || first == nullptr || *here == *first);
        }
    std::vector<Column> columns;
    for (const auto& r : reports)
        if (JsonView(r.document, r.file)["before"].size() > 0 && (!one_base || &r == &reports[0]))
            columns.push_back({one_base ? "base" : r.name + " base", &r, "before"});
    for (const auto& r : reports) columns.push_back({r.name, &r, "after"});
    return columns;
}

std::string score_table(const std::vector<Report>& reports) {
    const std::vector<std::string> domains = domains_of(reports);
    const std::vector<Column> columns = columns_of(reports, domains);
    std::vector<std::string> header{"held-out bits per byte"};
    for (const char* kind : {"", " exact"})
        for (const Column& c : columns) header.push_back(escaped(c.title + kind));
    Table table(header);
    std::vector<double> sums(columns.size(), 0.0);
    Index common = 0;  // domains that all columns have: the mean is theirs
    for (const std::string& domain : domains) {
        std::vector<std::string> row{escaped(domain)};
        const bool everywhere =
            std::all_of(columns.begin(), columns.end(), [&](const Column& c) { return c.score(domain) != nullptr; });
        common += everywhere ? 1 : 0;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const Json* score = columns[i].score(domain);
            row.push_back(score == nullptr ? std::string() : fixed(bits_of(*columns[i].report, *score), 3));
            if (everywhere) sums[i] += bits_of(*columns[i].report, *score);
        }
        for (const Column& c : columns) row.push_back(matches(*c.report, c.score(domain)));
        table.add(row);
    }
    const bool all_common = common == static_cast<Index>(domains.size());
    std::vector<std::string> mean{all_common ? "mean" : concat("mean of the ", common, " that all have")};
    std::vector<std::string> parameters{"trainable parameters"}, speed{"tokens/s"}, seconds{"seconds"};
    for (std::size_t i = 0; i < columns.size(); ++i) {
        mean.push_back(common > 0 ? fixed(sums[i] / static_cast<double>(common), 3) : "");
        const bool trained = columns[i].trained();
        const JsonView r(columns[i].report->document, columns[i].report->file);
        parameters.push_back(trained ? grouped(r["trainable_parameters"].integer(0, Index{1} << 60)) : "");
        speed.push_back(trained ? grouped(static_cast<long long>(r["tokens_per_second"].number(0, 1e18))) : "");
        seconds.push_back(trained ? fixed(r["seconds"].number(0, 1e18), 0) : "");
    }
    for (const auto& row : {mean, parameters, speed, seconds}) table.add(row);
    return table.text();
}

/// A sample of each domain, as the base and the runs continue it.
std::string samples_text(const std::vector<Report>& reports) {
    std::string text;
    const auto one_line = [](const std::string& s) {
        return s.size() > 100 ? escaped(s.substr(0, 100)) + "..." : escaped(s);
    };
    for (const Json& sample : JsonView(reports[0].document, reports[0].file)["samples"].array()) {
        const JsonView first(sample, reports[0].file);
        const std::string domain = first["domain"].string();
        text += "\n" + escaped(domain) + "\n  prompt    " + one_line(first["prompt"].string()) + "\n  expected  " +
                one_line(first["expected"].string()) + "\n";
        if (first["before"].exists()) text += "  base      " + one_line(first["before"].string()) + "\n";
        for (const auto& r : reports)
            for (const Json& other : JsonView(r.document, r.file)["samples"].array())
                if (JsonView(other, r.file)["domain"].string() == domain) {
                    std::string name = r.name.substr(0, 9);
                    name.resize(10, ' ');
                    text += "  " + name + one_line(JsonView(other, r.file)["after"].string()) + "\n";
                }
    }
    return text;
}

}  // namespace

std::string compare_runs(const std::vector<fs::path>& paths) {
    const std::vector<Report> reports = read_reports(paths);
    return score_table(reports) + samples_text(reports);
}

}  // namespace hydra
