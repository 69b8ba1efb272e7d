#include "measure_routing.hpp"

#include <algorithm>
#include <cmath>

#include "scores.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
using io::Json;

namespace {

/// As many of the documents as each domain may keep.
Index documents_of_each(std::size_t domains) {
    return std::max(Index{1}, RoutingMeasure::most_documents / std::max(Index{1}, static_cast<Index>(domains)));
}

Json numbers(const std::vector<double>& values) {
    Json list = Json::array();
    for (const double value : values) list.push(finite_or_null(value));
    return list;
}

/// Four digits, for what is drawn.
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

Json optional_number(const std::optional<double>& value) { return value ? finite_or_null(*value) : Json(); }

Json fits_to_json(const RoutingSummary& s) {
    Json fits = Json::object();
    for (const FitSummary& fit : s.fits)
        fits.set(fit.labelling, fit.linears == 0 ? Json()
                                                 : Json::object({{"mean", fit.mean},
                                                                 {"least", fit.least},
                                                                 {"least_at", fit.least_at},
                                                                 {"most", fit.most},
                                                                 {"most_at", fit.most_at}}));
    return fits;
}

/// The sentence's labelling.
const char* told_of(const RoutingSummary& s) {
    const auto defined = [&](const char* labelling) {
        return std::any_of(s.fits.begin(), s.fits.end(),
                           [&](const FitSummary& f) { return f.labelling == labelling && f.linears > 0; });
    };
    return !defined("domain") && defined("component") ? "component" : "domain";
}

std::string sentence_of(const RoutingMeasurement& m, const RoutingSummary& s) {
    return routing_sentence(s, told_of(s), m.remedy);
}

}  // namespace

RoutingMeasure::RoutingMeasure(const LlamaConfig& model, const LlamaAdapterConfig& adapter,
                               const std::vector<Domain>& domains)
    : labellings_{"domain"},
      heads_(adapter.adapter.heads),
      context_(adapter.adapter.router_pooling == RouterPooling::context) {
    bool components = false;
    for (const Domain& domain : domains) {
        domains_.push_back(domain.name);
        for (const Example& example : domain.held_out) components = components || example.component >= 0;
    }
    if (components) labellings_.emplace_back("component");
    labellings_.emplace_back("token");
    for (Index l = 0; l < model.layers; ++l)
        for (std::size_t t = 0; t < target_count; ++t)
            if (std::find(adapter.targets.begin(), adapter.targets.end(), static_cast<Target>(t)) !=
                adapter.targets.end())
                names_.push_back(concat("layers.", l, '.', target_paths[t]));
    clear();
}

void RoutingMeasure::clear() {
    linears_.clear();
    for (const std::string& name : names_)
        linears_.push_back({RoutingHealth(name, heads_, labellings_),
                            {domains_.size(), std::vector<double>(static_cast<std::size_t>(heads_))}});
    tokens_.assign(domains_.size(), 0);
    kept_.assign(domains_.size(), 0);
    documents_.clear();
    problem_.clear();
}

void RoutingMeasure::begin(const PaddedBatch& batch, const std::vector<const Example*>& examples, std::size_t domain) {
    domain_ = domain;
    length_ = batch.length;
    const std::size_t size = batch.labels.size();
    labels_.assign(labellings_.size() * size, -1);
    const auto row = [&](std::size_t labelling) { return labels_.data() + labelling * size; };
    for (std::size_t t = 0; t < size; ++t) {
        if (batch.labels[t] == ignored) continue;
        row(0)[t] = static_cast<std::int32_t>(domain);
        if (labellings_.size() == 3) row(1)[t] = examples[t / static_cast<std::size_t>(length_)]->component;
        row(labellings_.size() - 1)[t] = batch.ids[t];
    }
    tokens_[domain] += batch.labelled;

    document_.assign(examples.size(), -1);
    for (std::size_t i = 0; i < examples.size(); ++i) {
        if (examples[i]->labelled == 0 || kept_[domain] == documents_of_each(domains_.size()) ||
            static_cast<Index>(documents_.size()) == most_documents)
            continue;
        ++kept_[domain];
        document_[i] = static_cast<std::int64_t>(documents_.size());
        documents_.push_back({domain, examples[i]->component, examples[i]->labelled,
                              std::vector<double>(names_.size() * static_cast<std::size_t>(heads_))});
    }
}

void RoutingMeasure::add(std::size_t linear, MatrixView<const float> gates) {
    if (!problem_.empty()) return;
    Linear& to = linears_[linear];
    try {
        const auto count = static_cast<Index>(labellings_.size());
        to.health.add(gates, host_view(std::as_const(labels_).data(), count, gates.rows));
    } catch (const Error& error) {  // of a model that diverges: no reason to end its training
        problem_.assign(error.what());
        return;
    }
    const std::size_t first = linear * static_cast<std::size_t>(heads_);
    for (Index t = 0; t < gates.rows; ++t) {
        if (labels_[static_cast<std::size_t>(t)] < 0) continue;
        const std::int64_t document = document_[static_cast<std::size_t>(t / length_)];
        for (Index i = 0; i < heads_; ++i) {
            const auto gate = static_cast<double>(gates(t, i));
            to.sums[domain_][static_cast<std::size_t>(i)] += gate;
            if (document >= 0)
                documents_[static_cast<std::size_t>(document)].gates[first + static_cast<std::size_t>(i)] += gate;
        }
    }
}

std::optional<RoutingMeasurement> RoutingMeasure::measured() const {
    if (!problem_.empty() || linears_.empty() || linears_.front().health.tokens() == 0) return std::nullopt;
    RoutingMeasurement m{labellings_, domains_, {}, {}, documents_};
    if (context_) m.remedy.pooling = {};
    for (const Linear& linear : linears_) {
        m.linears.push_back(linear.health.report());
        auto& shares = m.domain_shares.emplace_back(linear.sums);
        for (std::size_t d = 0; d < shares.size(); ++d) {
            if (tokens_[d] == 0) shares[d].clear();
            for (double& share : shares[d]) share /= static_cast<double>(tokens_[d]);
        }
    }
    for (DocumentGates& document : m.documents)
        for (double& gate : document.gates) gate /= static_cast<double>(document.tokens);
    return m;
}

std::string routing_text(const RoutingMeasurement& m) {
    const RoutingSummary s = summarise(m.linears);
    std::string text =
        concat("Routing: gate entropy ", fixed(s.entropy, 2), ", shares of heads ", fixed(s.smallest_share, 2), " to ",
               fixed(s.largest_share, 2), ", dead heads ", s.dead_heads, " of ", s.heads);
    if (s.movement) text += concat(", routers moved ", fixed(*s.movement, 2), " of their start");
    if (s.cosine) text += concat(", head cosine ", fixed(*s.cosine, 2));
    return text + '\n' + sentence_of(m, s) + '\n';
}

Json routing_line(Index step, const RoutingMeasurement& m) {
    const RoutingSummary s = summarise(m.linears);
    return Json::object({{"step", step},
                         {"entropy", s.entropy},
                         {"movement", optional_number(s.movement)},
                         {"cosine", optional_number(s.cosine)},
                         {"dead_heads", s.dead_heads},
                         {"nmi", fits_to_json(s)}});
}

Json to_json(const RoutingMeasurement& m) {
    const RoutingSummary s = summarise(m.linears);
    Json linears = Json::array(), documents = Json::array();
    for (std::size_t l = 0; l < m.linears.size(); ++l) {
        const RoutingReport& r = m.linears[l];
        Json nmi = Json::object(), shares = Json::object();
        for (const LabelFit& fit : r.fits) nmi.set(fit.labelling, fit.shared.defined() ? Json(fit.nmi()) : Json());
        for (std::size_t d = 0; d < m.domains.size(); ++d)
            if (!m.domain_shares[l][d].empty()) shares.set(m.domains[d], numbers(m.domain_shares[l][d]));
        linears.push(Json::object({{"name", r.linear},
                                   {"tokens", r.tokens},
                                   {"entropy", r.entropy},
                                   {"shares", numbers(r.shares)},
                                   {"largest_share", r.largest_share()},
                                   {"smallest_share", r.smallest_share()},
                                   {"dead_heads", r.dead_heads},
                                   {"movement", optional_number(r.movement)},
                                   {"cosine", optional_number(r.cosine)},
                                   {"nmi", nmi},
                                   {"domain_shares", shares}}));
    }
    for (const DocumentGates& document : m.documents) {
        std::vector<double> gates;
        for (const double gate : document.gates) gates.push_back(rounded(gate));
        documents.push(Json::object({{"domain", m.domains[document.domain]},
                                     {"component", document.component < 0 ? Json() : Json(document.component)},
                                     {"gates", numbers(gates)}}));
    }
    return Json::object({{"labellings", m.labellings},
                         {"linears", linears},
                         {"summary", Json::object({{"linears", s.linears},
                                                   {"heads", s.heads},
                                                   {"dead_heads", s.dead_heads},
                                                   {"entropy", s.entropy},
                                                   {"largest_share", s.largest_share},
                                                   {"smallest_share", s.smallest_share},
                                                   {"movement", optional_number(s.movement)},
                                                   {"cosine", optional_number(s.cosine)},
                                                   {"nmi", fits_to_json(s)}})},
                         {"sentence", sentence_of(m, s)},
                         {"documents", documents}});
}

}  // namespace hydra
