// Documents as rows of TF-IDF: t terms, n documents, rows (n, t) of unit length.
//   value(d, t) = count(t in d) (ln((1 + n) / (1 + documents with t)) + 1), then each row over its Euclidean norm:
// scikit-learn's TfidfVectorizer by default (sklearn/feature_extraction/text.py: smooth_idf, norm = "l2").
// The documents are read twice and never kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rows.hpp"
#include "term_table.hpp"
#include "terms.hpp"

namespace hydralora::corpus {

/// What becomes of a document that has no term in common with the vocabulary, an empty one among them.
enum class WithoutTerms {
    refuse,   ///< an error that names it
    zero_row  ///< a row of zeros, as in scikit-learn
};

struct TfIdfOptions {
    Terms terms = Terms::words;
    Index ngram_min = 3, ngram_max = 3;  ///< bytes; of Terms::byte_ngrams
    Index min_df = 1;                    ///< terms of fewer documents are dropped
    double max_df = 1;                   ///< terms of more than this share of the documents are dropped
    /// The most frequent terms are kept, by occurrences, of equally frequent ones those first in byte order; 0: all.
    Index max_features = 0;
    WithoutTerms without_terms = WithoutTerms::refuse;
    /// Bytes that may be held at once, terms and rows together; more is an error before it is allocated.
    std::size_t most_memory = 2'000'000'000;
};

template <class T = double>
struct TfIdf {
    TermList terms;           // (t), in byte order
    std::vector<double> idf;  // (t)
    SparseRows<T> rows;       // (n, t)
};

namespace tf_idf_detail {

/// Something called with a sink that takes each document, or a range of what converts to string_view.
template <class Documents, class Sink>
void for_each_document(const Documents& documents, Sink&& sink) {
    if constexpr (requires { documents(sink); }) {
        documents(sink);
    } else {
        for (auto&& document : documents) sink(std::string_view(document));
    }
}

template <class F>
void for_each_term(std::string_view document, const TfIdfOptions& options, std::string& scratch, F&& f) {
    if (options.terms == Terms::words)
        for_each_word(document, scratch, f);
    else
        for_each_byte_ngram(document, options.ngram_min, options.ngram_max, f);
}

inline void check_options(const TfIdfOptions& o) {
    check(o.min_df >= 1, "tf_idf: min_df = ", o.min_df, ", expected at least 1 document");
    check(o.max_df > 0 && o.max_df <= 1, "tf_idf: max_df = ", o.max_df, ", expected a share above 0, at most 1");
    check(o.max_features >= 0, "tf_idf: max_features = ", o.max_features, ", expected at least 1, or 0 for all");
    check(o.terms == Terms::words || (o.ngram_min >= 1 && o.ngram_min <= o.ngram_max && o.ngram_max <= 64),
          "tf_idf: byte n-grams of ", o.ngram_min, " to ", o.ngram_max, ", expected 1 <= ngram_min <= ngram_max <= 64");
}

/// The entries that become columns, in byte order; afterwards each entry's mark is its column or `none`.
inline std::vector<TermTable::Entry*> choose_columns(TermTable& table, Index documents, const TfIdfOptions& options) {
    std::vector<TermTable::Entry*> kept;
    const double most = options.max_df * static_cast<double>(documents);
    for (TermTable::Entry& entry : table.entries()) {
        entry.mark = TermTable::none;
        if (entry.documents >= options.min_df && entry.documents <= most) kept.push_back(&entry);
    }
    check(!kept.empty(), "tf_idf: none of the ", table.entries().size(), " terms of ", documents,
          " documents is kept by min_df = ", options.min_df, " and max_df = ", options.max_df,
          table.entries().empty() ? "; the documents have no words: count byte_ngrams" : "; widen them");
    const auto by_text = [&](const auto* a, const auto* b) { return table.text(*a) < table.text(*b); };
    if (const auto limit = static_cast<std::size_t>(options.max_features); limit > 0 && limit < kept.size()) {
        const auto more_frequent = [&](const auto* a, const auto* b) {
            return a->occurrences != b->occurrences ? a->occurrences > b->occurrences : by_text(a, b);
        };
        std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(limit) - 1, kept.end(),
                         more_frequent);
        kept.resize(limit);
    }
    std::sort(kept.begin(), kept.end(), by_text);
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i]->mark = static_cast<std::uint32_t>(i);
    return kept;
}

}  // namespace tf_idf_detail

/// Counts and weighs the terms of documents. `documents` is read twice and gives the same both times: a range of strings or
/// string_views, or a callable that calls its argument with each document: documents([&](std::string_view text) { ... }).
template <class T = double, class Documents>
[[nodiscard]] TfIdf<T> tf_idf(const Documents& documents, const TfIdfOptions& options = {}) {
    using namespace tf_idf_detail;
    check_options(options);
    const bool refuse = options.without_terms == WithoutTerms::refuse;
    TermTable table(options.most_memory);
    std::string scratch;
    Index count = 0;
    for_each_document(documents, [&](std::string_view document) {
        check(!document.empty() || !refuse, "tf_idf: document ", count,
              " is empty; leave it out, or set without_terms to zero_row");
        check(count < Index{TermTable::none}, "tf_idf: more than 2^32 - 1 documents; give fewer");
        for_each_term(document, options, scratch,
                      [&](std::string_view term) { table.count(term, static_cast<std::uint32_t>(count)); });
        ++count;
    });
    check(count > 0, "tf_idf: 0 documents, expected at least 1");

    const auto kept = choose_columns(table, count, options);
    std::size_t entries = 0, bytes = 0;
    for (const auto* entry : kept) {
        entries += entry->documents;
        bytes += entry->size;
    }
    const std::size_t memory = table.memory() + entries * (sizeof(T) + sizeof(std::uint32_t)) + bytes +
                               kept.size() * 40 + static_cast<std::size_t>(count) * sizeof(std::size_t);
    check(memory <= options.most_memory, "tf_idf: ", count, " documents with ", kept.size(), " terms and ", entries,
          " entries need ", memory, " bytes, expected at most most_memory = ", options.most_memory,
          "; lower max_features or max_df, raise min_df or most_memory");

    TfIdf<T> result;
    result.terms.reserve(kept.size(), bytes);
    for (const auto* entry : kept) {
        result.terms.add(table.text(*entry));
        result.idf.push_back(std::log((1 + static_cast<double>(count)) / (1 + static_cast<double>(entry->documents))) +
                             1);
    }
    SparseRows<T>& rows = result.rows;
    rows.rows = count;
    rows.cols = static_cast<Index>(kept.size());
    rows.begin.reserve(static_cast<std::size_t>(count) + 1);
    rows.column.reserve(entries);
    rows.value.reserve(entries);

    const auto same = [&](bool ok) {
        check(ok, "tf_idf: the documents of the second reading differ from the first (", count, " documents, ", entries,
              " entries), at document ", rows.begin.size() - 1, "; both must give the same");
    };
    std::vector<std::uint32_t> occurrences(kept.size()), present;
    for_each_document(documents, [&](std::string_view document) {
        present.clear();
        for_each_term(document, options, scratch, [&](std::string_view term) {
            const TermTable::Entry* entry = table.find(term);
            if (entry != nullptr && entry->mark != TermTable::none && occurrences[entry->mark]++ == 0)
                present.push_back(entry->mark);
        });
        check(!present.empty() || !refuse, "tf_idf: document ", rows.begin.size() - 1, " (", document.size(),
              " bytes) has none of the ", kept.size(),
              " terms of the vocabulary; leave it out, keep more terms, or set without_terms to zero_row");
        same(rows.begin.size() <= static_cast<std::size_t>(count) && rows.value.size() + present.size() <= entries);
        std::sort(present.begin(), present.end());
        double norm = 0;
        for (const std::uint32_t column : present) {
            const double value = occurrences[column] * result.idf[column];
            norm += value * value;
        }
        norm = std::sqrt(norm);
        for (const std::uint32_t column : present) {
            rows.column.push_back(column);
            rows.value.push_back(static_cast<T>(occurrences[column] * result.idf[column] / norm));
            occurrences[column] = 0;
        }
        rows.begin.push_back(rows.value.size());
    });
    same(rows.begin.size() == static_cast<std::size_t>(count) + 1 && rows.value.size() == entries);
    return result;
}

}  // namespace hydralora::corpus
