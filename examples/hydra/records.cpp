#include "records.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/quote.hpp>

namespace hydra {
namespace {

using hydralora::Index;
using hydralora::io::in_quotes;
using hydralora::io::JsonPlace;
using hydralora::text::Speaker;
using hydralora::text::Turn;

constexpr std::size_t record_limit = std::size_t{16} << 20;
constexpr std::string_view white_space = " \t\r\n";

constexpr std::pair<std::string_view, Speaker> roles[] = {
    {"system", Speaker::system},     {"user", Speaker::user},       {"assistant", Speaker::assistant},
    {"tool", Speaker::tool},         {"human", Speaker::user},      {"gpt", Speaker::assistant},
    {"developer", Speaker::system},  {"model", Speaker::assistant}, {"bot", Speaker::assistant},
    {"chatgpt", Speaker::assistant}, {"function", Speaker::tool},   {"observation", Speaker::tool},
    {"ipython", Speaker::tool}};

/// Takes what it knows of a record from the parser's events, whatever else the object holds.
class RecordReader {
public:
    explicit RecordReader(const JsonPlace& place) : place_(place) {}

    void null() { scalar("null"); }
    void boolean(bool value) { scalar(value ? "true" : "false"); }
    void integer(std::int64_t) { scalar("a number"); }
    void unsigned_integer(std::uint64_t) { scalar("a number"); }
    void real(double, const std::string&) { scalar("a number"); }
    void string(std::string&& value) {
        if (skipped_ > 0) return;
        if (slot_ == nullptr) return scalar("a string");
        *slot_ = std::move(value);
        if (slot_ == &role_) speaker_ = speaker_of(*role_);
    }
    void key(std::string&& name);
    void begin_object() { begin(Kind::object); }
    void begin_array() { begin(Kind::array); }
    void end_array() { end(); }
    void end_object() { end(); }
    [[nodiscard]] Record take();

private:
    enum class Level { outside, record, turns, turn, parts, part };
    enum class Kind { object, array };
    enum class Wanted { nothing, string, content, turns, refused };

    void begin(Kind kind) {
        if (skipped_ > 0) {
            ++skipped_;
            return;
        }
        const bool object = kind == Kind::object;
        if ((level_ == Level::outside || level_ == Level::turns || level_ == Level::parts) && object) {
            level_ = static_cast<Level>(static_cast<int>(level_) + 1);
            want(Wanted::nothing, nullptr);
        } else if ((wanted_ == Wanted::turns || wanted_ == Wanted::content) && !object) {
            if (wanted_ == Wanted::content) content_.emplace();
            level_ = static_cast<Level>(static_cast<int>(level_) + 1);
            want(Wanted::nothing, nullptr);
        } else {
            scalar(object ? "an object" : "an array");
            skipped_ = 1;
        }
    }

    void end() {
        if (skipped_ > 0) {
            --skipped_;
            return;
        }
        if (level_ == Level::record) finish_record();
        if (level_ == Level::turn) finish_turn();
        if (level_ == Level::part) finish_part();
        level_ = static_cast<Level>(static_cast<int>(level_) - 1);
        want(Wanted::nothing, nullptr);
    }

    /// A value that is not what its place asks for: refused in place of what we want, else of no interest.
    void scalar(std::string_view found) const {
        if (skipped_ > 0) return;
        if (level_ == Level::outside) place_.fail("expected an object, found ", found);
        if (level_ == Level::turns)
            place_.fail(R"(expected a turn like {"role": "user", "content": "..."}, found )", found);
        if (level_ == Level::parts)
            place_.fail(R"(expected a part like {"type": "text", "text": "..."}, found )", found);
        if (wanted_ == Wanted::string) place_.fail("expected a string as ", in_quotes(name_), ", found ", found);
        if (wanted_ == Wanted::content)
            place_.fail("expected a string as ", in_quotes(name_), ", found ", found,
                        "; turns that only call tools cannot be trained on");
        if (wanted_ == Wanted::turns)
            place_.fail("expected an array of turns as ", in_quotes(name_), ", found ", found);
        if (wanted_ == Wanted::refused && found != "null")
            place_.fail("found ", in_quotes(name_),
                        " in a turn: calls of tools have no place in the chat formats; "
                        "write them into its content, or leave the conversation out");
    }

    void want(Wanted wanted, std::optional<std::string>* slot) {
        wanted_ = wanted;
        slot_ = slot;
    }
    void want_string(std::optional<std::string>& slot, std::string_view name) {
        if (slot) place_.fail("expected each key once, found ", in_quotes(name), " twice");
        want(Wanted::string, &slot);
    }

    Speaker speaker_of(std::string_view role) const {
        std::string known;
        for (const auto& [name, speaker] : roles) {
            if (name == role) return speaker;
            known += (known.empty() ? "" : ", ") + std::string(name);
        }
        place_.fail("the role ", in_quotes(role), " is unknown, expected one of: ", known);
    }

    void finish_part() {
        if (type_ && *type_ != "text")
            place_.fail("expected parts of type \"text\", found ", in_quotes(*type_), "; only text can be trained on");
        if (!part_text_) place_.fail(R"(expected "text" in the part, found none)");
        content_->append(*part_text_);
        type_.reset();
        part_text_.reset();
    }
    void finish_turn() {
        if (!role_) place_.fail(R"(expected "role" (or "from") in the turn, found none)");
        if (!content_) place_.fail(R"(expected "content" (or "value") in the turn, found none)");
        turns_.push_back({speaker_, *std::move(content_)});
        role_.reset();
        content_.reset();
    }
    void finish_record() const;

    const JsonPlace& place_;
    Level level_ = Level::outside;
    std::size_t skipped_ = 0;  // open containers of no interest
    Wanted wanted_ = Wanted::nothing;
    std::optional<std::string>* slot_ = nullptr;
    std::string name_;                // of the last key
    std::vector<std::string> names_;  // the record's first keys, for messages
    std::optional<std::string> instruction_, input_, output_, text_, system_;
    std::optional<std::string> turns_name_;
    std::optional<std::string> role_, content_, type_, part_text_;
    Speaker speaker_ = Speaker::user;
    hydralora::text::Conversation turns_;
};

void RecordReader::key(std::string&& name) {
    if (skipped_ > 0) return;
    name_ = std::move(name);
    want(Wanted::nothing, nullptr);
    if (level_ == Level::record) {
        if (names_.size() < 6) names_.push_back(name_);
        if (name_ == "instruction") want_string(instruction_, name_);
        if (name_ == "input") want_string(input_, name_);
        if (name_ == "output") want_string(output_, name_);
        if (name_ == "text") want_string(text_, name_);
        if (name_ == "system") want_string(system_, name_);
        if (name_ != "messages" && name_ != "conversations") return;
        if (turns_name_ && *turns_name_ == name_)
            place_.fail("expected each key once, found ", in_quotes(name_), " twice");
        if (turns_name_) place_.fail(R"(expected "messages" or "conversations", found both)");
        turns_name_ = name_;
        want(Wanted::turns, nullptr);
    } else if (level_ == Level::turn) {
        if (name_ == "role" || name_ == "from") want_string(role_, name_);
        if (name_ == "content" || name_ == "value") {
            want_string(content_, name_);
            wanted_ = Wanted::content;
        }
        if (name_ == "tool_calls" || name_ == "function_call") want(Wanted::refused, nullptr);
    } else if (level_ == Level::part) {
        if (name_ == "type") want_string(type_, name_);
        if (name_ == "text") want_string(part_text_, name_);
    }
}

void RecordReader::finish_record() const {
    const bool paired = instruction_ || input_ || output_;
    if (turns_name_ && (paired || text_))
        place_.fail("expected ", in_quotes(*turns_name_), " alone, found ", in_quotes(text_ ? "text" : "instruction"),
                    " or its like too");
    if (text_ && paired) place_.fail(R"(expected "text" alone or "instruction" and "output", found keys of both)");
    if (!text_ && !paired && !turns_name_) {
        std::string found;
        for (const std::string& name : names_) found += (found.empty() ? "the keys " : ", ") + in_quotes(name);
        place_.fail(R"(expected a record with "messages", with "instruction" and "output", or with "text", found )",
                    found.empty() ? "no keys" : found);
    }
    if (paired && !instruction_) place_.fail(R"(expected "instruction" in the record, found none)");
    if (paired && !output_) place_.fail(R"(expected "output" in the record, found none)");
    if (turns_name_ && turns_.empty())
        place_.fail("expected at least one turn in ", in_quotes(*turns_name_), ", found none");
    if (system_ && !system_->empty() && !turns_.empty() && turns_.front().speaker == Speaker::system)
        place_.fail(R"(expected one system prompt, found "system" and a first turn of system)");
}

Record RecordReader::take() {
    Record record;
    record.text = std::move(text_);
    if (record.text) return record;
    if (system_ && !system_->empty()) record.turns.push_back({Speaker::system, *std::move(system_)});
    if (instruction_) {
        record.turns.push_back({Speaker::user, *std::move(instruction_), input_ ? *std::move(input_) : ""});
        record.turns.push_back({Speaker::assistant, *std::move(output_)});
    }
    std::move(turns_.begin(), turns_.end(), std::back_inserter(record.turns));
    return record;
}

/// "path:line:column: message" of an error inside a record, ": line 1, column 7: message" in its own words.
[[noreturn]] void fail_inside(const RecordPlace& place, std::string_view message) {
    RecordPlace inside = place;
    const auto number = [&](std::string_view before, Index& value) {
        if (message.substr(0, before.size()) != before) return false;
        message.remove_prefix(before.size());
        const auto end = std::from_chars(message.data(), message.data() + message.size(), value).ptr;
        message.remove_prefix(static_cast<std::size_t>(end - message.data()));
        return true;
    };
    Index line = 1, column = 1;
    if (number(": line ", line) && number(", column ", column)) {
        message.remove_prefix(std::min<std::size_t>(2, message.size()));
        inside.line += line - 1;
        inside.column = line == 1 ? place.column + column - 1 : column;
    }
    inside.fail(message, "; ", record_forms);
}

Record parse_record(std::string_view text, const RecordPlace& at) {
    constexpr hydralora::io::JsonLimits limits{.bytes = record_limit, .string_bytes = record_limit};
    try {
        JsonPlace place(text, "");
        RecordReader reader(place);
        hydralora::io::parse_json_events(place, limits, reader);
        return reader.take();
    } catch (const hydralora::Error& error) {
        fail_inside(at, error.what());
    }
}

using Take = std::function<void(Record&&, const RecordPlace&)>;

void read_lines(std::string_view text, std::string_view path, const Take& take) {
    RecordPlace place{path, 0};
    while (!text.empty()) {
        ++place.line;
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.size() > record_limit)
            RecordPlace{path, place.line, static_cast<Index>(record_limit) + 1}.fail(
                "expected at most ", record_limit, " bytes in a line, found ", line.size(), "; split the record");
        if (line.find_first_not_of(white_space) == std::string_view::npos) continue;
        take(parse_record(line, place), place);
    }
}

/// Reads over the array once, cutting it at the commas of its own level; each record is then parsed by itself.
class ArrayCutter {
public:
    ArrayCutter(std::string_view text, std::string_view path) : text_(text), place_{path} {}

    void read(const Take& take) {
        skip_space();
        step();  // the bracket
        skip_space();
        bool more = !at_end() && text_[at_] != ']';
        while (more) {
            const RecordPlace begin = place_;
            if (!at_end() && text_[at_] == ']')
                begin.fail("expected a record after the comma, found the end of the array; remove the comma");
            const std::string_view element = cut(begin);
            take(parse_record(element, begin), begin);
            more = !at_end() && text_[at_] == ',';
            if (more) {
                step();
                skip_space();
            }
        }
        if (at_end()) place_.fail("expected a comma or ] after the record, found the end of the file; is it cut off?");
        step();
        skip_space();
        if (!at_end()) place_.fail("expected nothing after the array's ], found more; ", record_forms);
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
    std::string_view cut(const RecordPlace& begin) {
        const std::size_t first = at_;
        std::size_t depth = 0;
        bool in_string = false;
        for (; !at_end(); step()) {
            const char c = text_[at_];
            if (at_ - first > record_limit)
                begin.fail("expected a record of at most ", record_limit,
                           " bytes here, found a longer one; split it, or close the bracket or quote that is open");
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

void read_records(std::string_view text, std::string_view path, const Take& take) {
    const std::size_t first = text.find_first_not_of(white_space);
    if (first != std::string_view::npos && text[first] == '[')
        ArrayCutter(text, path).read(take);
    else
        read_lines(text, path, take);
}

}  // namespace hydra
