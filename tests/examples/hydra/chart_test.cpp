// Pages that browsers read: tags that close, text that stays text, nothing from elsewhere; axes with round numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "chart.hpp"
#include "html_structure.hpp"
#include "io/scratch.hpp"

namespace trainer_chart_test {

using namespace hydra;
using test::error_of;
using test::has;
using test::structure_error;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++n;
    return n;
}

const std::string hostile = "<script>alert('\"&1\")</script>\x01\xff\xe2\x80\xae end";
constexpr double gap = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("html_escaped: text stays text") {
    CHECK(html_escaped("a<b>&\"'c") == "a&lt;b&gt;&amp;&quot;&#39;c");
    CHECK(html_escaped("\x01\x7f\x1b[31m") == "\\x01\\x7f\\x1b[31m");
    CHECK(html_escaped("C:\\x\n\ty") == "C:\\x\n\ty");
    CHECK(html_escaped("\xc3\xa9 \xff \xe2\x80\xae") == "\xc3\xa9 \xef\xbf\xbd \\xe2\\x80\\xae");
}

TEST_CASE("a page of all figures, with hostile names and numbers, is well-formed and holds nothing from elsewhere") {
    const Series line{hostile, {0, 1, 2, 3, 4}, {1, gap, 1e308, -inf, 2}};
    std::string body = line_chart(hostile, hostile, hostile, {line, {hostile, {}, {}}}) + line_chart("", "", "", {});
    body += scatter_chart(hostile, {hostile, "b"}, {{1, 2, 0, hostile}, {gap, 2, 1, "x"}, {-1e308, 1e308, 1, ""}});
    body += scatter_chart("", {}, {});
    body += heat_map(hostile, {hostile, "b"}, {hostile}, {gap, 0.5}, -1, 1) + heat_map("", {}, {}, {}, 0, 0);
    body += html_table({hostile, "n"}, {{hostile, "1"}, {"x", ""}});
    const std::string page = html_page(hostile, body);
    CHECK(structure_error(page) == "");
    for (const char* part : {"<script", "http", "url(", "@import", "nan", "inf\"", "\x01", "onerror"}) {
        INFO(part);
        CHECK_FALSE(has(page, part));
    }
    CHECK(has(page, "&lt;script&gt;alert(&#39;&quot;&amp;1&quot;)"));
    CHECK(count(page, "role=\"img\" aria-label=\"") == 6);
    for (const char* part : {"prefers-color-scheme: dark", "@media print", "name=\"viewport\"", "<html lang=\"en\">"})
        CHECK(has(page, part));
    // The oracle can tell.
    CHECK(structure_error("<p><b></p>") == "/p closes b");
    CHECK(structure_error("<p>") == "p stays open");
}

TEST_CASE("line_chart: through all points of a line, apart where one is missing; long lines keep their peaks") {
    const std::string whole = line_chart("t", "x", "y", {{"a", {0, 1, 2}, {0, 1, 0}}});
    CHECK(count(whole, "<path class=\"line c0\" d=\"M") == 2);  // and the legend
    CHECK(
        count(line_chart("t", "x", "y", {{"a", {0, 1, 2, 3, 4}, {0, 1, gap, 1, 0}}}), "M") ==
        count(line_chart("t", "x", "y", {{"a", {0, 1, 2, 3, 4}, {0, 1, 1, 1, 0}}}), "M"));  // 1 mark less, 1 part more
    Series peak{"a", {}, {}};
    for (int i = 0; i < 100000; ++i) peak.x.push_back(i), peak.y.push_back(i == 77777 ? 8 : 1 + i % 2);
    const std::string thin = line_chart("t", "x", "y", {peak});
    CHECK(thin.size() < 60000);
    CHECK(has(thin, " 12.0L"));  // the top of the drawing is reached
    CHECK(error_of([] {
              static_cast<void>(line_chart("t", "x", "y", {{"a", {1}, {}}}));
          }) == "line_chart: 'a' has 1 x and 0 y, expected as many");
}

TEST_CASE("scatter_chart: a mark for each dot that is finite, marks and colours of groups differ") {
    std::vector<std::string> groups;
    std::vector<Dot> dots;
    for (Index g = 0; g < 20; ++g) {
        groups.push_back("g" + std::to_string(g));
        dots.push_back({static_cast<double>(g), 0, g, "dot " + std::to_string(g)});
    }
    CHECK(count(scatter_chart("t", groups, dots), "<title>dot ") == 20);
    CHECK(error_of([] {
              static_cast<void>(scatter_chart("t", {"a"}, {{0, 0, 1, ""}}));
          }) == "scatter_chart: group 1 of a dot, expected 0 to 0");
}

TEST_CASE("heat_map: numbers where there is room, blank where there is none to show") {
    const std::string small = heat_map("t", {"a", "b"}, {"c", "d"}, {0.25, gap, -1, 1}, -1, 1);
    CHECK(count(small, "<rect") == 3);
    for (const char* part : {">0.25</text>", ">-1.00</text>", "<title>b, d: 1.0000</title>"}) CHECK(has(small, part));
    const std::vector<std::string> many(60, "m");
    CHECK_FALSE(has(heat_map("t", {"a"}, many, std::vector<double>(60, 0.25), 0, 1), ">0.25</text></"));
    CHECK(count(heat_map("t", {"a"}, many, std::vector<double>(60, 0.33), 0, 1), ">0.33</text>") == 0);
    CHECK(error_of([] { static_cast<void>(heat_map("t", {"a"}, {"b"}, {}, 0, 1)); }) ==
          "heat_map: 0 values for 1 rows and 1 columns, expected 1");
    CHECK(error_of([] { static_cast<void>(heat_map("t", {"a"}, {"b"}, {1}, 1, 0)); }) ==
          "heat_map: colours from 1 to 0, expected finite numbers in order");
}

TEST_CASE("rounded: 0 without a sign, all else as printf has it") {
    CHECK(rounded(-0.001, 2) == "0.00");
    CHECK(rounded(-0.0, 0) == "0");
    CHECK(rounded(-0.006, 2) == "-0.01");
    CHECK(rounded(-10, 1) == "-10.0");
    CHECK(rounded(-inf, 1) == "-inf");
}

TEST_CASE("round_ticks: few, in order, within the range, of steps 1, 2 or 5") {
    CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
    CHECK(round_ticks(-1, 1, 4) == std::vector<double>{-1, -0.5, 0, 0.5, 1});
    test::Draw draw(6);
    for (int trial = 0; trial < test::trials(2000, 20000); ++trial) {
        const double low = draw.normal() * std::pow(10, draw.integer(-8, 8));
        const double high = low + std::abs(draw.normal()) * std::pow(10, draw.integer(-12, 8));
        const Index wanted = draw.integer(2, 8);
        const auto ticks = round_ticks(low, high, wanted);
        CHECK(ticks.size() <= 2 * static_cast<std::size_t>(wanted) + 1);
        CHECK(!ticks.empty());
        for (std::size_t i = 1; i < ticks.size(); ++i) {
            CHECK(ticks[i] > ticks[i - 1]);
            double digit = ticks[i] - ticks[i - 1];
            digit /= std::pow(10, std::floor(std::log10(digit) + 1e-6));
            CHECK((std::abs(digit - 1) < 1e-3 || std::abs(digit - 2) < 1e-3 || std::abs(digit - 5) < 1e-3));
        }
        if (high - low > 1e-8 * std::abs(low)) {
            CHECK(ticks.front() >= low - 1e-6 * (high - low));
            CHECK(ticks.back() <= high + 1e-6 * (high - low));
        }
    }
    for (const double bad : {gap, inf, 1e308}) CHECK(round_ticks(-bad, bad, 5).size() < 12);
}

}  // namespace trainer_chart_test
