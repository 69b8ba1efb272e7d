// A model's own chat template: it is rendered as Hugging Face transformers' apply_chat_template renders it, by an
// evaluator that can do nothing but make text (jinja/evaluator.hpp). Debian has no kept C++ library that does: inja and
// minja are not packaged, and inja and jinja2cpp lack the Python methods and namespaces that published templates use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../io/json.hpp"
#include "chat_format.hpp"
#include "jinja/evaluator.hpp"
#include "jinja/from_json.hpp"
#include "jinja/parser.hpp"

namespace hydralora::text {

/// Whether the text ends where the assistant is to speak next.
enum class Ending { as_it_is, for_assistant };

/// What a template is rendered with besides the messages.
struct TemplateOptions {
    std::vector<std::pair<std::string, std::string>> tokens{};  ///< such as {"bos_token", "<s>"}
    std::tm now{};                                              ///< what strftime_now tells
    jinja::Limits limits{};
};

/// A rendered conversation. The origin of a byte tells whose it is: source 0 is the template, n the n-th turn. Marked as
/// generated is what is trained.
struct RenderedChat {
    jinja::Text text;
    std::vector<std::size_t> unwritten{};  ///< turns, from 0, of whose words the template writes nothing
    std::vector<std::size_t> untrained{};  ///< the assistant's turns with words of which nothing is trained
    bool tools_unwritten = false;          ///< there are tools, of which the template writes nothing
};

namespace chat_template_detail {

/// A turn, with its calls as JSON.
struct Message {
    const Turn* turn;
    io::Json calls;  ///< null: none
};
struct Record {
    std::vector<Message> messages;
    const io::Json& tools;
};
/// Which parts of a record the template is shown.
struct Shown {
    bool reasoning = true, calls = true, tools = true;
};

inline std::vector<Message> messages_of(std::span<const Turn> turns) {
    std::vector<Message> messages;
    for (const Turn& turn : turns) {
        io::Json calls;
        if (!turn.tool_calls.empty()) calls = io::parse_json(turn.tool_calls, "tool_calls");
        if (!calls.is_null() && !calls.is_array()) calls = io::Json::array({calls});
        messages.push_back({&turn, std::move(calls)});
    }
    return messages;
}

inline jinja::Value value_of(jinja::Context& cx, const Message& message, jinja::Origin origin, const Shown& shown) {
    const Turn& turn = *message.turn;
    const std::string_view role = turn.role.empty() ? enum_name(turn.speaker, speaker_names) : turn.role;
    std::vector<std::pair<jinja::Value, jinja::Value>> members{
        {"role", jinja::Text(role)}, {"content", jinja::Text(chat_detail::with_input(turn), origin)}};
    const auto member = [&](std::string_view key, const std::string& value) {
        if (!value.empty()) members.emplace_back(jinja::Text(key), jinja::Text(value, origin));
    };
    if (shown.reasoning) {
        member("reasoning_content", turn.reasoning);
        member("thinking", turn.reasoning);  // what some templates call it
    }
    member("name", turn.name);
    member("tool_call_id", turn.call);
    if (shown.calls && !message.calls.is_null())
        members.emplace_back("tool_calls", jinja::from_json(cx, message.calls, origin));
    return jinja::make_dict(cx, std::move(members));
}

}  // namespace chat_template_detail

/// The tree of a template, with what it is rendered with. Immutable.
class ChatTemplate {
public:
    /// Throws jinja::TemplateError where it is no Jinja or has blocks that are not known.
    explicit ChatTemplate(std::string_view source, TemplateOptions options = {})
        : root_(jinja::parse(source, options.limits)), options_(std::move(options)), marks_(has_generation(*root_)) {}

    /// Whether the template itself marks what the assistant says.
    [[nodiscard]] bool marks_generation() const { return marks_; }

    /// The text of the turns. `tools`: null or an array, as records have them.
    [[nodiscard]] jinja::Text text(std::span<const Turn> turns, Ending ending, const io::Json& tools = {}) const {
        return rendered({chat_template_detail::messages_of(turns), tools}, turns.size(), ending);
    }

    /// The text with what is trained: what the template marks or, where it marks nothing, what each turn of the assistant
    /// adds to a prompt of the turns before it, up to the token that ends it.
    [[nodiscard]] RenderedChat conversation(const Conversation& turns, const io::Json& tools = {}) const {
        check(!turns.empty(), "expected a conversation of at least one turn, found none");
        const Record record{chat_template_detail::messages_of(turns), tools};
        RenderedChat result{rendered(record, turns.size(), Ending::as_it_is)};
        note_unread(result, record);
        if (marks_)
            unmark_masked(result, turns);
        else
            mark_trained(result, record);
        note_missing(result, turns);
        return result;
    }

    /// What stands between the last word of the assistant's turn and the next turn: what ends it.
    [[nodiscard]] std::string end_of_turn() const {
        const RenderedChat chat = conversation({{Speaker::user, "u"}, {Speaker::assistant, "a"}});
        std::string end;
        chat.text.each_run([&](std::size_t begin, std::size_t stop, jinja::Origin origin) {
            if (origin == (2 | jinja::generated)) end.clear();
            if (origin == jinja::generated) end += chat.text.bytes().substr(begin, stop - begin);
        });
        return end;
    }

private:
    using Message = chat_template_detail::Message;
    using Record = chat_template_detail::Record;
    using Shown = chat_template_detail::Shown;
    struct Span {
        std::size_t begin = 0, end = 0;
    };

    static bool has_generation(const jinja::Node& node) {
        return node.kind == jinja::Kind::generation ||
               std::any_of(node.parts.begin(), node.parts.end(),
                           [](const jinja::NodePtr& part) { return part != nullptr && has_generation(*part); });
    }

    /// The text of the first `turns` turns.
    [[nodiscard]] jinja::Text rendered(const Record& record, std::size_t turns, Ending ending,
                                       const Shown& shown = {}) const {
        jinja::Evaluator evaluator(options_.limits, options_.now);
        jinja::Context& cx = evaluator.context();
        std::vector<jinja::Value> messages;
        for (std::size_t i = 0; i < turns; ++i)
            messages.push_back(value_of(cx, record.messages[i], static_cast<jinja::Origin>(i + 1), shown));
        jinja::Names variables;
        for (const auto& [name, spelling] : options_.tokens) variables.set(cx, name, jinja::Text(spelling));
        variables.set(cx, "messages", jinja::make_list(cx, std::move(messages)));
        variables.set(cx, "tools",
                      shown.tools ? jinja::from_json(cx, record.tools, jinja::of_record) : jinja::Value(jinja::None{}));
        variables.set(cx, "documents", jinja::None{});
        variables.set(cx, "add_generation_prompt", ending == Ending::for_assistant);
        return evaluator.render(*root_, std::move(variables));
    }

    /// The text, or none where the template refuses what it is shown.
    [[nodiscard]] std::optional<jinja::Text> attempt(const Record& record, std::size_t turns, Ending ending,
                                                     const Shown& shown = {}) const {
        if (turns == 0) return std::nullopt;
        try {
            return rendered(record, turns, ending, shown);
        } catch (const jinja::TemplateError& error) {
            if (error.fault == jinja::Fault::limit) throw;
            return std::nullopt;
        }
    }

    /// From the first byte of a turn's words to behind the last; none where nothing of them is written.
    static std::optional<Span> words_of(const jinja::Text& text, std::size_t turn) {
        std::optional<Span> words;
        text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
            if (jinja::source_of(origin) != turn + 1) return;
            if (!words) words = Span{begin, begin};
            words->end = end;
        });
        return words;
    }

    static std::size_t common(std::string_view a, std::string_view b) {
        return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    }

    /// Behind the last byte before `end` that is neither the template's nor of the turn.
    static std::size_t behind_others(const jinja::Text& text, std::size_t end, std::size_t turn) {
        std::size_t behind = 0;
        text.each_run([&](std::size_t begin, std::size_t stop, jinja::Origin origin) {
            const std::size_t source = jinja::source_of(origin);
            if (begin < end && source != 0 && source != turn + 1) behind = std::min(stop, end);
        });
        return behind;
    }
    /// Where the turn goes on behind its prompt. Where the template wrote the turns before it in another way for the prompt,
    /// behind what the prompt has after the last word of another's, so that no other's words are trained.
    static std::size_t behind_prompt(const jinja::Text& prompt, const jinja::Text& text, std::size_t turn,
                                     std::size_t first_word) {
        const std::string_view bytes = text.bytes(), asked = prompt.bytes();
        const std::size_t same = std::min(common(asked, bytes), first_word);
        const std::size_t others = behind_others(text, first_word, turn);
        const std::size_t others_asked = behind_others(prompt, asked.size(), turn);
        if (same >= others && same >= others_asked) return same;
        const std::size_t opening = asked.size() - others_asked;
        const bool opens =
            first_word - others >= opening && bytes.substr(others, opening) == asked.substr(others_asked);
        return opens ? others + opening : first_word;
    }

    /// A turn of the assistant as the last of a conversation.
    struct LastTurn {
        jinja::Text text;
        Span trained;
        std::optional<Span> words;
        std::optional<jinja::Text> prompt;  ///< that it answers; none where the template refuses it
    };
    [[nodiscard]] LastTurn as_last(const Record& record, std::size_t i, const jinja::Text& whole) const {
        LastTurn last;
        last.text = i + 1 == record.messages.size() ? whole : rendered(record, i + 1, Ending::as_it_is);
        last.words = words_of(last.text, i);
        last.prompt = attempt(record, i, Ending::for_assistant);
        const std::string& bytes = last.text.bytes();
        const std::size_t first_word = last.words ? last.words->begin : bytes.size();
        last.trained.begin = last.prompt ? behind_prompt(*last.prompt, last.text, i, first_word) : first_word;
        // White space behind what ends the turn is the template's; where nothing else ends it, it is the end.
        const std::size_t last_word = last.words ? last.words->end : last.trained.begin;
        const std::string_view tail = std::string_view(bytes).substr(last_word);
        const std::size_t end = without_trailing_space(tail).size();
        last.trained.end = last_word + (end > 0 ? end : tail.size());
        return last;
    }
    /// What a prompt adds to the turns before it.
    [[nodiscard]] std::string opening(const Record& record, std::size_t i, const LastTurn& last) const {
        const auto before = last.prompt ? attempt(record, i, Ending::as_it_is) : std::nullopt;
        return before ? last.prompt->bytes().substr(common(last.prompt->bytes(), before->bytes())) : "";
    }

    /// The same turn in the whole conversation, where the template may write it in another way.
    [[nodiscard]] Span in_whole(const Record& record, std::size_t turn, const jinja::Text& whole) const {
        const LastTurn last = as_last(record, turn, whole);
        const std::string_view bytes = whole.bytes(), alone = last.text.bytes();
        if (bytes.substr(0, last.trained.end) == alone.substr(0, last.trained.end)) return last.trained;
        const auto words = words_of(whole, turn);
        if (!words || !last.words) return {};
        const std::string_view head = alone.substr(last.trained.begin, last.words->begin - last.trained.begin);
        const std::string_view tail = alone.substr(last.words->end, last.trained.end - last.words->end);
        Span span = *words;
        // Of what stands before the words: what the template puts between them and its opening of the turn.
        std::size_t gap = span.begin;
        while (gap > 0 && jinja::source_of(whole.origin_at(gap - 1)) == 0) --gap;
        const std::string_view between = bytes.substr(gap, span.begin - gap);
        const std::string opens = opening(record, turn, last);
        const std::size_t at = opens.empty() ? std::string_view::npos : between.rfind(opens);
        if (at != std::string_view::npos)
            span.begin = gap + at + opens.size();
        else if (between.size() >= head.size() && between.substr(between.size() - head.size()) == head)
            span.begin -= head.size();
        const std::size_t same = common(bytes.substr(span.end), tail);
        for (std::size_t k = 0; k < same && jinja::source_of(whole.origin_at(span.end)) == 0; ++k) ++span.end;
        return span;
    }

    void mark_trained(RenderedChat& result, const Record& record) const {
        const jinja::Text whole = std::exchange(result.text, {});
        std::size_t done = 0;
        for (std::size_t i = 0; i < record.messages.size(); ++i) {
            const Turn& turn = *record.messages[i].turn;
            if (turn.speaker != Speaker::assistant || turn.loss == Loss::masked) continue;
            const Span span = in_whole(record, i, whole);
            if (span.begin >= span.end || span.begin < done) continue;
            result.text.append(whole, done, span.begin);
            jinja::Text said = whole.slice(span.begin, span.end);
            said.mark_generated();
            result.text.append(said);
            done = span.end;
        }
        result.text.append(whole, done, whole.size());
    }

    /// What the template marks of turns that are masked is not trained.
    static void unmark_masked(RenderedChat& result, const Conversation& turns) {
        struct Region {
            Span span;
            std::size_t masked = 0, trained = 0;  // turns, from 1; 0: none
        };
        std::vector<Region> regions;
        result.text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
            if ((origin & jinja::generated) == 0) return;
            if (regions.empty() || regions.back().span.end != begin) regions.push_back({{begin, end}});
            Region& region = regions.back();
            region.span.end = end;
            const std::size_t source = jinja::source_of(origin);
            if (source == 0 || source > turns.size()) return;
            (turns[source - 1].loss == Loss::masked ? region.masked : region.trained) = source;
        });
        std::erase_if(regions, [](const Region& region) { return region.masked == 0; });
        if (regions.empty()) return;
        const jinja::Text whole = std::exchange(result.text, {});
        std::size_t done = 0;
        for (const Region& region : regions) {
            check(region.trained == 0, "turn ", region.masked,
                  " is masked, and the model's chat template marks it as trained together with turn ", region.trained,
                  "; choose a format that is built in, or leave the conversation out");
            result.text.append(whole, done, region.span.begin);
            jinja::Text read = whole.slice(region.span.begin, region.span.end);
            read.mark_generated(false);
            result.text.append(read);
            done = region.span.end;
        }
        result.text.append(whole, done, whole.size());
    }

    /// What the template nowhere writes: its text is the same without. What it refuses without, it has looked at.
    void note_unread(RenderedChat& result, const Record& record) const {
        const auto same_without = [&](const Shown& shown) {
            const auto text = attempt(record, record.messages.size(), Ending::as_it_is, shown);
            return text && text->bytes() == result.text.bytes();
        };
        const auto note = [&](const Shown& shown, auto&& has) {
            std::vector<std::size_t> having;
            for (std::size_t i = 0; i < record.messages.size(); ++i)
                if (has(record.messages[i])) having.push_back(i);
            if (having.empty() || !same_without(shown)) return;
            result.unwritten.insert(result.unwritten.end(), having.begin(), having.end());
        };
        note({.reasoning = false}, [](const Message& m) { return !m.turn->reasoning.empty(); });
        note({.calls = false}, [](const Message& m) { return !m.calls.is_null(); });
        result.tools_unwritten = record.tools.is_array() && record.tools.size() > 0 && same_without({.tools = false});
    }

    static void note_missing(RenderedChat& result, const Conversation& turns) {
        std::vector<bool> written(turns.size()), trained(turns.size());
        result.text.each_run([&](std::size_t, std::size_t, jinja::Origin origin) {
            const std::size_t source = jinja::source_of(origin);
            if (source == 0 || source > turns.size()) return;
            written[source - 1] = true;
            if ((origin & jinja::generated) != 0) trained[source - 1] = true;
        });
        for (std::size_t i = 0; i < turns.size(); ++i) {
            if (without_outer_space(chat_detail::with_input(turns[i])).empty()) continue;
            if (!written[i])
                result.unwritten.push_back(i);
            else if (turns[i].speaker == Speaker::assistant && turns[i].loss == Loss::trained && !trained[i])
                result.untrained.push_back(i);
        }
    }

    jinja::NodePtr root_;
    TemplateOptions options_;
    bool marks_;
};

}  // namespace hydralora::text
