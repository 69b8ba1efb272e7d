#include "inspect_gguf.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/core/check.hpp>
#include <hydralora/io/gguf_llama.hpp>

#include "base_model.hpp"
#include "table.hpp"
#include "vocabulary.hpp"

namespace hydra {

using namespace hydralora;
using io::GgufField;
using io::GgufFile;
using io::GgufParts;

namespace {

/// "blk.3.attn_q.weight" is of the kind "attn_q.weight".
std::string kind_of(const std::string& name) {
    if (!name.starts_with("blk.")) return name;
    const std::size_t dot = name.find('.', 4);
    return dot == name.npos ? name : name.substr(dot + 1);
}

/// Fields that are told as they are; tokens and templates are told otherwise.
std::string fields_text(const GgufFile& file) {
    Table table({"field", "value"});
    for (const GgufField& field : file.fields()) {
        const bool listed = field.type == io::GgufType::array || field.key == "tokenizer.chat_template";
        if (listed && field.key.starts_with("tokenizer.")) continue;
        const std::string value = io::gguf_detail::value_text(file, field);
        table.add({escaped(field.key), value});
    }
    return table.text();
}

std::string formats_text(const GgufParts& parts) {
    struct Kind {
        Index tensors = 0, elements = 0, bytes = 0;
        std::map<std::string_view, Index> formats;
    };
    std::vector<std::pair<std::string, Kind>> kinds;  // in the order of the names
    Kind all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const io::GgufEntry& entry = *parts.tensor(i).entry;
        const std::string name = kind_of(entry.name);
        auto at = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.first == name; });
        if (at == kinds.end()) at = kinds.insert(at, {name, {}});
        for (Kind* kind : {&at->second, &all}) {
            ++kind->tensors;
            ++kind->formats[entry.type.name];
            kind->elements += entry.shape.matrix().size();
            kind->bytes += static_cast<Index>(entry.end - entry.begin);
        }
    }
    std::sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    Table table({"tensors", "number", "formats", "elements", "bytes", "bits an element"});
    const auto add = [&](const std::string& name, const Kind& kind) {
        std::string formats;
        for (const auto& [format, count] : kind.formats) {
            formats += concat(formats.empty() ? "" : ", ", format);
            if (kind.formats.size() > 1) formats += concat(" (", count, ")");
        }
        table.add({escaped(name), grouped(kind.tensors), formats, grouped(kind.elements), grouped(kind.bytes),
                   fixed(8.0 * static_cast<double>(kind.bytes) / static_cast<double>(kind.elements), 2)});
    };
    for (const auto& [name, kind] : kinds) add(name, kind);
    if (!kinds.empty()) add("all", all);
    return table.text();
}

/// What makes a base of it, or why it is none: its metadata, tensors, or vocabulary.
std::string model_text(const GgufParts& parts) {
    try {
        const LlamaConfig c = io::llama_config_from_gguf(parts);
        io::check_gguf_tensors(parts, c);
        static_cast<void>(vocabulary_of(parts.first(), c.vocabulary).eos());  // which every text ends with
        return concat("As a base: ", c.layers, " layers of width ", c.width, ", ", c.heads, " heads of ", c.head_dim,
                      " (", c.kv_heads, " of keys and values), feed-forward ", c.feed_forward, ", vocabulary ",
                      c.vocabulary, ", ", c.max_positions, " positions, output head ",
                      c.lm_head == LmHead::tied ? "tied" : "of its own", ".\n");
    } catch (const Error& error) {
        return concat("No base for hydra: ", error.what(), '\n');
    }
}

std::string tokenizer_text(const GgufFile& file) {
    const auto text = [&](const char* key) -> std::string {
        const GgufField* field = file.find_field(key);
        return field == nullptr ? std::string("none") : io::gguf_detail::value_text(file, *field);
    };
    if (file.find_field("tokenizer.ggml.model") == nullptr) return "Tokenizer: none\n";
    const GgufField* tokens = file.find_field("tokenizer.ggml.tokens");
    std::string result =
        concat("Tokenizer: ", text("tokenizer.ggml.model"), ", pre-tokeniser ", text("tokenizer.ggml.pre"), ", ",
               tokens == nullptr ? std::uint64_t{0} : tokens->count, " tokens");
    try {
        const Vocabulary vocabulary = load_vocabulary(file, tokens == nullptr ? 1 : static_cast<Index>(tokens->count));
        const auto format = vocabulary.chat_format("");
        result +=
            concat(".\nChat template: ", !vocabulary.has_chat_template() ? std::string("none")
                                         : format ? std::string("the model's own, which conversations are written by")
                                                  : "cannot be rendered: " + vocabulary.why_no_chat_format());
    } catch (const Error& error) {
        result += concat(", not read: ", error.what());
    }
    return result + '\n';
}

}  // namespace

std::string inspect_gguf(const std::filesystem::path& path) {
    const GgufParts parts = GgufParts::open(path);
    std::string text = concat("GGUF file of version ", parts.first().version());
    if (parts.files().size() > 1) text += concat(" in ", parts.files().size(), " parts");
    text += concat(", ", counted(static_cast<Index>(parts.size()), "tensor"), ", ",
                   grouped(static_cast<long long>(parts.bytes())), " bytes\n");
    return text + model_text(parts) + tokenizer_text(parts.first()) + '\n' + formats_text(parts) + '\n' +
           fields_text(parts.first());
}

}  // namespace hydra
