#include "vocabulary.hpp"

#include <algorithm>
#include <utility>

#include <hydralora/core/check.hpp>
#include <hydralora/io/file.hpp>
#include <hydralora/io/file_kind.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/quote.hpp>
#include <hydralora/text/tokenizer_gguf.hpp>
#include <hydralora/text/transformers_classes.hpp>

#include "own_template.hpp"

namespace hydra {

using namespace hydralora;
using text::ChatFormat;
using text::Piece;
using text::Segment;

Vocabulary::Vocabulary(text::Tokenizer tokenizer, ModelTokens tokens)
    : tokenizer_(std::move(tokenizer)), tokens_(std::move(tokens)) {
    for (const std::int32_t id : tokenizer_->prefix()) static_cast<void>(known(id));
    controls_ = text::ControlTokens(tokenizer_->added());
    why_no_template_ = tokens_.why_no_template;
    if (!tokens_.chat_template) return;
    tokens_.chat_template = std::string(io::without_byte_order_mark(*tokens_.chat_template));
    try {
        own_ = std::make_shared<const OwnTemplate>(*tokens_.chat_template, tokens_.template_place, tokens_.spellings);
    } catch (const Error& error) {
        why_no_template_ = error.what();
    }
}

Vocabulary Vocabulary::absent(std::string why) {
    Vocabulary none;
    none.absent_ = std::move(why);
    return none;
}

std::int32_t Vocabulary::known(std::int32_t id) const {
    check(id >= 0 && id < tokens_.model_size, tokens_.directory, ": ", tokens_.places.tokens, " makes token ", id,
          ", but ", tokens_.places.size, " = ", tokens_.model_size,
          ": the model has no such token; take the tokenizer that belongs to this model");
    return id;
}

void Vocabulary::encode(std::string_view text, std::vector<std::int32_t>& ids, text::Position position) const {
    check_present();
    const std::size_t first = ids.size();
    if (is_bytes()) {
        ids.resize(first + text.size());
        for (std::size_t i = 0; i < text.size(); ++i) ids[first + i] = static_cast<unsigned char>(text[i]);
        return;
    }
    tokenizer_->encode(text, ids, hydralora::text::Specials::as_text, position);
    for (std::size_t i = first; i < ids.size(); ++i) static_cast<void>(known(ids[i]));
}

std::vector<std::int32_t> Vocabulary::encode(std::string_view text, text::Position position) const {
    std::vector<std::int32_t> ids;
    encode(text, ids, position);
    return ids;
}

std::string Vocabulary::decode(std::span<const std::int32_t> ids) const {
    check_present();
    for (std::size_t i = 0; i < ids.size(); ++i)
        check(ids[i] >= 0 && ids[i] < size(), "decode: token ", ids[i], " at position ", i, ", expected one in [0, ",
              size(), ")");
    if (!is_bytes()) return tokenizer_->decode(ids);
    std::string text;
    text.reserve(ids.size());
    for (const std::int32_t id : ids)
        if (id != end_of_text) text += static_cast<char>(static_cast<unsigned char>(id));
    return text;
}

std::string Vocabulary::spelt(std::span<const std::int32_t> ids) const {
    check_present();
    if (!is_bytes()) return tokenizer_->decode(ids, text::Decode::with_specials);
    std::string text;
    for (const std::int32_t id : ids)
        text += id == end_of_text ? std::string("<|end_of_text|>") : decode(std::span(&id, 1));
    return text;
}

Vocabulary::SpeltControls Vocabulary::spelt_controls(std::string_view text) const {
    const auto found = controls_.spelt(text);
    if (found.empty()) return {};
    return {static_cast<Index>(found.size()), found.front().begin, found.front().end - found.front().begin};
}

bool Vocabulary::is_control(std::int32_t id) const {
    const std::span one(&id, 1);
    return is_bytes() ? id == end_of_text : decode(one).empty() && !spelt(one).empty();
}

std::span<const std::int32_t> Vocabulary::start() const {
    check_present();
    static constexpr std::int32_t byte_start[] = {end_of_text};
    return is_bytes() ? std::span<const std::int32_t>(byte_start) : tokenizer_->prefix();
}

std::int32_t Vocabulary::eos() const {
    check_present();
    check(tokens_.eos.has_value(), tokens_.directory, ": names no end-of-text token, which every text ends with; set ",
          tokens_.places.eos);
    return known(*tokens_.eos);
}

std::optional<std::int32_t> Vocabulary::control(const Segment& segment, const Chat& chat) const {
    check_present();
    if (segment.piece == Piece::eos) return eos();
    if (segment.piece == Piece::bos) {
        check(tokens_.bos.has_value(), tokens_.directory, ": names no beginning-of-text token, which ", chat.name(),
              " needs; set ", tokens_.places.bos, ", or choose another format with --chat: ", text::chat_format_list());
        return known(*tokens_.bos);
    }
    if (is_bytes()) return std::nullopt;
    const auto id = tokenizer_->find(segment.text);
    check(id.has_value() || segment.piece == Piece::mark, tokens_.directory, ": ", tokens_.places.tokens,
          " has no token ", io::in_quotes(segment.text), ", which ", chat.name(),
          " needs; choose another with --chat: ", text::chat_format_list());
    return id ? std::optional(known(*id)) : std::nullopt;
}

std::vector<Segment> Vocabulary::segments(const text::jinja::Text& text) const { return controls_.segments(text); }

std::vector<std::int32_t> Vocabulary::stops(const std::optional<Chat>& chat) const {
    std::vector<std::int32_t> ids = tokens_.stops;
    const auto add = [&](std::int32_t id) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    };
    if (tokens_.eos) add(*tokens_.eos);
    if (const auto end = chat ? end_token(*chat) : std::nullopt) add(*end);
    return ids;
}

std::optional<std::int32_t> Vocabulary::end_token(const Chat& chat) const {
    if (chat.own() == nullptr) return control(text::end_of_turn(chat.format()), chat);
    const auto parts = controls_.segments(chat.own()->end_of_turn);
    const auto end = std::find_if(parts.begin(), parts.end(), [](const auto& s) { return s.piece == Piece::token; });
    return end != parts.end() ? control(*end, chat) : std::nullopt;
}

std::string Vocabulary::spelt_end_of_turn(const Chat& chat) const {
    if (end_token(chat)) return "";
    return chat.own() == nullptr ? text::end_of_turn(chat.format()).text
                                 : std::string(text::without_outer_space(chat.own()->end_of_turn));
}

std::optional<Chat> Vocabulary::chat_format(std::string_view name) const {
    if (!name.empty()) return parse_enum<ChatFormat>("--chat", name, text::chat_format_names);
    if (own_ != nullptr) return own_;
    return why_no_template_.empty() ? std::optional<Chat>(ChatFormat::hydralora) : std::nullopt;
}

std::string Vocabulary::why_no_chat_format() const { return why_no_template_; }

namespace {

constexpr Index most_tokens = Index{1} << 24;

/// A file beside the tokenizer, or null where there is none.
io::Json json_beside(const std::filesystem::path& directory, const char* name) {
    return io::path_exists(directory / name) ? io::read_json(directory / name) : io::Json();
}

/// A token as configurations have it: "<s>", or {"content": "<s>", ...}.
std::string spelling_of(const io::JsonView& value) {
    return value.value().is_object() ? value["content"].string() : value.string();
}

/// The token that a key names.
std::optional<std::int32_t> named_token(const text::Tokenizer& tokenizer, const io::JsonView& value) {
    if (!value.exists()) return std::nullopt;
    const std::string spelling = spelling_of(value);
    const auto id = tokenizer.find(spelling);
    check(id.has_value(), value.where(), ": ", io::in_quotes(spelling), " is no token of tokenizer.json");
    return id;
}

/// "eos_token_id": 2 or [2, 32000]
std::vector<std::int32_t> token_ids(const io::JsonView& value) {
    std::vector<std::int32_t> ids;
    if (!value.exists()) return ids;
    if (!value.value().is_array()) return {static_cast<std::int32_t>(value.integer(0, most_tokens))};
    for (std::size_t i = 0; i < value.size(); ++i)
        ids.push_back(static_cast<std::int32_t>(value.element(i).integer(0, most_tokens)));
    return ids;
}

/// A chat template and where it stands; or why none of those that are there is the one to take.
struct TemplateFound {
    std::string text, place, why_none{};
};

/// The template named "default" of a list, of two the last, as in transformers, which takes no other unasked either.
TemplateFound default_of(const io::JsonView& list) {
    constexpr std::size_t most_names = 8;
    std::optional<TemplateFound> found;
    std::string names;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string& name = list.element(i)["name"].string();
        const io::JsonView source = list.element(i)["template"];
        const std::string& text = source.string();
        if (name == "default") found = TemplateFound{text, source.where()};
        if (i < most_names) names += (i == 0 ? "" : ", ") + io::in_quotes(name);
    }
    if (found) return *std::move(found);
    if (list.size() > most_names) names += concat(" and ", list.size() - most_names, " more");
    return {"", list.where(),
            concat(list.where(), ": expected a template named \"default\" among the ", list.size(), ", found ", names,
                   "; choose a format that is built in with --chat NAME: ", text::chat_format_list(),
                   ", or name one of them \"default\"")};
}

/// What tokenizer_config.json has: a template or a list of them.
std::optional<TemplateFound> template_of(const io::JsonView& value) {
    if (!value.exists() || (value.value().is_array() && value.size() == 0)) return std::nullopt;
    if (!value.value().is_array() && value.string().empty()) return std::nullopt;
    if (value.value().is_array()) return default_of(value);
    return TemplateFound{value.string(), value.where()};
}

std::optional<TemplateFound> read_template(const std::filesystem::path& directory,
                                           const io::JsonView& tokenizer_config) {
    constexpr std::size_t most = std::size_t{1} << 20;
    const auto path = directory / "chat_template.jinja";
    if (!io::path_exists(path)) return template_of(tokenizer_config["chat_template"]);
    const auto file = io::MappedFile::open(path);
    check(file.text().size() <= most, path.string(), ": expected a chat template of at most ", most, " bytes, found ",
          file.text().size());
    return TemplateFound{std::string(file.text()), path.string()};
}

/// The names that templates know tokens by: of tokenizer_config.json or, where that has none, special_tokens_map.json; and those
/// that a model brings in "extra_special_tokens".
std::vector<std::pair<std::string, std::string>> spellings_of(const io::JsonView& names, const io::JsonView& map) {
    std::vector<std::pair<std::string, std::string>> spellings;
    for (const char* name :
         {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
        const io::JsonView value = names[name].exists() ? names[name] : map[name];
        if (value.exists()) spellings.emplace_back(name, spelling_of(value));
    }
    const io::JsonView extra = names["extra_special_tokens"];  // a list of them names none
    if (!extra.exists() || !extra.value().is_object()) return spellings;
    for (const auto& member : extra.object())
        if (const io::JsonView value = extra[member.first]; value.exists())
            spellings.emplace_back(member.first, spelling_of(value));
    return spellings;
}

/// Tokens that tokenizer_config.json adds and tokenizer.json does not have: transformers makes tokens of them.
std::string tokens_missing(const text::Tokenizer& tokenizer, const io::JsonView& names) {
    std::vector<std::string> spelt;
    for (const char* key : {"added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"}) {
        const io::JsonView tokens = names[key];
        if (!tokens.exists()) continue;
        if (tokens.value().is_object())
            for (const auto& member : tokens.object()) spelt.push_back(spelling_of(tokens[member.first]));
        else
            for (std::size_t i = 0; i < tokens.array().size(); ++i) spelt.push_back(spelling_of(tokens.element(i)));
    }
    const auto known = [&](const std::string& token) { return tokenizer.find(token).has_value(); };
    spelt.erase(std::remove_if(spelt.begin(), spelt.end(), known), spelt.end());
    if (spelt.empty()) return {};
    return concat(names.where(), ": names tokens that tokenizer.json lacks, such as ", io::in_quotes(spelt.front()),
                  "; transformers adds them, here they are text: let it save the tokenizer (save_pretrained)");
}

}  // namespace

Vocabulary load_vocabulary(const std::filesystem::path& directory, const io::JsonView& config) {
    if (config["tokens"].exists()) {
        static_cast<void>(config["tokens"].one_of({"bytes"}));
        return {};
    }
    if (!io::path_exists(directory / "tokenizer.json"))
        return Vocabulary::absent(
            concat(directory.string(),
                   ": has no tokenizer.json; a directory with tokenizer.model alone gets one from "
                   "transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"));
    text::Tokenizer tokenizer = text::Tokenizer::open(directory / "tokenizer.json");
    const std::string names_path = (directory / "tokenizer_config.json").string();
    const std::string generation_path = (directory / "generation_config.json").string();
    const io::Json names_json = json_beside(directory, "tokenizer_config.json");
    const io::Json generation_json = json_beside(directory, "generation_config.json");
    const io::Json nothing = io::Json::object();
    const io::JsonView names(names_json.is_null() ? nothing : names_json, names_path);
    const io::JsonView generation(generation_json.is_null() ? nothing : generation_json, generation_path);

    ModelTokens tokens;
    tokens.directory = directory.string();
    tokens.note = text::transformers_difference(tokenizer, directory, config);
    if (const std::string missing = tokens_missing(tokenizer, names); !missing.empty())
        tokens.note += (tokens.note.empty() ? "" : "; ") + missing;
    tokens.model_size = config["vocab_size"].integer(1, most_tokens);
    tokens.stops = token_ids(config["eos_token_id"]);
    for (const std::int32_t id : token_ids(generation["eos_token_id"]))
        if (std::find(tokens.stops.begin(), tokens.stops.end(), id) == tokens.stops.end()) tokens.stops.push_back(id);
    tokens.eos = named_token(tokenizer, names["eos_token"]);
    if (!tokens.eos && !tokens.stops.empty()) tokens.eos = tokens.stops.front();
    tokens.bos = named_token(tokenizer, names["bos_token"]);
    if (!tokens.bos && config["bos_token_id"].exists())
        tokens.bos = static_cast<std::int32_t>(config["bos_token_id"].integer(0, most_tokens));
    if (!tokens.bos && !tokenizer.prefix().empty()) tokens.bos = tokenizer.prefix().front();
    if (auto found = read_template(directory, names)) {
        tokens.why_no_template = std::move(found->why_none);
        if (tokens.why_no_template.empty()) tokens.chat_template = std::move(found->text);
        tokens.template_place = std::move(found->place);
        const std::string map_path = (directory / "special_tokens_map.json").string();
        const io::Json map_json = json_beside(directory, "special_tokens_map.json");
        tokens.spellings = spellings_of(names, io::JsonView(map_json.is_null() ? nothing : map_json, map_path));
    }
    return {std::move(tokenizer), std::move(tokens)};
}

Vocabulary load_vocabulary(const io::GgufFile& file, Index model_size) {
    auto [tokenizer, said] = text::tokenizer_from_gguf(file);
    check(tokenizer.size() <= model_size, file.name(), ": field ", io::in_quotes(gguf_places.tokens),
          ": expected at most ", model_size, " tokens, which is the rows of the embedding, found ", tokenizer.size());
    ModelTokens tokens{.bos = said.bos, .eos = said.eos, .stops = std::move(said.ends)};
    if (!tokens.eos && !tokens.stops.empty()) tokens.eos = tokens.stops.front();
    tokens.chat_template = std::move(said.chat_template);
    tokens.template_place = concat(file.name(), ": field \"tokenizer.chat_template\"");
    // clang 14 captures no structured binding by name.
    const auto spell = [&tokens, &made = tokenizer](const char* name, std::optional<std::int32_t> id) {
        if (id) tokens.spellings.emplace_back(name, made.decode(std::span(&*id, 1), text::Decode::with_specials));
    };
    spell("bos_token", tokens.bos);
    spell("eos_token", tokens.eos);
    tokens.model_size = model_size;
    tokens.directory = file.name();
    tokens.places = gguf_places;
    return {std::move(tokenizer), std::move(tokens)};
}

}  // namespace hydra
