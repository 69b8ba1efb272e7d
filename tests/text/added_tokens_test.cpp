#include <hydralora/text/added_tokens.hpp>

#include <doctest/doctest.h>

#include "support/draw.hpp"
#include "time_ratio.hpp"

namespace text_added_tokens_test {

using namespace hydralora;
using text::LongestMatch;

TEST_CASE("the leftmost, longest matches are those of plain loops") {
    test::Draw draw(4);
    const auto word = [&](Index longest) {
        std::string result;
        for (Index n = draw.integer(1, longest); n > 0; --n) result += draw.one_of({'a', 'b', '\xc3'});
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

namespace {

using text::AddedToken;
using text::AddedTokens;

struct Cut {
    std::size_t begin, end;
    std::int32_t id;  // -1: text
    bool operator==(const Cut&) const = default;
};

bool space_at(std::string_view text, std::size_t i) { return text[i] == ' ' || text[i] == '\n'; }

/// What the Python package does, match by match: each looks for the whole run of white space at its ends.
std::vector<Cut> plain_cuts(const std::vector<AddedToken>& tokens, std::string_view text) {
    std::vector<Cut> cuts;
    std::size_t done = 0;
    for (std::size_t i = 0; i < text.size();) {
        const AddedToken* best = nullptr;
        for (const AddedToken& token : tokens)
            if (text.substr(i).starts_with(token.content) &&
                (best == nullptr || token.content.size() > best->content.size()))
                best = &token;
        if (best == nullptr) {
            ++i;
            continue;
        }
        std::size_t begin = i, end = i += best->content.size();
        const auto in_word = [&](std::size_t k) { return k < text.size() && text[k] == 'x'; };
        if (best->single_word && (in_word(begin - 1) || in_word(end))) continue;
        if (best->lstrip) {
            while (begin > 0 && space_at(text, begin - 1)) --begin;
            begin = std::max(begin, done);
        }
        if (best->rstrip)
            while (end < text.size() && space_at(text, end)) ++end;
        if (begin >= end) continue;  // an empty piece, which the package drops; it stops at less than that
        if (done < begin) cuts.push_back({done, begin, -1});
        cuts.push_back({begin, end, best->id});
        done = end;
    }
    if (done < text.size()) cuts.push_back({done, text.size(), -1});
    return cuts;
}

bool none_is_text(const AddedToken&, std::size_t, std::size_t) { return false; }

std::vector<Cut> cuts_of(const std::vector<AddedToken>& tokens, std::string_view text) {
    std::vector<Cut> cuts;
    const AddedTokens added(tokens);  // which the pieces point into
    for (const auto& piece : added.split(text, none_is_text))
        cuts.push_back({piece.begin, piece.end, piece.token == nullptr ? -1 : piece.token->id});
    return cuts;
}

}  // namespace

TEST_CASE("tokens that take the white space beside them are those of plain loops") {
    test::Draw draw(7);
    std::size_t stripped = 0;
    for (int trial = test::trials(20000, 400000); trial > 0; --trial) {
        std::vector<AddedToken> tokens;
        const std::vector<const char*> contents{" ", "  ", "\n", " x", "x ", "-", "- -", "x"};
        for (Index n = draw.integer(1, 4); n > 0; --n) {
            AddedToken token;
            token.content = token.pattern = contents[static_cast<std::size_t>(draw.integer(0, 7))];
            token.id = static_cast<std::int32_t>(tokens.size());
            token.lstrip = draw.integer(0, 1) == 1;
            token.rstrip = draw.integer(0, 1) == 1;
            token.single_word = draw.integer(0, 3) == 0;
            tokens.push_back(token);
        }
        std::string text;
        for (Index n = draw.integer(0, 20); n > 0; --n) text += draw.one_of({"x", "-", " ", " ", "  ", "\n", "."});
        const auto expected = plain_cuts(tokens, text);
        CAPTURE(text);
        REQUIRE(cuts_of(tokens, text) == expected);
        stripped += expected.size() > 1;
    }
    CHECK(stripped > 1000);
}

TEST_CASE("white space that every match could take is looked at once") {
    for (const std::string content : {" ", "  "})
        for (const int sides : {0, 1, 2, 3}) {
            AddedToken token, word;
            token.content = token.pattern = content;
            token.lstrip = (sides & 1) != 0;
            token.rstrip = (sides & 2) != 0;
            word.content = word.pattern = "<r>";
            word.rstrip = true;
            const AddedTokens tokens({token, word});
            for (const std::string start : {"", "<r>"}) {
                const auto split = [&](std::size_t size) {
                    return [&tokens, text = start + std::string(size, ' ')] {
                        const auto pieces = tokens.split(text, none_is_text);
                        CHECK(pieces.back().end == text.size());
                    };
                };
                CAPTURE(content);
                CAPTURE(sides);
                CAPTURE(start);
                CHECK(test::times_of(split(std::size_t{1} << 12), split(std::size_t{1} << 16), 120).ratio() <= 120);
            }
        }
}

}  // namespace text_added_tokens_test
