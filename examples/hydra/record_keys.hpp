// The closed list of keys in records, turns and parts: those that are used, those known to say nothing of what is learnt, and
// what stands for neither.
#pragma once

#include <string_view>

namespace hydra {

/// What a key of a record is.
enum class RecordKey {
    text,
    turns,
    prompt,      ///< of a pair
    answer,      ///< of a pair
    input,       ///< of a pair, after the prompt
    context,     ///< the same, beside "instruction" alone
    system,      ///< prompt
    history,     ///< turns before a pair
    tools,       ///< that may be called, as chat templates take them
    functions,   ///< the same, as they were written before
    preference,  ///< two answers
    reasoning,   ///< of an answer
    media,       ///< images and their like
    flag,        ///< may say whether something is learnt
    harmless,
    unknown
};
[[nodiscard]] RecordKey record_key(std::string_view name);

/// What a key of a turn is.
enum class TurnKey {
    role,
    content,
    reasoning,
    calls,    ///< of tools
    call,     ///< id of the call that a tool answers
    name,     ///< of the function that a tool's turn answers for; else of a person
    trained,  ///< a flag: true or 1 is learnt, false or 0 is not
    masked,   ///< the other way round
    label,    ///< trained if it is true or false, else a label of somebody's own
    detail,   ///< parts of the turn that are learnt
    media,
    flag,  ///< may say whether something is learnt, in a way that is not known
    harmless,
    unknown
};
[[nodiscard]] TurnKey turn_key(std::string_view name);

/// Of a part of a content, besides "type" and "text".
[[nodiscard]] bool harmless_in_part(std::string_view name);

/// The key that is used, if this one is spelt as it but for capitals, blanks or a byte order mark; "" for all others.
[[nodiscard]] std::string_view record_key_meant(std::string_view name);
[[nodiscard]] std::string_view turn_key_meant(std::string_view name);

}  // namespace hydra
