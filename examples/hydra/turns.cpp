#include "turns.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <hydralora/io/file_kind.hpp>
#include <hydralora/io/quote.hpp>

#include "record_keys.hpp"
#include "record_places.hpp"

namespace hydra {
namespace {

using hydralora::Error;
using hydralora::io::in_quotes;
using hydralora::text::Loss;
using hydralora::text::Speaker;
using hydralora::text::Turn;
using Kind = RecordValue::Kind;

constexpr std::pair<std::string_view, Speaker> roles[] = {
    {"system", Speaker::system},       {"user", Speaker::user},
    {"assistant", Speaker::assistant}, {"tool", Speaker::tool},
    {"human", Speaker::user},          {"gpt", Speaker::assistant},
    {"developer", Speaker::system},    {"model", Speaker::assistant},
    {"bot", Speaker::assistant},       {"chatgpt", Speaker::assistant},
    {"function", Speaker::tool},       {"observation", Speaker::tool},
    {"ipython", Speaker::tool},        {"tool_response", Speaker::tool},
    {"tool_call", Speaker::assistant}, {"function_call", Speaker::assistant}};

/// Whether a role's content is a call.
bool calls(std::string_view role) { return role == "tool_call" || role == "function_call"; }

/// One turn of a record.
class TurnReader {
public:
    TurnReader(const RecordValue& turn, const RecordDesk& desk) : turn_(turn), desk_(desk) {
        for (const auto& key : turn.keys) uses_.push_back(turn_key(key.name));
    }

    Turn read() {
        desk_.check_keys_once(turn_);
        read_role();
        for (std::size_t i = 0; i < turn_.keys.size(); ++i) read_key(turn_.keys[i].name, turn_.elements[i], uses_[i]);
        finish_content();
        made_.loss = trained_.value_or(true) ? Loss::trained : Loss::masked;
        return std::move(made_);
    }

private:
    [[nodiscard]] bool assistant() const { return made_.speaker == Speaker::assistant; }

    void read_role() {
        const auto [name, value] = desk_.chosen(turn_, uses_, TurnKey::role);
        if (value == nullptr) desk_.fail(turn_.end, R"(expected "role" (or "from") in the turn, found none)");
        role_ = desk_.string(*value, *name);
        const auto found =
            std::find_if(std::begin(roles), std::end(roles), [&](const auto& r) { return r.first == role_; });
        if (found == std::end(roles)) {
            std::string known;
            for (const auto& [role, speaker] : roles) known += (known.empty() ? "" : ", ") + std::string(role);
            desk_.fail(value->at, "the role ", in_quotes(role_), " is unknown, expected one of: ", known,
                       "; name it so, or leave the conversation out");
        }
        made_.speaker = found->second;
        // A name of its own is for the model's template; under "from" it is ShareGPT's, which no template knows.
        if (*name == "role" && (made_.speaker == Speaker::system || made_.speaker == Speaker::tool)) made_.role = role_;
    }

    void read_key(const std::string& name, const RecordValue& value, TurnKey use) {
        if (value.is(Kind::null)) return;
        if (const std::string_view meant = turn_key_meant(name); !meant.empty() && !value.is_empty())
            desk_.fail(value.at, "found the key ", in_quotes(name), " in a turn, which is not read; write ",
                       in_quotes(meant));
        switch (use) {
            case TurnKey::role:
            case TurnKey::content:
            case TurnKey::harmless:
                return;
            case TurnKey::reasoning:
                return read_reasoning(name, value);
            case TurnKey::calls:
                return read_calls(name, value);
            case TurnKey::call:
                if (made_.speaker == Speaker::tool && !value.is_empty()) made_.call = desk_.string(value, name);
                return;
            case TurnKey::name:
                if (made_.speaker != Speaker::tool) break;
                if (!value.is_empty()) made_.name = desk_.string(value, name);
                return;
            case TurnKey::trained:
            case TurnKey::masked:
                return read_flag(name, value, use == TurnKey::trained);
            case TurnKey::label:
                if (value.is(Kind::boolean)) return read_flag(name, value, true);
                break;
            case TurnKey::detail:
                return read_detail(name, value);
            case TurnKey::media:
            case TurnKey::flag:
                refuse_lost(name, value, use);
                break;
            case TurnKey::unknown:
                break;
        }
        if (!value.is_empty()) desk_.note(hydralora::concat("the key ", in_quotes(name), " of turns is not read"));
    }

    /// The parts of a turn that are learnt.
    void read_detail(const std::string& name, const RecordValue& value) {
        if (!assistant()) return;
        if (!value.is(Kind::array) || !value.elements.empty())
            desk_.fail(value.at, "found ", in_quotes(name), " in a turn: the assistant's turns are trained as a ",
                       R"(whole or not at all; write "train": true or false, or leave the conversation out)");
        set_trained(name, value, false);  // no part of it
    }

    /// Throws where something would be lost that changes what is learnt.
    void refuse_lost(const std::string& name, const RecordValue& value, TurnKey use) const {
        if (value.is_empty()) return;
        if (use == TurnKey::media)
            desk_.fail(value.at, "found ", in_quotes(name),
                       " in a turn; only text can be trained on: leave the conversation out");
        if (assistant() && !value.is(Kind::string))
            desk_.fail(value.at, "found ", in_quotes(name), " in a turn of the assistant: whether that is to be ",
                       R"(learnt is not known; write "train": true or false, or leave the key out)");
    }

    void read_reasoning(const std::string& name, const RecordValue& value) {
        if (value.is_empty()) return;
        const std::string words = desk_.string(value, name);
        if (!assistant())
            desk_.fail(value.at, "found ", in_quotes(name), " in a turn of ",
                       hydralora::enum_name(made_.speaker, hydralora::text::speaker_names),
                       "; expected it in the assistant's turns: leave it out, or the conversation");
        if (!made_.reasoning.empty() && made_.reasoning != words)
            desk_.fail(value.at, "found ", in_quotes(name),
                       " besides another reasoning in the turn; leave one of them");
        made_.reasoning = words;
    }

    void read_calls(const std::string& name, const RecordValue& value) {
        if (value.is_empty()) return;
        if (!value.is_container())
            desk_.fail(value.at, "expected an array of calls as ", in_quotes(name), ", found ", value.described());
        if (!assistant())
            desk_.fail(value.at, "found ", in_quotes(name), " in a turn of ",
                       hydralora::enum_name(made_.speaker, hydralora::text::speaker_names),
                       "; expected it in the assistant's turns: leave it out, or the conversation");
        if (!made_.tool_calls.empty())
            desk_.fail(value.at, R"(expected "tool_calls" or "function_call" in the turn, found both)");
        made_.tool_calls = value.spelling();
    }

    void read_flag(const std::string& name, const RecordValue& value, bool means_trained) {
        const bool truth = value.is(Kind::boolean), one = value.is(Kind::number) && value.number == 1;
        if (!truth && !one && !(value.is(Kind::number) && value.number == 0)) {
            if (!assistant() || value.is_empty()) return;  // what is never trained has no weight
            desk_.fail(value.at, "expected 0 or 1, true or false as ", in_quotes(name), " of a turn, found ",
                       value.is(Kind::number) ? value.text : std::string(value.described()),
                       ": the assistant's turns are trained alike, or masked");
        }
        const bool trained = (truth ? value.truth : one) == means_trained;
        if (assistant()) return set_trained(name, value, trained);
        if (trained && means_trained && name != "weight" && made_.speaker == Speaker::user)
            desk_.note(hydralora::concat(in_quotes(name),
                                         " of the user's turns is not followed: the assistant's alone "
                                         "are trained"));
    }

    void set_trained(const std::string& name, const RecordValue& value, bool trained) {
        if (trained_.value_or(trained) != trained)
            desk_.fail(value.at, "found ", in_quotes(name),
                       " in a turn, against what another key says of its training");
        trained_ = trained;
    }

    void finish_content() {
        const auto [name, value] = desk_.chosen(turn_, uses_, TurnKey::content);
        if (value == nullptr) {
            if (!made_.tool_calls.empty()) return;  // it calls and says nothing
            refuse_without_content();
        }
        if (value->is(Kind::array))
            for (const RecordValue& part : value->elements) made_.content += part_text(part);
        else
            made_.content = desk_.string(*value, *name);
        if (!calls(role_)) return;
        if (!made_.tool_calls.empty())
            desk_.fail(value->at, "found calls in a turn of ", in_quotes(role_), ", whose content is one already");
        made_.tool_calls = std::exchange(made_.content, {});
        check_call(*value);
    }

    [[noreturn]] void refuse_without_content() const {
        for (std::size_t i = 0; i < uses_.size(); ++i)
            if (uses_[i] == TurnKey::content)
                desk_.fail(turn_.elements[i].at, "expected a string as ", in_quotes(turn_.keys[i].name),
                           ", found null; write what the turn says, or leave it or the conversation out");
        desk_.fail(turn_.end, R"(expected "content" (or "value") in the turn, found none)");
    }

    /// Of a role whose content is a call: JSON.
    void check_call(const RecordValue& value) const {
        try {
            const auto json = hydralora::io::parse_json(made_.tool_calls, "", record_limits);
            if (json.is_object() || json.is_array()) return;
        } catch (const Error&) {  // told below
        }
        desk_.fail(value.at, "expected a call in JSON as what ", in_quotes(role_), " says, found ",
                   in_quotes(made_.tool_calls), "; leave the conversation out");
    }

    std::string part_text(const RecordValue& part) const {
        if (!part.is(Kind::object))
            desk_.fail(part.at, R"(expected a part like {"type": "text", "text": "..."}, found )", part.described());
        desk_.check_keys_once(part);
        const RecordValue *type = part.find("type"), *words = part.find("text");
        if (type != nullptr && !type->is_empty() && desk_.string(*type, "type") != "text")
            desk_.fail(part.end, "expected parts of type \"text\", found ", in_quotes(type->text),
                       "; only text can be trained on: write it as text, or leave the conversation out");
        if (words == nullptr || words->is(Kind::null))
            desk_.fail(part.end, R"(expected "text" in the part, found none)");
        for (std::size_t i = 0; i < part.keys.size(); ++i) {
            const std::string& name = part.keys[i].name;
            const RecordValue& value = part.elements[i];
            if (name == "type" || name == "text" || value.is_empty() || harmless_in_part(name)) continue;
            if (value.is(Kind::string) || value.is_container())
                desk_.fail(value.at, "found ", in_quotes(name), " in a part of type \"text\", which would be lost; ",
                           "write it as text, or leave it out");
            desk_.note(hydralora::concat("the key ", in_quotes(name), " of parts is not read"));
        }
        return desk_.string(*words, "text");
    }

    const RecordValue& turn_;
    const RecordDesk& desk_;
    std::vector<TurnKey> uses_;  // of its keys
    std::string role_;
    Turn made_;
    std::optional<bool> trained_;  // what its keys say
};

}  // namespace

void RecordDesk::check_keys_once(const RecordValue& object) const {
    std::vector<const RecordValue::Key*> keys;
    for (const auto& key : object.keys) keys.push_back(&key);
    const auto less = [](const auto* a, const auto* b) { return a->name < b->name; };
    std::stable_sort(keys.begin(), keys.end(), less);
    const auto twice =
        std::adjacent_find(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return a->name == b->name; });
    if (twice != keys.end())
        fail((*(twice + 1))->at, "expected each key once, found ", in_quotes((*twice)->name), " twice");
}

void RecordDesk::note(std::string what) const {
    constexpr std::size_t most = 32;
    if (notes_.size() < most && std::find(notes_.begin(), notes_.end(), what) == notes_.end())
        notes_.push_back(std::move(what));
}

std::string RecordDesk::string(const RecordValue& value, std::string_view name) const {
    if (!value.is(Kind::string))
        fail(value.at, "expected a string as ", in_quotes(name), ", found ", value.described());
    return std::string(hydralora::io::without_byte_order_mark(value.text));
}

RecordMember RecordDesk::better(const RecordMember& found, const RecordMember& next) const {
    if (next.value->is(Kind::null)) return found;
    if (!found || (!found.filled() && next.filled())) return next;
    if (next.filled() && !(next.value->is(Kind::string) && next.value->text == found.value->text))
        fail(next.value->at, "expected ", in_quotes(*found.name), " or ", in_quotes(*next.name), ", found both");
    return found;
}

hydralora::text::Conversation read_turns(const RecordValue& value, std::string_view name, const RecordDesk& desk) {
    if (!value.is(Kind::array))
        desk.fail(value.at, "expected an array of turns as ", in_quotes(name), ", found ", value.described());
    hydralora::text::Conversation turns;
    for (const RecordValue& turn : value.elements) {
        if (!turn.is(Kind::object))
            desk.fail(turn.at, R"(expected a turn like {"role": "user", "content": "..."}, found )", turn.described());
        turns.push_back(TurnReader(turn, desk).read());
    }
    return turns;
}

bool looks_like_turns(const RecordValue& value) {
    if (!value.is(Kind::array) || value.elements.empty()) return false;
    const RecordValue& first = value.elements.front();
    const auto has = [&](std::string_view key) { return first.find(key) != nullptr; };
    return (has("role") || has("from")) && (has("content") || has("value"));
}

}  // namespace hydra
