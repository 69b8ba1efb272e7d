#include "chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <hydralora/core/check.hpp>

#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

// Drawings are this wide, in units that are pixels on a screen of that width; narrow, so that text stays readable on a
// telephone.
constexpr double width = 480, height = 320;
constexpr Index looks = 8;                 // colours, and as many marks
constexpr double drawn_most = 1e300;       // beyond it, differences overflow
constexpr std::size_t points_most = 1500;  // of a line; longer ones are thinned

bool drawn(double value) { return std::abs(value) <= drawn_most; }  // not NaN

/// A coordinate, in tenths.
std::string at(double value) { return fixed(value, 1); }

/// Colour and mark of number i: all pairs of both before one comes again.
Index colour_of(Index i) { return i % looks; }
Index mark_of(Index i) { return (i + i / looks) % looks; }

/// A mark of the colour and form of number i around (x, y), about 2r wide.
std::string mark(Index i, double x, double y, double r, const std::string& title) {
    const std::string colour = "c" + std::to_string(colour_of(i));
    const auto path = [&](const std::vector<std::pair<double, double>>& corners) {
        std::string d;
        for (const auto& [dx, dy] : corners) d += (d.empty() ? "M" : "L") + at(x + r * dx) + ' ' + at(y + r * dy);
        return d + 'Z';
    };
    std::string d;
    switch (mark_of(i)) {
        case 0:  // a disc
        case 1:  // a ring
            d = "M" + at(x - r) + ' ' + at(y) + 'a' + at(r) + ' ' + at(r) + " 0 1 0 " + at(2 * r) + " 0a" + at(r) +
                ' ' + at(r) + " 0 1 0 " + at(-2 * r) + " 0Z";
            break;
        case 2:
            d = path({{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}});
            break;
        case 3:
            d = path({{0, -1.2}, {1.1, 0.8}, {-1.1, 0.8}});
            break;
        case 4:
            d = path({{0, -1.3}, {1.1, 0}, {0, 1.3}, {-1.1, 0}});
            break;
        case 5:
            d = path({{0, 1.2}, {1.1, -0.8}, {-1.1, -0.8}});
            break;
        case 6:  // +
            d = path({{-0.4, -1.2},
                      {0.4, -1.2},
                      {0.4, -0.4},
                      {1.2, -0.4},
                      {1.2, 0.4},
                      {0.4, 0.4},
                      {0.4, 1.2},
                      {-0.4, 1.2},
                      {-0.4, 0.4},
                      {-1.2, 0.4},
                      {-1.2, -0.4},
                      {-0.4, -0.4}});
            break;
        default:  // an hourglass
            d = path({{-1, -1}, {1, -1}, {-1, 1}, {1, 1}});
    }
    return "<path class=\"" + colour + (mark_of(i) == 1 ? " ring" : " mark") + "\" d=\"" + d + '"' +
           (title.empty() ? "/>" : "><title>" + html_escaped(title) + "</title></path>");
}

std::string text(double x, double y, const std::string& anchor, const std::string& words,
                 const std::string& more = {}) {
    return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + '"' + more + '>' +
           html_escaped(words) + "</text>";
}

/// At most `most` characters of UTF-8, the middle left out.
std::string shortened(const std::string& name, std::size_t most) {
    const std::string whole = readable(name);
    std::vector<std::size_t> begins;
    for (std::size_t i = 0; i < whole.size(); ++i)
        if ((whole[i] & 0xc0) != 0x80) begins.push_back(i);
    if (begins.size() <= most) return whole;
    const std::size_t head = most / 2, tail = most - head - 1;
    return whole.substr(0, begins[head]) + "\xe2\x80\xa6" + whole.substr(begins[begins.size() - tail]);
}

/// A number of an axis whose ticks stand a step apart.
std::string number(double value, double step) {
    char text[64];
    if (std::abs(value) >= 1e7 || step < 1e-6) {
        std::snprintf(text, sizeof text, "%.6g", value);
        return text;
    }
    const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
    std::string number = fixed(std::abs(value) < 1e-9 * step ? 0.0 : value, digits);
    const std::size_t first = value < 0 ? 1 : 0;
    std::size_t whole = number.find('.');
    if (whole == std::string::npos) whole = number.size();
    for (std::size_t digit = whole; digit > first + 3; digit -= 3) number.insert(digit - 3, ",");
    return number;
}

/// The least and largest number drawn, apart enough to draw between.
struct Range {
    double low = std::numeric_limits<double>::infinity(), high = -low;

    void add(double value) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    void widen() {
        if (low > high) low = 0, high = 1;
        const double least = 1e-9 * std::max(std::abs(low), std::abs(high));
        if (high - low <= least) {
            const double by = low == 0 ? 0.5 : 0.1 * std::abs(low);
            low -= by;
            high += by;
        }
    }
    [[nodiscard]] double share(double value) const { return (value - low) / (high - low); }
};

/// A drawing (wide, tall), which is shown as large as all the others.
std::string figure(const std::string& title, double wide, double tall, const std::string& drawing,
                   const std::string& legend) {
    const std::string name = html_escaped(title);
    return "<figure style=\"--wide:" + fixed(wide / width, 3) + "\"><figcaption>" + name +
           "</figcaption>\n<svg viewBox=\"0 0 " + at(wide) + ' ' + at(tall) + "\" role=\"img\" aria-label=\"" + name +
           "\"><title>" + name + "</title>\n" + drawing + "</svg>\n" + legend + "</figure>\n";
}

std::string legend(const std::vector<std::string>& names, bool lines) {
    std::string items;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto number = static_cast<Index>(i);
        items += "<span><svg class=\"key\" viewBox=\"0 0 28 16\" aria-hidden=\"true\">" +
                 (lines ? "<path class=\"line c" + std::to_string(colour_of(number)) + "\" d=\"M0 8H28\"/>" : "") +
                 mark(number, 14, 8, 5, {}) + "</svg> " + html_escaped(names[i]) + "</span>\n";
    }
    return items.empty() ? items : "<p class=\"legend\">\n" + items + "</p>\n";
}

/// Where a line goes: of more points than can be seen, the lowest and the highest of each stretch.
std::vector<std::size_t> thinned(const std::vector<double>& x, const std::vector<double>& y) {
    const std::size_t n = x.size();
    const std::size_t stretch = n <= points_most ? 1 : (2 * n + points_most - 1) / points_most;
    std::vector<std::size_t> kept;
    for (std::size_t begin = 0; begin < n; begin += stretch) {
        const std::size_t end = std::min(n, begin + stretch);
        std::size_t low = begin, high = begin;
        bool broken = false;
        for (std::size_t i = begin; i < end; ++i) {
            broken = broken || !drawn(y[i]) || !drawn(x[i]);
            if (!(y[low] <= y[i])) low = i;
            if (!(y[high] >= y[i])) high = i;
        }
        if (broken && stretch > 1) {
            for (std::size_t i = begin; i < end; ++i) kept.push_back(i);
            continue;
        }
        kept.push_back(std::min(low, high));
        if (low != high) kept.push_back(std::max(low, high));
    }
    return kept;
}

struct Colour {
    double red, green, blue;  // 0 to 255
};

Colour between(Colour a, Colour b, double share) {
    return {a.red + share * (b.red - a.red), a.green + share * (b.green - a.green), a.blue + share * (b.blue - a.blue)};
}

std::string css(Colour c) { return "rgb(" + fixed(c.red, 0) + ',' + fixed(c.green, 0) + ',' + fixed(c.blue, 0) + ')'; }

/// Light where the value is small, dark where it is large; with signs blue below 0 and orange above, which all eyes tell
/// apart.
Colour heat(double value, double low, double high) {
    constexpr Colour white{250, 250, 247}, blue{0, 80, 150}, orange{190, 75, 0};
    value = std::clamp(value, low, high);
    if (low < 0 && high > 0)
        return value < 0 ? between(white, blue, value / low) : between(white, orange, value / high);
    return between(white, blue, high > low ? (value - low) / (high - low) : 0.0);
}

/// Black or white, whichever can be read on c.
std::string ink_on(Colour c) { return 0.3 * c.red + 0.59 * c.green + 0.11 * c.blue > 135 ? "#111" : "#fff"; }

// Okabe and Ito's colours, which colour-blind people tell apart; darker or lighter where the page needs contrast.
constexpr const char* style = R"(
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1b; --soft: #5c5c5c; --rule: #d4d4d4;
  --c0: #0072b2; --c1: #c44e00; --c2: #007a5a; --c3: #b0467f; --c4: #8a6d00; --c5: #2a8fc7; --c6: #1b1b1b; --c7: #7a5195; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --ink: #ececec; --soft: #a8a8a8; --rule: #3d4147;
    --c0: #56b4e9; --c1: #ff8f3f; --c2: #2fc99a; --c3: #e69fc4; --c4: #f0e442; --c5: #3f8fd2; --c6: #ececec; --c7: #b99ad6; } }
@media print { :root { color-scheme: light; --page: #fff; --ink: #000; --soft: #444; --rule: #bbb;
    --c0: #0072b2; --c1: #c44e00; --c2: #007a5a; --c3: #b0467f; --c4: #8a6d00; --c5: #2a8fc7; --c6: #000; --c7: #7a5195; }
  figure, .table { break-inside: avoid; } .table { overflow: visible; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; }
pre { white-space: pre-wrap; }
figure { margin: 1.5rem 0; width: calc(45rem * var(--wide)); max-width: 100%; }
.maps { display: flex; flex-wrap: wrap; gap: 0 1.5rem; } .maps figure { margin: .7rem 0; width: calc(28rem * var(--wide)); }
figcaption { font-weight: 600; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }

.key { display: inline-block; width: 28px; height: 16px; vertical-align: middle; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0; font-size: .9rem; }
.swatch { display: inline-block; width: 1.6rem; height: .9rem; vertical-align: middle; border: 1px solid var(--rule); }
.grid { stroke: var(--rule); fill: none; } .frame { stroke: var(--soft); fill: none; }
.line { stroke: currentColor; fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.raw { stroke: currentColor; fill: none; stroke-width: .7; opacity: .35; }
.mark { fill: currentColor; stroke: var(--page); stroke-width: .6; } .ring { fill: none; stroke: currentColor; stroke-width: 1.8; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); }
.table { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--rule); text-align: right; overflow-wrap: normal; }
th { border-bottom-color: var(--soft); } th:first-child, td:first-child { text-align: left; }
)";

}  // namespace

std::string html_escaped(std::string_view text) {
    std::string out, plain;
    const auto flush = [&] {
        for (const char c : escaped(plain)) switch (c) {
                case '&':
                    out += "&amp;";
                    break;
                case '<':
                    out += "&lt;";
                    break;
                case '>':
                    out += "&gt;";
                    break;
                case '"':
                    out += "&quot;";
                    break;
                case '\'':
                    out += "&#39;";
                    break;
                default:
                    out += c;
            }
        plain.clear();
    };
    for (const char c : text) {
        if (c != '\n' && c != '\t' && c != '\\') {
            plain += c;
            continue;
        }
        flush();
        out += c;
    }
    flush();
    return out;
}

std::string html_paragraph(std::string_view words) { return "<p>" + html_escaped(words) + "</p>\n"; }

std::string html_heading(int level, std::string_view words) {
    const std::string tag = "h" + std::to_string(level);
    return "<" + tag + ">" + html_escaped(words) + "</" + tag + ">\n";
}

std::string rounded(double value, int digits) {
    const std::string text = fixed(value, digits);
    return text.find_first_of("123456789") == text.npos && text[0] == '-' && std::isfinite(value) ? text.substr(1)
                                                                                                  : text;
}

std::vector<double> round_ticks(double low, double high, Index wanted) {
    Range range;
    if (drawn(low) && drawn(high)) range.add(low), range.add(high);
    range.widen();
    const double rough = (range.high - range.low) / static_cast<double>(std::max<Index>(wanted, 1));
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double ratio = rough / power;
    const double step = power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
    std::vector<double> ticks;
    const double first = std::ceil(range.low / step - 1e-9);
    for (Index k = 0; k <= 4 * wanted; ++k) {  // counted, for first + 1 may be first
        const double tick = (first + static_cast<double>(k)) * step;
        if (tick > range.high + 1e-9 * step) break;
        ticks.push_back(tick == 0 ? 0.0 : tick);  // no -0
    }
    return ticks;
}

std::string line_chart(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                       const std::vector<Series>& series) {
    Range xs, ys;
    std::vector<std::string> names;
    for (const Series& line : series) {
        check(line.x.size() == line.y.size(), "line_chart: '", line.name, "' has ", line.x.size(), " x and ",
              line.y.size(), " y, expected as many");
        check(line.raw.empty() || line.raw.size() == line.y.size(), "line_chart: '", line.name, "' has ", line.y.size(),
              " y and ", line.raw.size(), " raw ones, expected as many or none");
        names.push_back(line.name);
        for (const auto* y : {&line.y, &line.raw})
            for (std::size_t i = 0; i < y->size(); ++i)
                if (drawn(line.x[i]) && drawn((*y)[i])) xs.add(line.x[i]), ys.add((*y)[i]);
    }
    xs.widen();
    ys.widen();
    const auto x_ticks = round_ticks(xs.low, xs.high, 6), y_ticks = round_ticks(ys.low, ys.high, 5);
    const double x_step = x_ticks.size() > 1 ? x_ticks[1] - x_ticks[0] : 1;
    const double y_step = y_ticks.size() > 1 ? y_ticks[1] - y_ticks[0] : 1;
    std::size_t widest = 0;
    for (const double t : y_ticks) widest = std::max(widest, number(t, y_step).size());
    const double left = 28 + 7 * static_cast<double>(widest), right = width - 24, top = 12, bottom = height - 44;
    const auto px = [&](double x) { return left + xs.share(x) * (right - left); };
    const auto py = [&](double y) { return bottom - ys.share(y) * (bottom - top); };

    std::string drawing = "<path class=\"grid\" d=\"";
    for (const double t : y_ticks) drawing += "M" + at(left) + ' ' + at(py(t)) + "H" + at(right);
    drawing += "\"/>\n<path class=\"frame\" d=\"M" + at(left) + ' ' + at(top) + "V" + at(bottom) + "H" + at(right);
    for (const double t : x_ticks) drawing += "M" + at(px(t)) + ' ' + at(bottom) + "v4";
    drawing += "\"/>\n";
    for (const double t : x_ticks) drawing += text(px(t), bottom + 17, "middle", number(t, x_step));
    for (const double t : y_ticks) drawing += text(left - 6, py(t) + 4, "end", number(t, y_step));
    drawing += text((left + right) / 2, height - 8, "middle", x_axis);
    const std::string turned = " transform=\"rotate(-90 13 " + at((top + bottom) / 2) + ")\"";
    drawing += text(13, (top + bottom) / 2, "middle", y_axis, turned) + '\n';

    // The path through (x, y); f(k, x, y) for the k-th point of it.
    const auto path_of = [&](const std::vector<double>& x, const std::vector<double>& y,
                             const std::vector<std::size_t>& kept, const auto& f) {
        std::string path;
        bool down = false;  // whether the pen is
        for (std::size_t k = 0; k < kept.size(); ++k) {
            const double to_x = x[kept[k]], to_y = y[kept[k]];
            if (!drawn(to_x) || !drawn(to_y)) {
                down = false;
                continue;
            }
            path += (down ? "L" : "M") + at(px(to_x)) + ' ' + at(py(to_y));
            down = true;
            f(k, to_x, to_y);
        }
        return path;
    };
    for (std::size_t s = 0; s < series.size(); ++s) {  // behind all the others
        if (series[s].raw.empty()) continue;
        const auto kept = thinned(series[s].x, series[s].raw);
        drawing += "<path class=\"raw c" + std::to_string(colour_of(static_cast<Index>(s))) + "\" d=\"" +
                   path_of(series[s].x, series[s].raw, kept, [](std::size_t, double, double) {}) + "\"/>\n";
    }
    for (std::size_t s = 0; s < series.size(); ++s) {
        const Series& line = series[s];
        const auto kept = thinned(line.x, line.y);
        std::string marks;
        const std::size_t apart = std::max<std::size_t>(1, kept.size() / 8);
        const std::size_t phase = s * apart / std::max<std::size_t>(series.size(), 1);
        const std::string path = path_of(line.x, line.y, kept, [&](std::size_t k, double x, double y) {
            if (kept.size() <= 12 || k % apart == phase)
                marks += mark(static_cast<Index>(s), px(x), py(y), 3.5,
                              line.name + ": " + number(x, x_step / 10) + ", " + number(y, y_step / 100));
        });
        drawing += "<path class=\"line c" + std::to_string(colour_of(static_cast<Index>(s))) + "\" d=\"" + path +
                   "\"/>" + marks + '\n';
    }
    return figure(title, width, height, drawing, legend(names, true));
}

std::string scatter_chart(const std::string& title, const std::vector<std::string>& groups,
                          const std::vector<Dot>& dots) {
    Range xs, ys;
    for (const Dot& dot : dots) {
        check(dot.group >= 0 && dot.group < static_cast<Index>(groups.size()), "scatter_chart: group ", dot.group,
              " of a dot, expected 0 to ", static_cast<Index>(groups.size()) - 1);
        if (drawn(dot.x) && drawn(dot.y)) xs.add(dot.x), ys.add(dot.y);
    }
    xs.widen();
    ys.widen();
    // One scale for both ways: distances are what is looked at.
    const double edge = 14,
                 scale = std::min((width - 2 * edge) / (xs.high - xs.low), (height - 2 * edge) / (ys.high - ys.low));
    const double x_mid = 0.5 * xs.low + 0.5 * xs.high, y_mid = 0.5 * ys.low + 0.5 * ys.high;
    std::string drawing = "<path class=\"grid\" d=\"M.5 .5H" + at(width - 0.5) + "V" + at(height - 0.5) + "H.5Z\"/>\n";
    for (const Dot& dot : dots)
        if (drawn(dot.x) && drawn(dot.y))
            drawing += mark(dot.group, width / 2 + scale * (dot.x - x_mid), height / 2 - scale * (dot.y - y_mid), 4,
                            dot.title) +
                       '\n';
    return figure(title, width, height, drawing, legend(groups, false));
}

std::string heat_map(const std::string& title, const std::vector<std::string>& rows,
                     const std::vector<std::string>& columns, const std::vector<double>& values, double low,
                     double high) {
    check(values.size() == rows.size() * columns.size(), "heat_map: ", values.size(), " values for ", rows.size(),
          " rows and ", columns.size(), " columns, expected ", rows.size() * columns.size());
    check(std::isfinite(low) && std::isfinite(high) && low <= high, "heat_map: colours from ", low, " to ", high,
          ", expected finite numbers in order");
    constexpr std::size_t longest = 24;  // characters of a label
    std::size_t row_label = 0, column_label = 0;
    const auto length = [](const std::string& s) {
        return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    };
    for (const auto& name : rows) row_label = std::max(row_label, length(shortened(name, longest)));
    for (const auto& name : columns) column_label = std::max(column_label, length(shortened(name, longest)));
    const double left = 10 + 6.6 * static_cast<double>(row_label);
    const double wide =
        std::min(64.0, (width - left - 2) / static_cast<double>(std::max<std::size_t>(columns.size(), 1)));
    const bool turned = 6.6 * static_cast<double>(column_label) + 4 > wide;
    const double top = turned ? 10 + 6.6 * static_cast<double>(column_label) : 20;
    const double tall = std::clamp(wide, 13.0, 26.0);
    const bool room = wide >= 30;

    std::string drawing;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const double x = left + (static_cast<double>(c) + 0.5) * wide;
        if (turned && wide < 9 && c % static_cast<std::size_t>(std::ceil(9 / wide)) != 0) continue;
        const std::string more = turned ? " transform=\"rotate(-90 " + at(x + 4) + ' ' + at(top - 5) + ")\"" : "";
        drawing += text(turned ? x + 4 : x, top - 5, turned ? "start" : "middle", shortened(columns[c], longest), more);
    }
    drawing += '\n';
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const double y = top + static_cast<double>(r) * tall;
        drawing += text(left - 5, y + tall / 2 + 4, "end", shortened(rows[r], longest));
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const double value = values[r * columns.size() + c], x = left + static_cast<double>(c) * wide;
            if (std::isnan(value)) continue;
            const Colour colour = heat(value, low, high);
            drawing += "<rect x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + fixed(wide, 2) + "\" height=\"" +
                       at(tall) + "\" fill=\"" + css(colour) + "\"><title>" +
                       html_escaped(rows[r] + ", " + columns[c] + ": " + fixed(value, 4)) + "</title></rect>";
            if (room)
                drawing += text(x + wide / 2, y + tall / 2 + 4, "middle", fixed(value, 2),
                                " style=\"fill:" + ink_on(colour) + ";pointer-events:none\"");
        }
        drawing += '\n';
    }
    std::string key;
    for (const double share : std::array{0.0, 0.25, 0.5, 0.75, 1.0}) {
        const double value = low + share * (high - low);
        key += "<span><span class=\"swatch\" style=\"background:" + css(heat(value, low, high)) + "\"></span> " +
               number(value, (high - low) / 100) + "</span>\n";
    }
    const double used = left + static_cast<double>(columns.size()) * wide + 2;
    return figure(title, std::clamp(used, width / 2, width), top + static_cast<double>(rows.size()) * tall + 2, drawing,
                  "<p class=\"legend\">\n" + key + "</p>\n");
}

std::string html_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
    std::string table = "<div class=\"table\" tabindex=\"0\"><table>\n<thead><tr>";
    for (const auto& cell : header) table += "<th scope=\"col\">" + html_escaped(cell) + "</th>";
    table += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows) {
        table += "<tr>";
        for (const auto& cell : row) table += "<td>" + html_escaped(cell) + "</td>";
        table += "</tr>\n";
    }
    return table + "</tbody>\n</table></div>\n";
}

std::string html_page(const std::string& title, const std::string& body) {
    const std::string name = html_escaped(title);
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
           name + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<main>\n<h1>" + name + "</h1>\n" + body +
           "</main>\n</body>\n</html>\n";
}

}  // namespace hydra
