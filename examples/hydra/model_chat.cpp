#include "model_chat.hpp"

#include <algorithm>

#include <hydralora/core/enum_names.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/text/format_templates.hpp>

namespace hydra {

using namespace hydralora;
using io::Json;

namespace {

Companion& companion(std::vector<Companion>& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Companion& c) { return c.name == name; });
    return found != all.end() ? *found : all.emplace_back(Companion{name, ""});
}
bool has(const std::vector<Companion>& all, const std::string& name) {
    return std::any_of(all.begin(), all.end(), [&](const Companion& c) { return c.name == name; });
}

/// Into tokenizer_config.json where that has none, its text else unchanged; else into chat_template.jinja, which readers
/// take before it.
void put_template(std::vector<Companion>& all, const std::string& chat_template) {
    const std::string tokenizer_name = "tokenizer_config.json", file_name = "chat_template.jinja";
    if (!has(all, file_name) && has(all, tokenizer_name)) {
        Companion& config = companion(all, tokenizer_name);
        const Json document = io::parse_json(config.text, config.name);
        const std::size_t brace = config.text.find('{');
        if (document.is_object() && document.find("chat_template") == nullptr && brace != std::string::npos) {
            std::string member = "\n  \"chat_template\": ";
            io::append_json_string(member, chat_template);
            config.text.insert(brace + 1, member + (document.size() > 0 ? "," : "\n"));
            return;
        }
    }
    companion(all, file_name).text = chat_template;
}

void put_ends(std::vector<Companion>& all, const std::vector<std::int32_t>& ends) {
    Companion& generation = companion(all, "generation_config.json");
    Json document = generation.text.empty() ? Json::object() : io::parse_json(generation.text, generation.name);
    Json ids = Json::array();
    for (const std::int32_t id : ends) ids.push(std::int64_t{id});
    generation.text = io::to_text(document.set("eos_token_id", std::move(ids)), 2) + '\n';
}

}  // namespace

ModelChat model_chat(const Vocabulary& vocabulary, const std::string& chat) {
    ModelChat said;
    if (!vocabulary.is_present() || vocabulary.is_bytes()) return said;
    const auto format = vocabulary.chat_format(chat);
    if (!format || (chat.empty() && format->own() == nullptr)) return said;
    const auto known = vocabulary.stops();
    said.ends = vocabulary.stops(format);
    for (const std::int32_t id : said.ends)
        if (std::find(known.begin(), known.end(), id) == known.end()) said.end_of_turn = id;
    if (!chat.empty()) {
        const auto spelt = [&](std::optional<std::int32_t> id) {
            return id ? vocabulary.spelt(std::span(&*id, 1)) : std::string();
        };
        const bool ends_by_eos = text::end_of_turn(format->format()).piece == text::Piece::eos;
        said.chat_template = text::chat_template_of(
            format->format(), {vocabulary.spelt(vocabulary.start()), spelt(vocabulary.bos()),
                               spelt(ends_by_eos ? std::optional(vocabulary.eos()) : std::nullopt)});
        said.note = concat("It has the chat template of ", chat, ", which it was trained in. ");
    }
    if (said.end_of_turn)
        said.note += concat("It ends its turns with token ", *said.end_of_turn, " (",
                            vocabulary.spelt(std::span(&*said.end_of_turn, 1)),
                            "), which the base does not name as an end; ", "it is named now. ");
    if (!said.note.empty()) said.note.back() = '\n';
    return said;
}

std::vector<Companion> companions_with(const std::filesystem::path& base, const ModelChat& said) {
    std::vector<Companion> all = companions_of(base);
    if (said.chat_template) put_template(all, *said.chat_template);
    if (said.end_of_turn) put_ends(all, said.ends);
    return all;
}

}  // namespace hydra
