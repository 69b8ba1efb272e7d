#include "scores.hpp"

#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace hydra {

using namespace hydralora;

DomainScore overall(const std::vector<DomainScore>& scores) {
    DomainScore all;
    all.name = "all";
    double nats = 0;
    for (const DomainScore& s : scores) {
        nats += s.loss * static_cast<double>(s.tokens);
        all.tokens += s.tokens;
        all.bytes += s.bytes;
        all.answers += s.answers;
        all.correct += s.correct;
    }
    all.loss = nats / static_cast<double>(std::max(Index{1}, all.tokens));
    all.bits_per_byte = nats / std::log(2.0) / static_cast<double>(std::max(Index{1}, all.bytes));
    return all;
}

io::Json finite_or_null(double value) { return std::isfinite(value) ? io::Json(value) : io::Json(); }

io::Json to_json(const DomainScore& s) {
    io::Json shares = io::Json::array();
    for (const double share : s.head_share) shares.push(finite_or_null(share));
    return io::Json::object({{"domain", s.name},
                             {"loss", finite_or_null(s.loss)},
                             {"perplexity", finite_or_null(std::exp(s.loss))},
                             {"bits_per_byte", finite_or_null(s.bits_per_byte)},
                             {"tokens", s.tokens},
                             {"bytes", s.bytes},
                             {"answers", s.answers},
                             {"exact_matches", s.correct},
                             {"head_share", shares}});
}

io::Json to_json(const std::vector<DomainScore>& scores) {
    io::Json list = io::Json::array();
    for (const DomainScore& s : scores)
        if (s.tokens > 0) list.push(to_json(s));  // nothing held out, nothing to say
    return list;
}

std::string score_table(const std::vector<DomainScore>& scores) {
    Table table({"domain", "loss", "perplexity", "bits/byte", "exact match", "share of heads"});
    const auto add = [&](const DomainScore& s) {
        std::string shares;
        for (const double share : s.head_share) shares += (shares.empty() ? "" : " ") + fixed(share, 2);
        table.add({s.name, fixed(s.loss, 4), fixed(std::exp(s.loss), 2), fixed(s.bits_per_byte, 4),
                   s.answers > 0 ? concat(s.correct, "/", s.answers) : "", shares});
    };
    Index shown = 0;
    for (const DomainScore& s : scores)
        if (s.tokens > 0) {
            add(s);
            ++shown;
        }
    if (shown > 1) add(overall(scores));
    return table.text();
}

}  // namespace hydra
