// Documents of files, against the files put together again, and components of planted topics.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include <hydralora/io/json_write.hpp>

#include "find_components.hpp"
#include "io/scratch.hpp"
#include "support/draw.hpp"

namespace trainer_find_components_test {

using namespace hydra;
using hydralora::Index;
using test::error_of;
using test::has;

namespace {

std::vector<std::string> documents_of(const CorpusTexts& corpus) {
    std::vector<std::string> documents;
    corpus([&](std::string_view text) { documents.emplace_back(text); });
    return documents;
}

TEST_CASE("the pieces of a text make the text again, end behind lines, and none is longer than asked for") {
    test::ScratchDirectory folder;
    test::Draw draw(5);
    for (int n = 0; n < 20; ++n) {
        std::string text;
        for (Index k = draw.integer(1, 400); k > 0; --k)
            text += draw.one_of<std::string>({"word ", "\n", "\xc3\xa9t\xc3\xa9", "\n\nlonger words stand here ", "x"});
        text += "end";
        test::set_content(folder / "t.txt", text);
        const Index piece = draw.integer(16, 300);
        const CorpusTexts corpus({folder / "t.txt"}, piece);
        std::string together;
        const auto documents = documents_of(corpus);
        REQUIRE(static_cast<Index>(documents.size()) == corpus.size());
        for (const auto& document : documents) {
            CHECK(static_cast<Index>(document.size()) <= piece);
            CHECK((document.back() == '\n' || document.size() + 3 >= static_cast<std::size_t>(piece) ||
                   &document == &documents.back()));
            CHECK((static_cast<unsigned char>(document.front()) & 0xc0) != 0x80);  // a character begins
            CHECK(document.find_first_not_of(" \n") != document.npos);
            together += document;
        }
        const auto without_blanks = [](std::string s) {
            std::erase_if(s, [](char c) { return c == ' ' || c == '\n'; });
            return s;
        };
        CHECK(without_blanks(together) == without_blanks(text));
    }
}

TEST_CASE("each record is a document of all that is said in it") {
    test::ScratchDirectory folder;
    test::set_content(folder / "a.jsonl", R"({"instruction": "Add.", "input": "1 2", "output": "3"}
{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}
{"text": "  "}
)");
    test::set_content(folder / "b.txt", "one line\n");
    const CorpusTexts corpus({folder / "a.jsonl", folder / "b.txt"});
    const auto documents = documents_of(corpus);
    CHECK(corpus.names() == std::vector<std::string>{"a", "b"});
    REQUIRE(documents.size() == 3);
    CHECK(documents[0] == "Add.\n1 2\n3");
    CHECK(documents[1] == "Be kind.\nHi\nYes");
    CHECK(documents[2] == "one line\n");
    CHECK(corpus.domain_of() == std::vector<Index>{0, 0, 1});
    CHECK(corpus.domains()[0].empty == 1);
    CHECK(corpus.domains()[0].first_empty == (folder / "a.jsonl").string() + ":3:1");
    CHECK(corpus.domains()[1].empty == 0);
    // A file that changes while it is read.
    test::set_content(folder / "b.txt", "one line\n" + std::string(3000, 'x'));
    CHECK(has(error_of([&] { static_cast<void>(documents_of(corpus)); }), "had 3 documents, now has 5"));
}

/// Three topics of words of their own, and words that all of them have; one file a topic, but the third in two files.
struct Planted {
    test::ScratchDirectory folder;
    std::vector<std::filesystem::path> files;

    Planted() {
        test::Draw draw(9);
        const std::vector<std::string> topics[] = {{"river", "stone", "water", "fish", "boat"},
                                                   {"number", "theorem", "proof", "sum", "prime"},
                                                   {"bread", "flour", "oven", "salt", "dough"}};
        for (const auto& [name, topic] : {std::pair{"nature", 0}, {"maths", 1}, {"kitchen", 2}, {"cakes", 2}}) {
            std::string lines;
            for (int d = 0; d < 30; ++d) {
                std::string words;
                for (int w = 0; w < 12; ++w)
                    words += (w % 3 == 0 ? draw.one_of<std::string>({"the", "and", "so"})
                                         : topics[topic][static_cast<std::size_t>(draw.integer(0, 4))]) +
                             ' ';
                lines += R"({"text": ")" + words + "\"}\n";
            }
            files.push_back(folder / (std::string(name) + ".jsonl"));
            test::set_content(files.back(), lines);
        }
    }
};

TEST_CASE("planted topics are found and named by their words, whatever the number of threads") {
    const Planted planted;
    const CorpusTexts corpus(planted.files);
    ComponentsOptions options;
    options.max_df = 0.9;
    const auto found = find_components(corpus, options);
    CHECK(found.count == 3);
    for (std::size_t i = 0; i < found.labels.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) {
            const auto topic = [&](std::size_t d) { return std::min(corpus.domain_of()[d], Index{2}); };
            REQUIRE((found.labels[i] == found.labels[k]) == (topic(i) == topic(k)));
        }
    std::set<std::string> strongest;
    for (const auto& terms : found.terms) strongest.insert(terms.at(0).term);
    CHECK(strongest.size() == 3);

    const std::string text = components_text(corpus, found);
    CHECK(has(text, "120 documents of 4 files"));
    CHECK(has(text, "component 2, "));
    CHECK(has(text, "normalised mutual information of components and files: 0.8571"));  // ln 4 and 1.5 ln 2
    const auto json = components_json(corpus.names(), corpus.domain_of(), found);
    options.threads = 3;
    const auto again = find_components(corpus, options);
    CHECK(again.labels == found.labels);
    CHECK(hydralora::io::to_text(components_json(corpus.names(), corpus.domain_of(), again)) ==
          hydralora::io::to_text(json));
}

TEST_CASE("what cannot be is refused by the name of the flag or the file") {
    const Planted planted;
    const CorpusTexts corpus(planted.files);
    const auto error_with = [&](auto change) {
        ComponentsOptions options;
        change(options);
        return error_of([&] { static_cast<void>(find_components(corpus, options)); });
    };
    CHECK(has(error_with([](auto& o) { o.most = 2; }), "--most 2: expected at least 3"));
    CHECK(has(error_with([](auto& o) { o.most = 121; }), "120 documents for up to --most 121 clusters"));
    CHECK(has(error_with([](auto& o) { o.min_df = 0; }), "--min-df 0"));
    CHECK(has(error_with([](auto& o) { o.max_df = 1.5; }), "--max-df 1.5"));
    CHECK(has(error_with([](auto& o) { o.strongest_terms = 0; }), "--strongest 0"));
    CHECK(has(error_with([](auto& o) { o.min_df = 1000; }), "widen them"));
    CHECK(has(error_of([&] { CorpusTexts(planted.files, 3); }), "--piece 3"));
    test::ScratchDirectory folder;
    test::set_content(folder / "blank.txt", " \n ");
    const auto blank = error_of([&] { CorpusTexts({folder / "blank.txt"}); });
    CHECK(has(blank, "blank.txt: expected text, found none"));
    std::string repeated;
    for (int i = 0; i < 12; ++i)
        repeated += R"({"text": "one document"})"
                    "\n";
    test::set_content(folder / "repeated.jsonl", repeated);
    const auto alike = error_of(
        [&] { static_cast<void>(find_components(CorpusTexts({folder / "repeated.jsonl"}), ComponentsOptions{})); });
    CHECK(has(alike, "data: all 12 documents are the same, so that there is nothing to tell apart"));
}

}  // namespace

}  // namespace trainer_find_components_test
