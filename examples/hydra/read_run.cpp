#include "read_run.hpp"

#include <limits>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;
using io::Json;
using io::JsonView;

namespace {

constexpr Index most_steps = Index{1} << 53;  // what a double counts
constexpr double large = 1e300;
constexpr std::size_t most_lines = 1u << 22;  // of a file of lines
// More of each than a page could show.
constexpr std::size_t most_heads = 1024, most_documents = 1000, most_domains = 1000, most_labellings = 16,
                      most_terms = 100;

double number_or_nan(const JsonView& value) {
    return value.exists() ? value.number(-large, large) : std::numeric_limits<double>::quiet_NaN();
}
std::optional<double> optional_number(const JsonView& value) {
    return value.exists() ? std::optional<double>(value.number(-large, large)) : std::nullopt;
}
std::string text_or_nothing(const JsonView& value) { return value.exists() ? value.string() : std::string(); }

void check_size(const JsonView& list, std::size_t most, std::string_view things) {
    check(list.size() <= most, list.where(), ": expected at most ", most, ' ', things, ", found ", list.size());
}

/// Calls f(view) for each line of a file, if it is there, up to one that is no JSON or that f refuses.
template <class F>
void for_each_line(const fs::path& path, F&& f) {
    if (!io::path_exists(path)) return;
    const std::string name = path.string();
    const auto file = io::MappedFile::open(path);
    std::string_view rest = file.text();
    std::size_t lines = 0;
    for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
        check(++lines <= most_lines, name, ": expected at most ", most_lines, " lines, found more");
        try {
            const Json line = io::parse_json(rest.substr(0, end), name);
            f(JsonView(line, name));
        } catch (const Error&) {
            return;
        }
        rest.remove_prefix(end + 1);
    }
}

std::vector<RecordedScore> read_scores(const JsonView& list) {
    std::vector<RecordedScore> scores;
    check_size(list, most_domains, "domains");
    for (std::size_t i = 0; i < list.array().size(); ++i) {
        const JsonView score = list.element(i);
        RecordedScore& to = scores.emplace_back();
        to.domain = score["domain"].string();
        to.loss = number_or_nan(score["loss"]);
        to.bits_per_byte = number_or_nan(score["bits_per_byte"]);
        to.answers = score["answers"].integer(0, most_steps);
        to.exact_matches = score["exact_matches"].integer(0, to.answers);
    }
    return scores;
}

RecordedEnding read_ending(const fs::path& path) {
    const std::string name = path.string();
    const Json document = io::read_json(path);
    const JsonView report(document, name);
    RecordedEnding end;
    end.steps = report["steps"].integer(0, most_steps);
    end.skipped = report["skipped"].integer(0, most_steps);
    end.seconds = report["seconds"].number(0, large);
    end.tokens_per_second = report["tokens_per_second"].number(0, large);
    end.peak_memory = report["peak_memory_bytes"].integer(0, std::numeric_limits<Index>::max());
    end.trainable = report["trainable_parameters"].integer(0, std::numeric_limits<Index>::max());
    end.trainable_percent = report["trainable_percent"].number(0, large);
    end.before = read_scores(report["before"]);
    end.after = read_scores(report["after"]);
    return end;
}

RecordedComponents read_components(const fs::path& path) {
    const std::string name = path.string();
    const Json document = io::read_json(path);
    const JsonView of(document, name);
    RecordedComponents found;
    found.reason = of["reason"].string();
    const JsonView files = of["files"], curve = of["curve"], components = of["components"],
                   counts = of["documents_of_files"];
    check_size(files, most_domains, "files");
    for (std::size_t i = 0; i < files.array().size(); ++i) found.files.push_back(files.element(i).string());
    check_size(curve, most_heads, "points of a curve");
    for (std::size_t i = 0; i < curve.array().size(); ++i)
        found.sse.push_back(curve.element(i)["sse"].number(0, large));
    check_size(components, most_heads, "components");
    check(counts.array().size() == components.array().size(), counts.where(), ": expected ", components.size(),
          " rows, one a component, found ", counts.size());
    for (std::size_t i = 0; i < components.size(); ++i) {
        const JsonView component = components.element(i), terms = component["terms"], row = counts.element(i);
        RecordedComponents::Component& to = found.components.emplace_back();
        to.name = text_or_nothing(component["name"]);
        to.documents = component["documents"].integer(0, most_steps);
        if (terms.exists()) {
            check_size(terms, most_terms, "terms");
            for (std::size_t t = 0; t < terms.array().size(); ++t)
                to.terms.push_back(terms.element(t)["term"].string());
        }
        check(row.array().size() == found.files.size(), row.where(), ": expected ", found.files.size(),
              " numbers, one a file, found ", row.size());
        for (std::size_t f = 0; f < row.size(); ++f) to.of_files.push_back(row.element(f).integer(0, most_steps));
    }
    return found;
}

RecordedRouting read_routing(const JsonView& line) {
    RecordedRouting routing;
    routing.step = line["step"].integer(0, most_steps);
    routing.entropy = line["entropy"].number(0, 1);
    const JsonView nmi = line["nmi"];
    check_size(nmi, most_labellings, "labellings");
    for (const auto& [labelling, fit] : nmi.object())
        routing.nmi.emplace_back(
            labelling, fit.is_null() ? std::nullopt : std::optional<double>(nmi[labelling]["mean"].number(0, 1)));
    return routing;
}

RecordedLinear read_linear(const JsonView& of) {
    RecordedLinear linear;
    linear.name = of["name"].string();
    linear.entropy = of["entropy"].number(0, 1);
    linear.smallest_share = of["smallest_share"].number(0, 1.1);
    linear.largest_share = of["largest_share"].number(0, 1.1);
    linear.dead_heads = of["dead_heads"].integer(0, static_cast<Index>(most_heads));
    linear.movement = optional_number(of["movement"]);
    linear.cosine = optional_number(of["cosine"]);
    const JsonView nmi = of["nmi"], shares = of["domain_shares"];
    check_size(nmi, most_labellings, "labellings");
    check_size(shares, most_domains, "domains");
    for (const auto& [labelling, value] : nmi.object())
        linear.nmi.emplace_back(labelling,
                                value.is_null() ? std::nullopt : std::optional<double>(nmi[labelling].number(0, 1)));
    for (const auto& [domain, list] : shares.object()) {
        const JsonView heads = shares[domain];
        check(heads.array().size() >= 1 && heads.size() <= most_heads, heads.where(), ": expected 1 to ", most_heads,
              " heads, found ", heads.size());
        auto& to = linear.domain_shares.emplace_back(domain, std::vector<double>()).second;
        for (std::size_t i = 0; i < heads.size(); ++i) to.push_back(heads.element(i).number(0, 1.1));
        check(to.size() == linear.domain_shares.front().second.size(), heads.where(), ": expected ",
              linear.domain_shares.front().second.size(), " heads, as another domain has, found ", to.size());
    }
    return linear;
}

RecordedHeads read_heads(const fs::path& path) {
    const std::string name = path.string();
    const Json document = io::read_json(path);
    const JsonView routing(document, name);
    RecordedHeads heads;
    heads.sentence = routing["sentence"].string();
    const JsonView linears = routing["linears"], documents = routing["documents"];
    for (std::size_t i = 0; i < linears.array().size(); ++i) {
        heads.linears.push_back(read_linear(linears.element(i)));
        const auto &first = heads.linears.front().domain_shares, &own = heads.linears.back().domain_shares;
        bool same = own.size() == first.size();
        for (std::size_t d = 0; same && d < own.size(); ++d) same = own[d].first == first[d].first;
        check(same, linears.element(i).where(), ": expected the domains that the first linear has");
    }
    check_size(documents, most_documents, "documents");
    for (std::size_t i = 0; i < documents.array().size(); ++i) {
        const JsonView of = documents.element(i), gates = of["gates"];
        RecordedDocument& to = heads.documents.emplace_back();
        to.domain = of["domain"].string();
        if (of["component"].exists()) to.component = of["component"].integer(0, most_steps);
        for (std::size_t g = 0; g < gates.array().size(); ++g) to.gates.push_back(gates.element(g).number(0, 1.1));
        check(!to.gates.empty() && to.gates.size() == heads.documents.front().gates.size(), gates.where(),
              ": expected as many gates as the first document has, and one at least, found ", to.gates.size());
    }
    return heads;
}

}  // namespace

std::string option(const RecordedRun& run, std::string_view key) {
    const Json* value = run.options.find(key);
    if (value == nullptr || value->is_null()) return {};
    const auto* text = value->get_if<std::string>();
    return text != nullptr ? *text : io::to_text(*value);
}

RecordedRun read_run(const fs::path& directory) {
    const fs::path file = directory / "run.json";
    check(io::path_exists(file), directory.string(),
          ": is no run: it has no run.json; name a directory that `hydra train --out` made");
    RecordedRun run;
    run.name = (directory.has_filename() ? directory : directory.parent_path()).filename().string();
    const std::string name = file.string();
    const Json document = io::read_json(file);
    const JsonView about(document, name);
    run.command = text_or_nothing(about["command"]);
    run.started = text_or_nothing(about["started"]);
    run.version = text_or_nothing(about["version"]);
    run.compiler = text_or_nothing(about["compiler"]);
    if (about["processors"].exists()) run.processors = about["processors"].integer(0, 1 << 20);
    static_cast<void>(about["options"].object());
    run.options = about["options"].value();

    for_each_line(directory / "metrics.jsonl", [&](const JsonView& line) {
        const auto step = static_cast<double>(line["step"].integer(0, most_steps));
        const double loss = number_or_nan(line["loss"]);
        run.steps.push_back(step + 1);
        run.losses.push_back(loss);
    });
    if (io::path_exists(directory / "report.json")) run.ended = read_ending(directory / "report.json");
    if (io::path_exists(directory / "components.json")) run.components = read_components(directory / "components.json");
    for_each_line(directory / "routing.jsonl",
                  [&](const JsonView& line) { run.routing.push_back(read_routing(line)); });
    if (io::path_exists(directory / "routing.json")) run.heads = read_heads(directory / "routing.json");
    return run;
}

}  // namespace hydra
