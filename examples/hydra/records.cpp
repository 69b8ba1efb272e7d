#include "records.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>

#include <hydralora/io/json.hpp>
#include <hydralora/io/quote.hpp>
#include <hydralora/text/white_space.hpp>

#include "record_keys.hpp"
#include "record_tree.hpp"
#include "turns.hpp"

namespace hydra {
namespace {

using hydralora::concat;
using hydralora::Error;
using hydralora::Index;
using hydralora::io::in_quotes;
using hydralora::io::Json;
using hydralora::io::JsonPlace;
using hydralora::text::Conversation;
using hydralora::text::Loss;
using hydralora::text::Speaker;
using hydralora::text::Turn;
using hydralora::text::without_outer_space;
using Kind = RecordValue::Kind;

/// Finds out what form a record has, and makes it.
class RecordReader {
public:
    RecordReader(const RecordValue& record, std::string_view field, const RecordDesk& desk)
        : record_(record), field_(field), desk_(desk) {}

    Record read() {
        desk_.check_keys_once(record_);
        for (std::size_t i = 0; i < record_.keys.size(); ++i) uses_.push_back(use_of(i));
        read_label();
        const Member text = chosen(RecordKey::text), turns = chosen(RecordKey::turns);
        const Member pair = either(chosen(RecordKey::prompt), chosen(RecordKey::input), chosen(RecordKey::answer));
        choose(text, turns, pair);
        read_rest();
        return std::move(made_);
    }

private:
    using Member = RecordMember;

    /// What a key is; the label's is nothing else. Throws where it is spelt as one that is read, almost.
    [[nodiscard]] RecordKey use_of(std::size_t i) const {
        const auto& [name, at] = record_.keys[i];
        if (!field_.empty() && name == field_) return RecordKey::harmless;
        if (const std::string_view meant = record_key_meant(name); !meant.empty() && !record_.elements[i].is_empty())
            desk_.fail(at, "found the key ", in_quotes(name), ", which is not read; write ", in_quotes(meant));
        const RecordKey key = record_key(name);
        const bool list = key == RecordKey::history || key == RecordKey::tools || key == RecordKey::functions;
        return list && is_text_of_none(record_.elements[i]) ? RecordKey::harmless : key;
    }
    /// "[]" as a text, which writers of tables make of an empty list.
    [[nodiscard]] static bool is_text_of_none(const RecordValue& value) {
        return value.is(Kind::string) && without_outer_space(value.text) == "[]";
    }

    template <class F>
    void each(RecordKey use, F&& f) const {
        for (std::size_t i = 0; i < uses_.size(); ++i)
            if (uses_[i] == use) f(Member{&record_.keys[i].name, &record_.elements[i]});
    }
    [[nodiscard]] Member chosen(RecordKey use) const { return desk_.chosen(record_, uses_, use); }

    /// The first that is filled, else the first that is there.
    [[nodiscard]] static Member either(const Member& a, const Member& b, const Member& c) {
        for (const Member* member : {&a, &b, &c})
            if (member->filled()) return *member;
        return a ? a : b ? b : c;
    }

    void read_label() {
        const RecordValue* value = field_.empty() ? nullptr : record_.find(field_);
        if (value == nullptr || value->is(Kind::null)) return;
        if (value->is(Kind::string))
            made_.label = value->text;
        else if (value->is(Kind::boolean))
            made_.label = value->truth ? "true" : "false";
        else if (const auto whole = value->whole())
            made_.label = std::to_string(*whole);
        else
            desk_.fail(value->at, "expected a string, a whole number or a truth value as ", in_quotes(field_),
                       ", found ", value->described());
    }

    /// The form that is filled; where none is, the one that is there.
    void choose(const Member& text, const Member& turns, const Member& pair) {
        const bool none = !text.filled() && !turns.filled() && !pair.filled();
        const auto counts = [&](const Member& form) { return none ? static_cast<bool>(form) : form.filled(); };
        refuse_preference();
        if (counts(turns)) {
            if (counts(text)) refuse_both(turns, text);
            read_turns_form(turns);
        } else if (counts(text)) {
            if (counts(pair)) refuse_both(text, pair);
            read_text(text);
        } else if (counts(pair)) {
            read_pair();
        } else {
            refuse_without_form();
        }
    }

    [[noreturn]] void refuse_both(const Member& one, const Member& other) const {
        desk_.fail(record_.end, "expected ", in_quotes(*one.name), " alone, found ", in_quotes(*other.name),
                   " too; leave out what is not to be learnt");
    }

    void refuse_preference() const {
        each(RecordKey::preference, [&](const Member& member) {
            if (member.filled())
                desk_.fail(member.value->at, "found ", in_quotes(*member.name),
                           ": of two answers none can be preferred here; to learn the better one, write it as "
                           "\"completion\" beside \"prompt\" and leave the other out");
        });
    }

    [[noreturn]] void refuse_without_form() const {
        std::string found;
        for (std::size_t i = 0; i < std::min<std::size_t>(record_.keys.size(), 6); ++i)
            found += (found.empty() ? "the keys " : ", ") + in_quotes(record_.keys[i].name);
        desk_.fail(record_.end,
                   R"(expected a record with "messages", with "instruction" and "output", or with "text", found )",
                   found.empty() ? "no keys" : found);
    }

    void read_text(const Member& text) {
        made_.text = desk_.string(*text.value, *text.name);
        for (const RecordKey use : {RecordKey::system, RecordKey::history, RecordKey::tools, RecordKey::functions})
            if (const Member other = chosen(use); other.filled()) refuse_both(text, other);
    }

    void read_turns_form(const Member& member) {
        Conversation turns = read_turns(*member.value, *member.name, desk_);
        if (turns.empty())
            desk_.fail(member.value->end, "expected at least one turn in ", in_quotes(*member.name), ", found none");
        // Some keep the question once more beside the turns.
        const auto is_copy = [&](const RecordValue& value) {
            return value.is(Kind::string) && std::any_of(turns.begin(), turns.end(), [&](const Turn& turn) {
                       return without_outer_space(turn.content) == without_outer_space(value.text);
                   });
        };
        for (const RecordKey use : {RecordKey::prompt, RecordKey::answer, RecordKey::input, RecordKey::history})
            each(use, [&](const Member& other) {
                if (other.filled() && !is_copy(*other.value)) refuse_both(member, other);
            });
        const Member system = chosen(RecordKey::system);
        if (system.filled()) {
            const std::string words = desk_.string(*system.value, *system.name);
            if (turns.front().speaker != Speaker::system)
                made_.turns.push_back({Speaker::system, words});
            else if (turns.front().content != words)
                desk_.fail(record_.end, "expected one system prompt, found ", in_quotes(*system.name),
                           " and a first turn of system");
        }
        std::move(turns.begin(), turns.end(), std::back_inserter(made_.turns));
        read_tools();
    }

    void read_pair() {
        Member prompt = chosen(RecordKey::prompt), input = chosen(RecordKey::input);
        const Member answer = chosen(RecordKey::answer), context = chosen(RecordKey::context);
        if (prompt && *prompt.name == "question" && record_.find("choices") != nullptr)
            desk_.fail(record_.end,
                       "found a question with choices, of which nothing is learnt: `hydra eval` takes those");
        if (context.filled() && prompt && *prompt.name == "instruction" && !input.filled()) {
            input = context;
            input_context_ = context.value;
        }
        if (!prompt.filled() && input.filled()) prompt = std::exchange(input, {});
        if (!prompt)
            desk_.fail(record_.end, R"(expected "instruction" (or "prompt", "query", "question") in the record, )",
                       "found none");
        if (!answer)
            desk_.fail(record_.end, R"(expected "output" (or "completion", "response", "answer") in the record, )",
                       "found none");
        if (const Member system = chosen(RecordKey::system); system.filled())
            made_.turns.push_back({Speaker::system, desk_.string(*system.value, *system.name)});
        read_history();
        add_side(prompt, input, Speaker::user);
        add_side(answer, {}, Speaker::assistant);
        read_tools();
    }

    /// The question or the answer of a pair, as a text or as turns. What the assistant says in a question is context.
    void add_side(const Member& side, const Member& input, Speaker speaker) {
        if (!side.value->is(Kind::array)) {
            std::string more = input ? desk_.string(*input.value, *input.name) : std::string();
            made_.turns.push_back({speaker, desk_.string(*side.value, *side.name), std::move(more)});
            return;
        }
        if (input.filled()) refuse_both(side, input);
        Conversation turns = read_turns(*side.value, *side.name, desk_);
        if (turns.empty())
            desk_.fail(side.value->end, "expected at least one turn in ", in_quotes(*side.name), ", found none");
        for (Turn& turn : turns) {
            if (speaker == Speaker::user && turn.speaker == Speaker::assistant) turn.loss = Loss::masked;
            if (turn.speaker == Speaker::system && !made_.turns.empty())
                desk_.fail(side.value->end, "expected a system prompt as the first turn alone, found one in ",
                           in_quotes(*side.name), " after other turns");
            made_.turns.push_back(std::move(turn));
        }
    }

    /// [["question", "answer"], ...], or turns.
    void read_history() {
        const Member history = chosen(RecordKey::history);
        if (!history.filled()) return;
        if (looks_like_turns(*history.value)) {
            for (Turn& turn : read_turns(*history.value, *history.name, desk_)) made_.turns.push_back(std::move(turn));
            return;
        }
        constexpr std::string_view form =
            R"(expected pairs like [["question", "answer"], ...], or turns, as "history", )";
        if (!history.value->is(Kind::array)) desk_.fail(history.value->at, form, "found ", history.value->described());
        for (const RecordValue& pair : history.value->elements) {
            if (!pair.is(Kind::array) || pair.elements.size() != 2)
                desk_.fail(pair.at, form, "found ", pair.described(), " in it");
            made_.turns.push_back({Speaker::user, desk_.string(pair.elements[0], "history")});
            made_.turns.push_back({Speaker::assistant, desk_.string(pair.elements[1], "history")});
        }
    }

    /// "tools" as an array or as its text; "functions", the functions alone.
    void read_tools() {
        const Member tools = chosen(RecordKey::tools), functions = chosen(RecordKey::functions);
        if (tools.filled() && functions.filled()) refuse_both(tools, functions);
        const Member& member = tools.filled() ? tools : functions;
        if (!member.filled()) return;
        Json list;
        try {
            list = hydralora::io::parse_json(member.value->is(Kind::string) ? std::string_view(member.value->text)
                                             : member.value->is_container() ? member.value->spelling()
                                                                            : std::string_view("0"),
                                             "", record_limits);
        } catch (const Error&) {  // told below
        }
        if (list.is_object()) list = Json::array({list});
        if (!list.is_array())
            desk_.fail(member.value->at, "expected an array of tools, or its JSON text, as ", in_quotes(*member.name),
                       ", found ", member.value->described());
        if (list.size() == 0) return;
        Json wrapped = Json::array();
        for (const Json& function : *list.get_if<Json::Array>())
            wrapped.push(tools.filled() ? function : Json::object({{"type", "function"}, {"function", function}}));
        made_.tools = std::move(wrapped);
    }

    /// What none of the forms has used.
    void read_rest() const {
        for (std::size_t i = 0; i < record_.keys.size(); ++i) {
            const std::string& name = record_.keys[i].name;
            const RecordValue& value = record_.elements[i];
            if (!value.is_empty()) read_other(uses_[i], name, value);
        }
    }

    void read_other(RecordKey use, const std::string& name, const RecordValue& value) const {
        switch (use) {
            case RecordKey::context:
                if (&value == input_context_) return;
                if (made_.text) return desk_.note(concat("the key ", in_quotes(name), " is not read"));
                desk_.fail(value.at, "found ", in_quotes(name), " beside a conversation; write it into a turn or into ",
                           "the question, or leave it out");
            case RecordKey::reasoning:
                desk_.fail(value.at, "found ", in_quotes(name),
                           R"( in a record; write it as "reasoning_content" or "tool_calls" of a turn of "messages", )",
                           "into the answer, or leave it out");
            case RecordKey::media:
                desk_.fail(value.at, "found ", in_quotes(name),
                           "; only text can be trained on: leave the key or the record out");
            case RecordKey::flag:
                read_flag(name, value);
                return;
            case RecordKey::unknown:
                if (looks_like_turns(value))
                    desk_.fail(value.at, "found turns as ", in_quotes(name),
                               R"(, which is not read; name them "messages", or leave them out)");
                desk_.note(concat("the key ", in_quotes(name), " is not read"));
                return;
            default:
                return;
        }
    }

    /// Whether a record counts at all is for whoever writes the file.
    void read_flag(const std::string& name, const RecordValue& value) const {
        const auto has = [&](std::string_view word) { return name.find(word) != name.npos; };
        const bool truth = value.is(Kind::boolean), number = value.is(Kind::number);
        const bool negative = has("mask") || has("ignore");
        const bool one = truth ? value.truth : number && value.number == 1;
        const bool zero = truth ? !value.truth : number && value.number == 0;
        if (one && !negative) return;
        if (zero && negative) return;
        const bool of_texts = name == "label" && (made_.text || number);  // a class
        if (!of_texts && (one || zero || (number && has("weight"))))
            desk_.fail(value.at, "found ", in_quotes(name), ": ",
                       value.is(Kind::number) ? value.text : std::string(value.described()),
                       " in a record; records are trained alike: leave the record out, or the key");
        desk_.note(concat("the key ", in_quotes(name), " is not read"));
    }

    const RecordValue& record_;
    std::string_view field_;  // of the label; "": none
    const RecordDesk& desk_;
    std::vector<RecordKey> uses_;                 // of its keys
    const RecordValue* input_context_ = nullptr;  // the context that has become the question's input
    Record made_;
};

Record parse_record(std::string_view text, const RecordPlace& at, std::string_view field,
                    std::vector<std::string>& notes) {
    if (text.size() > record_limit)
        at.fail("expected at most ", record_limit, " bytes in a record, found ", text.size(),
                "; split it, or close the bracket or quote that is open");
    try {
        JsonPlace place(text, "");
        const RecordValue tree = read_record_tree(place);
        const RecordDesk desk(place, notes);
        return RecordReader(tree, field, desk).read();
    } catch (const Error& error) {
        at.fail_inside(error.what(), record_forms);
    }
}

void count(Unusable& unusable, const RecordError& error) {
    constexpr std::size_t most_places = 5;
    if (unusable.count++ == 0) unusable.first = error.what();
    if (unusable.places.size() < most_places) unusable.places.push_back(concat(error.line(), ':', error.column()));
}

}  // namespace

void RecordNotes::add(std::string_view what, const RecordPlace& place) {
    constexpr std::size_t most = 20;  // things to tell of
    const auto found = std::find_if(notes_.begin(), notes_.end(), [&](const Note& note) { return note.what == what; });
    if (found == notes_.end()) {
        if (notes_.size() == most)
            ++more_;
        else
            notes_.push_back({std::string(what), 1, place.line, place.line, place.column});
        return;
    }
    if (found->last_line != place.line || found->last_column != place.column) ++found->records;
    found->last_line = place.line;
    found->last_column = place.column;
}

std::vector<std::string> RecordNotes::lines() const {
    std::vector<std::string> lines;
    for (const Note& note : notes_)
        lines.push_back(concat(note.what, " (", note.records,
                               note.records == 1 ? " record, at line " : " records, the first at line ", note.line,
                               ")"));
    if (more_ > 0) lines.push_back(concat("and ", more_, " more such places, of other keys"));
    return lines;
}

void read_records(std::string_view text, std::string_view path,
                  const std::function<void(Record&&, const RecordPlace&)>& take, const RecordReading& how) {
    std::vector<std::string> notes;
    cut_records(text, path, [&](std::string_view record, const RecordPlace& place) {
        notes.clear();
        try {
            take(parse_record(record, place, how.field, notes), place);
            if (how.notes != nullptr)
                for (const std::string& note : notes) how.notes->add(note, place);
        } catch (const RecordError& error) {
            if (how.unusable == nullptr) throw;
            count(*how.unusable, error);
        }
        return Reading::go_on;
    });
}

void check_label_field(std::string_view field) {
    const RecordKey key = record_key(field);
    hydralora::check(field.empty() || key >= RecordKey::reasoning, "--component-field ", field,
                     ": expected a field of the records besides the texts that are trained on");
}

}  // namespace hydra
