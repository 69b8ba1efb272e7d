// Conversations as models have learnt to read them: the built-in chat formats, and which of them a model's chat template
// has the marks of. The template itself is chat_template.hpp's.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/enum_names.hpp"
#include "white_space.hpp"

namespace hydralora::text {

enum class Speaker { system, user, assistant, tool };
inline constexpr std::array<std::string_view, 4> speaker_names{"system", "user", "assistant", "tool"};

/// Whether words are to be predicted.
enum class Loss { masked, trained };

/// One message. `input` is what an instruction applies to; formats without a place for it put it on a new line.
struct Turn {
    Speaker speaker = Speaker::user;
    std::string content;
    std::string input = {};
    std::string reasoning = {};   ///< of the assistant, before the content; "": none
    std::string tool_calls = {};  ///< of the assistant, as JSON: a call or an array of them; "": none
    std::string name = {};        ///< of a tool's turn: the function that answers; "": not said
    std::string call = {};        ///< of a tool's turn: the id of the call that it answers; "": not said
    Loss loss = Loss::trained;    ///< masked: an assistant's turn that is read, not learnt
    std::string role = {};        ///< what a model's own template is told instead of the speaker's name; "": that name
};
using Conversation = std::vector<Turn>;

/// plain: the contents, a line each, no marks. hydralora: `{user}</s>{assistant}</s>` of the released HydraLoRA code
/// (github.com/Clin0212/HydraLoRA, data/build_dataset). chatml as Qwen2 and SmolLM2, but with no system prompt unless
/// the conversation has one. mistral: Mistral 7B Instruct v0.1 and v0.2.
enum class ChatFormat { plain, hydralora, alpaca, chatml, llama2, llama3, mistral, zephyr };
inline constexpr std::array<std::string_view, 8> chat_format_names{"plain",  "hydralora", "alpaca",  "chatml",
                                                                   "llama2", "llama3",    "mistral", "zephyr"};

/// What a part of a rendered conversation is made of.
enum class Piece {
    text,   ///< words: what looks like a control token in them is text
    mark,   ///< a token where the vocabulary has one of this spelling, else text
    token,  ///< a control token that the vocabulary must have
    start,  ///< what the tokenizer puts before every text; may be nothing
    bos,    ///< the beginning-of-text token
    eos     ///< the end-of-text token
};

struct Segment {
    Piece piece = Piece::text;
    std::string text{};  ///< spelling of text, mark and token; empty otherwise
    Loss loss = Loss::masked;
    friend bool operator==(const Segment&, const Segment&) = default;
};

namespace chat_detail {

/// Collects segments; neighbours of text with one loss become one, for tokens may span them.
class Script {
public:
    void add(Piece piece, std::string_view text, Loss loss = Loss::masked) {
        if (piece == Piece::text && text.empty()) return;
        if (piece == Piece::text && !segments_.empty() && segments_.back().piece == Piece::text &&
            segments_.back().loss == loss)
            segments_.back().text += text;
        else
            segments_.push_back({piece, std::string(text), loss});
    }
    void text(std::string_view words, Loss loss = Loss::masked) { add(Piece::text, words, loss); }
    void token(std::string_view spelling, Loss loss = Loss::masked) { add(Piece::token, spelling, loss); }
    void mark(std::string_view spelling) { add(Piece::mark, spelling); }
    void add(Piece piece, Loss loss = Loss::masked) { add(piece, {}, loss); }
    [[nodiscard]] std::vector<Segment> take() { return std::move(segments_); }

private:
    std::vector<Segment> segments_;
};

inline Loss loss_of(const Turn& turn) { return turn.speaker == Speaker::assistant ? turn.loss : Loss::masked; }

inline std::string without_line_ends(std::string_view text) {
    const std::size_t first = text.find_first_not_of('\n');
    return first == text.npos ? std::string()
                              : std::string(text.substr(first, text.find_last_not_of('\n') + 1 - first));
}

inline std::string with_input(const Turn& turn) {
    return turn.input.empty() ? turn.content : turn.content + '\n' + turn.input;
}

/// Whether the format has a place for any order of turns, or wants user and assistant by turns.
inline bool alternates(ChatFormat format) {
    return format != ChatFormat::chatml && format != ChatFormat::llama3 && format != ChatFormat::zephyr;
}

/// What only some models have learnt to read.
inline void check_turn_parts(ChatFormat format, const Conversation& turns, std::size_t i) {
    const std::string_view name = enum_name(format, chat_format_names);
    check(turns[i].tool_calls.empty(), "turn ", i + 1, " calls tools: the chat format ", name,
          " has no place for calls; write them into its content, or leave the conversation out");
    if (turns[i].reasoning.empty()) return;
    check(format == ChatFormat::chatml, "turn ", i + 1, " has reasoning: the chat format ", name,
          " has no place for it; chatml has, or write it into the content, or leave it out");
    for (std::size_t k = i + 1; k < turns.size(); ++k)
        check(turns[k].speaker != Speaker::user, "turn ", i + 1, " has reasoning, but turn ", k + 1,
              " is of the user after it: models that reason do not see what they thought before that; write it into "
              "the content, or leave it out");
}

inline void check_turns(ChatFormat format, const Conversation& turns) {
    const std::string_view name = enum_name(format, chat_format_names);
    check(!turns.empty(), "expected a conversation of at least one turn, found none");
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const Speaker speaker = turns[i].speaker;
        check_turn_parts(format, turns, i);
        check(speaker != Speaker::tool || format == ChatFormat::chatml, "turn ", i + 1, " is of tool: the chat format ",
              name, " has no place for it; chatml has, or leave the conversation out");
        if (!alternates(format)) continue;
        check(speaker != Speaker::system || i == 0, "turn ", i + 1, " is of system: the chat format ", name,
              " takes a system prompt as the first turn only");
        if (speaker == Speaker::system) {
            check(turns.size() > 1, "the chat format ", name,
                  " writes a system prompt into the user's first turn: expected one, found only the system prompt");
            continue;
        }
        const std::size_t after_system = turns.front().speaker == Speaker::system ? 1 : 0;
        const Speaker expected = (i - after_system) % 2 == 0 ? Speaker::user : Speaker::assistant;
        check(speaker == expected, "turn ", i + 1, " is of ", enum_name(speaker, speaker_names), ": the chat format ",
              name, " takes user and assistant by turns, user first, and expected ", enum_name(expected, speaker_names),
              " here; join turns of one speaker, or use chatml, llama3 or zephyr");
    }
}

inline void add_chatml(Script& script, const Turn& turn) {
    script.token("<|im_start|>");
    script.text(enum_name(turn.speaker, speaker_names));
    script.text("\n");
    if (!turn.reasoning.empty())  // as Qwen3
        script.text("<think>\n" + without_line_ends(turn.reasoning) + "\n</think>\n\n", loss_of(turn));
    script.text(with_input(turn), loss_of(turn));
    script.token("<|im_end|>", loss_of(turn));
    script.text("\n");
}

inline void add_llama3(Script& script, const Turn& turn) {
    script.token("<|start_header_id|>");
    script.text(enum_name(turn.speaker, speaker_names));
    script.token("<|end_header_id|>");
    script.text("\n\n");
    script.text(without_outer_space(with_input(turn)), loss_of(turn));
    script.token("<|eot_id|>", loss_of(turn));
}

inline void add_zephyr(Script& script, const Turn& turn) {
    script.mark("<|" + std::string(enum_name(turn.speaker, speaker_names)) + "|>");
    script.text("\n");
    script.text(with_input(turn), loss_of(turn));
    script.add(Piece::eos, loss_of(turn));
    script.text("\n");
}

/// `system`: of the turn before, to stand inside this one; null for all but the user's first.
inline void add_llama2(Script& script, const Turn& turn, const std::string* system) {
    if (turn.speaker == Speaker::assistant) {
        script.text(" ", loss_of(turn));
        script.text(without_outer_space(with_input(turn)), loss_of(turn));
        script.text(" ", loss_of(turn));
        script.add(Piece::eos, loss_of(turn));
        return;
    }
    const std::string before = system == nullptr ? "" : "<<SYS>>\n" + *system + "\n<</SYS>>\n\n";
    script.add(Piece::bos);
    script.mark("[INST]");
    script.text(" ");
    script.text(without_outer_space(before + with_input(turn)));
    script.text(" ");
    script.mark("[/INST]");
}

inline void add_mistral(Script& script, const Turn& turn, const std::string* system) {
    if (turn.speaker == Speaker::assistant) {
        script.text(" ", loss_of(turn));
        script.text(with_input(turn), loss_of(turn));
        script.add(Piece::eos, loss_of(turn));
        return;
    }
    script.mark("[INST]");
    script.text(" ");
    if (system != nullptr) script.text(*system + "\n\n");
    script.text(with_input(turn));
    script.text(" ");
    script.mark("[/INST]");
}

/// The prompt of Stanford Alpaca (github.com/tatsu-lab/stanford_alpaca, train.py); a system prompt takes the place of its
/// first paragraph.
inline void add_alpaca(Script& script, const Turn& turn, const std::string* system, bool first) {
    if (turn.speaker == Speaker::assistant) {
        script.text(with_input(turn), loss_of(turn));
        script.add(Piece::eos, loss_of(turn));
        return;
    }
    if (!first)
        script.text("\n\n");
    else if (system != nullptr)
        script.text(*system + "\n\n");
    else
        script.text(turn.input.empty() ? "Below is an instruction that describes a task. Write a response that "
                                         "appropriately completes the request.\n\n"
                                       : "Below is an instruction that describes a task, paired with an input that "
                                         "provides further context. Write a response that appropriately completes the "
                                         "request.\n\n");
    script.text("### Instruction:\n");
    script.text(turn.content);
    if (!turn.input.empty()) script.text("\n\n### Input:\n" + turn.input);
    script.text("\n\n### Response:\n");
}

/// plain and hydralora: the contents, each assistant turn ended by the end-of-text token.
inline void add_bare(Script& script, ChatFormat format, const Turn& turn, const std::string* system) {
    if (system != nullptr) script.text(*system + '\n');
    script.text(with_input(turn), loss_of(turn));
    if (format == ChatFormat::hydralora || turn.speaker == Speaker::assistant)
        script.add(Piece::eos, loss_of(turn));
    else
        script.text("\n");
}

inline Script script_of(ChatFormat format, const Conversation& turns) {
    check_turns(format, turns);
    Script script;
    const bool at_once = format == ChatFormat::llama3 || format == ChatFormat::mistral;
    if (at_once) script.add(Piece::bos);
    if (format == ChatFormat::plain || format == ChatFormat::hydralora || format == ChatFormat::alpaca)
        script.add(Piece::start);
    const bool inner_system = alternates(format) && turns.front().speaker == Speaker::system;
    for (std::size_t i = inner_system ? 1 : 0; i < turns.size(); ++i) {
        const Turn& turn = turns[i];
        const bool first = i == (inner_system ? 1u : 0u);
        const std::string* system = inner_system && first ? &turns.front().content : nullptr;
        switch (format) {
            case ChatFormat::chatml:
                add_chatml(script, turn);
                break;
            case ChatFormat::llama3:
                add_llama3(script, turn);
                break;
            case ChatFormat::zephyr:
                add_zephyr(script, turn);
                break;
            case ChatFormat::llama2:
                add_llama2(script, turn, system);
                break;
            case ChatFormat::mistral:
                add_mistral(script, turn, system);
                break;
            case ChatFormat::alpaca:
                add_alpaca(script, turn, system, first);
                break;
            case ChatFormat::plain:
            case ChatFormat::hydralora:
                add_bare(script, format, turn, system);
                break;
        }
    }
    return script;
}

}  // namespace chat_detail

/// A conversation in a format. What the assistant says is trained, with the token that ends its turn, unless the turn is
/// masked; all else is masked.
/// Throws where the format has no place for a turn, and says which.
[[nodiscard]] inline std::vector<Segment> render(ChatFormat format, const Conversation& turns) {
    return chat_detail::script_of(format, turns).take();
}

/// The same up to where the assistant's next turn begins: what to generate from. The last turn must not be the
/// assistant's.
[[nodiscard]] inline std::vector<Segment> render_prompt(ChatFormat format, const Conversation& turns) {
    check(turns.empty() || turns.back().speaker != Speaker::assistant,
          "expected a conversation that ends before the assistant speaks, found one that ends with it");
    chat_detail::Script script = chat_detail::script_of(format, turns);
    const std::string assistant(enum_name(Speaker::assistant, speaker_names));
    if (format == ChatFormat::chatml) {
        script.token("<|im_start|>");
        script.text(assistant + "\n");
    } else if (format == ChatFormat::llama3) {
        script.token("<|start_header_id|>");
        script.text(assistant);
        script.token("<|end_header_id|>");
        script.text("\n\n");
    } else if (format == ChatFormat::zephyr) {
        script.mark("<|" + assistant + "|>");
        script.text("\n");
    }
    return script.take();
}

/// The token that ends the assistant's turn.
[[nodiscard]] inline Segment end_of_turn(ChatFormat format) {
    if (format == ChatFormat::chatml) return {Piece::token, "<|im_end|>", Loss::trained};
    if (format == ChatFormat::llama3) return {Piece::token, "<|eot_id|>", Loss::trained};
    return {Piece::eos, "", Loss::trained};
}

/// The format that a chat template writes, by the marks in its text; none where no family fits, or more than one.
[[nodiscard]] inline std::optional<ChatFormat> recognise_chat_template(std::string_view chat_template) {
    const auto has = [&](std::string_view mark) { return chat_template.find(mark) != std::string_view::npos; };
    // Each family's mark, and what is its own in spite of it: Phi's <|im_sep|> and <|end|>, Mistral's later versions.
    const std::pair<bool, ChatFormat> families[] = {
        {has("<|im_start|>") && has("<|im_end|>") && !has("<|im_sep|>"), ChatFormat::chatml},
        {has("<|start_header_id|>") && has("<|eot_id|>"), ChatFormat::llama3},
        {has("[INST]") && has("<<SYS>>"), ChatFormat::llama2},
        {has("[INST]") && !has("<<SYS>>") && !has("[SYSTEM_PROMPT]"), ChatFormat::mistral},
        {has("<|user|>") && has("<|assistant|>") && has("eos_token") && !has("<|end|>"), ChatFormat::zephyr},
        {has("### Instruction") && has("### Response"), ChatFormat::alpaca}};
    std::optional<ChatFormat> found;
    for (const auto& [fits, format] : families) {
        if (!fits) continue;
        if (found) return std::nullopt;
        found = format;
    }
    return found;
}

/// "plain, hydralora, ...", for messages and help.
[[nodiscard]] inline std::string chat_format_list() {
    std::string list;
    for (const std::string_view name : chat_format_names) list += (list.empty() ? "" : ", ") + std::string(name);
    return list;
}

}  // namespace hydralora::text
