#include "records.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
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

constexpr std::pair<std::string_view, Speaker> roles[] = {
    {"system", Speaker::system},     {"user", Speaker::user},       {"assistant", Speaker::assistant},
    {"tool", Speaker::tool},         {"human", Speaker::user},      {"gpt", Speaker::assistant},
    {"developer", Speaker::system},  {"model", Speaker::assistant}, {"bot", Speaker::assistant},
    {"chatgpt", Speaker::assistant}, {"function", Speaker::tool},   {"observation", Speaker::tool},
    {"ipython", Speaker::tool}};

/// Takes what it knows of a record from the parser's events, whatever else the object holds.
class RecordReader {
public:
    RecordReader(const JsonPlace& place, std::string_view field) : place_(place), field_(field) {}

    void null() { scalar("null"); }
    void boolean(bool value) {
        if (!labels(value ? "true" : "false")) scalar(value ? "true" : "false");
    }
    void integer(std::int64_t value) {
        if (!labels(std::to_string(value))) scalar("a number");
    }
    void unsigned_integer(std::uint64_t value) {
        if (!labels(std::to_string(value))) scalar(wanted_ == Wanted::weight && value == 1 ? "1" : "a number");
    }
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
    enum class Wanted { nothing, string, label, content, turns, weight, refused };

    /// Takes a value that is not a string, if it is the label.
    bool labels(std::string&& value) {
        if (skipped_ > 0 || level_ != Level::record || wanted_ != Wanted::label) return false;
        label_ = std::move(value);
        return true;
    }

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
        if (wanted_ == Wanted::label)
            place_.fail("expected a string, a whole number or a truth value as ", in_quotes(name_), ", found ", found);
        if (wanted_ == Wanted::content)
            place_.fail("expected a string as ", in_quotes(name_), ", found ", found,
                        "; turns that only call tools cannot be trained on");
        if (wanted_ == Wanted::turns)
            place_.fail("expected an array of turns as ", in_quotes(name_), ", found ", found);
        if (wanted_ == Wanted::weight && found != "1" && found != "null")
            place_.fail("expected 1 as the \"weight\" of a turn, found ", found,
                        "; all turns of the assistant are trained alike: leave the key or the conversation out");
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
    std::string_view field_;  // of the label; "": none
    Level level_ = Level::outside;
    std::size_t skipped_ = 0;  // open containers of no interest
    Wanted wanted_ = Wanted::nothing;
    std::optional<std::string>* slot_ = nullptr;
    std::string name_;                // of the last key
    std::vector<std::string> names_;  // the record's first keys, for messages
    std::optional<std::string> instruction_, input_, output_, text_, system_, label_;
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
        if (!field_.empty() && name_ == field_) {
            want_string(label_, name_);
            wanted_ = Wanted::label;
        }
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
        if (name_ == "weight") want(Wanted::weight, nullptr);
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
        const auto has = [&](std::string_view key) {
            return std::find(names_.begin(), names_.end(), key) != names_.end();
        };
        if (has("question") && has("choices"))
            place_.fail("found a question with choices, of which nothing is learnt: `hydra eval` takes those");
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
    record.label = std::move(label_);
    if (record.text) return record;
    if (system_ && !system_->empty()) record.turns.push_back({Speaker::system, *std::move(system_)});
    if (instruction_) {
        record.turns.push_back({Speaker::user, *std::move(instruction_), input_ ? *std::move(input_) : ""});
        record.turns.push_back({Speaker::assistant, *std::move(output_)});
    }
    std::move(turns_.begin(), turns_.end(), std::back_inserter(record.turns));
    return record;
}

Record parse_record(std::string_view text, const RecordPlace& at, std::string_view field) {
    try {
        JsonPlace place(text, "");
        RecordReader reader(place, field);
        hydralora::io::parse_json_events(place, record_limits, reader);
        return reader.take();
    } catch (const hydralora::Error& error) {
        at.fail_inside(error.what(), record_forms);
    }
}

}  // namespace

void read_records(std::string_view text, std::string_view path,
                  const std::function<void(Record&&, const RecordPlace&)>& take, std::string_view field) {
    cut_records(text, path, [&](std::string_view record, const RecordPlace& place) {
        take(parse_record(record, place, field), place);
        return Reading::go_on;
    });
}

void check_label_field(std::string_view field) {
    for (const std::string_view own : {"messages", "conversations", "instruction", "input", "output", "text", "system"})
        hydralora::check(field != own, "--component-field ", own,
                         ": expected a field of the records besides the texts that are trained on");
}

}  // namespace hydra
