// The built-in chat formats as chat templates, for models that are written in one: other programs then write it too.
#pragma once

#include <string>
#include <string_view>

#include "chat_format.hpp"

namespace hydralora::text {

/// How a model's tokens are spelt that formats put in.
struct FormatSpellings {
    std::string start{};  ///< what its tokenizer puts before every text; may be nothing
    std::string bos{}, eos{};
};

namespace format_templates_detail {

/// A string of Jinja that means the text.
inline std::string literal(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') result += '\\';
        result += c;
    }
    return result + "'";
}

/// Of formats that take a system prompt first only and user and assistant by turns: names `system` and `turns`.
inline constexpr std::string_view by_turns =
    "{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else none %}"
    "{%- set turns = messages[1:] if system is not none else messages %}"
    "{%- for m in turns %}{%- if m['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') %}"
    "{{- raise_exception('expected user and assistant by turns, user first') }}{%- endif %}{%- endfor %}";
inline constexpr std::string_view no_tools =
    "{%- for m in messages %}{%- if m['role'] == 'tool' %}{{- raise_exception('turns of tools have no place here') }}"
    "{%- endif %}{%- endfor %}";

}  // namespace format_templates_detail

/// A template that writes what `render` and `render_prompt` write of turns without an `input`.
[[nodiscard]] inline std::string chat_template_of(ChatFormat format, const FormatSpellings& spellings) {
    using namespace format_templates_detail;
    const std::string eos = literal(spellings.eos), bos = literal(spellings.bos), start = literal(spellings.start);
    const std::string turns(by_turns), checked(no_tools);
    switch (format) {
        case ChatFormat::chatml:
            // What was thought before the last question is not seen again, as with Qwen3.
            return "{%- set last = namespace(question=-1) %}{%- for m in messages %}{%- if m['role'] == 'user' %}"
                   "{%- set last.question = loop.index0 %}{%- endif %}{%- endfor %}"
                   "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' }}"
                   "{%- if m['reasoning_content'] and loop.index0 > last.question %}"
                   "{{- '<think>\\n' + m['reasoning_content'].strip('\\n') + '\\n</think>\\n\\n' }}{%- endif %}"
                   "{{- m['content'] + '<|im_end|>\\n' }}"
                   "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
        case ChatFormat::llama3:
            return checked + "{{- " + bos +
                   " }}{%- for m in messages %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + "
                   "m['content'] | trim + '<|eot_id|>' }}{%- endfor %}{%- if add_generation_prompt %}"
                   "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}";
        case ChatFormat::zephyr:
            return checked + "{%- for m in messages %}{{- '<|' + m['role'] + '|>\\n' + m['content'] + " + eos +
                   " + '\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}";
        case ChatFormat::llama2:
            return turns +
                   "{%- for m in turns %}{%- if m['role'] == 'user' %}"
                   "{%- set before = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' if loop.first and system is not none "
                   "else '' %}"
                   "{{- " +
                   bos +
                   " + '[INST] ' + (before + m['content']) | trim + ' [/INST]' }}{%- else %}{{- ' ' + m['content'] | "
                   "trim + ' ' + " +
                   eos + " }}{%- endif %}{%- endfor %}";
        case ChatFormat::mistral:
            return turns + "{{- " + bos +
                   " }}{%- for m in turns %}{%- if m['role'] == 'user' %}{{- '[INST] ' }}"
                   "{%- if loop.first and system is not none %}{{- system + '\\n\\n' }}{%- endif %}"
                   "{{- m['content'] + ' [/INST]' }}{%- else %}{{- ' ' + m['content'] + " +
                   eos + " }}{%- endif %}{%- endfor %}";
        case ChatFormat::alpaca:
            return turns + "{{- " + start +
                   " }}{%- for m in turns %}{%- if m['role'] == 'user' %}"
                   "{{- '\\n\\n' if not loop.first else system + '\\n\\n' if system is not none else "
                   "'Below is an instruction that describes a task. Write a response that appropriately completes the "
                   "request.\\n\\n' }}{{- '### Instruction:\\n' + m['content'] + '\\n\\n### Response:\\n' }}"
                   "{%- else %}{{- m['content'] + " +
                   eos + " }}{%- endif %}{%- endfor %}";
        case ChatFormat::plain:
        case ChatFormat::hydralora:
            break;
    }
    const std::string after_user = format == ChatFormat::hydralora ? eos : "'\\n'";
    return turns + "{{- " + start +
           " }}{%- for m in turns %}{%- if loop.first and system is not none %}{{- system + '\\n' }}{%- endif %}"
           "{{- m['content'] + (" +
           after_user + " if m['role'] == 'user' else " + eos + ") }}{%- endfor %}";
}

}  // namespace hydralora::text
