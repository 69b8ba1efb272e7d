// Merging by scores against plain loops: of all neighbours that make a token the greatest score, the leftmost of equal
// ones, until there are none.
#include <hydralora/text/scored_merges.hpp>

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/draw.hpp"
#include "time_ratio.hpp"

namespace text_scored_merges_test {

using namespace hydralora;
using text::ScoredMerges;
using text::Vocabulary;
using Ids = std::vector<std::int32_t>;

namespace {

struct Piece {
    std::string text;
    float score;
};

/// `bytes`: how many of <0x00>.. there are, after the pieces.
struct Pieces {
    std::vector<Piece> list;
    std::vector<std::uint32_t> apart;
    std::uint32_t unknown = Vocabulary::none;

    void add_bytes(int count) {
        constexpr char digits[] = "0123456789ABCDEF";
        for (int b = 0; b < count; ++b) {
            apart.push_back(static_cast<std::uint32_t>(list.size()));
            list.push_back({std::string("<0x") + digits[b >> 4] + digits[b & 15] + ">", 0});
        }
    }
    [[nodiscard]] ScoredMerges model() const {
        Vocabulary vocabulary;
        std::vector<float> scores;
        for (std::size_t i = 0; i < list.size(); ++i) {
            vocabulary.add(list[i].text, static_cast<std::int32_t>(i));
            scores.push_back(list[i].score);
        }
        vocabulary.finish();
        return ScoredMerges(std::move(vocabulary), scores, {.apart = apart, .unknown = unknown});
    }
};

Ids encode(const ScoredMerges& model, std::string_view text) {
    Ids ids;
    text::JoinScratch scratch;
    model.encode(text, ids, scratch);
    return ids;
}

/// The loops.
Ids joined_by_loops(const Pieces& pieces, const std::string& text) {
    std::map<std::string, std::int32_t> joinable, all;
    for (std::size_t i = 0; i < pieces.list.size(); ++i) {
        all[pieces.list[i].text] = static_cast<std::int32_t>(i);
        if (std::find(pieces.apart.begin(), pieces.apart.end(), i) == pieces.apart.end())
            joinable[pieces.list[i].text] = static_cast<std::int32_t>(i);
    }
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t size = text::character_at(text, i).bytes;
        parts.push_back(text.substr(i, size));
        i += size;
    }
    for (;;) {
        std::optional<std::size_t> best;
        float best_score = 0;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i)
            if (const auto found = joinable.find(parts[i] + parts[i + 1]); found != joinable.end()) {
                const float score = pieces.list[static_cast<std::size_t>(found->second)].score;
                if (!best || score > best_score) best = i, best_score = score;
            }
        if (!best) break;
        parts[*best] += parts[*best + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(*best) + 1);
    }
    Ids ids;
    for (const std::string& part : parts) {
        if (const auto found = joinable.find(part); found != joinable.end()) {
            ids.push_back(found->second);
            continue;
        }
        for (const char c : part) {
            char name[8];
            std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned char>(c));
            ids.push_back(all.at(name));
        }
    }
    return ids;
}

}  // namespace

TEST_CASE("random vocabularies and texts: what plain loops make of them") {
    test::Draw draw(11);
    std::size_t joins = 0;
    for (int trial = test::trials(400, 20000); trial > 0; --trial) {
        const auto character = [&] { return std::string(draw.one_of({"a", "b", "c", "\u00e9", "\u4e2d", "\u2581"})); };
        Pieces pieces;
        std::map<std::string, bool> seen;
        for (Index n = draw.integer(3, 40); n > 0; --n) {
            std::string text;
            for (Index k = draw.integer(1, 5); k > 0; --k) text += character();
            if (std::exchange(seen[text], true)) continue;
            if (draw.integer(0, 9) == 0) pieces.apart.push_back(static_cast<std::uint32_t>(pieces.list.size()));
            pieces.list.push_back({text, static_cast<float>(draw.integer(-6, 0))});  // with many ties
        }
        pieces.add_bytes(256);
        const ScoredMerges model = pieces.model();
        for (int texts = 0; texts < 5; ++texts) {
            std::string text;
            for (Index n = draw.integer(1, 40); n > 0; --n) text += character();
            CAPTURE(text);
            const Ids ids = encode(model, text);
            REQUIRE(ids == joined_by_loops(pieces, text));
            joins += ids.size() < text.size();
        }
    }
    CHECK(joins > 100);
}

TEST_CASE("scores, ties and tokens that no text is joined to") {
    Pieces pieces{{{"a", 0}, {"b", 0}, {"c", 0}, {"ab", -2}, {"bc", -1}, {"aa", -1}, {"</", 0}, {"<", 0}, {"/", 0}},
                  {},
                  Vocabulary::none};
    CHECK(encode(pieces.model(), "abc") == Ids{0, 4});
    CHECK(encode(pieces.model(), "aaa") == Ids{5, 0});  // the left one
    CHECK(encode(pieces.model(), "ab") == Ids{3});
    CHECK(encode(pieces.model(), "</") == Ids{6});
    pieces.apart = {6, 1};
    CHECK(encode(pieces.model(), "</") == Ids{7, 8});
    CHECK(encode(pieces.model(), "b").empty());  // nothing stands for it
    CHECK(encode(pieces.model(), "abzb") == Ids{3});
    pieces.unknown = 8;
    CHECK(encode(pieces.model(), "zzazb") == Ids{8, 0, 8});  // one for those that follow each other
    pieces.add_bytes(0x80);
    CHECK(encode(pieces.model(), "z\u00e9\u00e9b") == Ids{9 + 'z', 8, 9 + 'b'});
}

TEST_CASE("a token may have characters that are none") {
    Pieces pieces{{{"a", 0}, {"a\u00e9", -1}, {"\u00e9\u00e9", -2}}, {}, Vocabulary::none};
    pieces.add_bytes(256);
    CHECK(encode(pieces.model(), "a\u00e9") == Ids{1});
    CHECK(encode(pieces.model(), "\u00e9\u00e9a") == Ids{2, 0});
    CHECK(encode(pieces.model(), "\u00e9") == Ids{3 + 0xc3, 3 + 0xa9});
}

TEST_CASE("time grows with the text") {
    Pieces pieces;
    for (std::size_t n = 1; n <= 64; ++n) pieces.list.push_back({std::string(n, 'a'), -static_cast<float>(n)});
    pieces.add_bytes(256);
    const ScoredMerges model = pieces.model();
    const std::string small(20000, 'a'), large(400000, 'a');
    constexpr double most = 20 * 2.5;
    const auto times = test::times_of([&] { static_cast<void>(encode(model, small)); },
                                      [&] { static_cast<void>(encode(model, large)); }, most);
    CHECK(times.ratio() <= most);
}

}  // namespace text_scored_merges_test
