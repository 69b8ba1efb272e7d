// Any bytes as text: ids in range, and the bytes come back.
#include <hydralora/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace hydralora;
using text::Decode;
using text::Specials;
using text::Tokenizer;

/// A JSON string of a character.
std::string json_string(std::string_view text) {
    return '"' + (text == "\"" || text == "\\" ? "\\" + std::string(text) : std::string(text)) + '"';
}

/// A byte-level tokenizer of single bytes, a few merges and a special token.
std::string byte_level(const std::string& members) {
    std::string vocabulary, merges;
    for (int b = 0; b < 256; ++b) {
        const std::string byte = text::to_byte_alphabet(std::string(1, static_cast<char>(b)));
        vocabulary += json_string(byte) + ": " + std::to_string(b) + ", ";
    }
    int id = 256;
    for (const char* merge :
         {"a b", "ab a", "a a", "aa aa", "\u0120 a", "\u0120 \u0120", "1 2", "\u00c3 \u00a9", "' s"}) {
        std::string joined(merge);
        joined.erase(joined.find(' '), 1);
        vocabulary += json_string(joined) + ": " + std::to_string(id++) + (merge[0] == '\'' ? "" : ", ");
        merges += (merges.empty() ? "" : ", ") + json_string(merge);
    }
    return R"({"added_tokens": [{"id": 265, "content": "<|e|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}], "decoder": {"type": "ByteLevel"}, )" +
           members + R"(, "model": {"type": "BPE", "vocab": {)" + vocabulary + R"(}, "merges": [)" + merges + "]}}";
}
std::string split(text::Pattern pattern) {
    std::string expression;
    for (const auto& known : text::known_patterns)
        if (known.pattern == pattern)
            for (const char c : known.text) expression += c == '\\' ? "\\\\" : std::string(1, c);
    return R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" +
           expression +
           R"("}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
}
/// Characters with byte fallback, as Llama 2.
std::string sentence_piece() {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string vocabulary = R"("<unk>": 0)";
    for (int b = 0; b < 256; ++b)
        vocabulary += std::string(", \"<0x") + digits[b >> 4] + digits[b & 15] + ">\": " + std::to_string(b + 1);
    vocabulary += ", \"\u2581\": 257, \"a\": 258, \"\u2581a\": 259, \"b\": 260, \"ab\": 261, \"\u2581\u2581\": 262";
    return R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": ")"
           "\u2581"
           R"("},
        {"type": "Replace", "pattern": {"String": " "}, "content": ")"
           "\u2581"
           R"("}]}, "decoder": {"type": "Sequence",
        "decoders": [{"type": "Replace", "pattern": {"String": ")"
           "\u2581"
           R"("}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}, "model": {"type": "BPE", "unk_token":
        "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": {)" +
           vocabulary +
           R"(}, "merges": [")"
           "\u2581 a\", \"a b\", \"\u2581 \u2581"
           R"("]}})";
}

void require(bool ok) {
    if (!ok) std::abort();
}

void round_trip(const Tokenizer& tokenizer, std::string_view text, std::string_view expected) {
    for (const Specials specials : {Specials::as_text, Specials::recognised}) {
        const auto ids = tokenizer.encode(text, specials);
        for (const std::int32_t id : ids) require(id >= 0 && id < tokenizer.size());
        require(tokenizer.decode(ids, Decode::with_specials) == expected);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Tokenizer gpt2 = Tokenizer::parse(
        byte_level(R"("pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})"), "gpt2");
    static const Tokenizer llama3 = Tokenizer::parse(byte_level(split(text::Pattern::llama3)), "llama3");
    static const Tokenizer qwen2 =
        Tokenizer::parse(byte_level(R"("normalizer": {"type": "NFC"}, )" + split(text::Pattern::qwen2)), "qwen2");
    static const Tokenizer llama2 = Tokenizer::parse(sentence_piece(), "llama2");
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    round_trip(gpt2, text, text);
    round_trip(llama3, text, text);
    const std::string composed = text::nfc(text);
    require(text::nfc(composed) == composed);
    // A special token ends a text to compose, so that a mark after it stays alone.
    if (text.find("<|e|>") == std::string_view::npos) round_trip(qwen2, text, composed);
    round_trip(llama2, text, text::replaced(text, {"\u2581", " "}));
    return 0;
}
