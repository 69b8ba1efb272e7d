// Tokenizers from GGUF files: the ids and the text of llama.cpp, recorded by tests/golden/make_gguf_tokenizers.py, and
// what the fields beside the tokens say.
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/text/tokenizer_gguf.hpp>

#include <doctest/doctest.h>

#include "gguf_vocabulary.hpp"
#include "golden_tokenizers.hpp"

namespace text_tokenizer_gguf_test {

using namespace hydralora;
using text::Decode;
using text::GgufTokenizer;
using text::Specials;
using Ids = std::vector<std::int32_t>;

namespace {

constexpr const char* families[] = {"gpt2", "smollm", "llama3", "qwen2", "default", "llama2", "gemma"};

GgufTokenizer open(const std::string& name) {
    const auto file = io::GgufFile::open(HYDRALORA_TEST_DATA "/golden/gguf_tokenizer/" + name + ".gguf");
    return text::tokenizer_from_gguf(file);
}
Ids ids_of(const io::JsonView& json) {
    Ids ids;
    for (std::size_t i = 0; i < json.size(); ++i)
        ids.push_back(static_cast<std::int32_t>(json.element(i).integer(0, 1 << 24)));
    return ids;
}

}  // namespace

TEST_CASE("special texts: ids, what stands around them, and what they stand for") {
    const std::string path = HYDRALORA_TEST_DATA "/golden/gguf_tokenizer/special.json";
    const io::Json document = io::read_json(path);
    const io::JsonView golden(document, path);
    for (const std::string name : families) {
        CAPTURE(name);
        const auto [tokenizer, tokens] = open(name);
        const io::JsonView expected = golden[name];
        REQUIRE(golden["texts"].size() > 50);
        for (std::size_t i = 0; i < golden["texts"].size(); ++i) {
            const std::string& text = golden["texts"].element(i).string();
            CAPTURE(io::in_quotes(text));
            CHECK(tokenizer.encode(text) == ids_of(expected["as_text"].element(i)));
            const Ids recognised = tokenizer.encode(text, Specials::recognised);
            CHECK(recognised == ids_of(expected["recognised"].element(i)));
            Ids added(tokenizer.prefix().begin(), tokenizer.prefix().end());
            added.insert(added.end(), recognised.begin(), recognised.end());
            added.insert(added.end(), tokenizer.suffix().begin(), tokenizer.suffix().end());
            CHECK(added == ids_of(expected["added"].element(i)));
            // llama.cpp's server leaves the space in that was put before the text.
            std::string_view back = expected["decoded"].element(i).string();
            if (name == "llama2" && back.starts_with(' ')) back.remove_prefix(1);
            CHECK(tokenizer.decode(recognised, Decode::with_specials) == back);
        }
    }
}

TEST_CASE("4,000 texts: the ids of llama.cpp") {
    const auto texts = test::golden_texts();
    for (const std::string name : families) {
        CAPTURE(name);
        const auto tokenizer = open(name).tokenizer;
        test::Record record("../gguf_tokenizer/" + name + ".bin");
        for (const Specials specials : {Specials::as_text, Specials::recognised}) {
            const auto total = record.next<std::uint64_t>();
            const auto expected = record.list<std::uint16_t>(4000);
            std::vector<std::uint64_t> sums;
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                sums.push_back(test::sum_of(tokenizer.encode(texts[i], specials)));
                if (static_cast<std::uint16_t>(sums.back()) == expected[i]) continue;
                if (++wrong <= 5) MESSAGE("text " << i << ": " << io::in_quotes(texts[i], 400));
            }
            CHECK(wrong == 0);
            CHECK(test::sum_of(sums) == total);
        }
        CHECK(record.at_end());
    }
}

TEST_CASE("the same tokenizer in both files gives the same ids and text") {
    const auto texts = test::golden_texts();
    const std::pair<const char*, const char*> pairs[] = {{"smollm", "smollm2"}, {"llama3", "llama3"}};
    for (const auto& pair : pairs) {
        const std::string gguf = pair.first, json = pair.second;
        CAPTURE(gguf);
        const auto ours = open(gguf).tokenizer, other = test::open_golden(json);
        CHECK(ours.size() == other.size());
        std::size_t wrong = 0;
        for (const std::string& text : texts)
            for (const Specials specials : {Specials::as_text, Specials::recognised}) {
                const Ids ids = ours.encode(text, specials);
                wrong += ids != other.encode(text, specials) || ours.decode(ids) != other.decode(ids);
            }
        CHECK(wrong == 0);
    }
}

TEST_CASE("token by token: what was told stays") {
    const auto texts = test::golden_texts();
    for (const std::string name : {"smollm", "llama2", "gemma"}) {
        CAPTURE(name);
        const auto tokenizer = open(name).tokenizer;
        for (std::size_t i = 0; i < 300; ++i) {
            const Ids ids = tokenizer.encode(texts[i]);
            std::string told;
            for (std::size_t n = 1; n <= ids.size(); ++n) {
                const std::string text = tokenizer.decode(std::span(ids).first(n));
                REQUIRE(text.starts_with(told));
                told = text;
            }
            // In the pieces a space and U+2581 are one.
            REQUIRE(told == (name == "smollm" ? texts[i] : text::replaced(texts[i], {"\u2581", " "})));
        }
    }
}

TEST_CASE("the fields beside the tokens") {
    const GgufTokenizer smollm = open("smollm"), llama3 = open("llama3"), qwen2 = open("qwen2"),
                        llama2 = open("llama2"), gemma = open("gemma");
    CHECK(smollm.tokens.bos == 1);
    CHECK(smollm.tokens.eos == 2);
    CHECK(smollm.tokens.unknown == 0);
    CHECK(smollm.tokens.padding == 2);
    CHECK(!smollm.tokens.eot);
    CHECK(smollm.tokens.ends == Ids{2, 0});  // <|im_end|>, <|endoftext|>
    CHECK(smollm.tokens.chat_template == "{{ '<|im_start|>' + message + '<|im_end|>' }}");
    CHECK(smollm.tokenizer.prefix().empty());
    CHECK(llama3.tokens.add_bos);  // the file does not say so, its family does
    CHECK(!llama3.tokens.chat_template);
    CHECK(!qwen2.tokens.add_bos);
    CHECK(qwen2.tokens.add_eos);
    CHECK(llama2.tokens.add_bos);  // as all of "llama"
    CHECK(!llama2.tokens.add_eos);
    CHECK(gemma.tokens.add_eos);
    CHECK(gemma.tokenizer.find("<s>") == 1);
}

TEST_CASE("what is absent") {
    auto scored = test::scored_fields();
    test::take_out(scored, "bos_token_id");
    test::take_out(scored, "eos_token_id");
    test::take_out(scored, "token_type");
    const GgufTokenizer some = test::from_fields(scored);
    CHECK(some.tokens.bos == 1);
    CHECK(some.tokens.eos == 2);
    CHECK(some.tokens.unknown == 0);
    CHECK(Ids(some.tokenizer.prefix().begin(), some.tokenizer.prefix().end()) == Ids{1});
    // Its text says what </s> is.
    CHECK(some.tokenizer.encode("</s>", Specials::recognised) == Ids{2});
    CHECK(some.tokenizer.encode("</s>") != Ids{2});

    auto ranked = test::ranked_fields();
    test::put(ranked, "eot_token_id", io::GgufScalar(std::uint32_t{1}));
    const GgufTokenizer other = test::from_fields(ranked);
    CHECK(!other.tokens.bos);
    CHECK(!other.tokens.eos);
    CHECK(other.tokens.eot == 1);
    CHECK(other.tokens.ends == Ids{1, 258});
    CHECK(other.tokenizer.prefix().empty());
    test::put(ranked, "bos_token_id", io::GgufScalar(std::uint32_t{0}));
    test::put(ranked, "pre", io::GgufScalar(std::string("llama-bpe")));
    CHECK(test::from_fields(ranked).tokens.add_bos);
    test::put(ranked, "add_bos_token", io::GgufScalar(false));
    CHECK(!test::from_fields(ranked).tokens.add_bos);
}

TEST_CASE("types of tokens") {
    // <unk> <s> </s> bytes, then pieces; "ab" and "bcd" are the user's, "cd" unused.
    auto fields = test::scored_fields();
    test::put(fields, "add_space_prefix", io::GgufScalar(false));
    const auto tokenizer = test::from_fields(fields).tokenizer;
    const auto id = [&](std::string_view token) { return *tokenizer.find(token); };
    CHECK(tokenizer.encode("abcd") == Ids{id("ab"), id("cd")});  // the leftmost of the user's, where they overlap
    CHECK(tokenizer.encode("abcd", Specials::recognised) == Ids{id("ab"), id("cd")});
    CHECK(tokenizer.encode("bcd") == Ids{id("bcd")});
    CHECK(tokenizer.decode(Ids{id("cd"), id("ab")}) == "ab");  // an unused token is no text
    CHECK(tokenizer.decode(Ids{id("cd"), id("ab")}, Decode::with_specials) == "cdab");
    // The pieces could be joined to a control token and to a byte. llama.cpp does so: ids 2 and 13.
    CHECK(tokenizer.encode("</s>") == Ids{id("</"), id("s>")});
    CHECK(tokenizer.encode("<0x0A>") == Ids{id("<0x"), id("0A>")});
    CHECK(tokenizer.decode(tokenizer.encode("<0x0A>")) == "<0x0A>");
    CHECK(tokenizer.encode("</s>", Specials::recognised) == Ids{2});
    CHECK(tokenizer.encode("\n") == Ids{3 + '\n'});

    // Tokens that are not in the byte alphabet's letters, or look like it, come back as they are written.
    auto ranked = test::ranked_fields();
    const auto latin = test::from_fields(ranked).tokenizer;
    CHECK(latin.encode("a\u00e9") == Ids{*latin.find("a"), *latin.find("\u00e9")});
    CHECK(latin.decode(latin.encode("a\u00e9")) == "a\u00e9");
    CHECK(latin.encode("<|im_end|>").size() > 1);  // typed as normal, and still no text makes it
    CHECK(latin.encode("<|im_end|>", Specials::recognised) == Ids{*latin.find("<|im_end|>")});
    CHECK(latin.decode(Ids{*latin.find("<|im_end|>")}).empty());
}

}  // namespace text_tokenizer_gguf_test
