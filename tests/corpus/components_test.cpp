#include <doctest/doctest.h>

#include <algorithm>
#include <hydralora/core/mutual_information.hpp>
#include <hydralora/corpus/components.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace corpus_components_test {

using namespace hydralora;
using namespace hydralora::corpus;

namespace {

using Strings = std::vector<std::string>;

struct Corpus {
    Strings documents;
    std::vector<Index> domains;
};

const Strings vocabulary[] = {{"patient", "doctor", "drug", "dose", "clinic", "nurse"},
                              {"court", "judge", "contract", "law", "appeal", "clause"},
                              {"loop", "array", "pointer", "compile", "return", "struct"},
                              {"equation", "integral", "prime", "lemma", "proof", "sum"}};

/// Documents of 30 words, 18 of the words of their domain, 12 that all domains use.
Corpus domains_of(Index domains, Index documents) {
    const Strings common{"the", "and", "of", "with", "from", "this", "that", "for", "are", "was"};
    test::Draw draw(1);
    Corpus corpus;
    for (Index d = 0; d < documents; ++d) {
        corpus.domains.push_back(d % domains);
        corpus.documents.emplace_back();
        for (int word = 0; word < 30; ++word) {
            const auto& from = word < 18 ? vocabulary[d % domains] : common;
            corpus.documents.back() +=
                from[static_cast<std::size_t>(draw.integer(0, static_cast<Index>(from.size()) - 1))] + " ";
        }
    }
    return corpus;
}

std::string error_of(const Strings& documents, const ComponentsOptions& options = {}) {
    return test::message_of([&] { static_cast<void>(components(documents, options)); });
}

}  // namespace

TEST_CASE("components finds the domains of a corpus, and the words that tell them apart") {
    for (const Index domains : {2, 3, 4}) {
        const Corpus corpus = domains_of(domains, 30 * domains);
        const auto found = components(corpus.documents, {.strongest_terms = 5});
        CAPTURE(found.reason);
        CHECK(found.count == domains);
        CHECK(mutual_information(std::span(std::as_const(found.labels)), std::span(std::as_const(corpus.domains)))
                  .normalised() == doctest::Approx(1));
        CHECK(found.sizes == std::vector<Index>(static_cast<std::size_t>(domains), 30));
        CHECK(found.sse.size() == 10);
        CHECK(found.silhouettes.size() == 10);
        for (const auto& terms : found.terms) {
            REQUIRE(terms.size() == 5);
            for (std::size_t i = 1; i < terms.size(); ++i) CHECK(terms[i].weight <= terms[i - 1].weight);
        }
        for (std::size_t d = 0; d < 30; ++d)  // the strongest terms of a cluster are words of its domain
            for (const auto& strongest : found.terms[static_cast<std::size_t>(found.labels[d])]) {
                const auto& words = vocabulary[corpus.domains[d]];
                CHECK(std::find(words.begin(), words.end(), strongest.term) != words.end());
            }
        const auto start = "N = " + std::to_string(domains) + ": the elbow of ln SSE over k = 1 .. 10, which lies 0.";
        CHECK(found.reason.substr(0, start.size()) == start);
        CHECK(found.reason.find("the largest of all k") != std::string::npos);
        CHECK(found.reason.find("weak") == std::string::npos);
        CHECK(found.elbow.strength > 1.5 * weak_elbow);
        const auto again = components<float>(corpus.documents, {.k_means = {.threads = 2}, .strongest_terms = 5});
        CHECK(again.count == domains);
        CHECK(mutual_information(std::span(std::as_const(again.labels)), std::span(std::as_const(found.labels)))
                  .normalised() == doctest::Approx(1));
    }
}

TEST_CASE("components says so where texts have none") {
    test::Draw draw(11);
    for (const int count : {30, 100}) {
        Strings documents;
        for (int d = 0; d < count; ++d) {
            documents.emplace_back();
            for (int word = 0; word < 40; ++word)
                documents.back() += "w" + std::to_string(draw.integer(0, draw.integer(1, 400))) + " ";
        }
        const auto found = components(documents, {.tf_idf = {.min_df = 2}});
        CAPTURE(found.reason);
        CHECK(found.elbow.strength < 0.5 * weak_elbow);
        CHECK(found.reason.find("; weak: nothing stands out, and the texts may have no components") !=
              std::string::npos);
    }
}

TEST_CASE("strongest_terms: by weight, of equal ones in byte order, none of weight 0") {
    TermList terms;
    for (const char* term : {"aa", "bb", "cc"}) terms.add(term);
    const auto strongest = strongest_terms(terms, {0.5, 0.5, 0, 0, 0.25, 1}, 2);
    REQUIRE(strongest.size() == 2);
    REQUIRE(strongest[0].size() == 2);
    CHECK(strongest[0][0].term == "aa");
    CHECK(strongest[0][1].term == "bb");
    CHECK(strongest[1][0].term == "cc");
    CHECK(strongest[1][0].weight == 1);
    CHECK(strongest_terms(terms, {0, 0, 1}, 9)[0].size() == 1);
}

TEST_CASE("components refuses what has no components, and says why") {
    CHECK(error_of({}) == "tf_idf: 0 documents, expected at least 1");
    CHECK(error_of({"some words", "", "more words"}) ==
          "tf_idf: document 1 is empty; leave it out, or set without_terms to zero_row");
    CHECK(
        error_of({"some words", "other words", "more words"}) ==
        "components: 3 documents for k = 1 .. most = 10, expected at least as many documents; give more or lower most");
    CHECK(error_of(Strings(12, "the same words")) ==
          "k_means: all 12 rows are equal, expected at least clusters = 10 different ones; the documents or features "
          "do not "
          "tell anything apart");
    Strings three;
    for (int i = 0; i < 12; ++i) three.push_back("document " + std::to_string(10 + i % 3));
    CHECK(error_of(three) ==
          "k_means: only 3 of 12 rows are different, expected at least clusters = 10; ask for at most 3");
    CHECK(error_of(three, {.most = 2}) ==
          "components: most = 2, expected at least 3: an elbow lies between two points");
    CHECK(error_of(three, {.most = 3}) == "no error");
}

}  // namespace corpus_components_test
