#include "report_components.hpp"

#include <algorithm>

#include <hydralora/core/check.hpp>

#include "chart.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

std::string sse_chart(const std::vector<RecordedRun>& runs) {
    std::vector<Series> curves;
    for (const RecordedRun& run : runs) {
        if (!run.components || run.components->sse.empty()) continue;
        Series curve{run.name, {}, run.components->sse};
        for (std::size_t k = 1; k <= curve.y.size(); ++k) curve.x.push_back(static_cast<double>(k));
        curves.push_back(std::move(curve));
    }
    return curves.empty() ? std::string()
                          : line_chart("Squared distance to the centres (SSE), by the number of clusters", "clusters",
                                       "SSE", curves);
}

/// A row a component: what tells it, and how many examples it has, in all and of each file.
std::string table_of(const RecordedComponents& found) {
    std::vector<std::string> header{"component", "training examples"};
    if (found.files.size() > 1) header.insert(header.end(), found.files.begin(), found.files.end());
    std::vector<std::vector<std::string>> rows;
    for (const auto& component : found.components) {
        std::string title = std::to_string(rows.size());
        if (!component.name.empty()) title.append(": ").append(component.name);
        for (std::size_t t = 0; t < component.terms.size(); ++t)
            title.append(t == 0 ? ": " : " ").append(component.terms[t]);
        rows.push_back({title, grouped(component.documents)});
        for (const Index documents : component.of_files)
            if (found.files.size() > 1) rows.back().push_back(documents > 0 ? grouped(documents) : "");
    }
    return html_table(header, rows);
}

}  // namespace

std::string component_origin(const RecordedRun& run) {
    const std::string of = option(run, "component_of");
    if (of.empty()) return {};
    if (of == "texts") return "Its components were found in the training texts, which a plain LoRA is given too.";
    return "Its components were given, by " +
           (of == "files" ? "the files" : "the field " + option(run, "component_field")) +
           ": information that a plain LoRA does not get.";
}

std::string components_section(const std::vector<RecordedRun>& runs) {
    if (std::none_of(runs.begin(), runs.end(), [](const auto& run) { return run.components.has_value(); })) return {};
    std::string text = "<h2>Components</h2>\n" + sse_chart(runs);
    for (const RecordedRun& run : runs) {
        if (!run.components) continue;
        const bool found = option(run, "component_of") == "texts";
        text += "<h3>" + html_escaped(run.name) + "</h3>\n" +
                html_paragraph(component_origin(run) + (found ? " " + run.components->reason + "." : "")) +
                table_of(*run.components);
    }
    return text;
}

}  // namespace hydra
