// Which directories transformers reads otherwise than their tokenizer.json says. Several of its classes put a normalizer and
// a pre-tokenizer of their own in the place of the file's, and which class it takes depends on `tokenizer_class` of
// tokenizer_config.json and on `model_type` of config.json. This library follows the file, as the package `tokenizers` does.
//
// Source: transformers 5.24, AutoTokenizer.from_pretrained and the classes themselves, by running (golden/make_classes.py).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "../core/check.hpp"
#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/json_view.hpp"
#include "tokenizer.hpp"
#include "tokenizer_steps.hpp"

namespace hydralora::text {

namespace transformers_detail {

/// What a class makes of any file.
struct Class {
    std::string_view name, normalizer, pre_tokenizer;
};
inline constexpr std::string_view nothing = "null";
inline constexpr std::string_view nfc_step = R"({"type": "NFC"})";
inline constexpr std::string_view gpt2_steps = R"({"type": "ByteLevel", "add_prefix_space": false})";
inline constexpr std::string_view metaspace_steps =
    R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})";
inline constexpr std::string_view qwen2_steps =
    R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|)"
    R"(\\s+(?!\\S)|\\s+"}}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
inline constexpr std::string_view qwen3_5_steps =
    R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|)"
    R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
inline constexpr Class classes[] = {
    {"GPT2Tokenizer", nothing, gpt2_steps},
    {"GPTNeoXTokenizer", nfc_step, gpt2_steps},
    {"RobertaTokenizer", nothing, gpt2_steps},
    {"LlamaTokenizer", nothing, metaspace_steps},
    {"CodeLlamaTokenizer", nothing, metaspace_steps},
    {"CohereTokenizer", nfc_step,
     R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
         {"type": "ByteLevel", "add_prefix_space": false}]})"},
    {"Qwen2Tokenizer", nfc_step, qwen2_steps},
    {"Qwen3_5Tokenizer", nfc_step, qwen3_5_steps},
    {"GemmaTokenizer", R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})",
     R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})"},
};

/// The class that is meant for a type of model; "": none.
[[nodiscard]] inline std::string_view class_of_model(std::string_view model_type) {
    if (model_type == "qwen2" || model_type == "qwen3") return "Qwen2Tokenizer";
    if (model_type.starts_with("gemma")) return "GemmaTokenizer";
    return model_type == "mistral" ? "TokenizersBackend" : "";
}

/// The class that AutoTokenizer takes; one that is not in the table reads the file as it is.
[[nodiscard]] inline std::string class_taken(std::string wanted, std::string_view model_type, bool byte_level) {
    if (wanted.ends_with("Fast")) wanted.resize(wanted.size() - 4);
    const std::string_view meant = class_of_model(model_type);
    if (wanted.empty()) return std::string(meant);
    if (model_type == "qwen2") return std::string(meant);  // whatever the directory says
    if (wanted == "LlamaTokenizer" && byte_level) return "TokenizersBackend";
    return meant == "TokenizersBackend" ? std::string(meant) : wanted;
}

/// Numbers, contractions, white space, scripts, marks and signs, which classes cut differently.
inline constexpr std::string_view probe =
    "Hello world's 12345 x=1,234.5;  \n\n DON'T\tfoo_bar!!\r\n  caf\u00e9 e\u0301 \u4e2d\u6587123 \u00bd\u0915\u093f "
    "/* */";

[[nodiscard]] inline std::vector<std::string> words_of(const Class& known) {
    const auto parsed = [](std::string_view text) { return io::parse_json(text, "transformers"); };
    const io::Json normalizer = parsed(known.normalizer), pre_tokenizer = parsed(known.pre_tokenizer);
    TokenizerParts parts;
    parts.normaliser = tokenizer_file::read_normaliser(io::JsonView(normalizer, "transformers"));
    parts.pre_tokeniser = tokenizer_file::read_pre_tokeniser(io::JsonView(pre_tokenizer, "transformers"));
    return Tokenizer(std::move(parts)).words(probe);
}

}  // namespace transformers_detail

/// One sentence on how transformers 5.24 reads the directory's tokenizer otherwise than the file says, "" where it does not.
/// `config` is the directory's config.json.
[[nodiscard]] inline std::string transformers_difference(const Tokenizer& tokenizer,
                                                         const std::filesystem::path& directory,
                                                         const io::JsonView& config) {
    using namespace transformers_detail;
    const std::filesystem::path path = directory / "tokenizer.json", names_path = directory / "tokenizer_config.json";
    const io::Json names = io::path_exists(names_path) ? io::read_json(names_path) : io::Json::object();
    const io::JsonView wanted = io::JsonView(names, names_path.string())["tokenizer_class"];
    const std::string model_type = config["model_type"].exists() ? config["model_type"].string() : "";
    const bool byte_level = io::MappedFile::open(path).text().find("\"ByteLevel\"") != std::string_view::npos;
    const std::string taken = class_taken(wanted.exists() ? wanted.string() : "", model_type, byte_level);
    for (const Class& known : classes) {
        if (known.name != taken || (!Regex::available && taken == "Qwen3_5Tokenizer")) continue;
        if (words_of(known) == tokenizer.words(probe)) return "";
        return concat(
            path.string(), ": transformers 5.24 reads it as ", taken,
            ", which puts a normalizer and a pre-tokenizer of its own in the place of the file's, and its ids of "
            "some texts differ from those here, which follow the file; for the file's there too, set "
            "tokenizer_class in tokenizer_config.json to TokenizersBackend",
            model_type == "qwen2" ? " and load it by that class: AutoTokenizer takes its own for qwen2" : "");
    }
    return "";
}

}  // namespace hydralora::text
