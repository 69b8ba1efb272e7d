// The command line of every benchmark program, and its output: one line a row, or one JSON object a row.
//
//   --threads=N    threads of the rows that are not on one (default: as many as the machine has)
//   --quick        fewer shapes
//   --json=FILE    append one JSON object a row to FILE
//   and the flags of Google Benchmark, --benchmark_filter=REGEX among them

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include <hydralora/core/process_limits.hpp>

#include "bench.hpp"

namespace {

using Run = benchmark::BenchmarkReporter::Run;

double counter(const Run& run, const char* name) {
    const auto found = run.counters.find(name);
    return found == run.counters.end() ? 0.0 : found->second.value;
}

/// "1.234e11 FLOP/s" as "123.4 GFLOP/s".
std::string rate_of(const Run& run) {
    struct Kind {
        const char* name;
        double unit;
        const char* suffix;
    };
    constexpr Kind kinds[] = {
        {"tokens_per_second", 1e3, "k tok/s"}, {"bytes_per_second", 1e9, "GB/s"}, {"flops_per_second", 1e9, "GFLOP/s"}};
    for (const auto& [name, unit, suffix] : kinds) {
        const double value = counter(run, name);
        if (value <= 0) continue;
        char text[64];
        std::snprintf(text, sizeof text, "%10.1f %-7s", value / unit, suffix);
        return text;
    }
    return std::string(18, ' ');
}

std::string percent(double share) {
    char text[16];
    if (share <= 0) return "     -";
    std::snprintf(text, sizeof text, "%5.1f%%", 100 * share);
    return text;
}

class Table : public benchmark::BenchmarkReporter {
public:
    explicit Table(const std::string& json) {
        if (json.empty()) return;
        json_.open(json, std::ios::app);
        if (!json_) {
            std::fprintf(stderr, "cannot write %s\n", json.c_str());
            std::exit(2);
        }
    }

    [[nodiscard]] bool failed() const { return failed_; }

    bool ReportContext(const Context&) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            const std::string& name = run.run_name.function_name;
            const auto slash = name.find('/');
            const std::string row = name.substr(0, slash), words = name.substr(slash + 1);
            if (run.error_occurred) {
                std::printf("%-15s %-46s failed: %s\n", row.c_str(), words.c_str(), run.error_message.c_str());
                failed_ = true;
                continue;
            }
            std::printf("%-15s %-46s %9.3f ms %s %s %s  %.3f [%.3f, %.3f] %s\n", row.c_str(), words.c_str(),
                        1e3 * counter(run, "seconds"), rate_of(run).c_str(),
                        percent(counter(run, "share_of_fma_peak")).c_str(),
                        percent(counter(run, "share_of_copy")).c_str(), counter(run, "ratio"),
                        counter(run, "ratio_min"), counter(run, "ratio_max"), run.report_label.c_str());
            if (json_.is_open()) write_json(run, row, words);
        }
        std::fflush(stdout);
    }

private:
    // Names and labels are ours and hold nothing that JSON would escape.
    void write_json(const Run& run, const std::string& row, const std::string& words) {
        json_ << "{\"row\":\"" << row << "\",\"case\":\"" << words << "\",\"unit\":\"x\"";
        for (const auto& [name, counted] : {std::pair{"measured", "ratio"}, {"min", "ratio_min"}, {"max", "ratio_max"}})
            json_ << ",\"" << name << "\":" << counter(run, counted);
        json_ << ",\"target\":null,\"holds\":null,\"beside\":\"" << run.report_label << '"';
        for (const auto& [name, value] : run.counters)
            if (name.rfind("ratio", 0) != 0) json_ << ",\"" << name << "\":" << value.value;
        json_ << "}\n" << std::flush;
    }

    std::ofstream json_;
    bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    bench::Settings settings;
    std::string json;
    int threads = hydralora::available_processors();
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--quick") {
            settings.quick = true;
        } else if (argument == "--large") {
            settings.large = true;
        } else if (argument.rfind("--json=", 0) == 0) {
            json = argument.substr(7);
        } else if (argument.rfind("--threads=", 0) == 0 && std::atoi(argv[i] + 10) > 0) {
            threads = std::atoi(argv[i] + 10);
        } else {
            std::fprintf(stderr, "unknown argument %s; known: --quick, --large, --json=FILE, --threads=N (1 or more)\n",
                         argv[i]);
            return 2;
        }
    }
    settings.threads = {threads};
    if (threads > 1) settings.threads.push_back(1);

    const std::string_view path = argv[0];
    const std::string program(path.substr(path.find_last_of('/') + 1));
    std::printf("# %s, limits measured here (%s):", program.c_str(), std::string(bench::peak_instructions()).c_str());
    for (const int n : settings.threads) {
        const bench::Peak& limit = bench::peak(n);
        std::printf(" %d thread%s %.0f GFLOP/s, copy %.0f GB/s;", n, n == 1 ? "" : "s", 1e-9 * limit.flops,
                    1e-9 * limit.bytes);
    }
    std::printf("\n");

    bench::add_benchmarks(settings);
    Table table(json);
    benchmark::RunSpecifiedBenchmarks(&table);
    return table.failed() ? 1 : 0;
}
