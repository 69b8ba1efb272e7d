// Small vocabularies as fields of a GGUF file, for tests that change them.
#pragma once

#include <hydralora/io/file.hpp>
#include <hydralora/io/gguf.hpp>
#include <hydralora/io/gguf_writer.hpp>
#include <hydralora/text/tokenizer_gguf.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

inline std::string gguf_key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

/// `name` without "tokenizer.ggml.".
inline void take_out(hydralora::io::GgufFields& fields, std::string_view name) {
    std::erase_if(fields, [&](const auto& field) { return field.first == gguf_key(name); });
}
inline void put(hydralora::io::GgufFields& fields, std::string_view name, hydralora::io::GgufValue value) {
    take_out(fields, name);
    fields.emplace_back(gguf_key(name), std::move(value));
}

inline hydralora::text::GgufTokenizer from_fields(const hydralora::io::GgufFields& fields) {
    std::string bytes;
    hydralora::io::write_gguf([&](std::span<const std::byte> part) { bytes += hydralora::io::as_text(part); }, fields,
                              {});
    const hydralora::io::GgufFile file(hydralora::io::as_byte_span(bytes), "t.gguf");
    return hydralora::text::tokenizer_from_gguf(file);
}

/// <unk> <s> </s>, the bytes, and pieces of one score, among them what makes </s> and <0x0A>.
inline hydralora::io::GgufFields scored_fields() {
    std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
    std::vector<std::int32_t> types{2, 3, 3};
    for (int b = 0; b < 256; ++b) {
        constexpr char digits[] = "0123456789ABCDEF";
        tokens.push_back(std::string("<0x") + digits[b >> 4] + digits[b & 15] + ">");
        types.push_back(6);
    }
    std::vector<float> scores(tokens.size(), 0);
    for (const char* piece : {"\u2581", "<",   "/",  "s",   ">", "</", "s>", "0", "x",  "A",   "<0",
                              "x0",     "<0x", "0A", "0A>", "a", "b",  "c",  "d", "ab", "bcd", "cd"}) {
        tokens.emplace_back(piece);
        types.push_back(tokens.back() == "cd" ? 5 : tokens.back() == "ab" || tokens.back() == "bcd" ? 4 : 1);
        scores.push_back(-1);
    }
    return {{gguf_key("model"), hydralora::io::GgufScalar(std::string("llama"))},
            {gguf_key("tokens"), hydralora::io::GgufArray(std::move(tokens))},
            {gguf_key("token_type"), hydralora::io::GgufArray(std::move(types))},
            {gguf_key("scores"), hydralora::io::GgufArray(std::move(scores))},
            {gguf_key("bos_token_id"), hydralora::io::GgufScalar(std::uint32_t{1})},
            {gguf_key("eos_token_id"), hydralora::io::GgufScalar(std::uint32_t{2})}};
}

/// The bytes, two merges, a token of the user's and one of type normal whose text is a control token's.
inline hydralora::io::GgufFields ranked_fields() {
    std::vector<std::string> tokens;
    for (int b = 0; b < 256; ++b)
        tokens.push_back(hydralora::text::to_byte_alphabet(std::string(1, static_cast<char>(b))));
    std::vector<std::int32_t> types(tokens.size(), 1);
    // The byte 0xE9 has the letter e with acute in the alphabet: its place is taken by a token of that text.
    types[0xe9] = 4;
    for (const char* token : {"ab", "abc", "<|im_end|>"}) {
        tokens.emplace_back(token);
        types.push_back(1);
    }
    return {{gguf_key("model"), hydralora::io::GgufScalar(std::string("gpt2"))},
            {gguf_key("pre"), hydralora::io::GgufScalar(std::string("gpt-2"))},
            {gguf_key("tokens"), hydralora::io::GgufArray(std::move(tokens))},
            {gguf_key("token_type"), hydralora::io::GgufArray(std::move(types))},
            {gguf_key("merges"), hydralora::io::GgufArray(std::vector<std::string>{"a b", "ab c"})}};
}

}  // namespace test
