// Any bytes as tokenizer.json: refused with the library's error, or a tokenizer that encodes and decodes.
#include <hydralora/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hydralora;
    try {
        const auto tokenizer = text::Tokenizer::parse({reinterpret_cast<const char*>(data), size}, "tokenizer.json");
        for (const auto specials : {text::Specials::as_text, text::Specials::recognised}) {
            const auto ids = tokenizer.encode("ab ba\xc3\xa9 <s> 12\n\xff a", specials);
            for (const std::int32_t id : ids)
                if (id < 0 || id >= tokenizer.size()) __builtin_trap();
            static_cast<void>(tokenizer.decode(ids));
            static_cast<void>(tokenizer.decode(ids, text::Decode::with_specials));
        }
        static_cast<void>(tokenizer.find("<s>"));
    } catch (const Error&) {
    }
    return 0;
}
