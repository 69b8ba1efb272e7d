// The header of a safetensors file: what it describes, and every check before any of it is believed.
//
//     bytes 0..8    N, length of the header, little endian
//     bytes 8..8+N  JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}; and
//                   "__metadata__": {"key": "value", ...}
//     the rest      the tensors, row-major, one after another without holes; offsets count from 8 + N
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "checked.hpp"
#include "dtype.hpp"
#include "file.hpp"
#include "json.hpp"
#include "quote.hpp"
#include "tensor_entry.hpp"

namespace hydralora::io {

/// What a file holds: tensors in the order of their bytes, and `__metadata__` in the order of the header.
struct SafetensorsHeader {
    std::vector<TensorEntry> entries;
    Metadata metadata;
    std::vector<std::uint32_t> by_name;  // indices of entries
};

namespace safetensors_detail {

/// Fills a header from JSON events. Checks what one tensor says about itself; what the tensors say together comes
/// later.
class HeaderBuilder {
public:
    HeaderBuilder(SafetensorsHeader& header, const JsonPlace& place) : header_(header), place_(place) {}

    void null() { refuse_value("null"); }
    void boolean(bool value) { refuse_value(value ? "true" : "false"); }
    void integer(std::int64_t value) { refuse_value(value == 0 ? "-0" : std::to_string(value)); }
    void real(double, const std::string& token) { refuse_value(in_quotes(token)); }
    void unsigned_integer(std::uint64_t value) {
        if (state_ == State::shape) {
            if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()))
                refuse_value(std::to_string(value));
            if (entry().shape.dims().size() == TensorShape::most)
                place_.fail(subject(), ": expected at most ", TensorShape::most, " dimensions, found more");
            entry().shape.push(static_cast<Index>(value));
        } else if (state_ == State::offsets) {
            if (offsets_ == 2) place_.fail(subject(), ": expected two offsets [begin, end], found more");
            (offsets_++ == 0 ? entry().begin : entry().end) = value;
        } else {
            refuse_value(std::to_string(value));
        }
    }
    void string(std::string value) {
        if (state_ == State::metadata) {
            header_.metadata.back().second = std::move(value);
        } else if (state_ == State::tensor && field_ == Field::dtype) {
            const auto dtype = dtype_from_name(value);
            if (!dtype)
                place_.fail(subject(), ": expected a type of element that we know, found ", in_quotes(value),
                            "; is the file from a later format?");
            entry().dtype = *dtype;
        } else {
            refuse_value(in_quotes(value));
        }
    }
    void begin_object() {
        if (state_ == State::outside)
            state_ = State::header;
        else if (state_ == State::header)
            begin_member();
        else
            refuse_value("an object");
    }
    void begin_array() {
        if (state_ == State::tensor && field_ == Field::shape)
            state_ = State::shape;
        else if (state_ == State::tensor && field_ == Field::offsets)
            state_ = State::offsets;
        else
            refuse_value("an array");
    }
    void end_array() {
        if (state_ == State::offsets && offsets_ != 2)
            place_.fail(subject(), ": expected two offsets [begin, end], found ", offsets_);
        state_ = State::tensor;
    }
    void end_object() {
        field_ = Field::none;
        if (state_ == State::tensor && seen_ != 7)
            place_.fail(subject(), ": expected dtype, shape and data_offsets, found no ",
                        (seen_ & 1) == 0   ? "dtype"
                        : (seen_ & 2) == 0 ? "shape"
                                           : "data_offsets");
        state_ = state_ == State::header ? State::outside : State::header;
    }
    void key(std::string name) {
        if (state_ == State::header) {
            name_ = std::move(name);
        } else if (state_ == State::metadata) {
            if (header_.metadata.size() == SafetensorsLimits::metadata)
                place_.fail("expected at most ", SafetensorsLimits::metadata, " entries of __metadata__, found more");
            header_.metadata.emplace_back(std::move(name), std::string());
        } else {
            field_ = name == "dtype"          ? Field::dtype
                     : name == "shape"        ? Field::shape
                     : name == "data_offsets" ? Field::offsets
                                              : Field::none;
            if (field_ == Field::none)
                place_.fail(subject(), ": expected dtype, shape and data_offsets, found ", in_quotes(name));
            const unsigned bit = field_ == Field::dtype ? 1 : field_ == Field::shape ? 2 : 4;
            if ((seen_ & bit) != 0) place_.fail(subject(), ": expected each key once, found it twice");
            seen_ |= bit;
        }
    }

private:
    enum class State { outside, header, metadata, tensor, shape, offsets };
    enum class Field { none, dtype, shape, offsets };

    TensorEntry& entry() { return header_.entries.back(); }

    void begin_member() {
        if (name_ == "__metadata__") {
            if (std::exchange(metadata_seen_, true))
                place_.fail("expected each key once, found \"__metadata__\" twice");
            state_ = State::metadata;
            return;
        }
        if (header_.entries.size() == SafetensorsLimits::tensors)
            place_.fail("expected at most ", SafetensorsLimits::tensors, " tensors, found more");
        header_.entries.emplace_back().name = std::move(name_);
        state_ = State::tensor;
        seen_ = 0;
        offsets_ = 0;
    }
    [[nodiscard]] std::string subject() const {
        if (state_ == State::outside) return "header";
        if (state_ == State::header) return in_quotes(name_);
        if (state_ == State::metadata) return concat("__metadata__: ", in_quotes(header_.metadata.back().first));
        static constexpr std::string_view names[] = {"", ": dtype", ": shape", ": data_offsets"};
        return concat("tensor ", in_quotes(header_.entries.back().name), names[static_cast<std::size_t>(field_)]);
    }
    [[noreturn]] void refuse_value(std::string_view found) const {
        const char* expected = "an object";
        if (state_ == State::metadata)
            expected = "a string";
        else if (state_ == State::shape)
            expected = "an integer in [0, 2^63 - 1] without sign, point or exponent";
        else if (state_ == State::offsets)
            expected = "an integer in [0, 2^64 - 1] without sign, point or exponent";
        else if (state_ == State::tensor)
            expected = field_ == Field::dtype ? "a string" : "an array of integers";
        place_.fail(subject(), ": expected ", expected, ", found ", found);
    }

    SafetensorsHeader& header_;
    const JsonPlace& place_;
    State state_ = State::outside;
    Field field_ = Field::none;
    std::string name_;
    unsigned seen_ = 0;
    int offsets_ = 0;
    bool metadata_seen_ = false;
};

/// Refuses what is no safetensors file but often found in its place.
inline void check_kind(std::string_view text, std::string_view file) {
    if (text.starts_with("version https://git-lfs.github.com/spec/"))
        fail(file, ": found a Git-LFS pointer instead of the file; run `git lfs pull` where it was cloned");
    if (text.starts_with(std::string_view("PK\3\4")))
        fail(file,
             ": found a zip archive, as torch.save writes; convert it with torch.load(weights_only=True) and "
             "safetensors.torch.save_file");
    if (text.starts_with("<!DOCTYPE") || text.starts_with("<html"))
        fail(file, ": found a web page instead of the file; download it again");
    if (text.starts_with("GGUF")) fail(file, ": found a GGUF file, expected safetensors");
}

/// The sizes fit the shapes, and the tensors cover the file from the header to the end without hole or overlap.
inline void check_layout(SafetensorsHeader& header, std::uint64_t data_begin, std::uint64_t file_size,
                         std::string_view file) {
    auto& entries = header.entries;
    std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    const auto at = [&](const TensorEntry& e) { return concat(file, ": tensor ", in_quotes(e.name)); };
    constexpr std::string_view damaged = "; the file is damaged: fetch or write it again";
    std::uint64_t last = 0;
    for (TensorEntry& entry : entries) {
        const auto bytes = checked_tensor_bytes(entry.shape.dims(), dtype_bytes(entry.dtype));
        if (!bytes) fail(at(entry), ": shape ", entry.shape.text(), " has more elements than 63 bits count", damaged);
        if (entry.begin > entry.end)
            fail(at(entry), ": data_offsets: expected begin <= end, found [", entry.begin, ", ", entry.end, "]",
                 damaged);
        if (entry.end - entry.begin != *bytes)
            fail(at(entry), ": shape ", entry.shape.text(), " of ", dtype_name(entry.dtype), " takes ", *bytes,
                 " bytes, data_offsets [", entry.begin, ", ", entry.end, "] give ", entry.end - entry.begin, damaged);
        if (entry.begin != last)
            fail(at(entry), ": data_offsets: expected to begin at ", last, " where ",
                 last == 0 ? "the data begins" : "the last tensor ends", ", found ", entry.begin,
                 entry.begin < last ? " (overlap)" : " (hole)", damaged);
        last = entry.end;
    }
    const std::uint64_t have = file_size - data_begin;
    if (last > have)
        fail(file, ": expected ", last, " bytes of tensors, found ", have,
             "; the file is cut short: fetch or write it again");
    if (last < have)
        fail(file, ": expected the last tensor to end the file, found ", have - last, " bytes after it", damaged);
    for (TensorEntry& entry : entries) {
        entry.begin += data_begin;
        entry.end += data_begin;
    }
}

template <class Name>
void check_unique(std::span<const std::uint32_t> order, std::string_view file, std::string_view what, Name&& name) {
    for (std::size_t i = 1; i < order.size(); ++i)
        if (name(order[i - 1]) == name(order[i]))
            fail(file, ": header: expected each key once, found ", what, in_quotes(name(order[i])), " twice");
}

template <class Name>
[[nodiscard]] std::vector<std::uint32_t> sorted_order(std::size_t count, Name&& name) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return name(a) < name(b); });
    return order;
}

}  // namespace safetensors_detail

/// Reads and checks the header of a whole file in memory; `file` is for messages. Memory stays below the size of the
/// file and 64 MB, whatever the bytes are.
[[nodiscard]] inline SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view file) {
    using namespace safetensors_detail;
    check_kind(as_text(bytes), file);
    check(bytes.size() >= 8, file, ": expected at least the 8 bytes of the header's length, found ", bytes.size(),
          " bytes; the file is cut short");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    check(length <= SafetensorsLimits::header_bytes, file, ": bytes 0 to 8: expected a header of at most ",
          SafetensorsLimits::header_bytes, " bytes, found a length of ", length, "; is this a safetensors file?");
    check(length <= bytes.size() - 8, file, ": bytes 0 to 8: expected a header that ends in the file of ", bytes.size(),
          " bytes, found a length of ", length, "; the file is cut short or is not a safetensors file");

    const std::string where = concat(file, ": header");
    const std::string_view text = as_text(bytes.subspan(8, static_cast<std::size_t>(length)));
    const auto first = text.find_first_not_of(" \t\r\n");
    check(first != std::string_view::npos && text[first] == '{', where, ": expected a JSON object, found ",
          first == std::string_view::npos ? std::string("nothing") : in_quotes(text.substr(first, 20)),
          "; is this a safetensors file?");
    check(is_utf8(text), where,
          ": expected UTF-8, found other bytes; the file is damaged or is not a safetensors file");

    SafetensorsHeader header;
    JsonPlace place(text, where);
    HeaderBuilder builder(header, place);
    parse_json_events(place, {.bytes = text.size(), .depth = SafetensorsLimits::depth, .values = text.size()}, builder);

    const auto key = [&](std::uint32_t i) -> const std::string& { return header.metadata[i].first; };
    check_unique(sorted_order(header.metadata.size(), key), file, "__metadata__: ", key);
    check_layout(header, 8 + length, bytes.size(), file);
    const auto name = [&](std::uint32_t i) -> const std::string& { return header.entries[i].name; };
    header.by_name = sorted_order(header.entries.size(), name);
    check_unique(header.by_name, file, "tensor ", name);
    return header;
}

}  // namespace hydralora::io
