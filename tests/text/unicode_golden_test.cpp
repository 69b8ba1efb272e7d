// Every code point, in words beside a letter, a digit, a sign, added tokens and marks: the classes of the scanners, of
// added tokens and the normalizers are those of the Python package.
#include "golden_tokenizers.hpp"

#include <doctest/doctest.h>

namespace text_unicode_golden_test {

using namespace hydralora;

namespace {

/// As `sweep_text` of tests/golden/make_tokenizers.py.
std::string sweep_text(std::uint32_t block) {
    std::string text;
    for (std::uint32_t code = block * 4096; code < block * 4096 + 4096; ++code) {
        if (code >= 0xd800 && code < 0xe000) continue;
        std::string c;
        text::append_utf8(c, code);
        text.append("a").append(c).append("\n1").append(c).append("\n!").append(c).append("<w><l>").append(c);
        text.append("\xcc\xb4\xcc\x81\n");  // U+0334 U+0301
    }
    return text;
}

}  // namespace

TEST_CASE("all code points") {
    std::vector<text::Tokenizer> tokenizers;
    std::vector<test::Record> records;
    for (const std::string name :
         {"sweep_gpt2", "sweep_llama3", "sweep_digits", "sweep_punctuation", "sweep_whitespace", "sweep_nfc",
          "sweep_nfd", "sweep_nfkc", "sweep_nfkd", "sweep_lower", "sweep_accents"}) {
        tokenizers.push_back(test::open_golden(name));
        records.emplace_back(name + ".bin");
    }
    for (std::uint32_t block = 0; block < 0x110; ++block) {
        const std::string text = sweep_text(block);
        for (std::size_t i = 0; i < tokenizers.size(); ++i) {
            CAPTURE(i);
            CAPTURE(block);
            CHECK(test::sum_of(tokenizers[i].encode(text, text::Specials::recognised)) ==
                  records[i].next<std::uint64_t>());
        }
    }
}

}  // namespace text_unicode_golden_test
