// Patterns of tokenizer.json: pieces, matches and replacements are those that the Python package made of the same
// (golden/make_splits.py), the scanners match what their patterns match, and no pattern takes the time or the memory it likes.
#include "golden_tokenizers.hpp"

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include <doctest/doctest.h>

#include "support/message_of.hpp"

namespace text_pattern_test {

using namespace hydralora;
using text::GrowthLimit;
using text::Regex;
using text::Split;
using text::SplitBehaviour;

namespace {

GrowthLimit limit_of(std::string_view text) { return {"the pre-tokenizer", "encode", text.size()}; }

std::vector<std::string> pieces(std::string_view text, const Split& split) {
    GrowthLimit limit = limit_of(text);
    std::vector<std::string> result;
    for (const auto& piece : text::split_pieces(text, split, limit))
        if (!piece.removed && piece.begin < piece.end)
            result.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
    return result;
}
std::vector<std::string> strings(const io::JsonView& json) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < json.size(); ++i) result.push_back(json.element(i).string());
    return result;
}
std::string sum_text(std::string_view text) { return io::checksum_text(test::sum_of(text)); }

/// Calls `use` for the elements of a list of the golden file.
template <class Use>
void each(const char* list, Use&& use) {
    const io::MappedFile file = io::MappedFile::open(test::golden("splits.json"));
    const io::Json document = io::parse_json(file.text(), "splits.json");
    const io::JsonView all(document, "splits.json");
    for (std::size_t i = 0; i < all[list].size(); ++i) use(all, all[list].element(i));
}

std::string every_character() {
    std::string text;
    for (std::uint32_t code = 0; code < 0x110000; ++code)
        if (code < 0xd800 || code >= 0xe000) text::append_utf8(text, code);
    return text;
}

constexpr std::pair<const char*, SplitBehaviour> behaviours[] = {
    {"Isolated", SplitBehaviour::isolated},
    {"Removed", SplitBehaviour::removed},
    {"MergedWithPrevious", SplitBehaviour::merged_with_previous},
    {"MergedWithNext", SplitBehaviour::merged_with_next},
    {"Contiguous", SplitBehaviour::contiguous},
};

}  // namespace

TEST_SUITE_BEGIN("with PCRE2" * doctest::skip(!Regex::available));

TEST_CASE("published patterns, every behaviour") {
    auto texts = test::golden_texts();
    each("published", [&](const io::JsonView& all, const io::JsonView& item) {
        CAPTURE(item["name"].string());
        texts.resize(static_cast<std::size_t>(all["count"].integer(1, 20000)));
        Split split{Regex(item["pattern"].string())};
        for (const auto& [name, behaviour] : behaviours) {
            CAPTURE(name);
            split.behaviour = behaviour;
            for (const bool inverted : {false, true}) {
                split.inverted = inverted;
                std::string joined;
                for (const std::string& text : texts)
                    for (const std::string& piece : pieces(text, split)) joined += piece + '\0';
                CHECK(sum_text(joined) == item["sums"][name].element(inverted ? 1 : 0).string());
            }
        }
    });
}

TEST_CASE("the dialect of the package") {
    each("dialect", [](const io::JsonView&, const io::JsonView& item) {
        CAPTURE(item["pattern"].string());
        CAPTURE(item["text"].string());
        const Regex regex(item["pattern"].string());
        CAPTURE(text::to_pcre2(item["pattern"].string()));
        CHECK(pieces(item["text"].string(), {regex}) == strings(item["pieces"]));
        CHECK(pieces(item["text"].string(), {regex, SplitBehaviour::removed, true}) == strings(item["matches"]));
    });
    each("replacements", [](const io::JsonView&, const io::JsonView& item) {
        CAPTURE(item["pattern"].string());
        GrowthLimit limit("the normaliser", "encode", 100);
        CHECK(text::replaced(item["text"].string(), {Regex(item["pattern"].string()), item["content"].string()},
                             limit) == item["result"].string());
    });
    each("refused", [](const io::JsonView&, const io::JsonView& item) {
        CAPTURE(item.string());
        CHECK(test::message_of([&] { Regex regex(item.string()); }) != "no error");
    });
}

TEST_CASE("classes of all characters") {
    const std::string every = every_character();
    each("one_character", [&](const io::JsonView&, const io::JsonView& item) {
        CAPTURE(item["pattern"].string());
        std::string joined;
        for (const std::string& piece : pieces(every, {Regex(item["pattern"].string()), SplitBehaviour::removed, true}))
            joined += piece;
        CHECK(sum_text(joined) == item["sum"].string());
    });
}

TEST_CASE("the scanners match what their patterns match") {
    auto texts = test::golden_texts();
    for (std::uint32_t block = 0; block < 0x110; block += 3) {
        std::string text;
        for (std::uint32_t code = block * 4096; code < block * 4096 + 4096; code += 7)
            if (code < 0xd800 || code >= 0xe000) {
                text += "a", text::append_utf8(text, code), text += "1", text::append_utf8(text, code);
                text += "\n!", text::append_utf8(text, code), text += "\xff";
            }
        texts.push_back(text);
    }
    for (const auto& known : text::known_patterns) {
        CAPTURE(known.text);
        const Regex regex(known.text);
        std::size_t wrong = 0;
        for (const std::string& text : texts) wrong += pieces(text, {regex}) != pieces(text, {known.pattern});
        CHECK(wrong == 0);
    }
}

TEST_CASE("what is not supported is refused by name") {
    const auto refused = [](std::string_view pattern) { return test::message_of([&] { Regex regex(pattern); }); };
    CHECK(refused("a(?~b)") == "at byte 1: this kind of group is not supported");
    CHECK(refused(R"((a)\1)") == "at byte 3: \"\\1\" is not supported");
    CHECK(refused(R"(a\X)") == "at byte 1: \"\\X\" is not supported");
    CHECK(refused("[[:alpha:]]") == "at byte 0: \"[:\" in a class is not supported");
    CHECK(refused(R"(\p{Klingon})") == "at byte 0: the property \"Klingon\" is not supported");
    CHECK(refused("(?i:stra\u00dfe)").find("are not supported") != std::string::npos);
    CHECK(refused("(?i:fluss)") ==
          "at byte 5: \"ss\", \"st\", \"ff\", \"fi\" and \"fl\" where case is ignored are not supported");
    CHECK(refused("(?<=a+)b").find("PCRE2 does not take it: lookbehind assertion is not fixed length") == 0);
    CHECK(refused(std::string(5000, 'a')) == "it has 5000 bytes, expected at most 4096");
    CHECK(refused(std::string(1000, '(')) == "at byte 64: groups within groups are too deep");
    CHECK(refused("(?:(?:(?:a{60000}){60000}){60000}){60000}").find("PCRE2 does not take it: ") == 0);
    CHECK(refused("a\xff") == "it is not well-formed UTF-8");
}

TEST_CASE("a pattern that goes back and back is stopped") {
    const auto message = [](std::string_view pattern, const std::string& text) {
        return test::message_of([&] { static_cast<void>(pieces(text, {Regex(pattern)})); });
    };
    const std::string many(30000, 'a');
    for (const char* pattern : {"(?:a+)+[bc]{2}", "(?:a|aa)+[bc]{2}", "(?=(?:a*a*)*[bc]{2})."}) {
        CAPTURE(pattern);
        CHECK(message(pattern, many + "bx") ==
              "Tokenizer: the regular expressions of the pre-tokenizer take more than 484032000 steps on 30002 bytes; "
              "check the "
              "patterns of tokenizer.json, or encode less at once");
    }
    // Runs of any length in patterns that published tokenizers have.
    const std::string spaces(100000, ' ');
    CHECK(pieces(spaces + "a", {Regex(text::known_patterns[1].text)}).size() == 2);
    CHECK(pieces(std::string(1 << 20, 'a'), {Regex(text::known_patterns[1].text)}).size() == 1);
    CHECK(pieces(std::string(1 << 20, 'a'), {Regex("(?:a|b)+")}).size() == 1);
}

TEST_SUITE_END();

}  // namespace text_pattern_test
