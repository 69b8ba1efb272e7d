// What a GGUF file's tokenizer may not be: every refusal names the file, the field, what was expected and what was found.
#include <hydralora/text/tokenizer_gguf.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "gguf_vocabulary.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace text_tokenizer_gguf_refusal_test {

using namespace hydralora;
using io::GgufArray;
using io::GgufFields;
using io::GgufScalar;

namespace {

std::string refused(const GgufFields& fields) {
    return test::message_of([&] { static_cast<void>(test::from_fields(fields)); });
}
/// What is said where one field is another.
std::string with(GgufFields fields, std::string_view name, io::GgufValue value) {
    test::put(fields, name, std::move(value));
    return refused(fields);
}
std::string without(GgufFields fields, std::string_view name) {
    test::take_out(fields, name);
    return refused(fields);
}
template <class T>
std::vector<T> array_of(const GgufFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == test::gguf_key(name)) return std::get<std::vector<T>>(std::get<GgufArray>(value));
    return {};
}
/// What is said where an element of an array is another.
template <class T>
std::string with_element(const GgufFields& fields, std::string_view name, std::size_t i, T value) {
    auto elements = array_of<T>(fields, name);
    elements.at(i) = std::move(value);
    return with(fields, name, GgufArray(std::move(elements)));
}
GgufScalar string(const char* t) { return std::string(t); }

const GgufFields scored = test::scored_fields(), ranked = test::ranked_fields();

}  // namespace

TEST_CASE("models and pre-tokenizers that are not known") {
    CHECK(refused(scored) == "no error");
    CHECK(refused(ranked) == "no error");
    CHECK(with(ranked, "model", string("t5")) ==
          "t.gguf: field \"tokenizer.ggml.model\": tokenizer \"t5\" is not supported, expected \"gpt2\" or \"llama\"; "
          "take the model's Hugging Face directory, whose tokenizer.json says all of it");
    const std::string unknown = with(ranked, "pre", string("tekken"));
    CHECK(
        unknown.starts_with("t.gguf: field \"tokenizer.ggml.pre\": \"tekken\" is not known, expected one of default, "
                            "gpt-2, "));
    CHECK(unknown.ends_with("stablelm2; take the model's Hugging Face directory, whose tokenizer.json says all of it"));
    CHECK(
        without(ranked, "pre") ==
        "t.gguf: expected a field \"tokenizer.ggml.pre\", which says how words are cut, found none; convert the model "
        "again; take the model's Hugging Face directory, whose tokenizer.json says all of it");
    CHECK(with(scored, "pre", string("tekken")) == "no error");  // means nothing there
    CHECK(with(scored, "remove_extra_whitespaces", GgufScalar(false)) == "no error");
    CHECK(with(scored, "remove_extra_whitespaces", GgufScalar(true))
              .starts_with("t.gguf: field \"tokenizer.ggml.remove_extra_whitespaces\": expected false, found true"));
}

TEST_CASE("fields that are missing or of another type") {
    const auto missing = [](const GgufFields& fields, const std::string& name) {
        const std::string count = std::to_string(fields.size() - 1);
        return without(fields, name) ==
               "t.gguf: expected a field \"tokenizer.ggml." + name + "\", found none of that key among " + count;
    };
    CHECK(missing(ranked, "model"));
    CHECK(missing(ranked, "tokens"));
    CHECK(missing(ranked, "merges"));
    CHECK(missing(scored, "tokens"));
    CHECK(missing(scored, "scores"));
    CHECK(without(scored, "token_type") == "no error");

    CHECK(with(ranked, "model", GgufScalar(std::uint32_t{1})) ==
          "t.gguf: field \"tokenizer.ggml.model\": expected string, found u32");
    CHECK(with(ranked, "tokens", string("a")) ==
          "t.gguf: field \"tokenizer.ggml.tokens\": expected an array of string, found string");
    CHECK(with(ranked, "merges", GgufArray(std::vector<std::int32_t>{1})) ==
          "t.gguf: field \"tokenizer.ggml.merges\": expected an array of string, found an array of i32");
    CHECK(with(scored, "scores", GgufArray(std::vector<double>{1})) ==
          "t.gguf: field \"tokenizer.ggml.scores\": expected an array of f32, found an array of f64");
    CHECK(with(scored, "token_type", GgufArray(std::vector<std::uint32_t>{1})) ==
          "t.gguf: field \"tokenizer.ggml.token_type\": expected an array of i32, found an array of u32");
    CHECK(with(scored, "add_bos_token", GgufScalar(std::uint8_t{1})) ==
          "t.gguf: field \"tokenizer.ggml.add_bos_token\": expected bool, found u8");
    CHECK(with(scored, "bos_token_id", GgufScalar(std::int32_t{1})) ==
          "t.gguf: field \"tokenizer.ggml.bos_token_id\": expected u32, found i32");
    GgufFields templated = scored;
    templated.emplace_back("tokenizer.chat_template", GgufScalar(true));
    CHECK(refused(templated) == "t.gguf: field \"tokenizer.chat_template\": expected string, found bool");
    templated.back().second = GgufScalar(std::string((1 << 20) + 1, 'x'));
    CHECK(
        refused(templated) ==
        "t.gguf: field \"tokenizer.chat_template\": expected a chat template of at most 1048576 bytes, found 1048577");
}

TEST_CASE("tokens, types and scores that do not fit together") {
    CHECK(with(scored, "scores", GgufArray(std::vector<float>{1})) ==
          "t.gguf: field \"tokenizer.ggml.scores\": expected 281 elements, one for each of \"tokenizer.ggml.tokens\", "
          "found 1");
    CHECK(with(ranked, "token_type", GgufArray(std::vector<std::int32_t>(300, 1))) ==
          "t.gguf: field \"tokenizer.ggml.token_type\": expected 259 elements, one for each of "
          "\"tokenizer.ggml.tokens\", found 300");
    CHECK(with_element<std::int32_t>(ranked, "token_type", 7, 0) ==
          "t.gguf: field \"tokenizer.ggml.token_type\": element 7: expected a type of token from 1 to 6, found 0");
    CHECK(with_element<std::int32_t>(ranked, "token_type", 7, 9).ends_with("from 1 to 6, found 9"));
    CHECK(with_element<float>(scored, "scores", 270, std::numeric_limits<float>::quiet_NaN()) ==
          "t.gguf: field \"tokenizer.ggml.scores\": element 270: expected a number, found NaN");
    CHECK(with_element<float>(scored, "scores", 270, -std::numeric_limits<float>::infinity()) == "no error");
    CHECK(with_element<std::int32_t>(scored, "token_type", 260, 6) ==
          "t.gguf: field \"tokenizer.ggml.tokens\": element 260: expected <0x00> to <0xFF>, as a token of type byte is "
          "written, found \"<\"");

    CHECK(with_element<std::string>(ranked, "tokens", 98, "a") ==
          "t.gguf: field \"tokenizer.ggml.tokens\": expected each token once, found \"a\" as ids 97 and 98");
    auto empties = array_of<std::string>(ranked, "tokens");
    empties.emplace_back();
    empties.emplace_back();
    GgufFields padded = ranked;
    test::take_out(padded, "token_type");
    CHECK(with(padded, "tokens", GgufArray(empties)) == "no error");  // stand for nothing
    CHECK(with_element<std::string>(ranked, "tokens", 98, "\xff\xfe") ==
          "t.gguf: field \"tokenizer.ggml.tokens\": expected UTF-8, found \"\\xff\\xfe\"");
    CHECK(with_element<std::string>(ranked, "tokens", 258, std::string(65537, 'x')) ==
          "t.gguf: field \"tokenizer.ggml.tokens\": element 258 has 65537 bytes, expected at most 65536");
    CHECK(with(ranked, "tokens", GgufArray(std::vector<std::string>{})) ==
          "t.gguf: field \"tokenizer.ggml.tokens\": expected 1 to 16777216 tokens, found 0");

    GgufFields sized = ranked;
    sized.emplace_back("general.architecture", string("llama"));
    sized.emplace_back("llama.vocab_size", GgufScalar(std::uint32_t{259}));
    CHECK(refused(sized) == "no error");
    sized.back().second = GgufScalar(std::uint32_t{260});
    CHECK(refused(sized) ==
          "t.gguf: field \"tokenizer.ggml.tokens\": expected 260 tokens, which is \"llama.vocab_size\", found 259");
}

TEST_CASE("merges that name no tokens") {
    const auto merges = [](std::vector<std::string> list) {
        return with(ranked, "merges", GgufArray(std::move(list)));
    };
    CHECK(merges({}) == "no error");
    CHECK(merges({"a b", "ab"}) ==
          "t.gguf: field \"tokenizer.ggml.merges\": element 1: expected two tokens with a space between, found \"ab\"");
    CHECK(merges({""}).ends_with("found \"\""));
    CHECK(merges({" "}).ends_with("found \" \""));
    CHECK(merges({"a "}).ends_with("found \"a \""));
    CHECK(merges({"a b", "abx c"}) ==
          "t.gguf: field \"tokenizer.ggml.merges\": element 1: \"abx c\" needs the token \"abx\", found none of that "
          "text "
          "in \"tokenizer.ggml.tokens\"");
    CHECK(merges({"a b c"}).find("needs the token \"b c\"") != std::string::npos);
    CHECK(merges({"a c"}).find("\"a c\" needs the token \"ac\"") != std::string::npos);
    CHECK(
        merges({"a b", "ab c", "a b"}) ==
        "t.gguf: field \"tokenizer.ggml.merges\": expected each merge once, found 1 of 3 again: of equal ones readers "
        "take different ranks");
}

TEST_CASE("ids of tokens that are not there") {
    for (const char* name :
         {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id", "eot_token_id", "eom_token_id"}) {
        CHECK(with(scored, name, GgufScalar(std::uint32_t{280})) == "no error");
        CHECK(
            with(scored, name, GgufScalar(std::uint32_t{281})) ==
            "t.gguf: field \"tokenizer.ggml." + std::string(name) +
                "\": expected the id of a token, less than 281, found 281; set it to the right one, or take the field "
                "out");
    }
    CHECK(with(ranked, "add_bos_token", GgufScalar(true)) ==
          "t.gguf: \"tokenizer.ggml.add_bos_token\" is true, expected a field \"tokenizer.ggml.bos_token_id\" with the "
          "token to add, found none; set it, or set \"tokenizer.ggml.add_bos_token\" to false");
    CHECK(with(ranked, "add_eos_token", GgufScalar(true)).find("\"tokenizer.ggml.eos_token_id\"") != std::string::npos);
    CHECK(with(ranked, "pre", string("llama-bpe")) ==
          "t.gguf: \"tokenizer.ggml.add_bos_token\" is true unless a file says otherwise, expected a field "
          "\"tokenizer.ggml.bos_token_id\" with the token to add, found none; set it, or set "
          "\"tokenizer.ggml.add_bos_token\" to false");
}

TEST_CASE("a damaged file is an error or a tokenizer, whatever byte is another") {
    test::Draw draw(3);
    for (const GgufFields& fields : {scored, ranked}) {
        std::string bytes;
        io::write_gguf([&](std::span<const std::byte> part) { bytes += io::as_text(part); }, fields, {});
        std::size_t refusals = 0;
        const int trials = test::trials(400, 20000);
        for (int trial = 0; trial < trials; ++trial) {
            std::string damaged = bytes;
            for (Index n = draw.integer(1, 3); n > 0; --n)
                damaged[static_cast<std::size_t>(draw.integer(0, static_cast<Index>(bytes.size()) - 1))] =
                    static_cast<char>(static_cast<unsigned char>(draw.integer(0, 255)));
            if (draw.integer(0, 9) == 0) damaged.resize(static_cast<std::size_t>(draw.integer(0, 4000)));
            try {
                const io::GgufFile file(io::as_byte_span(damaged), "t.gguf");
                const auto made = text::tokenizer_from_gguf(file);
                for (const std::int32_t id : made.tokenizer.encode("ab </s> \u00e9\n<|im_end|>"))
                    REQUIRE((id >= 0 && id < made.tokenizer.size()));
            } catch (const Error&) {
                ++refusals;
            }
        }
        CHECK(refusals > 50);
        CHECK(refusals < static_cast<std::size_t>(trials));
    }
}

}  // namespace text_tokenizer_gguf_refusal_test
