#include <doctest/doctest.h>

#include <hydralora/model/config.hpp>

#include "support/message_of.hpp"

namespace model_config_test {

using namespace hydralora;

namespace {

LlamaConfig good() {
    return {.vocabulary = 100,
            .width = 16,
            .layers = 3,
            .heads = 6,
            .kv_heads = 2,
            .head_dim = 10,
            .feed_forward = 24,
            .max_positions = 64};
}

std::string complaint(void (*change)(LlamaConfig&)) {
    LlamaConfig c = good();
    change(c);
    return test::message_of([&] { validate(c); });
}

}  // namespace

TEST_CASE("LlamaConfig: what makes no decoder is named with its value") {
    CHECK_NOTHROW(validate(good()));
    CHECK(complaint([](auto& c) { c.vocabulary = 0; }) == "LlamaConfig: vocabulary = 0, expected 1 to 16777216");
    CHECK(complaint([](auto& c) { c.width = -4; }) == "LlamaConfig: width = -4, expected 1 to 1048576");
    CHECK(complaint([](auto& c) { c.layers = 4097; }) == "LlamaConfig: layers = 4097, expected 1 to 4096");
    CHECK(complaint([](auto& c) { c.heads = 0; }) == "LlamaConfig: heads = 0, expected 1 to 4096");
    CHECK(complaint([](auto& c) { c.kv_heads = 0; }) == "LlamaConfig: kv_heads = 0, expected 1 to 6");
    CHECK(complaint([](auto& c) { c.kv_heads = 7; }) == "LlamaConfig: kv_heads = 7, expected 1 to 6");
    CHECK(complaint([](auto& c) { c.kv_heads = 4; }) == "LlamaConfig: heads = 6 is not a multiple of kv_heads = 4");
    CHECK(complaint([](auto& c) { c.head_dim = 9; }) == "LlamaConfig: head_dim = 9, expected an even number");
    CHECK(complaint([](auto& c) { c.feed_forward = 0; }) == "LlamaConfig: feed_forward = 0, expected 1 to 4194304");
    CHECK(complaint([](auto& c) { c.max_positions = Index{1} << 40; }) ==
          "LlamaConfig: max_positions = 1099511627776, expected 1 to 16777216");
    CHECK(complaint([](auto& c) { c.norm_eps = 0; }) == "LlamaConfig: norm_eps = 0, expected between 0 and 1");
    CHECK(complaint([](auto& c) { c.norm_eps = NAN; }) == "LlamaConfig: norm_eps = nan, expected between 0 and 1");
}

TEST_CASE("LlamaConfig: local layers, and what they need") {
    CHECK(complaint([](auto& c) { c.sliding_window = -1; }) ==
          "LlamaConfig: sliding_window = -1, expected 0 (none) or more");
    CHECK(complaint([](auto& c) { c.spans = {AttentionSpan::global}; }) ==
          "LlamaConfig: spans of 1 layers, expected none or 3");
    CHECK(complaint([](auto& c) { c.spans = alternating_spans(3, 2); }) ==
          "LlamaConfig: layer 0 is local, but there is no sliding_window");
    CHECK(complaint([](auto& c) { c.attention_scale = -1; }) ==
          "LlamaConfig: attention_scale = -1, expected a number from 0");
    CHECK(complaint([](auto& c) { c.local_rope_theta = NAN; }) ==
          "LlamaConfig: local_rope_theta = nan, expected a number from 0");
    LlamaConfig c = good();
    CHECK(!c.is_local(0));
    c.sliding_window = 5;
    CHECK(c.is_local(2));
    c.spans = alternating_spans(3, 3);
    CHECK_NOTHROW(validate(c));
    CHECK((c.is_local(0) && c.is_local(1) && !c.is_local(2)));
}

TEST_CASE("targets: names, paths and shapes") {
    const LlamaConfig c = good();
    struct Row {
        const char* name;
        const char* path;
        Shape shape;
    };
    for (const Row& row : {Row{"q_proj", "self_attn.q_proj", {60, 16}}, Row{"k_proj", "self_attn.k_proj", {20, 16}},
                           Row{"v_proj", "self_attn.v_proj", {20, 16}}, Row{"o_proj", "self_attn.o_proj", {16, 60}},
                           Row{"gate_proj", "mlp.gate_proj", {24, 16}}, Row{"up_proj", "mlp.up_proj", {24, 16}},
                           Row{"down_proj", "mlp.down_proj", {16, 24}}}) {
        CAPTURE(row.name);
        const Target t = parse_target(row.name);
        CHECK(target_names[index_of(t)] == row.name);
        CHECK(target_paths[index_of(t)] == row.path);
        CHECK(target_shape(c, t) == row.shape);
    }
    CHECK(test::message_of([] { (void)parse_target("qproj"); }) ==
          "target modules: \"qproj\" is unknown, expected one of: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, "
          "down_proj");
    CHECK(test::message_of([] { (void)parse_target(""); }).find("one of: q_proj") != std::string::npos);
}

TEST_CASE("LlamaAdapterConfig: one configuration takes the shape of each target") {
    LlamaAdapterConfig a;
    a.adapter.rank = 4;
    a.adapter.heads = 2;
    a.targets = {Target::down_proj, Target::k_proj};
    CHECK(a.adapts(Target::k_proj));
    CHECK_FALSE(a.adapts(Target::q_proj));
    const AdapterConfig at = a.at(good(), Target::down_proj);
    CHECK((at.in == 24 && at.out == 16 && at.rank == 4 && at.heads == 2));
}

}  // namespace model_config_test
