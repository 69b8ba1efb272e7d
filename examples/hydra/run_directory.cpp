#include "run_directory.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>
#include <system_error>

#include <hydralora/core/check.hpp>
#include <hydralora/core/process_limits.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/version.hpp>

namespace hydra {

using namespace hydralora;
using io::Json;

namespace {

std::string now() {
    const std::time_t time = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&time, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

/// Options that may differ between the parts of one run: they change no number, or (device, weights) only its rounding.
bool may_differ(const std::string& key) {
    for (const char* each : {"out", "threads", "device", "accumulation", "keep", "weights", "eval_every", "save_every",
                             "eval_examples", "eval_answers"})
        if (key == each) return true;
    return false;
}

void check_same_options(const std::filesystem::path& file, const Json& before, const Json& now) {
    const auto differ = [&](const std::string& key, const Json* old, const Json* value) {
        const auto spelt = [](const Json* json) { return json == nullptr ? "nothing" : io::to_text(*json); };
        fail(file.string(), ": the run to resume has ", key, " = ", spelt(old), ", now it is ", spelt(value),
             "; resume with the options and the files it began with, or begin a new run in another directory");
    };
    for (const auto& [key, value] : *now.get_if<Json::Object>()) {
        const Json* old = before.find(key);
        if (!may_differ(key) && (old == nullptr || *old != value)) differ(key, old, &value);
    }
    for (const auto& [key, old] : *before.get_if<Json::Object>())  // what stands there only where it is asked for
        if (!may_differ(key) && now.find(key) == nullptr) differ(key, &old, nullptr);
}

}  // namespace

RunDirectory::RunDirectory(const std::filesystem::path& path, bool resume, const std::string& command,
                           const Json& options, Index threads)
    : path_(path) {
    const auto run_file = at("run.json");
    if (io::path_exists(path)) {
        check(resume, path.string(), ": exists already; choose another --out, or continue that run with --resume");
        check(io::path_exists(run_file), path.string(), ": has no run.json, so it is no run to resume");
        const Json before = io::read_json(run_file);
        const std::string name = run_file.string();
        check_same_options(run_file, io::JsonView(before, name)["options"].value(), options);
        return;
    }
    if (resume) std::fprintf(stderr, "%s: nothing to resume there, so the run begins\n", path.string().c_str());
    std::error_code error;
    std::filesystem::create_directories(path, error);
    check(!error, path.string(), ": cannot be made: ", error.message());
    made_ = true;
    write_json("run.json", Json::object({{"command", command},
                                         {"options", options},
                                         {"started", now()},
                                         {"version", concat(HYDRALORA_VERSION_MAJOR, '.', HYDRALORA_VERSION_MINOR, '.',
                                                            HYDRALORA_VERSION_PATCH)},
                                         {"compiler", __VERSION__},
                                         {"processors", Index{available_processors()}},
                                         {"threads", threads > 0 ? threads : Index{available_processors()}}}));
}

RunDirectory::Totals RunDirectory::open_metrics(Index first_step) {
    const auto path = at("metrics.jsonl");
    const std::string name = path.string();
    Totals totals;
    std::string kept;
    if (io::path_exists(path)) {
        const auto file = io::MappedFile::open(path);
        std::string_view rest = file.text();
        for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
            try {
                const Json line = io::parse_json(rest.substr(0, end), name);
                const io::JsonView view(line, name);
                if (view["step"].integer(0, std::numeric_limits<Index>::max()) >= first_step) break;
                totals.seconds += view["seconds"].number(0, 1e18);
                totals.tokens += view["tokens"].integer(0, std::numeric_limits<Index>::max());
            } catch (const Error&) {
                break;
            }
            kept += std::string(rest.substr(0, end + 1));
            rest.remove_prefix(end + 1);
        }
    }
    io::replace_file(path, kept);
    metrics_.reset(std::fopen(path.c_str(), "a"));
    check(metrics_ != nullptr, name, ": cannot be opened: ", std::strerror(errno));
    return totals;
}

void RunDirectory::write_metrics(const Json& line) {
    const std::string text = io::to_text(line) + '\n';
    check(std::fwrite(text.data(), 1, text.size(), metrics_.get()) == text.size() && std::fflush(metrics_.get()) == 0,
          at("metrics.jsonl").string(), ": writing failed: ", std::strerror(errno));
}

void RunDirectory::write_json(const char* name, const Json& document) const {
    io::replace_file(at(name), io::to_text(document, 2) + '\n');
}

void RunDirectory::withdraw() const noexcept {
    if (!made_) return;
    std::error_code error;  // what cannot be removed stays
    for (const char* name : {"components.json", "run.json"}) std::filesystem::remove(path_ / name, error);
    std::filesystem::remove(path_, error);  // not one that holds something
}

long long peak_memory() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<long long>(usage.ru_maxrss) * 1024;
}

}  // namespace hydra
