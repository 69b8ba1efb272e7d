// Reading what tests/golden/make_tokenizers.py recorded.
#pragma once

#include <hydralora/core/check.hpp>
#include <hydralora/io/checksum.hpp>
#include <hydralora/io/file.hpp>
#include <hydralora/text/tokenizer.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

inline std::string golden(const std::string& name) { return HYDRALORA_TEST_DATA "/golden/tokenizer/" + name; }

inline hydralora::text::Tokenizer open_golden(const std::string& name) {
    return hydralora::text::Tokenizer::open(golden(name + ".json"));
}

/// Values one after another, little endian.
class Record {
public:
    explicit Record(const std::string& name) : file_(hydralora::io::MappedFile::open(golden(name))) {}

    template <class T>
    T next() {
        T value;
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
        return value;
    }
    std::string_view bytes(std::size_t count) {
        hydralora::check(count <= file_.text().size() - at_, "the golden file ends too soon");
        at_ += count;
        return file_.text().substr(at_ - count, count);
    }
    template <class T>
    std::vector<T> list(std::size_t count) {
        std::vector<T> values;
        for (std::size_t i = 0; i < count; ++i) values.push_back(next<T>());
        return values;
    }
    [[nodiscard]] bool at_end() const { return at_ == file_.text().size(); }

private:
    hydralora::io::MappedFile file_;
    std::size_t at_ = 0;
};

inline std::uint64_t sum_of(const std::vector<std::int32_t>& ids) {
    return hydralora::io::xxh64(std::as_bytes(std::span(ids)));
}
inline std::uint64_t sum_of(std::string_view text) { return hydralora::io::xxh64(hydralora::io::as_byte_span(text)); }
inline std::uint64_t sum_of(const std::vector<std::uint64_t>& sums) {
    return hydralora::io::xxh64(std::as_bytes(std::span(sums)));
}

inline std::vector<std::string> golden_texts() {
    Record record("texts.bin");
    std::vector<std::string> texts;
    while (!record.at_end()) texts.emplace_back(record.bytes(record.next<std::uint32_t>()));
    return texts;
}

/// U+FFFD for every longest beginning of a character that does not go on as one, as Rust's from_utf8_lossy.
inline std::string lossy(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
        const auto c = hydralora::text::character_at(text, i);
        if (c.code != hydralora::text::no_character) {
            result += text.substr(i, c.bytes);
            i += c.bytes;
            continue;
        }
        const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
        const unsigned lead = byte(i);
        const std::size_t length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : 1;
        const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        std::size_t end = i + 1;
        if (length > 1 && end < text.size() && byte(end) >= low && byte(end) <= high)
            for (++end; end < text.size() && end < i + length && (byte(end) & 0xc0) == 0x80;) ++end;
        result += "\xef\xbf\xbd";
        i = end;
    }
    return result;
}

}  // namespace test
