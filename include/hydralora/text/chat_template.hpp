// A model's own chat template: it is rendered as Hugging Face transformers' apply_chat_template renders it, by an
// evaluator that can do nothing but make text (jinja/evaluator.hpp). Debian has no kept C++ library that does: inja and
// minja are not packaged, and inja and jinja2cpp lack the Python methods and namespaces that published templates use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <memory>
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
};

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
        jinja::Evaluator evaluator(options_.limits, options_.now);
        jinja::Context& cx = evaluator.context();
        jinja::Variables variables;
        for (const auto& [name, spelling] : options_.tokens) variables.emplace_back(name, jinja::Text(spelling));
        variables.emplace_back("messages", messages_of(cx, turns));
        variables.emplace_back("tools", value_of(cx, tools));
        variables.emplace_back("documents", jinja::None{});
        variables.emplace_back("add_generation_prompt", ending == Ending::for_assistant);
        return evaluator.render(*root_, std::move(variables));
    }

    /// The text with what is trained: what the template marks or, where it marks nothing, what each turn of the assistant
    /// adds to a prompt of the turns before it, up to the token that ends it.
    [[nodiscard]] RenderedChat conversation(const Conversation& turns, const io::Json& tools = {}) const {
        check(!turns.empty(), "expected a conversation of at least one turn, found none");
        for (std::size_t i = 0; marks_ && i < turns.size(); ++i)
            check(turns[i].loss == Loss::trained, "turn ", i + 1,
                  " is masked, and the model's chat template marks itself what is trained; choose a format that is "
                  "built in "
                  "with --chat NAME, or leave the conversation out");
        RenderedChat result{text(turns, Ending::as_it_is, tools)};
        note_unread(result, turns, tools, &Turn::reasoning);
        note_unread(result, turns, tools, &Turn::tool_calls);
        if (!marks_) mark_trained(result, turns, tools);
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
    struct Span {
        std::size_t begin = 0, end = 0;
    };

    static bool has_generation(const jinja::Node& node) {
        return node.kind == jinja::Kind::generation ||
               std::any_of(node.parts.begin(), node.parts.end(),
                           [](const jinja::NodePtr& part) { return part != nullptr && has_generation(*part); });
    }

    static jinja::Value messages_of(jinja::Context& cx, std::span<const Turn> turns) {
        std::vector<jinja::Value> messages;
        for (const Turn& turn : turns) {
            const auto origin = static_cast<jinja::Origin>(messages.size() + 1);
            const std::string_view role = enum_name(turn.speaker, speaker_names);
            std::vector<std::pair<jinja::Value, jinja::Value>> members{
                {"role", jinja::Text(role)}, {"content", jinja::Text(chat_detail::with_input(turn), origin)}};
            const auto member = [&](std::string_view key, const std::string& value) {
                if (!value.empty()) members.emplace_back(jinja::Text(key), jinja::Text(value, origin));
            };
            member("reasoning_content", turn.reasoning);
            member("thinking", turn.reasoning);  // what some templates call it
            member("name", turn.name);
            member("tool_call_id", turn.call);
            if (!turn.tool_calls.empty()) {
                io::Json calls = io::parse_json(turn.tool_calls, "tool_calls");
                if (calls.get_if<io::Json::Array>() == nullptr) calls = io::Json::array({calls});
                members.emplace_back("tool_calls", value_of(cx, calls, origin));
            }
            messages.push_back(jinja::make_dict(cx, std::move(members)));
        }
        return jinja::make_list(cx, std::move(messages));
    }

    static jinja::Value value_of(jinja::Context& cx, const io::Json& json, jinja::Origin origin = jinja::of_record) {
        if (const bool* truth = json.get_if<bool>()) return *truth;
        if (const auto* integer = json.get_if<std::int64_t>()) return *integer;
        if (const double* real = json.get_if<double>()) return *real;
        if (const auto* text = json.get_if<std::string>()) return jinja::Text(*text, origin);
        if (const auto* elements = json.get_if<io::Json::Array>()) {
            std::vector<jinja::Value> items;
            for (const io::Json& each : *elements) items.push_back(value_of(cx, each, origin));
            return jinja::make_list(cx, std::move(items));
        }
        if (const auto* object = json.get_if<io::Json::Object>()) {
            std::vector<std::pair<jinja::Value, jinja::Value>> members;
            for (const auto& [key, value] : *object)
                members.emplace_back(jinja::Text(key, origin), value_of(cx, value, origin));
            return jinja::make_dict(cx, std::move(members));
        }
        check(json.is_null(), "tools and calls: expected integers that fit 64 bits");
        return jinja::None{};
    }

    /// The text, or none where the template refuses so few turns.
    [[nodiscard]] std::optional<std::string> beginning(std::span<const Turn> turns, Ending ending,
                                                       const io::Json& tools) const {
        if (turns.empty()) return std::nullopt;
        try {
            return text(turns, ending, tools).bytes();
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

    /// A turn of the assistant as the last of a conversation, and the prompt that it answers.
    struct LastTurn {
        jinja::Text text;
        Span trained;
        std::optional<Span> words;
        std::string opening;  ///< what a prompt adds to the turns before it
    };
    [[nodiscard]] LastTurn as_last(const Conversation& turns, std::size_t i, const jinja::Text& whole,
                                   const io::Json& tools) const {
        const std::span<const Turn> all(turns);
        LastTurn last;
        last.text = i + 1 == turns.size() ? whole : text(all.first(i + 1), Ending::as_it_is, tools);
        last.words = words_of(last.text, i);
        const auto prompt = beginning(all.first(i), Ending::for_assistant, tools);
        const auto before = beginning(all.first(i), Ending::as_it_is, tools);
        if (prompt && before) last.opening = prompt->substr(common(*prompt, *before));
        const std::string& bytes = last.text.bytes();
        const std::size_t first_word = last.words ? last.words->begin : bytes.size();
        last.trained.begin = prompt ? std::min(common(*prompt, bytes), first_word) : first_word;
        // White space behind what ends the turn is the template's; where nothing else ends it, it is the end.
        const std::size_t last_word = last.words ? last.words->end : last.trained.begin;
        const std::string_view tail = std::string_view(bytes).substr(last_word);
        const std::size_t end = without_trailing_space(tail).size();
        last.trained.end = last_word + (end > 0 ? end : tail.size());
        return last;
    }

    /// The same turn in the whole conversation, where the template may write it in another way.
    [[nodiscard]] static Span in_whole(const LastTurn& last, const jinja::Text& whole, std::size_t turn) {
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
        const std::size_t opening = last.opening.empty() ? std::string_view::npos : between.rfind(last.opening);
        if (opening != std::string_view::npos)
            span.begin = gap + opening + last.opening.size();
        else if (between.size() >= head.size() && between.substr(between.size() - head.size()) == head)
            span.begin -= head.size();
        const std::size_t same = common(bytes.substr(span.end), tail);
        for (std::size_t k = 0; k < same && jinja::source_of(whole.origin_at(span.end)) == 0; ++k) ++span.end;
        return span;
    }

    void mark_trained(RenderedChat& result, const Conversation& turns, const io::Json& tools) const {
        const jinja::Text whole = std::move(result.text);
        result.text = {};
        std::size_t done = 0;
        for (std::size_t i = 0; i < turns.size(); ++i) {
            if (turns[i].speaker != Speaker::assistant || turns[i].loss == Loss::masked) continue;
            const Span span = in_whole(as_last(turns, i, whole, tools), whole, i);
            if (span.begin >= span.end || span.begin < done) continue;
            result.text.append(whole, done, span.begin);
            jinja::Text said = whole.slice(span.begin, span.end);
            said.mark_generated();
            result.text.append(said);
            done = span.end;
        }
        result.text.append(whole, done, whole.size());
    }

    /// Turns that have what the template nowhere writes.
    void note_unread(RenderedChat& result, const Conversation& turns, const io::Json& tools,
                     std::string Turn::*part) const {
        std::vector<std::size_t> having;
        Conversation without = turns;
        for (std::size_t i = 0; i < turns.size(); ++i)
            if (!(turns[i].*part).empty()) {
                having.push_back(i);
                (without[i].*part).clear();
            }
        if (having.empty() || text(without, Ending::as_it_is, tools).bytes() != result.text.bytes()) return;
        result.unwritten.insert(result.unwritten.end(), having.begin(), having.end());
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
