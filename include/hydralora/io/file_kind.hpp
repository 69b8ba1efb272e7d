// What a file is by its first bytes, where people have put something else in the place of a text.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

namespace hydralora::io {

inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";  ///< of UTF-8

/// The text without the byte order marks at its begin: files put together by hand have more than one.
[[nodiscard]] constexpr std::string_view without_byte_order_mark(std::string_view text) {
    while (text.substr(0, byte_order_mark.size()) == byte_order_mark) text.remove_prefix(byte_order_mark.size());
    return text;
}

namespace file_kind_detail {

/// Letters with a NUL beside each: UTF-16 without its mark.
[[nodiscard]] constexpr bool pairs_with_nul(std::string_view text) {
    if (text.size() < 4) return false;
    const bool little = text[0] != '\0' && text[1] == '\0' && text[2] != '\0' && text[3] == '\0';
    const bool big = text[0] == '\0' && text[1] != '\0' && text[2] == '\0' && text[3] != '\0';
    return little || big;
}

/// The magic and version of a tar header, as POSIX and as GNU tar write them, each of eight bytes (\000 is one).
[[nodiscard]] constexpr bool is_tar(std::string_view bytes) {
    using namespace std::string_view_literals;
    constexpr std::size_t place = 257;
    if (bytes.size() < place + 8) return false;
    const std::string_view magic = bytes.substr(place, 8);
    return magic == "ustar\00000"sv || magic == "ustar  \0"sv;
}

}  // namespace file_kind_detail

/// "gzip data; unpack it with gunzip": what is surely no UTF-8 text, by its signature, and the way out; "" for all else.
[[nodiscard]] constexpr std::string_view foreign_kind(std::string_view bytes) {
    using namespace std::string_view_literals;
    constexpr std::string_view utf16 = "text in UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW";
    constexpr std::string_view tensors = "a GGUF file, which holds a model; name a text";
    constexpr std::pair<std::string_view, std::string_view> kinds[] = {
        {"\xff\xfe\0\0"sv, "text in UTF-32; write it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"},
        {"\0\0\xfe\xff"sv, "text in UTF-32; write it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"},
        {"\xff\xfe"sv, utf16},
        {"\xfe\xff"sv, utf16},
        {"\x1f\x8b"sv, "gzip data; unpack it with gunzip"},
        {"PK\3\4"sv,
         "a zip archive (or a file made as one: docx, xlsx, npz, PyTorch); unpack it with unzip, or "
         "export it as text"},
        {"PK\5\6"sv, "an empty zip archive"},
        {"PAR1"sv,
         "a Parquet file; write it as JSON lines: pandas.read_parquet(FILE).to_json(NEW, orient=\"records\", "
         "lines=True)"},
        {"ARROW1"sv, "an Arrow file; write it as JSON lines: datasets.Dataset.from_file(FILE).to_json(NEW)"},
        {"\x93NUMPY"sv, "a NumPy array; write the texts that it was made of"},
        {"\x89HDF\r\n"sv, "an HDF5 file; export its texts"},
        {"SQLite format 3\0"sv, "an SQLite database; export its texts"},
        {"Obj\1"sv, "an Avro file; export its records as JSON lines"},
        {"\x28\xb5\x2f\xfd"sv, "Zstandard data; unpack it with unzstd"},
        {"\xfd"
         "7zXZ\0"sv,
         "xz data; unpack it with unxz"},
        {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive; unpack it"},
        {"\x04\x22\x4d\x18"sv, "LZ4 data; unpack it with unlz4"},
        {"Rar!\x1a\x07"sv, "a RAR archive; unpack it"},
        {"%PDF-"sv, "a PDF file; export it as text"},
        {"\x89PNG\r\n"sv, "an image; only text can be trained on"},
        {"\xff\xd8\xff"sv, "an image; only text can be trained on"},
        {"\x7f"
         "ELF"sv,
         "a program; name a text"},
        {"\x80\2"sv, "a Python pickle; write the texts in it as JSON lines"},
        {"\x80\3"sv, "a Python pickle; write the texts in it as JSON lines"},
        {"\x80\4"sv, "a Python pickle; write the texts in it as JSON lines"},
        {"\x80\5"sv, "a Python pickle; write the texts in it as JSON lines"},
        {"GGUF\3\0\0\0"sv, tensors},
        {"GGUF\2\0\0\0"sv, tensors},
        {"version https://git-lfs.github.com/spec/"sv,
         "a Git-LFS pointer in place of the file; run `git lfs pull` where it was cloned"},
    };
    for (const auto& [signature, kind] : kinds)
        if (bytes.substr(0, signature.size()) == signature) return kind;
    constexpr std::string_view bzip2 = "BZh", bzip2_block = "1AY&SY";
    if (bytes.substr(0, 3) == bzip2 && bytes.size() > 10 && bytes.substr(4, 6) == bzip2_block)
        return "bzip2 data; unpack it with bunzip2";
    if (file_kind_detail::is_tar(bytes)) return "a tar archive; unpack it with tar -xf";
    if (file_kind_detail::pairs_with_nul(bytes)) return utf16;
    return {};
}

}  // namespace hydralora::io
