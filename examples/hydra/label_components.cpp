#include "label_components.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <hydralora/corpus/components.hpp>
#include <hydralora/io/quote.hpp>

#include "find_components.hpp"
#include "table.hpp"
#include "train_with.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// Tokens as rows of TF-IDF by the terms and weights of other texts, to find the nearest of their clusters' centres.
class NearestCentre {
public:
    /// The centre of each label is the mean of its rows.
    NearestCentre(const corpus::TfIdf<double>& weighed, const std::vector<Index>& labels, Index clusters)
        : weighed_(weighed),
          terms_(weighed.terms.size()),
          centres_(static_cast<std::size_t>(clusters) * terms_),
          norms_(static_cast<std::size_t>(clusters)) {
        std::vector<double> sizes(norms_.size());
        for (const Index label : labels) ++sizes[static_cast<std::size_t>(label)];
        for (std::size_t d = 0; d < labels.size(); ++d)
            corpus::add_row(weighed.rows, static_cast<Index>(d),
                            &centres_[static_cast<std::size_t>(labels[d]) * terms_]);
        for (std::size_t c = 0; c < norms_.size(); ++c)
            for (std::size_t j = 0; j < terms_; ++j) {
                double& value = centres_[c * terms_ + j];
                value /= std::max(1.0, sizes[c]);
                norms_[c] += value * value;
            }
    }

    /// Of equally near ones the first.
    [[nodiscard]] std::int32_t of(std::string_view text) const {
        std::vector<std::pair<std::size_t, double>> row;  // of each occurrence
        std::string scratch;
        corpus::for_each_word(text, scratch, [&](std::string_view term) {
            std::size_t low = 0, high = terms_;  // in byte order
            while (low < high) {
                const std::size_t middle = (low + high) / 2;
                if (weighed_.terms[middle] < term)
                    low = middle + 1;
                else
                    high = middle;
            }
            if (low < terms_ && weighed_.terms[low] == term) row.emplace_back(low, weighed_.idf[low]);
        });
        std::sort(row.begin(), row.end());
        double norm = 0;
        for (std::size_t i = 0; i < row.size();) {
            double value = 0;
            for (const std::size_t term = row[i].first; i < row.size() && row[i].first == term; ++i)
                value += row[i].second;
            norm += value * value;
        }
        std::size_t nearest = 0;
        double least = 0;
        for (std::size_t c = 0; c < norms_.size(); ++c) {
            double product = 0;
            for (const auto& [term, value] : row) product += value * centres_[c * terms_ + term];
            const double distance = norms_[c] - (norm > 0 ? 2 * product / std::sqrt(norm) : 0);
            if (c == 0 || distance < least) {
                nearest = c;
                least = distance;
            }
        }
        return static_cast<std::int32_t>(nearest);
    }

private:
    const corpus::TfIdf<double>& weighed_;
    std::size_t terms_;
    std::vector<double> centres_, norms_;  // (clusters, terms), squared (clusters)
};

/// Calls f(example) for the training examples, or those held out.
template <class F>
void for_each_example(std::vector<Domain>& domains, std::vector<Example> Domain::*part, F&& f) {
    for (Domain& domain : domains)
        for (Example& example : domain.*part) f(example);
}

/// Of labels that the examples have: how many training examples each has, and which.
corpus::Components counted_labels(const std::vector<Domain>& domains, Index count, const std::string& reason) {
    corpus::Components found;
    found.count = count;
    found.reason = reason;
    found.sizes.resize(static_cast<std::size_t>(count));
    for (const Domain& domain : domains)
        for (const Example& example : domain.train) {
            found.labels.push_back(Index{example.component});
            ++found.sizes[static_cast<std::size_t>(example.component)];
        }
    return found;
}

io::Json record_of(const std::vector<Domain>& domains, const corpus::Components& found,
                   const std::vector<std::string>& names) {
    std::vector<std::string> files;
    std::vector<Index> of_examples;
    for (const Domain& domain : domains) {
        of_examples.insert(of_examples.end(), domain.train.size(), static_cast<Index>(files.size()));
        files.push_back(domain.name);
    }
    return components_json(files, of_examples, found, names);
}

void say_components(const corpus::Components& found, const std::vector<std::string>& names, const std::string& from) {
    std::string line;
    for (std::size_t c = 0; c < found.sizes.size(); ++c)
        line +=
            (c == 0 ? " " : ", ") + (c < names.size() ? io::in_quotes(names[c]) + " " : "") + grouped(found.sizes[c]);
    std::fprintf(stderr, "%s; training examples:%s\n", (counted(found.count, "component") + ' ' + from).c_str(),
                 line.c_str());
}

}  // namespace

corpus::Components label_by_text(std::vector<Domain>& domains, const Vocabulary& vocabulary, Index clusters,
                                 const LoopOptions& loop) {
    std::vector<std::string> texts;
    for_each_example(domains, &Domain::train, [&](const Example& e) { texts.push_back(vocabulary.decode(e.ids)); });
    ComponentsOptions options;
    options.seed = loop.seed;
    options.threads = loop.threads;
    options.most = std::min(options.most, static_cast<Index>(texts.size()));
    try {
        const Index least = std::max(clusters, Index{3});
        check(static_cast<Index>(texts.size()) >= least, "expected at least ", least,
              clusters > 0 ? ", one a component; give more, or fewer --heads" : "; give more");
        check(std::adjacent_find(texts.begin(), texts.end(), std::not_equal_to<>()) != texts.end(),
              "all are the same, so that there is nothing to tell apart; give different ones");
        const corpus::ComponentsOptions how = corpus_options(options);
        const auto weighed = corpus::tf_idf<double>(texts, how.tf_idf);
        corpus::Components found;
        if (clusters == 0) {
            found = corpus::components(texts, how);
            std::fprintf(stderr, "%s\n", found.reason.c_str());
        } else {
            corpus::KMeansOptions k_means = how.k_means;
            k_means.clusters = clusters;
            corpus::KMeans fit = corpus::k_means(weighed.rows, k_means);
            found.count = clusters;
            found.reason = concat("N = ", clusters, ": as many clusters as were asked for");
            found.terms = corpus::strongest_terms(weighed.terms, fit.centres, how.strongest_terms);
            found.labels = std::move(fit.labels);
            found.sizes.resize(static_cast<std::size_t>(clusters));
            for (const Index label : found.labels) ++found.sizes[static_cast<std::size_t>(label)];
        }
        const NearestCentre nearest(weighed, found.labels, found.count);
        std::size_t d = 0;
        for_each_example(domains, &Domain::train,
                         [&](Example& e) { e.component = static_cast<std::int32_t>(found.labels[d++]); });
        for_each_example(domains, &Domain::held_out,
                         [&](Example& e) { e.component = nearest.of(vocabulary.decode(e.ids)); });
        return found;
    } catch (const Error& error) {
        fail("components of the ", texts.size(), " training texts: ", error.what(),
             "; or give them, by --component-of files or --component-field");
    }
}

LabelledData read_labelled_data(const TrainOptions& options, const Speech& speech) {
    LabelledData data{.domains = {}, .options = options};
    const LoopOptions& loop = options.loop;
    if (!options.labelled()) {
        data.domains = read_data(loop, Prompts::masked, speech);
        return data;
    }
    const ComponentOf of = options.components.of.value_or(ComponentOf::texts);
    FieldLabels labels{options.components.field};
    LoopOptions unpacked = loop;
    unpacked.packing = Packing::none;  // labels first
    data.domains = read_data(unpacked, Prompts::masked, speech, of == ComponentOf::field ? &labels : nullptr);
    corpus::Components found;
    std::string from = "found in the training texts, which a plain LoRA sees too";
    if (of == ComponentOf::texts) {
        const Index heads = options.heads_of_data || options.method == Method::full ? 0 : options.adapter.adapter.heads;
        const Index clusters = options.components.clusters > 0 ? options.components.clusters : heads >= 2 ? heads : 0;
        found = label_by_text(data.domains, speech.vocabulary, clusters, loop);
    } else {
        if (of == ComponentOf::files)
            for (std::size_t d = 0; d < data.domains.size(); ++d) {
                labels.names.push_back(data.domains[d].name);
                for (auto part : {&Domain::train, &Domain::held_out})
                    for (Example& example : data.domains[d].*part) example.component = static_cast<std::int32_t>(d);
            }
        from = "given by " + (of == ComponentOf::files ? std::string("the files") : "the field " + labels.field) +
               ": information that a plain LoRA does not get";
        found = counted_labels(data.domains, static_cast<Index>(labels.names.size()), from);
    }
    say_components(found, labels.names, from);
    data.components = found.count;
    data.record = record_of(data.domains, found, labels.names);
    if (options.heads_of_data && options.method == Method::adapter) {
        data.options.heads_of_data = false;
        data.options.adapter.adapter.heads = data.components;
        check(data.components >= 2, "--heads auto: found 1 component, ", from,
              "; give more files or values of --component-field, or a number of heads");
    }
    const Index heads = data.options.adapter.adapter.heads;
    check(options.components.router != RouterInit::components || data.components >= 2,
          "--router-init components: 1 component for ", heads,
          " heads, which no router can tell apart; give more files or values of --component-field, or --router-init "
          "released");
    check(options.components.router != RouterInit::components || data.components >= heads,
          "--router-init components: ", counted(data.components, "component"), " for ", heads,
          " heads, expected at least one a head; give --heads ", data.components, " or auto");
    if (options.components.router == RouterInit::components && data.components > heads)
        std::fprintf(
            stderr,
            "%lld components share %lld heads, component c being on head c mod %lld; --heads auto gives each its own\n",
            static_cast<long long>(data.components), static_cast<long long>(heads), static_cast<long long>(heads));
    if (loop.packing != Packing::none)
        for (Domain& domain : data.domains) {
            domain.packed = static_cast<Index>(domain.train.size());
            domain.train =
                pack(std::move(domain.train), loop.packing, loop.sequence_length, Seed{loop.seed}, domain.name);
        }
    return data;
}

}  // namespace hydra
