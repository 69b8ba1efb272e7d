// The program around the rows: gpu_bench.cu runs it on a GPU, host_bench.cpp on the host, to try it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "agreement_rows.hpp"
#include "linear_rows.hpp"
#include "operation_rows.hpp"
#include "serve.hpp"
#include "step_rows.hpp"

namespace bench {

inline constexpr std::string_view usage =
    "[--rows all|agreement|linear|saved|operations|step] [--seconds S] [--tiny] [--json FILE] | --serve\n"
    "  --rows     which (all); may be given several times\n"
    "  --seconds  rows that would begin later than this are left out and say so (300)\n"
    "  --tiny     small shapes, to try the paths\n"
    "  --json     appends the lines to FILE instead of printing them\n"
    "  --serve    times single cases as lines on the standard input ask\n";

template <class D>
int run_program(int argc, char** argv) {
    Sizes sizes;
    double seconds = 300;
    std::string rows, json, command = argv[0];
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (name == "--serve") return serve<D>(std::cin, std::cout);
        if (name == "--tiny") {
            sizes.tiny = true;
            command += " --tiny";
        } else if (name == "--rows" && value != nullptr) {
            rows += std::string(" ") + value + " ";
            ++i;
        } else if (name == "--seconds" && value != nullptr) {
            seconds = std::atof(value);
            ++i;
        } else if (name == "--json" && value != nullptr) {
            json = value;
            ++i;
        } else {
            std::fprintf(stderr, "%s: %s\nusage: %s %s", argv[0], argv[i], argv[0], usage.data());
            return 2;
        }
    }
    std::FILE* const to = json.empty() ? stdout : std::fopen(json.c_str(), "a");
    if (to == nullptr) {
        std::fprintf(stderr, "%s: cannot write %s\n", argv[0], json.c_str());
        return 2;
    }
    const double end = bench::seconds() + seconds;
    bool failed = false;
    const auto group = [&](const char* name, auto run) {
        if (!rows.empty() && rows.find(" all ") == rows.npos && rows.find(std::string(" ") + name + " ") == rows.npos)
            return;
        std::fprintf(stderr, "%s: rows of %s\n", argv[0], name);
        Report report(command + " --rows " + name, end - bench::seconds(), to);
        try {
            run(report, sizes);
        } catch (const std::exception& error) {  // before the first of its rows
            report.leave_out({name, "all", ""}, error.what());
        }
        failed = failed || report.failed();
    };
    group("agreement", agreement_rows<D>);
    group("linear", linear_rows<D>);
    group("saved", saved_rows<D>);
    group("step", step_rows<D>);
    group("operations", operation_rows<D>);
    if (to != stdout) std::fclose(to);
    return failed ? 1 : 0;
}

}  // namespace bench
