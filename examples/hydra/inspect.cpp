#include "inspect.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <hydralora/core/check.hpp>
#include <hydralora/io/adapter_config.hpp>
#include <hydralora/io/checkpoint.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/model_files.hpp>
#include <hydralora/io/safetensors.hpp>

#include "table.hpp"

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;
using io::Json;
using io::JsonView;

namespace {

std::string tensors_text(const io::SafetensorsFile& file) {
    Table table({"tensor", "type", "shape", "norm", "largest"});
    Index count = 0;
    for (const auto& entry : file.entries()) {
        const Shape shape = entry.shape.matrix();
        count += shape.size();
        std::vector<double> values(static_cast<std::size_t>(shape.size()));
        std::string norm, largest;
        try {
            file.read_as(entry.name, host_view(values.data(), shape.rows, shape.cols));
            double squares = 0, most = 0;
            for (const double v : values) {
                squares += v * v;
                most = std::isnan(v) ? v : std::max(most, std::abs(v));
            }
            norm = fixed(std::sqrt(squares), 4);
            largest = fixed(most, 4);
        } catch (const Error&) {  // integers
        }
        table.add({entry.name, std::string(io::dtype_name(entry.dtype)), entry.shape.text(), norm, largest});
    }
    return table.text() + concat(file.entries().size(), " tensors, ", grouped(count), " elements\n");
}

std::string run_text(const fs::path& path) {
    const fs::path run_path = path / "run.json";
    const Json run = io::read_json(run_path);
    std::string text = "Run\n" + io::to_text(run, 2) + "\n";
    if (io::path_exists(path / "checkpoints"))
        for (const auto& name : io::list_directory(path / "checkpoints")) text += "checkpoint " + name + "\n";
    return text;
}

struct Report {
    std::string name;
    Json document;
    std::string file;
};

/// One row a domain: loss before, and loss, bits and exact matches of each run.
std::string comparison(const std::vector<fs::path>& paths) {
    std::vector<Report> reports;
    for (const auto& path : paths) {
        const fs::path file = path / "report.json";
        check(io::path_exists(file), path.string(), ": no report.json; is it a finished run?");
        reports.push_back({(path.has_filename() ? path : path.parent_path()).filename().string(), io::read_json(file),
                           file.string()});
    }
    const auto find = [](const Report& r, const char* when, const std::string& domain) -> const Json* {
        for (const Json& score : JsonView(r.document, r.file)[when].array())
            if (JsonView(score, r.file)["domain"].string() == domain) return &score;
        return nullptr;
    };
    const auto number = [](const Report& r, const Json* score, const char* key) {
        return score == nullptr ? std::string() : fixed(JsonView(*score, r.file)[key].number(0, 1e300), 3);
    };
    const auto matches = [](const Report& r, const Json* score) {
        if (score == nullptr) return std::string();
        const Index all = JsonView(*score, r.file)["answers"].integer(0, Index{1} << 40);
        return all == 0 ? std::string() : concat(JsonView(*score, r.file)["exact_matches"].integer(0, all), "/", all);
    };

    const bool base_known = JsonView(reports[0].document, reports[0].file)["before"].size() > 0;
    std::vector<std::string> header{"held-out bits per byte"};
    if (base_known) header.push_back("base");
    for (const auto& r : reports) header.push_back(r.name);
    if (base_known) header.push_back("base exact");
    for (const auto& r : reports) header.push_back(r.name + " exact");
    Table table(header);
    std::vector<double> sums(reports.size() + 1, 0.0);
    Index domains = 0;
    for (const Json& score : JsonView(reports[0].document, reports[0].file)["after"].array()) {
        const std::string domain = JsonView(score, reports[0].file)["domain"].string();
        std::vector<std::string> row{domain};
        ++domains;
        const Json* base = find(reports[0], "before", domain);
        if (base_known) {
            row.push_back(number(reports[0], base, "bits_per_byte"));
            if (base != nullptr) sums.back() += JsonView(*base, reports[0].file)["bits_per_byte"].number(0, 1e300);
        }
        for (std::size_t i = 0; i < reports.size(); ++i) {
            const Json* after = find(reports[i], "after", domain);
            row.push_back(number(reports[i], after, "bits_per_byte"));
            if (after != nullptr) sums[i] += JsonView(*after, reports[i].file)["bits_per_byte"].number(0, 1e300);
        }
        if (base_known) row.push_back(matches(reports[0], base));
        for (const auto& r : reports) row.push_back(matches(r, find(r, "after", domain)));
        table.add(row);
    }
    std::vector<std::string> mean{"mean"}, parameters{"trainable parameters"}, speed{"tokens/s"}, seconds{"seconds"};
    if (base_known) {
        mean.push_back(fixed(sums.back() / static_cast<double>(domains), 3));
        for (auto* row : {&parameters, &speed, &seconds}) row->emplace_back();
    }
    for (std::size_t i = 0; i < reports.size(); ++i) {
        const JsonView r(reports[i].document, reports[i].file);
        mean.push_back(fixed(sums[i] / static_cast<double>(domains), 3));
        parameters.push_back(grouped(r["trainable_parameters"].integer(0, Index{1} << 60)));
        speed.push_back(grouped(static_cast<long long>(r["tokens_per_second"].number(0, 1e18))));
        seconds.push_back(fixed(r["seconds"].number(0, 1e18), 0));
    }
    for (const auto& row : {mean, parameters, speed, seconds}) table.add(row);
    std::string text = table.text();

    const auto one_line = [](std::string s) {
        if (s.size() > 100) s = readable(s.substr(0, 100)) + "...";
        std::string out;
        for (const char c : s) out += c == '\n' ? "\\n" : static_cast<unsigned char>(c) < 32 ? "?" : std::string(1, c);
        return out;
    };
    for (const Json& sample : JsonView(reports[0].document, reports[0].file)["samples"].array()) {
        const JsonView first(sample, reports[0].file);
        const std::string domain = first["domain"].string();
        text += "\n" + domain + "\n  prompt    " + one_line(first["prompt"].string()) + "\n  expected  " +
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

std::string one(const fs::path& path) {
    if (path.extension() == ".safetensors") return tensors_text(io::SafetensorsFile::open(path));
    if (io::path_exists(path / io::adapter_config_name)) {
        const auto config = io::read_adapter_config(path);
        return "Adapter\n" + io::to_text(io::to_json(config), 2) + "\n" +
               tensors_text(io::SafetensorsFile::open(path / io::adapter_tensors_name));
    }
    if (io::path_exists(path / "config.json")) {
        const fs::path config = path / "config.json";
        std::string text = "Model\n" + io::to_text(io::read_json(config), 2) + "\n";
        const auto model = io::ModelFiles::open(path);
        for (const auto& file : model.files()) text += tensors_text(file);
        return text;
    }
    if (io::path_exists(path / "manifest.json")) {
        const auto manifest = path / "manifest.json";
        const io::Json document = io::read_json(manifest);
        const std::string file = manifest.string();
        const Index step = JsonView(document, file)["step"].integer(0, std::numeric_limits<Index>::max());
        const auto checkpoint = io::load_checkpoint({path, step});
        return concat("Checkpoint after step ", checkpoint.step, ", checksums hold\n", io::to_text(checkpoint.state, 2),
                      "\n") +
               tensors_text(checkpoint.tensors);
    }
    if (io::path_exists(path / "run.json")) return run_text(path);
    fail(path.string(), ": expected a safetensors file or the directory of an adapter, model, checkpoint or run");
}

}  // namespace

std::string inspect(const std::vector<fs::path>& paths) {
    if (paths.size() > 1) return comparison(paths);
    std::string text = one(paths.front());
    if (io::path_exists(paths.front() / "report.json")) text += "\n" + comparison(paths);
    return text;
}

}  // namespace hydra
