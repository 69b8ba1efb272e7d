#include <hydralora/text/added_tokens.hpp>

#include <doctest/doctest.h>

#include "support/draw.hpp"

using namespace hydralora;
using text::LongestMatch;

TEST_CASE("the leftmost, longest matches are those of plain loops") {
    test::Draw draw(4);
    const auto word = [&](Index longest) {
        std::string result;
        for (Index n = draw.integer(1, longest); n > 0; --n) result += draw.one_of({'a', 'b', 'c'});
        return result;
    };
    std::size_t found = 0;
    for (int trial = test::trials(5000, 100000); trial > 0; --trial) {
        std::vector<std::string> patterns;
        for (Index n = draw.integer(0, 8); n > 0; --n) patterns.push_back(word(5));
        const std::string text = word(60);
        std::vector<LongestMatch::Match> expected;
        for (std::size_t i = 0; i < text.size();) {
            std::size_t best = patterns.size();
            for (std::size_t p = 0; p < patterns.size(); ++p)
                if (text.compare(i, patterns[p].size(), patterns[p]) == 0 &&
                    (best == patterns.size() || patterns[p].size() > patterns[best].size()))
                    best = p;
            if (best == patterns.size()) {
                ++i;
                continue;
            }
            expected.push_back({i, i + patterns[best].size(), static_cast<std::uint32_t>(best)});
            i = expected.back().end;
        }
        const auto matches = LongestMatch(patterns).find(text);
        REQUIRE(matches.size() == expected.size());
        for (std::size_t i = 0; i < matches.size(); ++i) {
            REQUIRE(matches[i].begin == expected[i].begin);
            REQUIRE(matches[i].end == expected[i].end);
            REQUIRE(matches[i].text == expected[i].text);
        }
        found += matches.size();
    }
    CHECK(found > 1000);
    CHECK(LongestMatch(std::vector<std::string>{}).find("abc").empty());
    CHECK(LongestMatch(std::vector<std::string>{"a"}).find("").empty());
}
