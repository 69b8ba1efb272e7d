#include "chat.hpp"

#include <cstdlib>
#include <ctime>

#include <hydralora/core/check.hpp>
#include <hydralora/core/enum_names.hpp>

#include "own_template.hpp"
#include "vocabulary.hpp"

namespace hydra {

using namespace hydralora;
using text::jinja::Fault;
using text::jinja::TemplateError;

namespace {

/// What strftime_now tells: now, or the time that SOURCE_DATE_EPOCH names for what is to come out the same again.
std::tm time_for_templates() {
    std::time_t now = std::time(nullptr);
    if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH")) {
        now = static_cast<std::time_t>(std::strtoll(fixed, nullptr, 10));
        if (const std::tm* time = std::gmtime(&now)) return *time;
    }
    const std::tm* time = std::localtime(&now);
    return time != nullptr ? *time : std::tm{};
}

/// The format whose marks a template has, to be named as a remedy.
std::string remedy(std::string_view source) {
    const auto like = text::recognise_chat_template(source);
    return concat(
        "; choose a format that is built in with --chat NAME: ", text::chat_format_list(),
        like ? concat(" (the template has the marks of ", enum_name(*like, text::chat_format_names), ")") : "");
}

text::ChatTemplate parsed(const std::string& source, const std::string& place,
                          const std::vector<std::pair<std::string, std::string>>& spellings) {
    try {
        return text::ChatTemplate(source, {.tokens = spellings, .now = time_for_templates()});
    } catch (const TemplateError& error) {
        fail(place, ": ", error.what(), remedy(source));
    }
}

/// Runs `render`; its errors name the template.
template <class Render>
auto with_place(const OwnTemplate& own, Render&& render) {
    try {
        return render();
    } catch (const TemplateError& error) {
        fail(own.place, ": ", error.what(),
             error.fault == Fault::raised ? "" : "; choose a format that is built in with --chat NAME");
    }
}

}  // namespace

OwnTemplate::OwnTemplate(const std::string& source, std::string where,
                         const std::vector<std::pair<std::string, std::string>>& spellings)
    : place(std::move(where)),
      chat_template(parsed(source, place, spellings)),
      dated(source.find("strftime_now") != std::string::npos) {
    try {
        end_of_turn = chat_template.end_of_turn();
    } catch (const TemplateError& error) {
        // What it refuses or lacks of this conversation another may have.
        if (error.fault == Fault::unknown || error.fault == Fault::limit)
            fail(place, ": ", error.what(), remedy(source));
    }
}

std::string Chat::name() const {
    return own_ != nullptr ? "the model's chat template"
                           : concat("the chat format ", enum_name(format_, text::chat_format_names));
}

Written written(const Vocabulary& vocabulary, const Chat& chat, const text::Conversation& turns,
                const io::Json& tools) {
    if (chat.own() == nullptr) {
        check(
            tools.is_null(), "found tools: ", chat.name(),
            " has no place for them; write them into a system prompt and leave \"tools\" out, or leave the record out");
        return {text::render(chat.format(), turns)};
    }
    auto rendered = with_place(*chat.own(), [&] { return chat.own()->chat_template.conversation(turns, tools); });
    return {vocabulary.segments(rendered.text), std::move(rendered.unwritten), std::move(rendered.untrained),
            rendered.tools_unwritten};
}

std::vector<text::Segment> written_prompt(const Vocabulary& vocabulary, const Chat& chat,
                                          const text::Conversation& turns) {
    if (chat.own() == nullptr) return text::render_prompt(chat.format(), turns);
    check(!turns.empty() && turns.back().speaker != text::Speaker::assistant,
          "expected a conversation that ends before the assistant speaks, found one that ends with it");
    return vocabulary.segments(
        with_place(*chat.own(), [&] { return chat.own()->chat_template.text(turns, text::Ending::for_assistant); }));
}

}  // namespace hydra
