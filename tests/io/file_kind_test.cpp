#include <hydralora/io/file_kind.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace io_file_kind_test {

using namespace hydralora::io;
using namespace std::string_view_literals;

namespace {
bool named(std::string_view bytes, std::string_view name) {
    return foreign_kind(bytes).find(name) != std::string_view::npos;
}
}  // namespace

// Signatures as the formats' own pages give them.
TEST_CASE("files that are no text are told by their first bytes") {
    CHECK(named("\x1f\x8b\x08\x00"sv, "gzip"));
    CHECK(named("PK\x03\x04\x14"sv, "zip"));
    CHECK(named("PAR1\x15\x04"sv, "Parquet"));
    CHECK(named("\x93NUMPY\x01\x00"sv, "NumPy"));
    CHECK(named("ARROW1\0\0"sv, "Arrow"));
    CHECK(named("\x28\xb5\x2f\xfd\x24"sv, "Zstandard"));
    CHECK(named("\xfd\x37\x7a\x58\x5a\x00"sv, "xz"));
    CHECK(named("BZh91AY&SY\x00\x00"sv, "bzip2"));
    CHECK(named("%PDF-1.7\n"sv, "PDF"));
    CHECK(named("\xff\xfeh\0i\0"sv, "UTF-16"));
    CHECK(named("\xfe\xff\0h\0i"sv, "UTF-16"));
    CHECK(named("h\0i\0"sv, "UTF-16"));
    CHECK(named("\0h\0i"sv, "UTF-16"));
    CHECK(named("\xff\xfe\0\0h\0\0\0"sv, "UTF-32"));
    CHECK(named("version https://git-lfs.github.com/spec/v1\n"sv, "Git-LFS"));
    const std::string name(257, 'a');
    CHECK(named(name + std::string("ustar\00000", 8), "tar"));  // POSIX
    CHECK(named(name + std::string("ustar  \0", 8), "tar"));    // GNU
    for (const auto end : {"ustar\n"sv, "ustard and more"sv, "ustar\0000"sv, "ustar\00001"sv, "ustar  "sv})
        CHECK(foreign_kind(name + std::string(end)).empty());
    CHECK(foreign_kind(name.substr(1) + "custard is sweet").empty());
    for (const auto text : {""sv, "a"sv, "PAR"sv, "P"sv, "BZh, said the bee, and so on"sv, "{\"a\": 1}"sv,
                            "\xef\xbb\xbftext"sv, "caf\xe9"sv, "\x80 is a byte"sv, "7z"sv})
        CHECK(foreign_kind(text).empty());
}

TEST_CASE("byte order marks are taken off the begin") {
    CHECK(without_byte_order_mark("\xef\xbb\xbftext") == "text");
    CHECK(without_byte_order_mark("\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf") == "");
    CHECK(without_byte_order_mark("\xef\xbb\xbf\xef\xbb\xbfte\xef\xbb\xbfxt") == "te\xef\xbb\xbfxt");
    CHECK(without_byte_order_mark("\xef\xbb") == "\xef\xbb");
    CHECK(without_byte_order_mark("") == "");
}

}  // namespace io_file_kind_test
