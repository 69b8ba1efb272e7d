#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/analysis/routing_summary.hpp>
#include <string>
#include <vector>

#include "support/message_of.hpp"

namespace analysis_routing_summary_test {

using namespace hydralora;
using test::message_of;

namespace {

/// Two heads, 100 tokens of two labels, of which `swapped` of each go to the other's head.
RoutingReport report_of(const std::string& linear, Index swapped, double entropy = 0.1) {
    const std::vector<Index> counts{50 - swapped, swapped, swapped, 50 - swapped}, one_label{50, 50};
    RoutingReport r{.linear = linear, .tokens = 100, .heads = 2, .entropy = entropy, .shares = {0.3, 0.7}};
    r.fits.push_back({"domain", mutual_information(host_view(counts.data(), 2, 2))});
    r.fits.push_back({"language", mutual_information(host_view(one_label.data(), 1, 2))});
    return r;
}

/// H2(p) in bits: the NMI of report_of is 1 - H2(swapped / 50).
double bits(double p) { return p == 0 ? 0 : -p * std::log2(p) - (1 - p) * std::log2(1 - p); }

}  // namespace

TEST_CASE("summarise: means, extremes with their linears, sums of heads") {
    auto a = report_of("blocks.0.q_proj", 10, 0.2), b = report_of("blocks.1.o_proj", 0, 0.6);
    a.movement = 1.5;
    a.dead_heads = 1;
    b.shares = {0.9, 0.1};
    b.cosine = -0.25;
    const auto s = summarise(std::vector{a, b, report_of("blocks.2.up_proj", 25, 0.7)});
    CHECK(s.linears == 3);
    CHECK(s.heads == 6);
    CHECK(s.dead_heads == 1);
    CHECK(s.entropy == doctest::Approx(0.5));
    CHECK(s.largest_share == 0.9);
    CHECK(s.smallest_share == 0.1);
    CHECK(s.movement == 1.5);
    CHECK(s.cosine == -0.25);
    REQUIRE(s.fits.size() == 2);
    CHECK(s.fits[0].labelling == "domain");
    CHECK(s.fits[0].linears == 3);
    CHECK(s.fits[0].mean == doctest::Approx((1 - bits(0.2) + 1 + 0) / 3).epsilon(1e-13));
    CHECK(s.fits[0].least == 0);
    CHECK(s.fits[0].least_at == "blocks.2.up_proj");
    CHECK(s.fits[0].most == doctest::Approx(1).epsilon(1e-14));
    CHECK(s.fits[0].most_at == "blocks.1.o_proj");
    CHECK(s.fits[1].linears == 0);
    CHECK(s.fits[1].undefined_because == "all tokens have one label");
    CHECK_FALSE(summarise(std::vector{report_of("q", 1)}).movement.has_value());
}

TEST_CASE("routing_sentence: about the mutual information, with what usually helps where it is low") {
    CHECK(
        routing_sentence(summarise(std::vector{report_of("q_proj", 0), report_of("o_proj", 2)}), "domain") ==
        "Heads follow the domain: NMI with the largest gate is 0.88 over 2 adapted linears (0.76 at o_proj to 1.00 at "
        "q_proj).");
    CHECK(routing_sentence(summarise(std::vector{report_of("q_proj", 8)}), "domain") ==
          "Heads partly follow the domain: NMI with the largest gate is 0.37 over 1 adapted linear; gate entropy 0.10 "
          "says nothing of specialisation, and what usually helps is a router that reads its document so far "
          "(RouterPooling::context), begins from the components of the corpus (RouterInit::components) and has 0.2 of "
          "the learning rate (AdamW's ratios.router).");
    auto low = report_of("q_proj", 20);
    low.cosine = 0.45;
    CHECK(routing_sentence(summarise(std::vector{low}), "domain",
                           {.pooling = "--pooling", .start = "--start", .rate = "--rate 0.2"}) ==
          "Heads do not follow the domain: NMI with the largest gate is 0.03 over 1 adapted linear; gate entropy 0.10 "
          "and head cosine 0.45 say nothing of specialisation, and what usually helps is a router that reads its "
          "document so far (--pooling), begins from the components of the corpus (--start) and has 0.2 of the learning "
          "rate (--rate 0.2).");
    CHECK(routing_sentence(summarise(std::vector{low}), "domain", {.pooling = "", .start = "", .rate = ""}) ==
          "Heads do not follow the domain: NMI with the largest gate is 0.03 over 1 adapted linear; gate entropy 0.10 "
          "and head cosine 0.45 say nothing of specialisation.");
    CHECK(RoutingRemedy{.pooling = "", .start = "s", .rate = "r"}.text() ==
          "begins from the components of the corpus (s) and has 0.2 of the learning rate (r)");
    CHECK(RoutingRemedy{.pooling = "p", .start = "", .rate = ""}.text() == "reads its document so far (p)");
    CHECK(routing_sentence(summarise(std::vector{low}), "language") ==
          "Whether heads follow the language cannot be said: all tokens have one label.");
}

TEST_CASE("summarise and routing_sentence: bad input is named") {
    CHECK(message_of([] { static_cast<void>(summarise({})); }) ==
          "summarise: no reports, expected at least one adapted linear");
    const auto a = report_of("q_proj", 1);
    auto b = report_of("o_proj", 1);
    b.fits[1].labelling = "token";
    CHECK(message_of([&] {
              static_cast<void>(summarise(std::vector{a, b}));
          }) == "summarise: labelling 1 of o_proj is token, of q_proj it is language, expected the same ones");
    b.fits.pop_back();
    CHECK(message_of([&] {
              static_cast<void>(summarise(std::vector{a, b}));
          }) == "summarise: o_proj has 1 labellings, q_proj has 2, expected the same ones");
    CHECK(message_of([&] { static_cast<void>(routing_sentence(summarise(std::vector{a}), "Domain")); }) ==
          "routing_sentence: labelling \"Domain\" is unknown, expected one of: domain, language");
    CHECK(message_of([&] { static_cast<void>(routing_sentence(RoutingSummary{}, "domain")); }) ==
          "routing_sentence: labelling \"domain\" is unknown, expected one of: (none was counted)");
}

}  // namespace analysis_routing_summary_test
