#include <hydralora/io/quote.hpp>

#include <doctest/doctest.h>

namespace io_quote_test {

using namespace hydralora::io;

TEST_CASE("quoted text is short and harmless") {
    CHECK(in_quotes("weight") == "\"weight\"");
    CHECK(in_quotes("a\x1b[2J\n\xff") == "\"a\\x1b[2J\\x0a\\xff\"");
    CHECK(in_quotes(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "...\"");
    CHECK(in_quotes(std::string_view("\0", 1)) == "\"\\x00\"");
}

TEST_CASE("UTF-8, all sequences of one to three bytes, against decoding") {
    // The definition: decode, then ask whether the number is a scalar value and needs that many bytes.
    const auto valid_one = [](std::string_view s) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(s[i])); };
        std::size_t length = byte(0) < 0x80             ? 1
                             : (byte(0) & 0xe0) == 0xc0 ? 2
                             : (byte(0) & 0xf0) == 0xe0 ? 3
                             : (byte(0) & 0xf8) == 0xf0 ? 4
                                                        : 0;
        if (length != s.size()) return false;
        if (length == 1) return true;
        unsigned code = byte(0) & (0x7fu >> length);
        for (std::size_t i = 1; i < length; ++i) {
            if ((byte(i) & 0xc0) != 0x80) return false;
            code = code << 6 | (byte(i) & 0x3f);
        }
        const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
        return code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    };
    const auto valid = [&](std::string_view s) {
        // A sequence of characters: try each length for the first one.
        const auto rec = [&](const auto& self, std::string_view rest) -> bool {
            if (rest.empty()) return true;
            for (std::size_t n = 1; n <= rest.size() && n <= 4; ++n)
                if (valid_one(rest.substr(0, n)) && self(self, rest.substr(n))) return true;
            return false;
        };
        return rec(rec, s);
    };
    std::size_t wrong = 0;
    for (unsigned code = 0; code < 1u << 24; code += code < 1u << 16 ? 1 : 7) {
        const char bytes[3] = {static_cast<char>(code >> 16), static_cast<char>(code >> 8), static_cast<char>(code)};
        const std::string_view three(bytes, 3);
        if (code < 256) wrong += is_utf8(three.substr(2)) != valid(three.substr(2));
        if (code < 65536) wrong += is_utf8(three.substr(1)) != valid(three.substr(1));
        wrong += is_utf8(three) != valid(three);
    }
    CHECK(wrong == 0);
    for (const char* text : {"\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80", "a\xe2\x82\xac"})
        CHECK(is_utf8(text));
    for (const char* text :
         {"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf0\x9f\x98", "\xed\xa0\x80", "\xf5\x80\x80\x80"})
        CHECK(!is_utf8(text));
}

}  // namespace io_quote_test
