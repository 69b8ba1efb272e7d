// Damaged tokenizer files: refused with the library's error, or tokenizers that keep their promises.
#include <hydralora/text/tokenizer.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/draw.hpp"

namespace text_tokenizer_mutation_test {

using namespace hydralora;

namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Changes a byte, doubles or drops a stretch, or puts a word of JSON somewhere.
std::string damaged(std::string text, test::Draw& draw) {
    for (Index n = draw.integer(1, 3); n > 0; --n) {
        const auto at = static_cast<std::size_t>(draw.integer(0, static_cast<Index>(text.size())));
        const auto length = static_cast<std::size_t>(draw.integer(1, 40));
        const Index kind = draw.integer(0, 3);
        if (kind == 0 && at < text.size())
            text[at] = static_cast<char>(static_cast<unsigned char>(draw.integer(0, 255)));
        if (kind == 1) text.insert(at, text.substr(at, length));
        if (kind == 2) text.erase(at, length);
        if (kind == 3)
            text.insert(at, draw.one_of({"null", "-1", "16777215", "\"\"", "{}", "[]", "true", "1e9", "\"a\": 0, ", ",",
                                         "0", "\"\\ud800\"", "\"type\": \"Sequence\", "}));
    }
    return text;
}

}  // namespace

TEST_CASE("damaged files") {
    std::vector<std::string> seeds;
    for (const auto& entry : std::filesystem::directory_iterator(HYDRALORA_TEST_DATA "/fuzz/corpus/tokenizer_json"))
        seeds.push_back(content(entry.path()));
    REQUIRE(seeds.size() >= 3);
    test::Draw draw(9);
    int read = 0, refused = 0;
    for (int trial = test::trials(20000, 500000); trial > 0; --trial) {
        const auto& seed = seeds[static_cast<std::size_t>(draw.integer(0, static_cast<Index>(seeds.size()) - 1))];
        const std::string text = damaged(seed, draw);
        CAPTURE(text);
        try {
            const auto tokenizer = text::Tokenizer::parse(text, "tokenizer.json");
            const auto ids = tokenizer.encode("ab ba\xc3\xa9 <s> 12\n\xff a", text::Specials::recognised);
            for (const std::int32_t id : ids) REQUIRE((id >= 0 && id < tokenizer.size()));
            static_cast<void>(tokenizer.decode(ids));
            ++read;
        } catch (const Error& error) {
            const std::string_view message = error.what();
            CHECK((message.starts_with("tokenizer.json: ") || message.starts_with("Tokenizer: ")));
            ++refused;
        }
    }
    CHECK(read > 100);
    CHECK(refused > 100);
}

}  // namespace text_tokenizer_mutation_test
