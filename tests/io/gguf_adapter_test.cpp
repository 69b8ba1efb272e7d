#include <hydralora/io/gguf_adapter.hpp>
#include <hydralora/io/peft.hpp>

#include <doctest/doctest.h>

#include <string>

#include "peft_case.hpp"
#include "scratch.hpp"
#include "support/matrix.hpp"

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
const std::filesystem::path golden = HYDRALORA_TEST_DATA "/golden/peft";
}

TEST_CASE("our file is, byte for byte, that of the gguf package with rows permuted by numpy") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    for (const auto& [name, architecture] : {std::pair{"plain", "llama"}, {"qwen2", "qwen2"}}) {
        const AdapterFileConfig config = read_peft_config(golden / name);
        auto set = test::lora_buffers(be, config.rank, config.target_modules);
        load_peft(golden / name, set);
        save_gguf_adapter(scratch / "a.gguf", config, {architecture, 4, 2}, set);
        const std::string theirs = test::content(golden / name / "adapter.gguf");
        CHECK(theirs.size() > 5000);
        CHECK(test::content(scratch / "a.gguf") == theirs);
    }
}

TEST_CASE("llama's order brings the halves of a head together") {
    test::Matrix<float> from(12, 1), to(12, 1);  // two heads of six
    for (Index i = 0; i < 12; ++i) from(i, 0) = static_cast<float>(i);
    interleave_halves(from.cview(), 2, to.view());
    const float expected[] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
    for (Index i = 0; i < 12; ++i) CHECK(to(i, 0) == expected[i]);
    CHECK(has(error_of([&] { interleave_halves(from.cview(), 4, to.view()); }),
              "12 rows, expected an even number for each of 4"));
}

TEST_CASE("what llama.cpp would not read is not written") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    auto set = test::lora_buffers(be, 2, {"q_proj"});
    AdapterFileConfig config{.rank = 2, .heads = 1, .gate = "none"};
    const auto refused = [&](const GgufBase& base) {
        return error_of([&] { save_gguf_adapter(scratch / "a.gguf", config, base, set); });
    };
    CHECK(has(refused({"gpt2", 4, 2}), "architecture \"gpt2\": expected llama, qwen2, qwen3 or gemma3"));
    CHECK(has(refused({"llama", 3, 2}), "16 rows, expected an even number for each of 3 heads"));
    config.rank = 3;
    CHECK(has(refused({"llama", 4, 2}), "layers.0.self_attn.q_proj.A is (2, 16), expected rank 3"));
    config = {.rank = 2, .heads = 2, .gate = "softmax"};
    CHECK(has(refused({"llama", 4, 2}), "expected one head without a gate, found 2 heads, gate softmax"));
    config = {.rank = 2, .heads = 1, .gate = "none"};
    set.layers[1][0].B.view()(3, 1) = std::numeric_limits<float>::infinity();
    CHECK(has(refused({"llama", 4, 2}),
              "blk.1.attn_q.weight.lora_b: element (3, 1): expected a finite number, found inf"));
    CHECK(list_directory(scratch.path()).empty());
}
