// What bench/gpu.sh's programs make of numbers: medians, ratios, verdicts and lines of JSON.
#include <doctest/doctest.h>

#include "../../bench/thrust/row.hpp"

using namespace bench;

TEST_CASE("a target holds on its own side, and never for what is no number") {
    CHECK(at_most(1.15).holds(1.15));
    CHECK(!at_most(1.15).holds(1.1501));
    CHECK(at_least(0.97).holds(0.97));
    CHECK(!at_least(0.97).holds(0.9699));
    CHECK(!at_most(1).holds(std::nan("")));
    CHECK(!at_least(1).holds(std::nan("")));
}

TEST_CASE("a row is one line of JSON") {
    CHECK(line_of({"a / b", "8^2", "x", at_most(1.05)}, {1.04, 1.02, 1.07}, "p --rows a") ==
          R"({"row":"a / b","case":"8^2","unit":"x","measured":1.04,"min":1.02,"max":1.07,"target":1.05,"sense":"<=",)"
          R"("holds":true,"command":"p --rows a"})");
    CHECK(
        line_of({"a", "b", "ms"}, {12345.678, 1e-7, 1e9}, "p") ==
        R"({"row":"a","case":"b","unit":"ms","measured":1.235e+04,"min":1e-07,"max":1e+09,"target":null,"holds":null,)"
        R"("command":"p"})");
}

TEST_CASE("the verdict is on the number as measured, not as printed") {
    const std::string line = line_of({"a", "b", "x", at_least(0.97)}, {0.96999, 0.9, 1}, "p");
    CHECK(line.find(R"("measured":0.97,)") != line.npos);
    CHECK(line.find(R"("holds":false)") != line.npos);
}

TEST_CASE("what is no number is null and does not hold") {
    const std::string line = line_of({"a", "b", "x", at_most(1)}, {HUGE_VAL, 0, std::nan("")}, "p");
    CHECK(line.find(R"("measured":null,"min":0,"max":null,)") != line.npos);
    CHECK(line.find(R"("holds":false)") != line.npos);
}

TEST_CASE("a row that was not measured says why, in quotes that JSON takes") {
    CHECK(line_of_unmeasured({"a", "b", "x", at_least(50)}, "no \"such\" \\ thing\n", "p") ==
          R"({"row":"a","case":"b","unit":"x","measured":null,"target":50,"sense":">=","holds":null,)"
          R"("reason":"no \"such\" \\ thing ","command":"p"})");
}

TEST_CASE("ratios are of the rounds, and their median is that of the ratios") {
    const auto r = ratios({2, 9, 4}, {1, 3, 4});
    CHECK(r == std::vector<double>{2, 3, 1});
    CHECK(spread_of(r).median == 2);
    CHECK(in_ms({0.002, 0.001, 0.004}).median == 2);
    CHECK(in_ms({0.002, 0.001, 0.004}).most == 4);
    CHECK(only(7).least == 7);
}

TEST_CASE("each case has one turn a round, and each is first in turn") {
    std::vector<std::size_t> turns;
    for (std::size_t block = 0; block < 9; ++block) turns.push_back(turn_of(block, 3));
    CHECK(turns == std::vector<std::size_t>{0, 1, 2, 1, 2, 0, 2, 0, 1});
}

TEST_CASE("rounds are odd, five at least; repeats fill a block") {
    CHECK(rounds_within(1, 10) == 5);
    CHECK(rounds_within(1, 0.1) == 11);
    CHECK(rounds_within(1, 0.125) == 9);
    CHECK(rounds_within(1, 0) == 41);
    CHECK(repeats_for(2e-3, 5e-3) == 1);
    CHECK(repeats_for(2e-3, 1.5e-3) == 2);
    CHECK(repeats_for(1, 0) == 1000);
}
