#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json_value.hpp>
#include <hydralora/io/json_write.hpp>

namespace compare {

using hydralora::check;
using hydralora::io::Json;

namespace {

std::string number(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

std::string of_thousands(Index n) {
    std::string text = std::to_string(n);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

bool any(const std::vector<Row>& rows, double Result::*what) {
    return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
        return std::any_of(row.runs.begin(), row.runs.end(), [&](const Result& r) { return r.*what != 0; });
    });
}

Claim claim(const std::string& text, bool holds, const Interval& d) {
    return {.text = text,
            .holds = holds,
            .decided = std::isfinite(d.half),
            .numbers = "d = " + std::string(d.mean > 0 ? "+" : "") + text_of(d)};
}

}  // namespace

std::string text_of(const Interval& interval, int digits) {
    std::string text = number(interval.mean, digits);
    if (std::isfinite(interval.half)) text.append(" +- ").append(number(interval.half, digits));
    return text;
}

std::string table_of(const std::vector<Row>& rows, std::size_t reference, const char* loss_name) {
    const bool tokens = any(rows, &Result::tokens), exact = any(rows, &Result::exact), nmi = any(rows, &Result::nmi);
    std::vector<std::vector<std::string>> cells{
        {"method", "parameters", "lr", loss_name, "d " + std::string(loss_name)}};
    if (tokens) cells[0].push_back("tokens");
    if (exact) cells[0].insert(cells[0].end(), {"exact", "d exact"});
    if (nmi) cells[0].push_back("NMI");
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const Row& row = rows[r];
        char rate[32];
        std::snprintf(rate, sizeof rate, "%g%s", row.rate, row.edge ? " (edge)" : "");
        const bool other = r != reference;
        std::vector<std::string> line{row.name, row.parameters > 0 ? of_thousands(row.parameters) : "-",
                                      row.rate > 0 ? rate : "-", text_of(row.of(&Result::loss)),
                                      other ? text_of(row.against(rows[reference], &Result::loss)) : "-"};
        if (tokens) line.push_back(number(row.of(&Result::tokens).mean, 3));
        if (exact) {
            line.push_back(text_of(row.of(&Result::exact)));
            line.push_back(other ? text_of(row.against(rows[reference], &Result::exact)) : "-");
        }
        if (nmi) line.push_back(row.of(&Result::nmi).mean > 0 ? number(row.of(&Result::nmi).mean, 2) : "-");
        cells.push_back(std::move(line));
    }
    std::string text;
    for (std::size_t r = 0; r < cells.size(); ++r) {
        text.append("|");
        for (const auto& cell : cells[r]) text.append(" ").append(cell).append(" |");
        text.append("\n");
        if (r > 0) continue;
        text.append("|");
        for (std::size_t c = 0; c < cells[0].size(); ++c) text.append(c == 0 ? "---|" : "--:|");
        text.append("\n");
    }
    return text;
}

std::string json_of(const std::string& experiment, const std::vector<Row>& rows) {
    std::string lines;
    for (const Row& row : rows) {
        Json runs = Json::array();
        for (const Result& r : row.runs)
            runs.push(Json::object({{"loss", std::isfinite(r.loss) ? r.loss : 1e300},
                                    {"tokens", r.tokens},
                                    {"exact", r.exact},
                                    {"nmi", r.nmi},
                                    {"entropy", r.entropy}}));
        lines
            .append(hydralora::io::to_text(Json::object({{"experiment", experiment},
                                                         {"method", row.name},
                                                         {"parameters", row.parameters},
                                                         {"lr", row.rate},
                                                         {"runs", runs}})))
            .append("\n");
    }
    return lines;
}

std::string figure_of(const std::vector<Row>& rows, std::size_t reference, const std::string& title) {
    constexpr double left = 330, right = 780, top = 50, each = 24;
    double low = 0, high = 0;
    for (const Row& row : rows) {
        const Interval d = row.against(rows[reference], &Result::loss);
        low = std::min(low, d.mean - d.half), high = std::max(high, d.mean + d.half);
    }
    const double margin = 0.05 * (high - low);
    low -= margin, high += margin;
    const auto x = [&](double value) { return number(left + (value - low) / (high - low) * (right - left), 1); };
    const double bottom = top + each * static_cast<double>(rows.size() - 1);
    std::string svg =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 " + number(bottom + 40, 0) +
        "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        "<text x=\"12\" y=\"24\" font-weight=\"600\">" +
        title + "</text>\n";
    svg.append("<path stroke=\"#888\" stroke-dasharray=\"4 3\" d=\"M" + x(0) + " " + number(top - 14, 0) + "V" +
               number(bottom, 0) + "\"/>\n");
    const double step = high - low > 1.2 ? 0.5 : high - low > 0.5 ? 0.2 : 0.1;
    for (double tick = std::ceil(low / step) * step; tick <= high; tick += step)
        svg.append("<text fill=\"#555\" text-anchor=\"middle\" x=\"" + x(tick) + "\" y=\"" + number(bottom + 22, 0) +
                   "\">" + number(std::abs(tick) < 1e-9 ? 0 : tick, 1) + "</text>\n");
    double y = top;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (r == reference) continue;
        const Interval d = rows[r].against(rows[reference], &Result::loss);
        const char* colour = d.below(0) ? "#0072b2" : d.above(0) ? "#d55e00" : "#777";
        svg.append("<text text-anchor=\"end\" x=\"" + number(left - 12, 0) + "\" y=\"" + number(y + 4, 0) + "\">" +
                   rows[r].name + "</text>\n<path stroke=\"" + colour + "\" stroke-width=\"2.5\" d=\"M" +
                   x(d.mean - d.half) + " " + number(y, 0) + "H" + x(d.mean + d.half) +
                   "\"/><circle r=\"4.5\" fill=\"" + colour + "\" cx=\"" + x(d.mean) + "\" cy=\"" + number(y, 0) +
                   "\"/>\n");
        y += each;
    }
    return svg + "</svg>\n";
}

const Row& row_named(const std::vector<Row>& rows, const std::string& name) {
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
    check(at != rows.end(), "compare: no method \"", name, "\"");
    return *at;
}

Claim lower_loss(const std::vector<Row>& rows, const std::string& a, const std::string& b, double margin) {
    const Interval d = row_named(rows, a).against(row_named(rows, b), &Result::loss);
    std::string text = a + " < " + b;
    if (margin > 0) text.append(", by ").append(number(margin, 1)).append(" or more");
    return claim(text, d.below(0) && d.mean <= -margin, d);
}

Claim not_worse(const std::vector<Row>& rows, const std::string& a, const std::string& b, double margin) {
    const Interval d = row_named(rows, a).against(row_named(rows, b), &Result::loss);
    return claim(a + " not worse than " + b + " by " + number(margin, 2), d.below(margin), d);
}

Claim not_fewer_exact(const std::vector<Row>& rows, const std::string& a, const std::string& b, double margin) {
    const Interval d = row_named(rows, a).against(row_named(rows, b), &Result::exact);
    return claim(a + " has no fewer exact answers than " + b + " by " + number(margin, 2), d.above(-margin), d);
}

int print_claims(const std::vector<Claim>& claims) {
    int failed = 0;
    for (const Claim& c : claims) {
        std::printf("  %-13s %s   (%s)\n",
                    c.holds      ? "holds"
                    : c.asserted ? "DOES NOT HOLD"
                                 : "does not hold",
                    c.text.c_str(), c.numbers.c_str());
        failed += c.asserted && c.decided && !c.holds ? 1 : 0;
    }
    std::printf("\n");
    return failed;
}

}  // namespace compare
