#include "report_routing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <hydralora/analysis/t_sne.hpp>
#include <hydralora/core/check.hpp>

#include "chart.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t most_cells = 60000;  // of heat maps of all linears: what a browser shows at once

/// "layers.3.mlp.up_proj" is up_proj of layer 3: what stands last, and before it.
std::string module_of(const std::string& linear) { return linear.substr(linear.rfind('.') + 1); }
std::string layer_of(const std::string& linear) {
    const auto end = linear.find('.', linear.find('.') + 1);
    return linear.substr(0, std::min(end, linear.size()));
}

std::vector<std::string> head_names(std::size_t heads) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < heads; ++i) names.push_back(concat("head ", i));
    return names;
}

/// Names in the order in which they come first.
struct Names {
    std::vector<std::string> list{};
    std::map<std::string, std::size_t> at{};

    std::size_t add(const std::string& name) {
        const auto [place, added] = at.emplace(name, list.size());
        if (added) list.push_back(name);
        return place->second;
    }
};

std::string optional_text(const std::optional<double>& value) { return value ? fixed(*value, 2) : std::string(); }

/// One row a run: the state of its routing at the end.
std::string summary_table(const std::vector<RecordedRun>& runs) {
    std::vector<std::vector<std::string>> rows;
    Names labellings;
    for (const RecordedRun& run : runs)
        if (run.heads)
            for (const RecordedLinear& linear : run.heads->linears)
                for (const auto& [labelling, nmi] : linear.nmi) labellings.add(labelling);
    for (const RecordedRun& run : runs) {
        if (!run.heads || run.heads->linears.empty()) continue;
        const auto& linears = run.heads->linears;
        double entropy = 0, least = 2, most = 0;
        Index dead = 0;
        std::map<std::string, std::vector<double>> fits;
        std::vector<double> movements, cosines;
        for (const RecordedLinear& linear : linears) {
            entropy += linear.entropy / static_cast<double>(linears.size());
            least = std::min(least, linear.smallest_share);
            most = std::max(most, linear.largest_share);
            dead += linear.dead_heads;
            if (linear.movement) movements.push_back(*linear.movement);
            if (linear.cosine) cosines.push_back(*linear.cosine);
            for (const auto& [labelling, nmi] : linear.nmi)
                if (nmi) fits[labelling].push_back(*nmi);
        }
        const auto mean = [](const std::vector<double>& values) {
            double sum = 0;
            for (const double value : values) sum += value;
            return values.empty() ? std::nullopt : std::optional<double>(sum / static_cast<double>(values.size()));
        };
        std::vector<std::string> row{run.name,
                                     fixed(entropy, 2),
                                     fixed(least, 2) + " to " + fixed(most, 2),
                                     grouped(dead),
                                     optional_text(mean(movements)),
                                     optional_text(mean(cosines))};
        for (const std::string& labelling : labellings.list) {
            const auto& values = fits[labelling];
            if (values.empty()) {
                row.emplace_back("not defined");
                continue;
            }
            const auto [low, high] = std::minmax_element(values.begin(), values.end());
            row.push_back(optional_text(mean(values)) + " (" + fixed(*low, 2) + " to " + fixed(*high, 2) + ")");
        }
        rows.push_back(std::move(row));
    }
    if (rows.empty()) return {};
    std::vector<std::string> header{"run",        "gate entropy", "shares of heads",
                                    "dead heads", "router moved", "head cosine"};
    for (const std::string& labelling : labellings.list) header.push_back("NMI with the " + labelling);
    return html_table(header, rows);
}

std::string time_charts(const std::vector<RecordedRun>& runs) {
    std::vector<Series> fits, entropies;
    const bool several =
        std::count_if(runs.begin(), runs.end(), [](const auto& run) { return !run.routing.empty(); }) > 1;
    for (const RecordedRun& run : runs) {
        if (run.routing.empty()) continue;
        Names labellings;
        for (const RecordedRouting& at : run.routing)
            for (const auto& [labelling, nmi] : at.nmi) labellings.add(labelling);
        std::vector<Series> of(labellings.list.size());
        Series entropy{run.name, {}, {}};
        for (std::size_t l = 0; l < of.size(); ++l)
            of[l].name = several ? run.name + ", " + labellings.list[l] : labellings.list[l];
        for (const RecordedRouting& at : run.routing) {
            entropy.x.push_back(static_cast<double>(at.step));
            entropy.y.push_back(at.entropy);
            for (const auto& [labelling, nmi] : at.nmi) {
                Series& line = of[labellings.at[labelling]];
                line.x.push_back(static_cast<double>(at.step));
                line.y.push_back(nmi.value_or(nan));
            }
        }
        for (Series& line : of) fits.push_back(std::move(line));
        entropies.push_back(std::move(entropy));
    }
    if (fits.empty() && entropies.empty()) return {};
    return line_chart("NMI of the largest gate with each labelling, mean over the linears", "step", "NMI", fits) +
           line_chart("Gate entropy, mean over the linears", "step", "of log N", entropies);
}

/// Shares (domains, N), averaged over linears that have as many heads.
struct Shares {
    std::vector<double> sums;
    Index linears = 0;
};

std::string share_map(const std::string& title, const std::vector<std::string>& domains, std::size_t heads,
                      const Shares& shares) {
    std::vector<double> values = shares.sums;
    for (double& value : values) value /= static_cast<double>(shares.linears);
    return heat_map(title, domains, head_names(heads), values, 0, 1);
}

std::string share_maps(const RecordedHeads& heads) {
    if (heads.linears.empty()) return {};
    Names domains, modules;
    for (const RecordedLinear& linear : heads.linears)
        for (const auto& [domain, shares] : linear.domain_shares) domains.add(domain);
    if (domains.list.empty()) return {};
    std::map<std::pair<std::size_t, std::size_t>, Shares> means;  // by module and number of heads
    std::string all;
    std::size_t cells = 0;
    const auto add = [&](Shares& to, const RecordedLinear& linear, std::size_t n) {
        to.sums.resize(domains.list.size() * n, 0.0);
        ++to.linears;
        std::vector<double> row(to.sums.size(), nan);
        for (const auto& [domain, shares] : linear.domain_shares)
            for (std::size_t i = 0; i < n; ++i) row[domains.at[domain] * n + i] = shares[i];
        for (std::size_t k = 0; k < row.size(); ++k) to.sums[k] += row[k];
    };
    for (const RecordedLinear& linear : heads.linears) {
        if (linear.domain_shares.empty()) continue;
        const std::size_t n = linear.domain_shares.front().second.size();
        add(means[{modules.add(module_of(linear.name)), n}], linear, n);
        cells += domains.list.size() * n;
        if (cells > most_cells) continue;
        Shares own;
        add(own, linear, n);
        all += share_map(linear.name, domains.list, n, own);
    }
    std::string text = "<div class=\"maps\">\n";
    for (const auto& [of, shares] : means)
        text += share_map(
            concat("Share of each head, ", modules.list[of.first], ", mean of ", counted(shares.linears, "layer")),
            domains.list, of.second, shares);
    text +=
        "</div>\n" + html_paragraph(
                         "Heads of different layers have no more in common than their number: a mean over layers may "
                         "be even where each layer is not.");
    text += "<details><summary>Every adapted linear</summary>\n<div class=\"maps\">\n" + all + "</div>\n";
    if (cells > most_cells) text += html_paragraph("Further linears are left out: routing.json has them.");
    return text + "</details>\n";
}

/// NMI of each linear, a row a layer, with every labelling that is defined anywhere but the token.
std::string fit_map(const RecordedHeads& heads) {
    Names layers, modules, labellings;
    std::set<std::string> defined;
    for (const RecordedLinear& linear : heads.linears) {
        layers.add(layer_of(linear.name));
        modules.add(module_of(linear.name));
        for (const auto& [labelling, nmi] : linear.nmi) {
            labellings.add(labelling);
            if (nmi) defined.insert(labelling);
        }
    }
    std::string text;
    const std::size_t cells = layers.list.size() * modules.list.size();
    for (const std::string& labelling : labellings.list) {
        if (!defined.contains(labelling) || cells > most_cells / 10 || labelling == "token") continue;
        std::vector<double> values(cells, nan);
        for (const RecordedLinear& linear : heads.linears)
            for (const auto& [name, nmi] : linear.nmi)
                if (name == labelling && nmi)
                    values[layers.at[layer_of(linear.name)] * modules.list.size() +
                           modules.at[module_of(linear.name)]] = *nmi;
        text += heat_map("NMI with the " + labelling + ", linear by linear", layers.list, modules.list, values, 0, 1);
    }
    return text;
}

std::string document_map(const RecordedHeads& heads) {
    const auto n = static_cast<Index>(heads.documents.size());
    if (n < 4) return {};
    const auto gates_each = static_cast<Index>(heads.documents.front().gates.size());
    DoubleMatrix gates(n, gates_each);
    Names domains;
    std::vector<Dot> dots;
    for (Index i = 0; i < n; ++i) {
        const RecordedDocument& document = heads.documents[static_cast<std::size_t>(i)];
        std::copy(document.gates.begin(), document.gates.end(), gates.row(i));
        std::string title = document.domain;
        if (document.component) title += concat(", component ", *document.component);
        dots.push_back({0, 0, static_cast<Index>(domains.add(document.domain)), title});
    }
    const TSne config{.perplexity = std::min(30.0, static_cast<double>(n - 1) / 3), .seed = Seed{41}};
    const TSneMap map = t_sne(gates.view(), config);
    for (Index i = 0; i < n; ++i) {
        dots[static_cast<std::size_t>(i)].x = map.y(i, 0);
        dots[static_cast<std::size_t>(i)].y = map.y(i, 1);
    }
    return scatter_chart("Held-out documents by their mean gates (t-SNE)", domains.list, dots) +
           html_paragraph(concat("Each of ", n, " documents is its mean gates in all linears (", gates_each,
                                 " numbers), at perplexity ", fixed(config.perplexity, 1),
                                 ". Near neighbours are routed alike; distances between groups mean nothing."));
}

}  // namespace

std::string routing_section(const std::vector<RecordedRun>& runs) {
    const bool any =
        std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run.heads || !run.routing.empty(); });
    if (!any) return {};
    std::string text = "<h2>Routing</h2>\n";
    text += html_paragraph(
        "Measured on the trained tokens of held-out examples. Gate entropy: 0 one head for each token, 1 all heads "
        "alike. A dead head has less than a tenth of an even share. NMI is the mutual information of the head with the "
        "largest gate and a labelling, 0 none and 1 all of it: it alone says whether heads follow that labelling. With "
        "the token it tells a router that only reads the token.");
    text += html_paragraph(
        "The domain is the file of an example. Components may be found in the texts, or given by files or by a field "
        "of the "
        "data: a run that is given them has information that a plain LoRA does not get.");
    text += summary_table(runs) + time_charts(runs);
    for (const RecordedRun& run : runs) {
        if (!run.heads) continue;
        text += html_heading(3, run.name) + html_paragraph(run.heads->sentence) + fit_map(*run.heads) +
                share_maps(*run.heads) + document_map(*run.heads);
    }
    return text;
}

}  // namespace hydra
