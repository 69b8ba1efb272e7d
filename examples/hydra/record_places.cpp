#include "record_places.hpp"

#include <algorithm>
#include <charconv>

#include <hydralora/io/file_kind.hpp>

#include "letters.hpp"
#include "lines.hpp"

namespace hydra {

using hydralora::Index;

/// "path:line:column: message" of an error inside a record, ": line 1, column 7: message" in its own words.
void RecordPlace::fail_inside(std::string_view message, std::string_view remedy) const {
    RecordPlace inside = *this;
    const auto number = [&](std::string_view before, Index& value) {
        if (message.substr(0, before.size()) != before) return false;
        message.remove_prefix(before.size());
        const auto end = std::from_chars(message.data(), message.data() + message.size(), value).ptr;
        message.remove_prefix(static_cast<std::size_t>(end - message.data()));
        return true;
    };
    Index line_inside = 1, column_inside = 1;
    if (number(": line ", line_inside) && number(", column ", column_inside)) {
        message.remove_prefix(std::min<std::size_t>(2, message.size()));
        inside.line += line_inside - 1;
        inside.column = line_inside == 1 ? column + column_inside - 1 : column_inside;
    }
    inside.fail(message, "; ", remedy);
}

namespace {

constexpr std::string_view white_space = " \t\r\n";

void read_lines(std::string_view text, std::string_view path, const TakeRecord& take) {
    each_line(text, [&](std::string_view line, Index number) {
        if (line.find_first_not_of(white_space) == std::string_view::npos) return true;
        return take(line, {path, number}) == Reading::go_on;
    });
}

/// Reads over the array once, cutting it at the commas of its own level; each record is then parsed by itself.
class ArrayCutter {
public:
    ArrayCutter(std::string_view text, std::string_view path) : text_(text), place_{path} {}

    void read(const TakeRecord& take) {
        skip_space();
        step();  // the bracket
        skip_space();
        bool more = !at_end() && text_[at_] != ']';
        while (more) {
            const RecordPlace begin = place_;
            if (!at_end() && text_[at_] == ']')
                begin.fail("expected a record after the comma, found the end of the array; remove the comma");
            if (take(cut(), begin) == Reading::stop) return;
            more = !at_end() && text_[at_] == ',';
            if (more) {
                step();
                skip_space();
            }
        }
        if (at_end()) place_.fail("expected a comma or ] after the record, found the end of the file; is it cut off?");
        step();
        skip_space();
        if (!at_end()) place_.fail("expected nothing after the array's ], found more");
    }

private:
    [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
    void step() {
        if (text_[at_++] == '\n') {
            ++place_.line;
            place_.column = 1;
        } else {
            ++place_.column;
        }
    }
    void skip_space() {
        while (!at_end() && white_space.find(text_[at_]) != std::string_view::npos) step();
    }
    /// Up to the comma or bracket that ends it, or the end of the text.
    std::string_view cut() {
        const std::size_t first = at_;
        std::size_t depth = 0;
        bool in_string = false;
        for (; !at_end(); step()) {
            const char c = text_[at_];
            if (in_string) {
                if (c == '\\' && at_ + 1 < text_.size()) step();
                if (c == '"') in_string = false;
            } else if (c == '"') {
                in_string = true;
            } else if (c == '{' || c == '[') {
                ++depth;
            } else if (depth == 0 && (c == ',' || c == ']')) {
                break;
            } else if (c == '}' || c == ']') {
                if (depth > 0) --depth;
            }
        }
        return text_.substr(first, at_ - first);
    }

    std::string_view text_;
    RecordPlace place_;
    std::size_t at_ = 0;
};

}  // namespace

bool holds_records(const std::filesystem::path& path) {
    const std::string extension = small_extension(path);
    return extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
}

void cut_records(std::string_view text, std::string_view path, const TakeRecord& take) {
    text = hydralora::io::without_byte_order_mark(text);
    const std::size_t first = text.find_first_not_of(white_space);
    if (first != std::string_view::npos && text[first] == '[')
        ArrayCutter(text, path).read(take);
    else
        read_lines(text, path, take);
}

}  // namespace hydra
