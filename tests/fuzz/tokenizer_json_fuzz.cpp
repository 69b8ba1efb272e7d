// Any bytes as tokenizer.json: refused with the library's error, or a tokenizer that encodes and decodes short texts to
// results of bounded size. run.sh bounds time and memory.
#include <hydralora/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace hydralora;
using text::Decode;
using text::Specials;

void require(bool ok) {
    if (!ok) __builtin_trap();
}

/// What the steps of a file may make of so many bytes.
std::size_t most_bytes(std::size_t bytes) { return 16 * bytes + 4096; }

void use(const text::Tokenizer& tokenizer, std::string_view text, Specials specials) {
    std::vector<std::int32_t> ids;
    try {
        ids = tokenizer.encode(text, specials);
    } catch (const Error&) {  // swollen, or no unknown token
        return;
    }
    // A byte of a word gives one token at most, an added token takes one byte at least.
    require(ids.size() <= most_bytes(text.size()) + text.size());
    for (const std::int32_t id : ids) require(id >= 0 && id < tokenizer.size());
    for (const Decode decode : {Decode::without_specials, Decode::with_specials}) {
        try {
            static_cast<void>(tokenizer.decode(ids, decode));
        } catch (const Error&) {
        }
    }
}

/// As text, no special token comes out but those that nothing else spells: the unknown token, bytes, characters.
void require_no_specials(const text::TokenizerParts& parts, const text::Tokenizer& tokenizer, std::string_view text) {
    std::vector<std::int32_t> ids;
    try {
        ids = tokenizer.encode(text, Specials::as_text);
    } catch (const Error&) {
        return;
    }
    for (const auto& token : parts.added) {
        const bool long_enough = text::character_at(token.content, 0).bytes < token.content.size();
        if (!token.special || !long_enough || token.content.starts_with("<0x")) continue;
        for (const std::int32_t id : ids) require(id != token.id);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view file(reinterpret_cast<const char*>(data), size);
    try {
        const auto tokenizer = text::Tokenizer::parse(file, "tokenizer.json");
        const auto parts = text::parse_tokenizer_file(file, "tokenizer.json");
        std::vector<std::string> texts{"ab ba\xc3\xa9 <s> 12\n\xff a", "    a\xc3\xa9\xc3\xa9    \n\n  <s>  x-",
                                       std::string(300, ' ')};
        // The file's own tokens are what does most.
        std::string all;
        for (std::size_t i = 0; i < parts.added.size() && i < 16; ++i) all += parts.added[i].content + " ";
        texts.push_back(all.substr(0, 4096));
        for (const std::string& text : texts)
            for (const Specials specials : {Specials::as_text, Specials::recognised}) use(tokenizer, text, specials);
        // The unknown token may have any name, and is not known here; nor is a key that is spelled with escapes.
        if (file.find("unk_token") == std::string_view::npos && file.find("\\u") == std::string_view::npos)
            for (const std::string& text : texts) require_no_specials(parts, tokenizer, text);
        static_cast<void>(tokenizer.find("<s>"));
    } catch (const Error&) {
    }
    return 0;
}
