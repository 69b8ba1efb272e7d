// Runs side by side, from reports written by hand.
#include <doctest/doctest.h>

#include <string>

#include "compare_runs.hpp"
#include "io/scratch.hpp"
#include "support/message_of.hpp"

namespace trainer_compare_runs_test {

using namespace test;

namespace {

std::string score(const std::string& domain, const std::string& bits) {
    return R"({"domain": ")" + domain + R"(", "bits_per_byte": )" + bits + R"(, "answers": 4, "exact_matches": 1})";
}

std::filesystem::path run(const ScratchDirectory& scratch, const std::string& name, const std::string& before,
                          const std::string& after) {
    std::filesystem::create_directories(scratch / name);
    set_content(scratch / name / "report.json", R"({"trainable_parameters": 1234, "tokens_per_second": 5, "seconds": 6,
        "samples": [], "before": [)" + before + R"(], "after": [)" +
                                                    after + "]}");
    return scratch / name;
}

bool has_row(const std::string& table, const std::string& first, const std::string& rest) {
    for (std::size_t at = table.find(first); at != table.npos; at = table.find(first, at + 1)) {
        std::string cells;  // with one space between
        for (const char c : table.substr(at, table.find('\n', at) - at))
            if (c != ' ' || (!cells.empty() && cells.back() != ' ')) cells += c;
        if (cells == first + rest) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("compare_runs: every domain has a row, and the mean is over those that all runs have") {
    const ScratchDirectory scratch;
    const auto one =
        run(scratch, "one", score("a", "8") + "," + score("b", "6"), score("a", "4") + "," + score("b", "2"));
    const auto two =
        run(scratch, "two", score("a", "8") + "," + score("c", "9"), score("a", "3") + "," + score("c", "1"));
    const std::string table = hydra::compare_runs({one, two});
    CHECK_MESSAGE(has_row(table, "a", " 8.000 4.000 3.000 1/4 1/4 1/4"), table);
    CHECK_MESSAGE(has_row(table, "b", " 6.000 2.000 1/4 1/4"), table);
    CHECK_MESSAGE(has_row(table, "c", " 1.000 1/4"), table);
    CHECK_MESSAGE(has_row(table, "mean of the 1 that all have", " 8.000 4.000 3.000"), table);
    CHECK_MESSAGE(has_row(table, "trainable parameters", " 1,234 1,234"), table);
}

TEST_CASE("compare_runs: runs that began elsewhere show their own base, a run that diverged no number") {
    const ScratchDirectory scratch;
    const auto one = run(scratch, "one", score("a", "8"), score("a", "4"));
    const auto two = run(scratch, "two", score("a", "7"), score("a", "null"));
    const std::string table = hydra::compare_runs({one, two});
    CHECK_MESSAGE(table.find("one base") != table.npos, table);
    CHECK_MESSAGE(has_row(table, "a", " 8.000 7.000 4.000 nan 1/4 1/4 1/4 1/4"), table);
    CHECK_MESSAGE(has_row(table, "mean", " 8.000 7.000 4.000 nan"), table);
    const std::string refusal = message_of([&] { static_cast<void>(hydra::compare_runs({one, scratch / "none"})); });
    CHECK(refusal.find("no report.json") != refusal.npos);
}

}  // namespace trainer_compare_runs_test
