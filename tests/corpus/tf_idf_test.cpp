#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/corpus/tf_idf.hpp>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "golden/corpus.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace corpus_tf_idf_test {

using namespace hydralora;
using namespace hydralora::corpus;

namespace {

template <class T>
void check_record(const TfIdf<T>& got, double tolerance, std::span<const std::string_view> terms,
                  std::span<const double> idf, std::span<const int> begin, std::span<const int> column,
                  std::span<const double> value) {
    REQUIRE(got.terms.size() == terms.size());
    for (std::size_t i = 0; i < terms.size(); ++i) {
        CHECK(std::string(got.terms[i]) == std::string(terms[i]));
        CHECK(std::abs(got.idf[i] - idf[i]) < 1e-12);
    }
    REQUIRE(got.rows.begin.size() == begin.size());
    REQUIRE(got.rows.value.size() == value.size());
    CHECK(got.rows.rows + 1 == static_cast<Index>(begin.size()));
    CHECK(got.rows.cols == static_cast<Index>(terms.size()));
    CHECK(std::equal(begin.begin(), begin.end(), got.rows.begin.begin(),
                     [](int a, std::size_t b) { return static_cast<std::size_t>(a) == b; }));
    for (std::size_t e = 0; e < value.size(); ++e) {
        CHECK(static_cast<int>(got.rows.column[e]) == column[e]);
        CHECK(std::abs(static_cast<double>(got.rows.value[e]) - value[e]) < tolerance);
    }
}

std::vector<std::string> words_of(std::string_view text) {
    std::string scratch;
    std::vector<std::string> result;
    for_each_word(text, scratch, [&](std::string_view word) { result.emplace_back(word); });
    return result;
}

std::string error_of(const std::vector<std::string>& documents, const TfIdfOptions& options = {}) {
    return test::message_of([&] { static_cast<void>(tf_idf(documents, options)); });
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("tf_idf is scikit-learn's TfidfVectorizer: words, min_df and max_df, max_features, byte n-grams") {
    using namespace golden;
    check_record(tf_idf(documents), 1e-9, words_terms, words_idf, words_begin, words_column, words_value);
    check_record(tf_idf<float>(documents), 1e-7, words_terms, words_idf, words_begin, words_column, words_value);
    check_record(tf_idf(documents, {.min_df = 2, .max_df = 0.4, .without_terms = WithoutTerms::zero_row}), 1e-9,
                 chosen_terms, chosen_idf, chosen_begin, chosen_column, chosen_value);
    check_record(tf_idf(documents, {.max_features = 4, .without_terms = WithoutTerms::zero_row}), 1e-9, frequent_terms,
                 frequent_idf, frequent_begin, frequent_column, frequent_value);
    check_record(tf_idf(ngram_documents, {.terms = Terms::byte_ngrams, .ngram_min = 2, .ngram_max = 3, .min_df = 2}),
                 1e-9, ngrams_terms, ngrams_idf, ngrams_begin, ngrams_column, ngrams_value);
    const auto callback = [](auto&& sink) {
        for (const auto document : documents) sink(document);
    };
    check_record(tf_idf(callback), 1e-9, words_terms, words_idf, words_begin, words_column, words_value);
}

TEST_CASE("for_each_word: two characters or more, ASCII in lower case, the rest as it is") {
    CHECK(words_of("A bc D_e 1 22 x-yz, O'Neil") == Strings{"bc", "d_e", "22", "yz", "neil"});
    CHECK(words_of("\xc3\x89T\xc3\x89 \xc3\xa9") ==
          Strings{"\xc3\x89t\xc3\x89"});  // a capital e acute stays; one is no word
    CHECK(words_of("ab\xc2\xa0"
                   "cd\xe2\x80\x99"
                   "ef\xe3\x80\x82gh") == Strings{"ab", "cd", "ef", "gh"});
    // Invalid bytes separate: a lone continuation, an overlong form, a surrogate, a cut sequence, beyond U+10FFFF.
    CHECK(words_of("ab\x80"
                   "cd\xc0\xaf"
                   "ef\xed\xa0\x80gh\xe4\xb8") == Strings{"ab", "cd", "ef", "gh"});
    CHECK(words_of("ab\xf4\x90\x80\x80"
                   "cd\xf0\x80\x80\x80"
                   "ef\xff") == Strings{"ab", "cd", "ef"});
    CHECK(words_of("\xf0\x9f\x98\x80\xf0\x9f\x98\x80") == Strings{"\xf0\x9f\x98\x80\xf0\x9f\x98\x80"});
    CHECK(words_of("").empty());
}

TEST_CASE("tf_idf of random documents is the formula over maps of words") {
    test::Draw draw(4);
    for (int trial = 0; trial < test::trials(20, 300); ++trial) {
        std::vector<std::vector<std::string>> words(static_cast<std::size_t>(draw.integer(1, 30)));
        Strings documents;
        std::map<std::string, std::set<std::size_t>> documents_with;
        for (std::size_t d = 0; d < words.size(); ++d) {
            documents.emplace_back();
            for (Index i = draw.integer(1, 60); i > 0; --i) {
                words[d].push_back("w" + std::to_string(draw.integer(0, 3000) % draw.integer(1, 3000)));
                documents.back() += words[d].back() + (draw.coin() ? " " : ", ");
                documents_with[words[d].back()].insert(d);
            }
        }
        const auto got = tf_idf(documents);
        REQUIRE(got.terms.size() == documents_with.size());
        for (std::size_t d = 0; d < words.size(); ++d) {
            std::map<std::string, double> row;
            for (const auto& word : words[d])
                row[word] += std::log((1.0 + static_cast<double>(words.size())) /
                                      (1.0 + static_cast<double>(documents_with[word].size()))) +
                             1;
            double norm = 0;
            for (const auto& [word, value] : row) norm += value * value;
            REQUIRE(got.rows.columns_of(static_cast<Index>(d)).size() == row.size());
            std::size_t e = 0;
            for (const auto& [word, value] : row) {
                CHECK(std::string(got.terms[got.rows.columns_of(static_cast<Index>(d))[e]]) == word);
                CHECK(got.rows.values_of(static_cast<Index>(d))[e++] == doctest::Approx(value / std::sqrt(norm)));
            }
        }
    }
}

TEST_CASE("tf_idf: of equally frequent terms max_features keeps those first in byte order") {
    const auto got = tf_idf(Strings{"dd cc bb aa", "dd bb"}, {.max_features = 3});
    REQUIRE(got.terms.size() == 3);
    CHECK(std::string(got.terms[0]) == "aa");
    CHECK(std::string(got.terms[1]) == "bb");
    CHECK(std::string(got.terms[2]) == "dd");
}

TEST_CASE("tf_idf refuses what it cannot weigh, and says why") {
    CHECK(error_of({}) == "tf_idf: 0 documents, expected at least 1");
    CHECK(error_of({"some text", ""}) == "tf_idf: document 1 is empty; leave it out, or set without_terms to zero_row");
    CHECK(
        error_of({"some text", "? a !"}) ==
        "tf_idf: document 1 (5 bytes) has none of the 2 terms of the vocabulary; leave it out, keep more terms, or set "
        "without_terms to zero_row");
    CHECK(
        error_of({"? !"}) ==
        "tf_idf: none of the 0 terms of 1 documents is kept by min_df = 1 and max_df = 1; the documents have no words: "
        "count byte_ngrams");
    CHECK(error_of({"some text", "other words"}, {.min_df = 2}) ==
          "tf_idf: none of the 4 terms of 2 documents is kept by min_df = 2 and max_df = 1; widen them");
    CHECK(error_of({"ab"}, {.min_df = 0}) == "tf_idf: min_df = 0, expected at least 1 document");
    CHECK(error_of({"ab"}, {.max_df = 1.5}) == "tf_idf: max_df = 1.5, expected a share above 0, at most 1");
    CHECK(error_of({"ab"}, {.max_features = -1}) == "tf_idf: max_features = -1, expected at least 1, or 0 for all");
    CHECK(error_of({"ab"}, {.terms = Terms::byte_ngrams, .ngram_min = 3, .ngram_max = 2}) ==
          "tf_idf: byte n-grams of 3 to 2, expected 1 <= ngram_min <= ngram_max <= 64");
    int reading = 0;
    const auto changing = [&](auto&& sink) {
        sink(std::string_view("one two"));
        if (++reading == 2) sink(std::string_view("one two"));
    };
    CHECK(test::message_of([&] { static_cast<void>(tf_idf(changing)); }) ==
          "tf_idf: the documents of the second reading differ from the first (1 documents, 2 entries), at document 1; "
          "both "
          "must give the same");

    const auto zero = tf_idf(Strings{"some text", "", "!"}, {.without_terms = WithoutTerms::zero_row});
    CHECK(zero.rows.rows == 3);
    CHECK(zero.rows.columns_of(1).empty());
    CHECK(zero.rows.columns_of(2).empty());
}

TEST_CASE("tf_idf takes no more memory than it may: for the terms, and for the rows") {
    const auto different = [](auto&& sink) {
        for (int i = 0; i < 20'000; ++i) sink(std::string_view(std::to_string(100'000 + i)));
    };
    const auto same = [](auto&& sink) {
        std::string text;
        for (int i = 0; i < 1000; ++i) text += std::to_string(100 + i) + " ";
        for (int i = 0; i < 100; ++i) sink(std::string_view(text));
    };
    const auto error = [](const auto& documents) {
        return test::message_of([&] { static_cast<void>(tf_idf(documents, {.most_memory = 500'000})); });
    };
    CHECK(error(different).find("different terms need") != std::string::npos);
    CHECK(error(different).find("most_memory = 500000") != std::string::npos);
    CHECK(error(same).find("100 documents with 1000 terms and 100000 entries need 1") != std::string::npos);
}

}  // namespace corpus_tf_idf_test
