// Records of training data as people have them: JSON lines or one JSON array of instructions, conversations and texts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <hydralora/text/chat_format.hpp>

#include "record_places.hpp"

namespace hydra {

/// One record: a text, or a conversation (an instruction with its output is one of two turns).
struct Record {
    std::optional<std::string> text;
    hydralora::text::Conversation turns{};
    std::optional<std::string> label{};  ///< value of the field asked for
};

/// What records look like, for messages.
inline constexpr std::string_view record_forms =
    R"(write each line, or each element of one array, as {"messages": [{"role": "user", "content": "..."}, ...]}, )"
    R"({"instruction": "...", "input": "...", "output": "..."} or {"text": "..."})";

/// Calls `take` for each record of a text (see cut_records), in order. A record is an object with
/// - "messages" or "conversations": turns with "role" (or "from") and "content" (or "value");
/// - "instruction" and "output", with "input" that may be missing; or
/// - "text";
/// the first two may have "system". Other keys are of no interest. Roles may be system, developer; user, human;
/// assistant, gpt, chatgpt, model, bot; tool, function, observation, ipython. A key `field`, none of those above, is read as
/// the record's label: a string, a whole number or a truth value. Throws hydralora::Error that begins with
/// `path`:line:column.
void read_records(std::string_view text, std::string_view path,
                  const std::function<void(Record&&, const RecordPlace&)>& take, std::string_view field = {});

/// Throws unless a label can be read from a key of that name.
void check_label_field(std::string_view field);

}  // namespace hydra
