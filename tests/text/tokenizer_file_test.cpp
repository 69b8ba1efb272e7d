// What a tokenizer.json may hold and what is refused, by name and place.
#include <hydralora/text/tokenizer.hpp>

#include <doctest/doctest.h>

#include "support/message_of.hpp"

namespace text_tokenizer_file_test {

using namespace hydralora;
using text::Decode;
using text::Specials;
using text::Tokenizer;
using Ids = std::vector<std::int32_t>;

namespace {

/// A file of these members; `model` are members of the model beside its vocabulary {"a": 0, "b": 1, "c": 2, "ab": 3}.
std::string file(const std::string& members = "", const std::string& model = R"("merges": ["a b"])",
                 const std::string& vocabulary = R"({"a": 0, "b": 1, "c": 2, "ab": 3})") {
    return R"({"version": "1.0", )" + members + (members.empty() ? "" : ", ") +
           R"("model": {"type": "BPE", "vocab": )" + vocabulary + (model.empty() ? "" : ", ") + model + "}}";
}
std::string refused(const std::string& json) {
    return test::message_of([&] { static_cast<void>(Tokenizer::parse(json, "t.json")); });
}
std::string replace(const std::string& from, const std::string& to) {
    return R"({"type": "Replace", "pattern": {"String": ")" + from + R"("}, "content": ")" + to + "\"}";
}
std::string added(const std::string& content, int id, const std::string& flags = "") {
    std::string token = R"({"id": )" + std::to_string(id) + R"(, "content": ")" + content + '"';
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"})
        token += std::string(", \"") + flag + "\": " + (flags.find(flag) == std::string::npos ? "false" : "true");
    return token + "}";
}

}  // namespace

TEST_CASE("the smallest file") {
    const Tokenizer tokenizer = Tokenizer::parse(file(), "t.json");
    CHECK(tokenizer.encode("abcab") == Ids{3, 2, 3});
    CHECK(tokenizer.encode("zaz") == Ids{0});      // without unknown token nothing stands for z
    CHECK(tokenizer.decode(Ids{3, 2}) == "ab c");  // without decoder spaces stand between tokens
    CHECK(tokenizer.size() == 4);
    CHECK(tokenizer.find("ab") == 3);
    CHECK(!tokenizer.find("abc"));
    CHECK(Tokenizer::parse(R"({"model": {"vocab": {"a": 0, "aa": 7}, "merges": [["a", "a"]]}})", "t.json")
              .encode("aaa") == Ids{7, 0});
    CHECK(Tokenizer::parse(file("", R"("merges": ["#version: 0.2", "a b"])"), "t.json").encode("ab") == Ids{3});
    CHECK(Tokenizer::parse(file("", R"("merges": [], "unk_token": "c")"), "t.json").encode("zza") == Ids{2, 2, 0});
    CHECK(Tokenizer::parse(file("", R"("merges": [], "unk_token": "c", "fuse_unk": true)"), "t.json").encode("zza") ==
          Ids{2, 0});
    // Calls of the package, not of the text.
    CHECK(Tokenizer::parse(file(R"("truncation": {"max_length": 1}, "padding": {"pad_id": 2})"), "t.json")
              .encode("abc") == Ids{3, 2});
    const Tokenizer unknown = Tokenizer::parse(file("", R"("merges": [], "unk_token": "x")"), "t.json");
    CHECK(unknown.encode("a") == Ids{0});
    CHECK(test::message_of([&] { static_cast<void>(unknown.encode("z")); }) ==
          "Tokenizer: no token for \"z\", and the unknown token \"x\" is not in the vocabulary");
}

TEST_CASE("what is not supported is refused by name") {
    const auto model = [](const std::string& members) { return refused(file("", members)); };
    CHECK(refused(R"({"model": {"type": "Unigram", "vocab": []}})") ==
          "t.json: \"model\": model \"Unigram\" is not supported, expected \"BPE\"");
    CHECK(refused(R"({"model": {"type": "WordPiece", "vocab": {}}})") ==
          "t.json: \"model\": model \"WordPiece\" is not supported, expected \"BPE\"");
    CHECK(model(R"("merges": [], "dropout": 0.1)") ==
          "t.json: \"model.dropout\": expected null: random merges are not supported, found 0.1");
    CHECK(model(R"("merges": [], "continuing_subword_prefix": "##")") ==
          "t.json: \"model.continuing_subword_prefix\": expected null or \"\", found \"##\"");
    CHECK(model(R"("merges": [], "end_of_word_suffix": "</w>")") ==
          "t.json: \"model.end_of_word_suffix\": expected null or \"\", found \"</w>\"");
    CHECK(model("").find("\"model.merges\": expected an array, found nothing: the key is missing") !=
          std::string::npos);

    const auto part = [](const std::string& members) { return refused(file(members)); };
    CHECK(part(R"("normalizer": {"type": "BertNormalizer"})") ==
          "t.json: \"normalizer\": normalizer \"BertNormalizer\" is not supported, expected NFC, NFD, NFKC, NFKD, "
          "Lowercase, "
          "Strip, StripAccents, Prepend, Replace or a Sequence of them");
    CHECK(part(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]})")
              .find("t.json: \"normalizer.normalizers[1]\": normalizer \"Nmt\" is not supported") == 0);
    CHECK(part(R"("normalizer": {"type": "Replace", "pattern": {}, "content": ""})") ==
          "t.json: \"normalizer.pattern\": expected \"Regex\" or \"String\", found neither");
    CHECK(part(R"("pre_tokenizer": {"type": "BertPreTokenizer"})") ==
          "t.json: \"pre_tokenizer\": pre_tokenizer \"BertPreTokenizer\" is not supported, expected ByteLevel, Digits, "
          "Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit or a Sequence of them");
    const std::string no_engine = part(
        R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "b(?~a)c"}, "behavior": "Isolated", "invert": false})");
    CHECK(no_engine.find("t.json: \"pre_tokenizer.pattern\": the regular expression \"b(?~a)c\": ") == 0);
    CHECK(no_engine.find(text::Regex::available ? ": at byte 1: this kind of group is not supported"
                                                : "libpcre2-dev") != std::string::npos);
    CHECK(
        part(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Glued", "invert": false})")
            .find("\"pre_tokenizer.behavior\": expected one of \"Isolated\"") != std::string::npos);
    CHECK(part(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "__"})") ==
          "t.json: \"pre_tokenizer.replacement\": expected one character, found \"__\"");
    CHECK(part(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "_", "add_prefix_space": false})") ==
          "t.json: \"pre_tokenizer.add_prefix_space\": expected true, or \"prepend_scheme\" \"never\", found false");
    CHECK(part(R"("decoder": {"type": "WordPiece"})").find("\"decoder\": decoder \"WordPiece\" is not supported") !=
          std::string::npos);
    CHECK(part(R"("post_processor": {"type": "RobertaProcessing"})")
              .find("\"post_processor\": post_processor \"RobertaProcessing\" is not supported") != std::string::npos);
    CHECK(part(R"("post_processor": {"type": "TemplateProcessing", "single": [], "special_tokens": {}})") ==
          "t.json: \"post_processor.single\": expected a Sequence with the id \"A\", found none");
    CHECK(
        part(R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"x": {"ids": [4]}}})")
            .find("\"post_processor.special_tokens.x.ids[0]\": expected an integer in [0, 3], found 4") !=
        std::string::npos);
    CHECK(refused(R"({"version": "2.0"})") == "t.json: \"version\": expected one of \"1.0\", found \"2.0\"");
}

TEST_CASE("text patterns, punctuation and white space") {
    const auto words = [](const std::string& pre_tokenizer, const std::string& text) {
        return Tokenizer::parse(file(R"("pre_tokenizer": )" + pre_tokenizer), "t.json").words(text);
    };
    using Words = std::vector<std::string>;
    // Gemma's; what the package makes of it.
    CHECK(words(R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})",
                "a  b ") == Words{"a ", " ", "b "});
    CHECK(words(R"({"type": "Split", "pattern": {"String": "ab"}, "behavior": "Removed", "invert": true})", "cabdab") ==
          Words{"ab", "ab"});
    CHECK(words(R"({"type": "Punctuation"})", "a,b!!") == Words{"a", ",", "b", "!", "!"});
    CHECK(words(R"({"type": "Punctuation", "behavior": "Contiguous"})", "a,b!!") == Words{"a", ",", "b", "!!"});
    CHECK(words(R"({"type": "Whitespace"})", " a_1, !b ") == Words{"a_1", ",", "!", "b"});
    CHECK(words(R"({"type": "WhitespaceSplit"})", " a_1,\u3000!b ") == Words{"a_1,", "!b"});
    CHECK(words(R"({"type": "WhitespaceSplit"})", " \n ").empty());
}

// As the package has it: "first" is what begins where the text begins, not what begins the normalised text.
TEST_CASE("Metaspace before what stands first") {
    const auto words = [](const std::string& normalizer, const std::string& text) {
        const std::string first =
            R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": false})";
        return Tokenizer::parse(file(R"("normalizer": )" + normalizer + R"(, "pre_tokenizer": )" + first), "t.json")
            .words(text);
    };
    using Words = std::vector<std::string>;
    const std::string strip = R"({"type": "Strip", "strip_left": true, "strip_right": true})";
    CHECK(words(strip, "ab ") == Words{"_ab"});
    CHECK(words(strip, " ab") == Words{"ab"});
    CHECK(words(R"({"type": "StripAccents"})",
                "\xcc\x81"
                "ab") == Words{"ab"});
    CHECK(words(replace("x", ""), "xab") == Words{"ab"});
    CHECK(words(replace("x", "b"), "xab") == Words{"_bab"});
    CHECK(words(R"({"type": "Prepend", "prepend": "b"})", "ab") == Words{"_bab"});
    if (!text::Regex::available) return;
    const std::string pattern = R"({"type": "Replace", "pattern": {"Regex": "x*"}, "content": ""})";
    CHECK(words(pattern, "xab") == Words{"ab"});
    CHECK(words(pattern, "ab") == Words{"_ab"});
}

TEST_CASE("files that contradict themselves") {
    CHECK(refused(file("", R"("merges": ["a x"])")) == "t.json: \"model.merges[0]\": \"x\" is not in the vocabulary");
    CHECK(refused(file("", R"("merges": ["b a"])")) == "t.json: \"model.merges[0]\": \"ba\" is not in the vocabulary");
    for (const char* merge : {"\"ab\"", "\"a b c\"", "7", "[\"a\"]", "[\"a\", 1]", "[\"a\", \"b\", \"c\"]"})
        CHECK(refused(file("", std::string(R"("merges": [)") + merge + "]"))
                  .find("\"model.merges[0]\": expected two tokens, as \"a b\" or [\"a\", \"b\"], found ") !=
              std::string::npos);
    CHECK(refused(file("", R"("merges": [])", R"({"a": 0, "b": 0})")) ==
          "t.json: \"model.vocab\": expected each id once, found 0 for \"a\" and \"b\"");
    for (const char* id : {"-1", "16777216", "1.5", "\"1\"", "null", "18446744073709551615"})
        CHECK(refused(file("", R"("merges": [])", std::string(R"({"a": )") + id + "}"))
                  .find("\"model.vocab.a\": expected an integer in [0, 16777215], found ") != std::string::npos);
    CHECK(refused(file("", R"("merges": [])", R"({"a": 0, "a": 1})")).find("found \"a\" twice") != std::string::npos);

    const auto tokens = [](const std::string& list) { return refused(file(R"("added_tokens": [)" + list + "]")); };
    CHECK(tokens(added("<x>", 4)) == "no error");
    CHECK(tokens(added("a", 0)) == "no error");
    CHECK(tokens(added("<x>", 9)) ==
          "t.json: \"added_tokens[0].id\": expected 4, the next free id, for \"<x>\", found 9: the package tokenizers "
          "up to "
          "0.23.3 passes over the number in the file and makes it 4, later readers take 9; if the model was trained "
          "with 4, write 4 "
          "here; if it was with 9, put tokens that no text has, such as \"<unused_4>\", before it for the ids 4 to 8");
    CHECK(tokens(added("a", 4)) ==
          "t.json: \"added_tokens[0].id\": expected 0, the id that the model's vocabulary gives \"a\", found 4: the "
          "package "
          "tokenizers up to 0.23.3 passes over the number in the file and makes it 0, later readers take 4; if the "
          "model was trained "
          "with 0, write 0 here");
    CHECK(tokens(added("a", 0) + ", " + added("a", 0)) ==
          "t.json: \"added_tokens\": expected each token once, found \"a\" twice");
    CHECK(refused(file(R"("added_tokens": [)" + added("<x>", 2) + "]", R"("merges": [])", R"({"a": 0, "b": 2})"))
              .find("expected an id that the model's vocabulary does not use") != std::string::npos);
    CHECK(refused(file(R"("added_tokens": [)" + added("zz", 4, "normalized") +
                       R"(], "normalizer": {"type": "Replace", "pattern": {"String": "z"}, "content": ""})")) ==
          "t.json: \"added_tokens\": the normalizer leaves nothing of the token \"zz\"");
    CHECK(refused("[]").find("t.json: expected an object") == 0);
    CHECK(refused("{").find("t.json: line 1") == 0);
    CHECK(refused("{}").find("t.json: \"model") == 0);
}

namespace {

/// `step` so many times, as a Sequence.
std::string repeated(const std::string& list, const std::string& step, int times) {
    std::string steps;
    for (int i = 0; i < times; ++i) steps += (i > 0 ? ", " : "") + step;
    return R"({"type": "Sequence", ")" + list + "\": [" + steps + "]}";
}
const std::string bytes_256(256, 'a');

}  // namespace

// The numbers in the messages show that a step stops where it passes the limit, not once it has written everything.
TEST_CASE("a normaliser that swells is stopped") {
    const auto message = [](const std::string& normalizer, const std::string& text, const std::string& members = "") {
        const Tokenizer tokenizer = Tokenizer::parse(file(R"("normalizer": )" + normalizer + members), "t.json");
        return test::message_of([&] { static_cast<void>(tokenizer.encode(text)); });
    };
    const std::string remedy = "; check the steps of tokenizer.json, or encode less at once";
    CHECK(message(repeated("normalizers", replace("a", "aaaaaaaa"), 20), "a") ==
          "Tokenizer: the normaliser makes 4120 bytes or more of 1, expected at most 4112" + remedy);
    CHECK(message(replace("a", bytes_256), std::string(100000, 'a')) ==
          "Tokenizer: the normaliser makes 1604352 bytes or more of 100000, expected at most 1604096" + remedy);
    CHECK(message(repeated("normalizers", R"({"type": "Prepend", "prepend": ")" + bytes_256 + "\"}", 20), "b") ==
          "Tokenizer: the normaliser makes 4353 bytes or more of 1, expected at most 4112" + remedy);
    // Over all pieces of a text together: here are 300 of 256 bytes.
    std::string pieces;
    for (int i = 0; i < 300; ++i) pieces += "a<>";
    CHECK(message(replace("a", bytes_256), pieces, R"(, "added_tokens": [)" + added("<>", 4) + "]") ==
          "Tokenizer: the normaliser makes 18688 bytes or more of 900, expected at most 18496" + remedy);
    CHECK(message(replace("a", bytes_256), "aaaabb") == "no error");
}

TEST_CASE("a pre-tokenizer that swells is stopped") {
    const auto message = [](const std::string& step, const std::string& text) {
        const auto tokenizer =
            Tokenizer::parse(file(R"("pre_tokenizer": )" + repeated("pretokenizers", step, 32)), "t.json");
        return test::message_of([&] { static_cast<void>(tokenizer.encode(text)); });
    };
    // Every step doubles what is not ASCII.
    CHECK(message(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})", "\xc3\xa9") ==
          "Tokenizer: the pre-tokenizer makes 8192 bytes or more of 2, expected at most 4128; check the steps of "
          "tokenizer.json, or encode less at once");
    CHECK(message(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})", "ab") == "no error");
    // Each of these two cuts where the other has put something before a word, so that the words become more and more.
    const auto metaspace = [](const char* c) {
        return std::string(R"({"type": "Metaspace", "prepend_scheme": "always", "replacement": ")") + c + "\"}";
    };
    const std::string two = metaspace("x") + ", " + metaspace("y");
    const auto tokenizer =
        Tokenizer::parse(file(R"("pre_tokenizer": )" +
                              repeated("pretokenizers", R"({"type": "Sequence", "pretokenizers": [)" + two + "]}", 16)),
                         "t.json");
    CHECK(test::message_of([&] {
              static_cast<void>(tokenizer.encode("a"));
          }).find("Tokenizer: the pre-tokenizer makes 411") == 0);
}

TEST_CASE("a decoder that swells is stopped") {
    const auto message = [](int times, const Ids& ids) {
        const std::string steps = repeated("decoders", replace("a", bytes_256), times);
        const auto tokenizer = Tokenizer::parse(file(R"("decoder": )" + steps), "t.json");
        return test::message_of([&] { static_cast<void>(tokenizer.decode(ids)); });
    };
    const std::string remedy = "; check the steps of tokenizer.json, or decode less at once";
    CHECK(message(4, {0}) == "Tokenizer: the decoder makes 4352 bytes or more of 1, expected at most 4112" + remedy);
    CHECK(message(1, Ids(1000, 0)) ==
          "Tokenizer: the decoder makes 20224 bytes or more of 1000, expected at most 20096" + remedy);
    CHECK(message(1, {0, 1, 3}) == "no error");
}

TEST_CASE("added tokens that the normalizer swells are refused") {
    std::string tokens;
    for (int i = 0; i < 5000; ++i) tokens += (i > 0 ? ", " : "") + added("a" + std::to_string(i), 4 + i, "normalized");
    const std::string normalizer = R"("normalizer": )" + replace("a", bytes_256);
    CHECK(refused(file(normalizer + R"(, "added_tokens": [)" + tokens + "]")) ==
          "t.json: \"added_tokens\": the added tokens have more than 1048576 bytes after the normalizer");
}

TEST_CASE("a template is short") {
    const auto tokenizer = [](int before, int after, const std::string& ids) {
        const std::string piece = R"({"SpecialToken": {"id": "x", "type_id": 0}})";
        std::string single;
        for (int i = 0; i < before; ++i) single += piece + ", ";
        single += R"({"Sequence": {"id": "A", "type_id": 0}})";
        for (int i = 0; i < after; ++i) single += ", " + piece;
        return file(R"("post_processor": {"type": "TemplateProcessing", "single": [)" + single +
                    R"(], "special_tokens": {"x": {"ids": )" + ids + "}}}");
    };
    CHECK(refused(tokenizer(32, 32, "[1]")) == "no error");
    CHECK(refused(tokenizer(33, 32, "[]")) ==
          "t.json: \"post_processor.single\": expected at most 65 pieces, found an array of 66 elements");
    const std::string ids =
        "t.json: \"post_processor.special_tokens.x.ids\": expected at most 32 ids on either side of "
        "a text, found ";
    CHECK(refused(tokenizer(33, 0, "[1]")) == ids + "33");
    CHECK(refused(tokenizer(0, 17, "[1, 2]")) == ids + "34");
}

TEST_CASE("added tokens in the text") {
    const auto encode = [](const std::string& tokens, const std::string& text,
                           Specials specials = Specials::recognised) {
        return Tokenizer::parse(file(R"("added_tokens": [)" + tokens + "]"), "t.json").encode(text, specials);
    };
    CHECK(encode(added("<x>", 4), "a<x>b") == Ids{0, 4, 1});
    CHECK(encode(added("x", 4) + "," + added("xa", 5) + "," + added("xab", 6), "xaxabxb") == Ids{5, 6, 4, 1});
    CHECK(encode(added("xab", 4) + "," + added("ax", 5), "axab") == Ids{5, 3});  // the leftmost, then the longest
    CHECK(encode(added("<x>", 4, "special") + "," + added("x", 5), "<x>a", Specials::as_text) == Ids{0});
    CHECK(encode(added("x", 4, "single_word"), "xx x ax x") == Ids{4, 0, 4});
    // White space that the token before has taken.
    CHECK(encode(added("-", 4, "rstrip") + "," + added("  ", 5), "-  a") == Ids{4, 5, 0});
    CHECK(encode(added("-", 4, "rstrip") + "," + added("  ", 5, "lstrip"), "-  a") == Ids{4, 0});
    CHECK(encode(added(" ", 4, "rstrip") + "," + added("-", 5, "lstrip"), "a   -") == Ids{0, 4, 4, 4, 5});
    CHECK(encode(added(" ", 4, "lstrip, rstrip"), "a   b   ") == Ids{0, 4, 1, 4});
}

// The ids of `recognised` and of `package` are those of the Python package; `as_text` is what it makes of the same text
// when it is told to take special tokens as text, but for those special tokens.
TEST_CASE("text does not become a special token of the model's vocabulary") {
    const std::string vocabulary = R"({"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "aba": 5, "aab": 6, "<0x61>": 7})";
    const std::string merges = R"("merges": ["a b", "ab c", "ab a", "a ab"])";
    const auto tokenizer = [&](const std::string& tokens, const std::string& model = "") {
        return Tokenizer::parse(file(R"("added_tokens": [)" + tokens + "]", merges + model, vocabulary), "t.json");
    };
    const auto as_text = [](const Tokenizer& t, const std::string& text) { return t.encode(text, Specials::as_text); };

    const Tokenizer merged = tokenizer(added("ab", 3, "special"));
    CHECK(as_text(merged, "ab") == Ids{0, 1});
    CHECK(as_text(merged, "cab") == Ids{2, 0, 1});
    CHECK(as_text(merged, "abc") == Ids{4});  // the package's: no special token
    CHECK(as_text(merged, "abcabab") == Ids{4, 0, 1, 0, 1});
    CHECK(merged.encode("cab", Specials::recognised) == Ids{2, 3});
    CHECK(as_text(tokenizer(added("ab", 3)), "cab") == Ids{2, 3});  // not special

    // One within the other.
    CHECK(as_text(tokenizer(added("ab", 3, "special") + ", " + added("abc", 4, "special")), "abcabab") ==
          Ids{0, 1, 2, 0, 1, 0, 1});

    // Words that are looked up whole: "aba" and "cab", which no merge makes.
    for (const char* content : {"aba", "cab"}) {
        const std::string more = R"({"a": 0, "b": 1, "c": 2, "ab": 3, "aba": 4, "cab": 5})";
        const std::string model = R"("ignore_merges": true, "merges": ["a b", "ab a"])";
        const std::string word(content);
        const int id = word == "aba" ? 4 : 5;
        const auto whole = [&](const std::string& flags) {
            return Tokenizer::parse(file(R"("added_tokens": [)" + added(word, id, flags) + "]", model, more), "t.json");
        };
        CHECK(as_text(whole("special"), word) == (id == 4 ? Ids{3, 0} : Ids{2, 3}));
        CHECK(whole("special").encode(word, Specials::recognised) == Ids{id});
        CHECK(as_text(whole(""), word) == Ids{id});
    }

    // A character: its bytes where the model has them, else itself, because nothing else spells it.
    CHECK(as_text(tokenizer(added("a", 0, "special")), "ca") == Ids{2, 0});
    CHECK(as_text(tokenizer(added("a", 0, "special"), R"(, "byte_fallback": true)"), "ca") == Ids{2, 7});
    CHECK(as_text(tokenizer(added("a", 0, "special"), R"(, "byte_fallback": true)"), "cab") == Ids{2, 3});
    // The unknown token stands for other text, and so do bytes.
    CHECK(as_text(tokenizer(added("ab", 3, "special"), R"(, "unk_token": "ab")"), "cz") == Ids{2, 3});
    CHECK(Tokenizer::parse(file(R"("added_tokens": [)" + added("<0x7A>", 4, "special") + "]",
                                R"("byte_fallback": true, "merges": [])", R"({"a": 0, "b": 1, "c": 2, "<0x7A>": 4})"),
                           "t.json")
              .encode("cz") == Ids{2, 4});
}

TEST_CASE("special tokens within special tokens, a thousand deep") {
    std::string vocabulary = R"({"a": 0)", merges, tokens;
    for (int n = 1; n < 1000; ++n) {
        const std::string shorter(static_cast<std::size_t>(n), 'a');
        vocabulary += ", \"" + shorter + "a\": " + std::to_string(n);
        merges += (n > 1 ? ", \"" : "\"") + shorter + " a\"";
        tokens += (n > 1 ? ", " : "") + added(shorter + "a", n, "special");
    }
    const Tokenizer tokenizer = Tokenizer::parse(
        file(R"("added_tokens": [)" + tokens + "]", R"("merges": [)" + merges + "]", vocabulary + "}"), "t.json");
    CHECK(tokenizer.encode(std::string(1000, 'a')) == Ids(1000, 0));
}

}  // namespace text_tokenizer_file_test
