// Any bytes as a chat template: refused with the library's error, or a text of bounded size in which every byte that a turn
// says is known for its own. run.sh bounds time and memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <hydralora/text/chat_template.hpp>

namespace {

using namespace hydralora;
using namespace hydralora::text;

void require(bool ok) {
    if (!ok) __builtin_trap();
}

constexpr std::string_view private_character = "\xee\x80\x80";  // of the turns alone
constexpr std::size_t most = 1 << 16;

void check_text(const jinja::Text& text, std::size_t turns, bool spells_codes) {
    require(text.size() <= most);
    std::size_t at = 0;
    text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
        require(begin == at && begin < end);
        at = end;
        const jinja::Origin source = jinja::source_of(origin);
        require(source <= turns || source == jinja::of_record);
        if (source == 0 && !spells_codes)
            require(text.bytes().substr(begin, end - begin).find(private_character) == std::string::npos);
    });
    require(at == text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    // Only a template that has the character itself, or an escape, can spell it.
    const bool spells_codes =
        source.find('\\') != std::string_view::npos || source.find('\xee') != std::string_view::npos;
    const std::string own(private_character);
    Conversation turns{{Speaker::system, own + "s "},
                       {Speaker::user, " " + own + "a,b\n"},
                       {Speaker::assistant, "<think>\n" + own + "</think>\n\n c"},
                       {Speaker::tool, "{\"t\": 1}" + own},
                       {Speaker::assistant, own}};
    turns[2].tool_calls = "[{\"function\": {\"name\": \"" + own + "\", \"arguments\": {\"n\": 1}}}]";
    turns[4].reasoning = own + "\nwhy";
    const auto tools =
        io::Json::array({io::Json::object({{"name", own}, {"n", 1.5}, {"required", io::Json::array({true})}})});
    try {
        const ChatTemplate chat(source,
                                {.tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}},
                                 .limits = {.steps = 1 << 14, .bytes = 1 << 20, .output = most, .range = 1000}});
        check_text(chat.text(turns, Ending::for_assistant), turns.size(), spells_codes);
        const RenderedChat rendered = chat.conversation(turns, tools);
        check_text(rendered.text, turns.size(), spells_codes);
        for (const std::size_t turn : rendered.unwritten) require(turn < turns.size());
        static_cast<void>(chat.end_of_turn());
    } catch (const jinja::TemplateError& error) {
        require(error.place.line >= 1 && error.place.column >= 1);
    } catch (const Error&) {
    }
    return 0;
}
