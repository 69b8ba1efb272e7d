#include "find_components.hpp"

#include <algorithm>
#include <cstdio>
#include <span>

#include <hydralora/core/mutual_information.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

#include "outputs.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// Documents of each component (count) and file.
std::vector<std::vector<Index>> documents_of_files(const corpus::Components& found, const std::vector<Index>& domains,
                                                   std::size_t files) {
    std::vector<std::vector<Index>> documents(static_cast<std::size_t>(found.count), std::vector<Index>(files));
    for (std::size_t d = 0; d < domains.size(); ++d)
        ++documents[static_cast<std::size_t>(found.labels[d])][static_cast<std::size_t>(domains[d])];
    return documents;
}

/// Of the components with the files; 0 where there is one file.
double agreement(const corpus::Components& found, const std::vector<Index>& domains) {
    return mutual_information(std::span(found.labels), std::span(domains)).normalised();
}

}  // namespace

corpus::Components find_components(const CorpusTexts& corpus, const ComponentsOptions& options) {
    check(options.most >= 3, "--most ", options.most, ": expected at least 3, for an elbow lies between two points");
    check(options.min_df >= 1, "--min-df ", options.min_df, ": expected at least 1 document");
    check(options.max_df > 0 && options.max_df <= 1, "--max-df ", options.max_df,
          ": expected a share of the documents above 0, at most 1");
    check(options.strongest_terms >= 1, "--strongest ", options.strongest_terms, ": expected at least 1 term");
    const auto documents = corpus.size();
    check(documents >= options.most, "data: ", counted(documents, "document"), " for up to --most ", options.most,
          " clusters, expected at least as many; give more text, shorter pieces (--piece), or lower --most");
    check(!corpus.all_alike(), "data: all ", documents,
          " documents are the same, so that there is nothing to tell apart; give different ones");
    return corpus::components(corpus, corpus_options(options));
}

corpus::ComponentsOptions corpus_options(const ComponentsOptions& options) {
    corpus::ComponentsOptions how;
    how.tf_idf.terms = options.terms;
    how.tf_idf.min_df = options.min_df;
    how.tf_idf.max_df = options.max_df;
    how.tf_idf.without_terms = corpus::WithoutTerms::zero_row;
    how.k_means.seed = Seed{options.seed};
    how.k_means.threads = options.threads;
    how.silhouette.threads = options.threads;
    how.most = options.most;
    how.strongest_terms = options.strongest_terms;
    return how;
}

Index heads_of(const LoopOptions& run) {
    ComponentsOptions options;
    options.seed = run.seed;
    options.threads = run.threads;
    const CorpusTexts corpus(run.data, options.piece, run.skip_unusable);
    options.most = std::min(options.most, corpus.size());
    check(options.most >= 3, "--heads auto: the data is ", counted(options.most, "document"),
          ", expected at least 3 to find components in; give more, or a number of heads");
    const corpus::Components found = find_components(corpus, options);
    std::fprintf(stderr, "--heads auto: %s; hydra components shows what they are\n", found.reason.c_str());
    return found.count;
}

std::string components_text(const CorpusTexts& corpus, const corpus::Components& found) {
    std::string text = counted(corpus.size(), "document") + " of " +
                       counted(static_cast<long long>(corpus.domains().size()), "file") + "\n\n";
    Table curve({"clusters", "SSE", "silhouette", ""});
    for (std::size_t i = 0; i < found.sse.size(); ++i) {
        const auto k = static_cast<Index>(i + 1);
        curve.add({std::to_string(k), fixed(found.sse[i], 2), k > 1 ? fixed(found.silhouettes[i], 4) : "",
                   k == found.count ? "<- elbow" : ""});
    }
    text += curve.text() + '\n' + found.reason + "\n\n";

    for (std::size_t c = 0; c < found.sizes.size(); ++c) {
        text += "component " + std::to_string(c) + ", " + counted(found.sizes[c], "document") + ':';
        for (const auto& term : found.terms[c]) text += ' ' + escaped(term.term);
        text += '\n';
    }
    if (corpus.domains().size() < 2) return text;

    std::vector<std::string> header{"component"};
    for (const auto& name : corpus.names()) header.push_back(escaped(name));
    Table overlap(header);
    const auto counts = documents_of_files(found, corpus.domain_of(), corpus.domains().size());
    for (std::size_t c = 0; c < counts.size(); ++c) {
        std::vector<std::string> row{std::to_string(c)};
        for (const Index documents : counts[c]) row.push_back(grouped(documents));
        overlap.add(row);
    }
    return text + "\nDocuments of each file:\n" + overlap.text() +
           "normalised mutual information of components and files: " + fixed(agreement(found, corpus.domain_of()), 4) +
           '\n';
}

io::Json components_json(const std::vector<std::string>& files, const std::vector<Index>& domains,
                         const corpus::Components& found, const std::vector<std::string>& names) {
    io::Json curve = io::Json::array(), clusters = io::Json::array(), overlap = io::Json::array();
    for (std::size_t i = 0; i < found.sse.size(); ++i)
        curve.push(io::Json::object({{"clusters", i + 1},
                                     {"sse", found.sse[i]},
                                     {"silhouette", i > 0 ? io::Json(found.silhouettes[i]) : io::Json()}}));
    for (std::size_t c = 0; c < found.sizes.size(); ++c) {
        io::Json cluster = io::Json::object({{"documents", found.sizes[c]}});
        if (c < names.size()) cluster.set("name", readable(names[c]));
        if (c < found.terms.size()) {
            io::Json terms = io::Json::array();
            for (const auto& term : found.terms[c])
                terms.push(io::Json::object({{"term", readable(term.term)}, {"weight", term.weight}}));
            cluster.set("terms", terms);
        }
        clusters.push(cluster);
    }
    for (const auto& each : documents_of_files(found, domains, files.size())) {
        io::Json row = io::Json::array();
        for (const Index documents : each) row.push(documents);
        overlap.push(row);
    }
    return io::Json::object({{"documents", domains.size()},
                             {"files", files},
                             {"count", found.count},
                             {"reason", found.reason},
                             {"curve", curve},
                             {"components", clusters},
                             {"documents_of_files", overlap},
                             {"nmi_with_files", agreement(found, domains)}});
}

void run_components(const ComponentsOptions& options) {
    if (!options.json.empty()) check_output(options.json, "--json", options.data);
    const CorpusTexts corpus(options.data, options.piece, options.skip_unusable);
    for (const auto& domain : corpus.domains()) {
        if (domain.empty > 0)
            std::fprintf(stderr, "%s: %s without a word left out, the first at %s\n", escaped(domain.name).c_str(),
                         counted(domain.empty, "record").c_str(), escaped(domain.first_empty).c_str());
        if (domain.unusable > 0)
            std::fprintf(stderr, "%s: %s skipped that cannot be used, the first: %s\n", escaped(domain.name).c_str(),
                         counted(domain.unusable, "record").c_str(), escaped(domain.first_unusable).c_str());
    }
    const corpus::Components found = find_components(corpus, options);
    std::printf("%s", components_text(corpus, found).c_str());
    if (!options.json.empty())
        io::replace_file(options.json,
                         io::to_text(components_json(corpus.names(), corpus.domain_of(), found), 2) + '\n');
}

}  // namespace hydra
