// hydra: pretrain | train | plan | eval | generate | inspect | components | analyze | report | export | import | merge
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "analyze.hpp"
#include "command_line.hpp"
#include "commands.hpp"
#include "find_components.hpp"
#include "inspect.hpp"
#include "memory_plan.hpp"
#include "report_runs.hpp"
#include "train.hpp"

namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int signal) {
    interrupted = 1;
    std::signal(signal, SIG_DFL);  // a second Ctrl-C ends at once
}

std::string as_typed(int argc, char** argv) {
    std::string text;
    for (int i = 0; i < argc; ++i) {
        std::string word = argv[i];
        if (word.find_first_of(" \t\n\"'\\$*?&;|<>()#`") != word.npos || word.empty()) {  // as a shell takes it
            for (std::size_t at = 0; (at = word.find('\'', at)) != word.npos; at += 4) word.replace(at, 1, "'\\''");
            word = "'" + word + "'";
        }
        text += (i == 0 ? "" : " ") + word;
    }
    return text;
}

struct Run {
    hydra::Surroundings surroundings;

    int operator()(const hydra::PretrainOptions& o) const { return static_cast<int>(hydra::pretrain(o, surroundings)); }
    int operator()(const hydra::TrainOptions& o) const { return static_cast<int>(hydra::train(o, surroundings)); }
    int operator()(const hydra::PlanOptions& o) const {
        hydra::run_plan(o.train);
        return 0;
    }
    int operator()(const hydra::EvaluateOptions& o) const {
        hydra::run_evaluate(o);
        return 0;
    }
    int operator()(const hydra::GenerateTextOptions& o) const {
        hydra::run_generate(o);
        return 0;
    }
    int operator()(const hydra::ExportOptions& o) const {
        hydra::run_export(o);
        return 0;
    }
    int operator()(const hydra::ImportOptions& o) const {
        hydra::run_import(o);
        return 0;
    }
    int operator()(const hydra::MergeOptions& o) const {
        hydra::run_merge(o);
        return 0;
    }
    int operator()(const hydra::ComponentsOptions& o) const {
        hydra::run_components(o);
        return 0;
    }
    int operator()(const hydra::AnalyzeOptions& o) const {
        hydra::run_analyze(o);
        return 0;
    }
    int operator()(const hydra::ReportOptions& o) const {
        hydra::run_report(o);
        return 0;
    }
    int operator()(const hydra::InspectOptions& o) const {
        std::fputs(hydra::inspect(o.paths).c_str(), stdout);
        return 0;
    }
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto parsed = hydra::parse_command_line(argc, argv);
        if (const int* status = std::get_if<int>(&parsed)) return *status;
        const auto& command = std::get<hydra::Command>(parsed);
        if (std::holds_alternative<hydra::PretrainOptions>(command) ||
            std::holds_alternative<hydra::TrainOptions>(command)) {  // which save what they have
            std::signal(SIGINT, on_interrupt);
            std::signal(SIGTERM, on_interrupt);
        }
        return std::visit(Run{{.command = as_typed(argc, argv), .stop = [] { return interrupted != 0; }}}, command);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "hydra: %s\n", error.what());
        return 1;
    }
}
