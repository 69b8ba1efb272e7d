// Several adapted linears in one line: what a run says about its routing.
//
// The sentence is about the mutual information with a labelling, for nothing else shows that heads follow it: in a study of
// ours on a tiny decoder gates reached an entropy of 0.11 and heads a cosine of 0.45 at an NMI of 0.12.
#pragma once

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "routing_health.hpp"

namespace hydralora {

/// One labelling over all linears in which it is defined.
struct FitSummary {
    std::string labelling = {};
    Index linears = 0;  // where it is defined
    double mean = 0, least = 0, most = 0;
    std::string least_at = {}, most_at = {};  // names of the linears
    std::string undefined_because = {};       // of the first linear, where it is defined in none
};

struct RoutingSummary {
    Index linears = 0, heads = 0, dead_heads = 0;               // heads: in all
    double entropy = 0, largest_share = 0, smallest_share = 0;  // entropy: mean; shares: of all heads
    std::optional<double> movement = {}, cosine = {};           // means over the linears that have it
    std::vector<FitSummary> fits = {};                          // one a labelling
};

[[nodiscard]] inline RoutingSummary summarise(std::span<const RoutingReport> reports) {
    check(!reports.empty(), "summarise: no reports, expected at least one adapted linear");
    RoutingSummary s{.linears = static_cast<Index>(reports.size()), .smallest_share = 1};
    for (const LabelFit& fit : reports[0].fits) s.fits.push_back({.labelling = fit.labelling});
    const auto mean_of = [&](std::optional<double> RoutingReport::*value) {
        std::optional<double> mean;
        double sum = 0, count = 0;
        for (const auto& r : reports)
            if (r.*value) {
                sum += *(r.*value);
                mean = sum / ++count;
            }
        return mean;
    };
    s.movement = mean_of(&RoutingReport::movement);
    s.cosine = mean_of(&RoutingReport::cosine);
    for (const auto& r : reports) {
        s.heads += r.heads;
        s.dead_heads += r.dead_heads;
        s.entropy += r.entropy / static_cast<double>(reports.size());
        s.largest_share = std::max(s.largest_share, r.largest_share());
        s.smallest_share = std::min(s.smallest_share, r.smallest_share());
        check(r.fits.size() == s.fits.size(), "summarise: ", r.linear, " has ", r.fits.size(), " labellings, ",
              reports[0].linear, " has ", s.fits.size(), ", expected the same ones");
        for (std::size_t l = 0; l < s.fits.size(); ++l) {
            FitSummary& to = s.fits[l];
            check(r.fits[l].labelling == to.labelling, "summarise: labelling ", l, " of ", r.linear, " is ",
                  r.fits[l].labelling, ", of ", reports[0].linear, " it is ", to.labelling, ", expected the same ones");
            if (!r.fits[l].shared.defined()) continue;
            const double nmi = r.fits[l].nmi();
            if (to.linears == 0 || nmi < to.least) to.least = nmi, to.least_at = r.linear;
            if (to.linears == 0 || nmi > to.most) to.most = nmi, to.most_at = r.linear;
            to.mean += (nmi - to.mean) / static_cast<double>(++to.linears);
        }
    }
    for (std::size_t l = 0; l < s.fits.size(); ++l)
        if (s.fits[l].linears == 0) s.fits[l].undefined_because = reports[0].fits[l].undefined_because();
    return s;
}

/// Mean NMI from which heads follow a labelling; below half of it they do not.
inline constexpr double nmi_of_followers = 0.5;

/// What the sentence advises where heads do not follow, by the names its reader can use; "" for what was tried already.
struct RoutingRemedy {
    std::string_view pooling = "RouterPooling::context", start = "RouterInit::components",
                     rate = "AdamW's ratios.router";

    /// "reads its document so far (...), begins from ... and has ..."; "" where nothing is left to try.
    [[nodiscard]] std::string text() const {
        std::vector<std::string> parts;
        if (!pooling.empty()) parts.push_back(concat("reads its document so far (", pooling, ")"));
        if (!start.empty()) parts.push_back(concat("begins from the components of the corpus (", start, ")"));
        if (!rate.empty()) parts.push_back(concat("has 0.2 of the learning rate (", rate, ")"));
        std::string all;
        for (std::size_t i = 0; i < parts.size(); ++i)
            all.append(i == 0 ? "" : i + 1 < parts.size() ? ", " : " and ").append(parts[i]);
        return all;
    }
};

/// One sentence for a report, about the labelling of that name.
[[nodiscard]] inline std::string routing_sentence(const RoutingSummary& s, std::string_view labelling,
                                                  const RoutingRemedy& remedy = {}) {
    const auto at = std::find_if(s.fits.begin(), s.fits.end(), [&](const auto& f) { return f.labelling == labelling; });
    if (at == s.fits.end()) {
        std::string known;
        for (const auto& f : s.fits) known += (known.empty() ? "" : ", ") + f.labelling;
        fail("routing_sentence: labelling \"", labelling,
             "\" is unknown, expected one of: ", known.empty() ? "(none was counted)" : known);
    }
    std::ostringstream text;
    text << std::fixed << std::setprecision(2);
    if (at->linears == 0) {
        text << "Whether heads follow the " << labelling << " cannot be said: " << at->undefined_because << ".";
        return text.str();
    }
    const bool follow = at->mean >= nmi_of_followers, partly = at->mean >= nmi_of_followers / 2;
    text << "Heads "
         << (follow   ? "follow"
             : partly ? "partly follow"
                      : "do not follow")
         << " the " << labelling << ": NMI with the largest gate is " << at->mean << " over " << at->linears
         << (at->linears == 1 ? " adapted linear" : " adapted linears");
    if (at->linears > 1)
        text << " (" << at->least << " at " << at->least_at << " to " << at->most << " at " << at->most_at << ")";
    if (!follow) {
        text << "; gate entropy " << s.entropy;
        if (s.cosine)
            text << " and head cosine " << *s.cosine << " say";
        else
            text << " says";
        text << " nothing of specialisation";
        if (const std::string left = remedy.text(); !left.empty())
            text << ", and what usually helps is a router that " << left;
    }
    text << ".";
    return text.str();
}

}  // namespace hydralora
