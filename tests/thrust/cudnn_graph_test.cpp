// The graphs that are handed to cuDNN, validated by its frontend and lowered by cuDNN itself, without a GPU.
#include <doctest/doctest.h>

#include <hydralora/thrust/cudnn_attention.hpp>
#include <ostream>

namespace thrust_cudnn_graph_test {

using namespace hydralora;
using cudnn::Direction;

namespace {

/// pad: unused elements after a row of every matrix; gap: unused rows after the keys of a sequence.
struct Case {
    Index S, L, K, heads, kv_heads, D, pad = 0, gap = 0;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.S << " sequences, " << c.L << " queries, " << c.K << " keys, " << c.heads << '/' << c.kv_heads
               << " heads of " << c.D << ", pad " << c.pad << ", gap " << c.gap;
}

cudnn::Problem problem(Direction direction, const Case& c) {
    const Index width = c.heads * c.D + c.pad, kv_width = c.kv_heads * c.D + c.pad;
    AttentionShape shape{
        .sequences = c.S, .queries = c.L, .keys = c.K, .heads = c.heads, .kv_heads = c.kv_heads, .head_dim = c.D};
    shape.kv_stride_rows = c.gap > 0 ? c.K + c.gap : 0;
    cudnn::LeadingDimensions ld{.q = width, .k = kv_width, .v = kv_width, .o = width};
    if (direction == Direction::backward) {
        ld.do_ = ld.dq = width;
        ld.dk = ld.dv = kv_width;
    }
    return {direction, shape, ld};
}

// Of 7B and 1B models: multi-head and grouped heads, one long sequence and several, padded rows, and small ones.
const Case cases[] = {
    {8, 1024, 1024, 32, 32, 128},
    {1, 8192, 8192, 32, 32, 128},
    {4, 2048, 2048, 32, 8, 128},
    {4, 2048, 2048, 28, 4, 128},
    {8, 1024, 1024, 32, 8, 64},
    {4, 2048, 2048, 32, 4, 64},
    {16, 512, 512, 16, 16, 128, 16},
    {2, 100, 300, 32, 8, 64, 8},
    {1, 64, 128, 8, 2, 96},
    {3, 24, 24, 4, 2, 8},
    {1, 2, 2, 1, 1, 16},
};

}  // namespace

TEST_CASE("cuDNN: graphs that the rule lets through are valid") {
    REQUIRE(cudnn::version() >= cudnn::least_cudnn_version);
    Index passed = 0;
    for (const int capability : {80, 89, 90, 100, 120})
        for (const auto direction : {Direction::forward, Direction::backward})
            for (const auto& c : cases) {
                const auto p = problem(direction, c);
                if (!cudnn::supported(p, {capability, cudnn::version()})) continue;
                CAPTURE(c);
                CAPTURE(capability);
                CHECK(cudnn::validate(p, capability) == "");
                ++passed;
            }
    CHECK(passed == 7 * 11);  // forward on all five, backward on 9.0 and 10.0
}

TEST_CASE("cuDNN: keys in a longer cache, wide heads") {
    CHECK(cudnn::validate(problem(Direction::forward, {4, 128, 512, 32, 8, 128, 0, 512}), 90) == "");
    for (const auto direction : {Direction::forward, Direction::backward})
        CHECK(cudnn::validate(problem(direction, {2, 200, 200, 8, 2, 256}), 90) == "");
}

TEST_CASE("cuDNN: what it declines is said in its words") {
    for (const auto direction : {Direction::forward, Direction::backward}) {
        CHECK(cudnn::validate(problem(direction, {2, 64, 64, 4, 4, 12}), 90).find("multiple of 8") !=
              std::string::npos);
        CHECK(cudnn::validate(problem(direction, {2, 80, 64, 4, 4, 16}), 90) != "");
        CHECK(cudnn::validate(problem(direction, {2, 64, 64, 4, 3, 16}), 90) != "");
    }
    CHECK(cudnn::validate(problem(Direction::backward, {2, 64, 64, 4, 4, 256}), 80) != "");
}

}  // namespace thrust_cudnn_graph_test
