#include <hydralora/io/gguf_adapter.hpp>
#include <hydralora/io/peft.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "peft_case.hpp"
#include "scratch.hpp"
#include "support/matrix.hpp"

namespace io_gguf_adapter_test {

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

TEST_CASE("a LoRA of llama.cpp is read back: the factors of the directory that it was made of") {
    EigenBackend be({.threads = 1});
    for (const auto& [name, architecture] : {std::pair{"plain", "llama"}, {"qwen2", "qwen2"}}) {
        AdapterFileConfig config = read_peft_config(golden / name);
        auto one = test::lora_buffers(be, config.rank, config.target_modules),
             other = test::lora_buffers(be, config.rank, config.target_modules);
        load_peft(golden / name, one);
        const ForeignLora lora =
            read_gguf_adapter(GgufFile::open(golden / name / "adapter.gguf"), {architecture, 4, 2});
        config.dropout = 0;  // is not in the file
        CHECK(lora.config == config);
        CHECK(lora.notes.empty());
        put_foreign(lora, other);
        visit([&](const ParamPath&, auto& a, auto& b) { CHECK(test::same_bits(a.view(), b.view())); }, one, other);
    }
    const auto file = GgufFile::open(golden / "plain/adapter.gguf");
    const auto refusal = [&](const GgufBase& base) {
        return error_of([&] { static_cast<void>(read_gguf_adapter(file, base)); });
    };
    CHECK(has(refusal({"qwen2", 4, 2}), "\"general.architecture\": expected \"qwen2\", the base's, found \"llama\""));
    CHECK(has(refusal({"llama", 3, 2}), "expected an even number of rows for each of 3 heads, found 16"));
    const auto model = GgufFile::open(HYDRALORA_TEST_DATA "/golden/gguf_models/llama.gguf");
    CHECK(has(error_of([&] {
                  static_cast<void>(read_gguf_adapter(model, {"llama", 4, 2}));
              }),
              "expected a GGUF file with general.type \"adapter\""));
}

TEST_CASE("of a LoRA of llama.cpp: ranks and scales of each module, an alpha of 0, elements of other types") {
    EigenBackend be({.threads = 1});
    const test::ScratchDirectory scratch;
    const std::vector<float> a{1, 2, 3, 4}, b{1, 0, 0, 1, 2, 2, 3, 3};  // (1, 4) and (2, 2); (4, 2)
    std::vector<bfloat16> b16;
    for (const float x : b) b16.emplace_back(x);
    const auto read = [&](float alpha) {
        const GgufFields fields{{"general.architecture", GgufScalar(std::string("llama"))},
                                {"general.type", GgufScalar(std::string("adapter"))},
                                {"adapter.type", GgufScalar(std::string("lora"))},
                                {"adapter.lora.alpha", GgufScalar(alpha)}};
        save_gguf(scratch / "x.gguf", fields,
                  std::vector<NamedTensor>{
                      named_tensor("blk.0.ffn_up.weight.lora_a", host_view(a.data(), 1, 4)),
                      named_tensor("blk.0.ffn_up.weight.lora_b", host_view(b.data(), 4, 1)),
                      named_tensor("blk.1.ffn_up.weight.lora_a", host_view(a.data(), 2, 2)),
                      named_tensor("blk.1.ffn_up.weight.lora_b", host_view(std::as_const(b16).data(), 4, 2))});
        return read_gguf_adapter(GgufFile::open(scratch / "x.gguf"), {"llama", 4, 2});
    };
    const ForeignLora lora = read(6);
    CHECK(lora.config.rank == 2);
    CHECK(lora.config.alpha == 6);
    CHECK(lora.factor_of(*lora.find({0, *lora_module("up_proj")})) == 2);  // 6 / 1 over 6 / 2
    CHECK(lora.factor_of(*lora.find({1, *lora_module("up_proj")})) == 1);
    CHECK(lora.find({1, *lora_module("up_proj")})->b.values == b);
    const ForeignLora one = read(0);
    CHECK(one.config.alpha == 2);
    CHECK(one.factor_of(*one.find({0, *lora_module("up_proj")})) == 1);
    REQUIRE(one.notes.size() == 1);
    CHECK(has(one.notes[0], "llama.cpp takes for a scale of 1"));
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

}  // namespace io_gguf_adapter_test
