// Figures for people: inline SVG, and the HTML page around it. One file, without scripts and without a network.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/view.hpp>

namespace hydra {

using hydralora::Index;

/// A line through (x, y), equally many of both. Points that are not finite interrupt it.
struct Series {
    std::string name;
    std::vector<double> x, y;
    std::vector<double> raw = {};  // what y smooths, drawn thin behind it; empty: nothing
};

/// A point of a scatter. One that is not finite is not drawn.
struct Dot {
    double x = 0, y = 0;
    Index group = 0;    // which of the groups
    std::string title;  // what a reader sees who points at it
};

/// Text as it may stand between tags and in attributes: what is no text (control characters but for line ends and tabs,
/// marks of direction, bytes that are no UTF-8) shown as hydra shows it in a terminal, the rest as entities where HTML
/// needs that.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// Words as a paragraph, and as a heading of that level.
[[nodiscard]] std::string html_paragraph(std::string_view words);
[[nodiscard]] std::string html_heading(int level, std::string_view words);

/// Few and round numbers from low to high, about as many as `wanted`: steps of 1, 2 or 5 times a power of ten.
[[nodiscard]] std::vector<double> round_ticks(double low, double high, Index wanted);

// Each gives one <figure>. All texts are escaped here, all numbers are double.

[[nodiscard]] std::string line_chart(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                                     const std::vector<Series>& series);
/// Without axes, for a map whose coordinates mean nothing. Throws hydralora::Error for a dot of no group.
[[nodiscard]] std::string scatter_chart(const std::string& title, const std::vector<std::string>& groups,
                                        const std::vector<Dot>& dots);
/// values (R, C), row by row; NaN: blank. Colours go from low to high, by way of white at 0 where that lies between them.
[[nodiscard]] std::string heat_map(const std::string& title, const std::vector<std::string>& rows,
                                   const std::vector<std::string>& columns, const std::vector<double>& values,
                                   double low, double high);

/// The first column to the left, the others to the right; wider than the page, it scrolls by itself.
[[nodiscard]] std::string html_table(const std::vector<std::string>& header,
                                     const std::vector<std::vector<std::string>>& rows);

/// A whole page; body: HTML, for example what the functions above gave.
[[nodiscard]] std::string html_page(const std::string& title, const std::string& body);

/// As fixed(), but for numbers that round to 0, which get no sign.
[[nodiscard]] std::string rounded(double value, int digits);

}  // namespace hydra
