#include <hydralora/adapter/config.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "support/message_of.hpp"

namespace adapter_config_test {

namespace {

using namespace hydralora;
using test::message_of;

/// What validate says of a valid configuration after one change.
template <class Change>
std::string after(Change&& change) {
    AdapterConfig c{.in = 6, .out = 4, .rank = 2, .heads = 3};
    change(c);
    return message_of([&] { validate(c); });
}

TEST_CASE("a configuration within its bounds is accepted") {
    CHECK(after([](auto&) {}) == "no error");
    CHECK(after([](auto& c) { c.in = c.out = c.rank = c.heads = 1; }) == "no error");
    CHECK(after([](auto& c) { c.rank = 4; }) == "no error");
    CHECK(after([](auto& c) { c.heads = 1024; }) == "no error");
    CHECK(after([](auto& c) { c.alpha = -1; }) == "no error");
    CHECK(after([](auto& c) { c.dropout = 0.999; }) == "no error");
    CHECK(after([](auto& c) {
              c.heads = 256;
              c.dropout_mask = MaskSharing::per_head;
          }) == "no error");
}

TEST_CASE("the message carries the name, what was found and what was expected") {
    CHECK(after([](auto& c) { c.in = 0; }) == "AdapterConfig: in = 0, out = 4, expected both at least 1");
    CHECK(after([](auto& c) { c.out = -3; }) == "AdapterConfig: in = 6, out = -3, expected both at least 1");
    CHECK(after([](auto& c) { c.rank = 5; }) == "AdapterConfig: rank = 5, expected 1 to min(in, out) = 4");
    CHECK(after([](auto& c) { c.rank = 0; }) == "AdapterConfig: rank = 0, expected 1 to min(in, out) = 4");
    CHECK(after([](auto& c) { c.heads = 0; }) == "AdapterConfig: heads = 0, expected 1 to 1024");
    CHECK(after([](auto& c) { c.heads = 1025; }) == "AdapterConfig: heads = 1025, expected 1 to 1024");
    CHECK(after([](auto& c) { c.alpha = std::numeric_limits<double>::infinity(); }) ==
          "AdapterConfig: alpha = inf, expected a finite number");
    CHECK(after([](auto& c) { c.dropout = 1; }) == "AdapterConfig: dropout = 1, expected 0 <= dropout < 1");
    CHECK(after([](auto& c) { c.dropout = std::numeric_limits<double>::quiet_NaN(); }) ==
          "AdapterConfig: dropout = nan, expected 0 <= dropout < 1");
    CHECK(after([](auto& c) {
              c.gate = Gate::top_k;
              c.top_k = 4;
          }) == "AdapterConfig: top_k = 4, expected 1 to heads = 3");
    CHECK(after([](auto& c) {
              c.gate = Gate::uniform;
              c.router_bias = RouterBias::trained;
          }) == "AdapterConfig: router_bias needs a gate with a router (softmax or top_k)");
    CHECK(after([](auto& c) {
              c.router_input = RouterInput::a_x;
              c.dropout_mask = MaskSharing::per_head;
          }) == "AdapterConfig: router_input a_x needs dropout_mask shared: with a mask a head there is no single A x");
    CHECK(after([](auto& c) {
              c.heads = 257;
              c.dropout_mask = MaskSharing::per_head;
          }) == "AdapterConfig: heads = 257, expected at most 256 with dropout_mask per_head");
}

TEST_CASE("compile-time rank and heads are checked like others") {
    BasicAdapterConfig<Fixed<8>, Fixed<4>> c{.in = 8, .out = 8};
    CHECK(message_of([&] { validate(c); }) == "no error");
    c.out = 7;
    CHECK(message_of([&] { validate(c); }) == "AdapterConfig: rank = 8, expected 1 to min(in, out) = 7");
    CHECK(c.scaling() == 2);
    CHECK(c.a_rows() == 8);
    c.sharing = Sharing::own_a;
    CHECK(c.a_rows() == 32);
}

TEST_CASE("what follows from a configuration") {
    AdapterConfig c{.in = 6, .out = 4, .rank = 2, .heads = 3, .alpha = 32};
    CHECK(c.scaling() == 16);
    CHECK(c.routed());
    CHECK(c.a_rows() == 2);
    CHECK(c.router_cols() == 6);
    c.router_input = RouterInput::a_x;
    CHECK(c.router_cols() == 2);
    c.sharing = Sharing::own_a;
    CHECK(c.a_rows() == 6);
    CHECK(c.router_cols() == 6);
    for (const auto gate : {Gate::none, Gate::uniform, Gate::assigned}) {
        c.gate = gate;
        CHECK_FALSE(c.routed());
    }
    c.gate = Gate::top_k;
    CHECK(c.routed());
}

TEST_CASE("enumerators and their names go both ways") {
    using namespace adapter_names;
    for (const auto name : gate) CHECK(enum_name(parse_enum<Gate>("gate", name, gate), gate) == name);
    CHECK(parse_enum<Gate>("gate", "top_k", gate) == Gate::top_k);
    CHECK(parse_enum<Gate>("gate", "assigned", gate) == Gate::assigned);
    CHECK(parse_enum<Sharing>("sharing", "own_a", sharing) == Sharing::own_a);
    CHECK(parse_enum<RouterInput>("router input", "a_x", router_input) == RouterInput::a_x);
    CHECK(parse_enum<RouterBias>("router bias", "trained", router_bias) == RouterBias::trained);
    CHECK(parse_enum<MaskSharing>("dropout mask", "per_head", dropout_mask) == MaskSharing::per_head);
    CHECK(message_of([] { (void)parse_enum<Gate>("gate", "hard", gate); }) ==
          "gate: \"hard\" is unknown, expected one of: none, uniform, softmax, top_k, assigned");
}

}  // namespace

}  // namespace adapter_config_test
