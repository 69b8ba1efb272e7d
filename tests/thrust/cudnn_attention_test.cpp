// Which calls of attention cuDNN is asked for: the rule alone, without cuDNN.
#include <hydralora/thrust/cudnn_attention.hpp>

#include <doctest/doctest.h>

#include <string>

namespace thrust_cudnn_attention_test {

using namespace hydralora;
using cudnn::Direction;

namespace {

const cudnn::Platform hopper{90, 91900};

/// Contiguous matrices.
cudnn::Problem problem(Direction direction, const AttentionShape& shape) {
    const Index width = shape.heads * shape.head_dim, kv_width = shape.kv_heads * shape.head_dim;
    cudnn::LeadingDimensions ld{.q = width, .k = kv_width, .v = kv_width, .o = width};
    if (direction == Direction::backward) {
        ld.do_ = ld.dq = width;
        ld.dk = ld.dv = kv_width;
    }
    return {direction, shape, ld};
}

const AttentionShape seven_billion{
    .sequences = 8, .queries = 1024, .keys = 1024, .heads = 32, .kv_heads = 32, .head_dim = 128};

std::string why(const cudnn::Problem& p, const cudnn::Platform& platform = hopper) {
    CHECK(cudnn::supported(p, platform) == cudnn::refusal(p, platform).empty());
    return std::string(cudnn::refusal(p, platform));
}

}  // namespace

TEST_CASE("cudnn::supported: shapes of training") {
    for (const auto direction : {Direction::forward, Direction::backward}) {
        AttentionShape shape = seven_billion;
        CHECK(why(problem(direction, shape)).empty());
        shape.kv_heads = 8;
        CHECK(why(problem(direction, shape)).empty());
        shape.keys = 2000;  // queries after a prompt
        CHECK(why(problem(direction, shape)).empty());
        shape = {.sequences = 1, .queries = 77, .keys = 77, .heads = 4, .kv_heads = 1, .head_dim = 8};
        CHECK(why(problem(direction, shape)).empty());
        shape.head_dim = 256;
        CHECK(why(problem(direction, shape)).empty());
    }
}

TEST_CASE("cudnn::supported: what is composed instead, and why") {
    const std::int32_t start = 0;
    struct Case {
        const char* word;
        void (*change)(AttentionShape&, const std::int32_t&);
    };
    const Case cases[] = {
        {"documents", [](AttentionShape& s, const std::int32_t& at) { s.starts = &at; }},
        {"window of their keys", [](AttentionShape& s, const std::int32_t&) { s.window = s.keys - 1; }},
        {"single query", [](AttentionShape& s, const std::int32_t&) { s.queries = 1; }},
        {"single query", [](AttentionShape& s, const std::int32_t&) { s.sequences = 0; }},
        {"fewer keys", [](AttentionShape& s, const std::int32_t&) { s.keys = 1023; }},
        {"multiple of kv_heads", [](AttentionShape& s, const std::int32_t&) { s.kv_heads = 3; }},
        {"multiple of kv_heads", [](AttentionShape& s, const std::int32_t&) { s.kv_heads = 0; }},
        {"multiple of 8", [](AttentionShape& s, const std::int32_t&) { s.head_dim = 100; }},
        {"multiple of 8", [](AttentionShape& s, const std::int32_t&) { s.head_dim = 0; }},
        {"head_dim is larger", [](AttentionShape& s, const std::int32_t&) { s.head_dim = 264; }},
    };
    for (const auto& c : cases)
        for (const auto direction : {Direction::forward, Direction::backward}) {
            AttentionShape shape = seven_billion;
            c.change(shape, start);
            CAPTURE(c.word);
            CHECK(why(problem(direction, shape)).find(c.word) != std::string::npos);
        }
}

TEST_CASE("cudnn::supported: keys in a longer cache, forward alone") {
    AttentionShape shape = seven_billion;
    shape.kv_stride_rows = 4096;
    CHECK(why(problem(Direction::forward, shape)).empty());
    CHECK(why(problem(Direction::backward, shape)).find("cache") != std::string::npos);
    shape.kv_stride_rows = shape.keys;
    CHECK(why(problem(Direction::backward, shape)).empty());
}

TEST_CASE("cudnn::supported: leading dimensions of every matrix") {
    using Ld = cudnn::LeadingDimensions;
    for (Index Ld::*const ld : {&Ld::q, &Ld::k, &Ld::v, &Ld::o, &Ld::do_, &Ld::dq, &Ld::dk, &Ld::dv}) {
        auto p = problem(Direction::backward, seven_billion);
        p.ld.*ld += 8;
        CHECK(why(p).empty());
        p.ld.*ld += 4;
        CHECK(why(p).find("leading dimension") != std::string::npos);
        p.ld.*ld = seven_billion.head_dim;  // narrower than the matrix
        CHECK(why(p).find("leading dimension") != std::string::npos);
    }
    auto forward = problem(Direction::forward, seven_billion);
    CHECK(forward.ld.do_ == 0);
    CHECK(why(forward).empty());
}

TEST_CASE("cudnn::supported: GPUs and versions of cuDNN") {
    const auto forward = problem(Direction::forward, seven_billion),
               backward = problem(Direction::backward, seven_billion);
    CHECK(why(forward, {90, 91500}).find("9.16") != std::string::npos);
    CHECK(why(forward, {75, 91900}).find("8.0") != std::string::npos);
    for (const int capability : {80, 86, 89, 120}) {
        CHECK(why(forward, {capability, 91900}).empty());
        CHECK(why(backward, {capability, 91900}).find("fixed order") != std::string::npos);
    }
    for (const auto& p : {forward, backward}) {
        CHECK(why(p, {90, 91600}).empty());
        CHECK(why(p, {100, 91801}).empty());
        CHECK(why(p, {103, 91900}).empty());
    }
    CHECK(why(backward, {100, 91800}).find("9.18.1") != std::string::npos);

    AttentionShape wide = seven_billion;
    wide.head_dim = 256;
    CHECK(why(problem(Direction::forward, wide), {80, 91900}).find("larger") != std::string::npos);
    CHECK(why(problem(Direction::backward, wide), {100, 91900}).find("larger") != std::string::npos);
}

}  // namespace thrust_cudnn_attention_test
