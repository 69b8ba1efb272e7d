// The pre-tokenizers that GGUF files name in tokenizer.ggml.pre. A file has the name alone; what it means stands in
// llama.cpp (src/llama-vocab.cpp, llm_tokenizer_bpe), from where this table was taken and by running which it was held.
#pragma once

#include <string>
#include <string_view>

#include "pre_tokenise.hpp"

namespace hydralora::text {

enum class GgufSplit { gpt2, single_digits, llama3, qwen2, punctuation };

struct GgufPreTokeniser {
    std::string_view name;
    GgufSplit split;
    /// Words that are tokens are not merged, and a text begins with the BOS token unless the file says otherwise.
    enum class Family { plain, llama3 } family = Family::plain;
};

/// Names of the same split stand together. Names that are not here cut words by expressions that this library does not
/// have.
inline constexpr GgufPreTokeniser gguf_pre_tokenisers[] = {
    {"default", GgufSplit::punctuation},
    {"gpt-2", GgufSplit::gpt2},
    {"exaone4", GgufSplit::gpt2},
    {"granite-docling", GgufSplit::gpt2},
    {"jais", GgufSplit::gpt2},
    {"mpt", GgufSplit::gpt2},
    {"olmo", GgufSplit::gpt2},
    {"phi-2", GgufSplit::gpt2},
    {"trillion", GgufSplit::gpt2},
    {"smollm", GgufSplit::single_digits},
    {"codeshell", GgufSplit::single_digits},
    {"command-r", GgufSplit::single_digits},
    {"exaone", GgufSplit::single_digits},
    {"minerva-7b", GgufSplit::single_digits},
    {"refact", GgufSplit::single_digits},
    {"starcoder", GgufSplit::single_digits},
    {"llama-bpe", GgufSplit::llama3, GgufPreTokeniser::Family::llama3},
    {"llama3", GgufSplit::llama3, GgufPreTokeniser::Family::llama3},
    {"llama-v3", GgufSplit::llama3, GgufPreTokeniser::Family::llama3},
    {"falcon3", GgufSplit::llama3, GgufPreTokeniser::Family::llama3},
    {"pixtral", GgufSplit::llama3, GgufPreTokeniser::Family::llama3},
    {"dbrx", GgufSplit::llama3},
    {"smaug-bpe", GgufSplit::llama3},
    {"qwen2", GgufSplit::qwen2},
    {"deepseek-r1-qwen", GgufSplit::qwen2},
    {"hunyuan", GgufSplit::qwen2},
    {"megrez", GgufSplit::qwen2},
    {"stablelm2", GgufSplit::qwen2},
};

/// The row of that name, nullptr if there is none.
[[nodiscard]] inline const GgufPreTokeniser* find_gguf_pre_tokeniser(std::string_view name) {
    for (const GgufPreTokeniser& known : gguf_pre_tokenisers)
        if (known.name == name) return &known;
    return nullptr;
}
/// For messages.
[[nodiscard]] inline std::string gguf_pre_tokeniser_list() {
    std::string list;
    for (const GgufPreTokeniser& known : gguf_pre_tokenisers)
        list += (list.empty() ? "" : ", ") + std::string(known.name);
    return list;
}

/// The steps of a split. Qwen2's tokenizer.json composes characters (NFC) first; llama.cpp does not, and no field of a
/// GGUF file asks for it.
[[nodiscard]] inline PreTokeniser gguf_pre_tokeniser(GgufSplit split) {
    PreTokeniser result;
    auto& steps = result.steps;
    if (split == GgufSplit::punctuation) steps.push_back(SplitPunctuation{});
    if (split == GgufSplit::single_digits) steps.push_back(Digits::single);
    steps.push_back(SplitByPattern{split == GgufSplit::llama3  ? Pattern::llama3
                                   : split == GgufSplit::qwen2 ? Pattern::qwen2
                                                               : Pattern::gpt2});
    if (split == GgufSplit::punctuation) {
        steps.push_back(Digits::together);
        steps.push_back(SplitThreeDigits{});
    }
    steps.push_back(ToByteLevel{});
    return result;
}

}  // namespace hydralora::text
