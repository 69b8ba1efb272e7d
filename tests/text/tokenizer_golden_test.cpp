// Every text of the golden files gives the ids and the decoded text that the Python package gives.
#include "golden_tokenizers.hpp"

#include <hydralora/text/transformers_classes.hpp>

#include <doctest/doctest.h>

#include "io/scratch.hpp"

namespace text_tokenizer_golden_test {

using namespace hydralora;
using text::Decode;
using text::Specials;
using text::Tokenizer;

namespace {

constexpr std::size_t shown = 100;

void check_encoding(test::Record& record, const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                    Specials specials) {
    const auto total = record.next<std::uint64_t>();
    const auto expected = record.list<std::uint16_t>(texts.size());
    for (std::size_t i = 0; i < shown; ++i) {
        CAPTURE(i);
        CAPTURE(texts[i]);
        const auto ids = record.list<std::uint16_t>(record.next<std::uint16_t>());
        CHECK(tokenizer.encode(texts[i], specials) == std::vector<std::int32_t>(ids.begin(), ids.end()));
    }
    std::vector<std::uint64_t> sums;
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        sums.push_back(test::sum_of(tokenizer.encode(texts[i], specials)));
        if (static_cast<std::uint16_t>(sums.back()) == expected[i]) continue;
        if (++wrong <= 5) MESSAGE("text " << i << ": " << io::in_quotes(texts[i], 400));
    }
    CHECK(wrong == 0);
    CHECK(test::sum_of(sums) == total);
}

void check_decoding(test::Record& record, const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
    const auto total = record.next<std::uint64_t>();
    const auto expected = record.list<std::uint16_t>(texts.size());
    std::vector<std::uint64_t> sums, sums_without;
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto ids = tokenizer.encode(texts[i], Specials::recognised);
        const std::string back = tokenizer.decode(ids, Decode::with_specials);
        sums.push_back(test::sum_of(test::lossy(back)));
        sums_without.push_back(test::sum_of(test::lossy(tokenizer.decode(ids))));
        if (static_cast<std::uint16_t>(sums.back()) == expected[i]) continue;
        if (++wrong <= 5)
            MESSAGE("text " << i << ": " << io::in_quotes(texts[i], 400) << ", " << io::in_quotes(back, 400));
    }
    CHECK(wrong == 0);
    CHECK(test::sum_of(sums) == total);
    CHECK(test::sum_of(sums_without) == record.next<std::uint64_t>());
}

}  // namespace

TEST_CASE("20,000 texts: ids and decoded text of the package") {
    const auto texts = test::golden_texts();
    REQUIRE(texts.size() == 20000);
    for (const std::string name : {"gpt2", "gpt2_prefix", "llama3", "qwen2", "smollm2", "llama2", "llama2_normalized",
                                   "mistral", "metaspace", "plain", "claude", "o200k", "deepseek", "folded"}) {
        CAPTURE(name);
        if (!text::Regex::available && (name == "o200k" || name == "deepseek" || name == "folded")) continue;
        const Tokenizer tokenizer = test::open_golden(name);
        test::Record record(name + ".bin");
        check_encoding(record, tokenizer, texts, Specials::as_text);
        check_encoding(record, tokenizer, texts, Specials::recognised);
        check_decoding(record, tokenizer, texts);
        for (auto count = record.next<std::uint32_t>(); count > 0; --count) {
            const auto ids = record.list<std::uint16_t>(record.next<std::uint16_t>());
            const auto expected = record.bytes(record.next<std::uint16_t>());
            CHECK(test::lossy(tokenizer.decode(std::vector<std::int32_t>(ids.begin(), ids.end()),
                                               Decode::with_specials)) == expected);
        }
        CHECK(record.at_end());
    }
}

TEST_CASE("what a byte-level tokenizer encodes it decodes") {
    const auto texts = test::golden_texts();
    for (const std::string name : {"gpt2", "llama3", "smollm2"}) {
        CAPTURE(name);
        const Tokenizer tokenizer = test::open_golden(name);
        std::size_t wrong = 0;
        for (const std::string& text : texts)
            for (const Specials specials : {Specials::as_text, Specials::recognised})
                wrong += tokenizer.decode(tokenizer.encode(text, specials), Decode::with_specials) != text;
        CHECK(wrong == 0);
    }
}

TEST_CASE("the ids that the post-processor puts around a text") {
    const auto ids = [](auto span) { return std::vector<std::int32_t>(span.begin(), span.end()); };
    const Tokenizer llama3 = test::open_golden("llama3"), llama2 = test::open_golden("llama2_normalized"),
                    gpt2 = test::open_golden("gpt2");
    CHECK(ids(llama3.prefix()) == std::vector<std::int32_t>{1500});
    CHECK(ids(llama3.suffix()).empty());
    CHECK(ids(llama2.prefix()) == std::vector<std::int32_t>{1});
    CHECK(ids(llama2.suffix()) == std::vector<std::int32_t>{2});
    CHECK(gpt2.prefix().empty());
    CHECK(gpt2.size() == 1200);
    CHECK(llama3.size() == 1503);
    CHECK(llama3.find("<|eot_id|>") == 1502);
    CHECK(llama2.find("</s>") == 2);
    CHECK(llama2.find("\xe2\x96\x81") != std::nullopt);
    CHECK(!llama2.find("<|eot_id|>"));
}

// golden/make_classes.py: the class that AutoTokenizer took, and whether it cut a text otherwise than the file says.
TEST_CASE("directories that transformers reads otherwise") {
    const io::Json rows = io::read_json(test::golden("classes.json"));
    const io::JsonView all(rows, "classes.json");
    const test::ScratchDirectory scratch;
    std::size_t differ = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto row = all.element(i);
        const std::string file = row.element(0).string(), type = row.element(1).string(),
                          wanted = row.element(2).string();
        CAPTURE(file);
        CAPTURE(type);
        CAPTURE(wanted);
        std::filesystem::copy_file(test::golden(file + ".json"), scratch / "tokenizer.json",
                                   std::filesystem::copy_options::overwrite_existing);
        const io::Json config = io::Json::object().set("model_type", type);
        io::Json names = io::Json::object();
        if (!wanted.empty()) names.set("tokenizer_class", wanted);
        test::set_content(scratch / "tokenizer_config.json", io::to_text(names));
        const std::string said =
            text::transformers_difference(test::open_golden(file), scratch.path(), io::JsonView(config, "config.json"));
        if (!text::Regex::available && row.element(3).string() == "Qwen3_5Tokenizer") continue;
        CHECK(said.empty() != row.element(4).boolean());
        if (!said.empty()) CHECK(said.find("reads it as " + row.element(3).string()) != std::string::npos);
        differ += !said.empty();
    }
    CHECK(differ > 100);
}

}  // namespace text_tokenizer_golden_test
