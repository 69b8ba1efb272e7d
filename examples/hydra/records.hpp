// Records of training data as people have them: JSON lines or one JSON array of instructions, conversations and texts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <hydralora/text/chat_format.hpp>

namespace hydra {

/// One record: a text, or a conversation (an instruction with its output is one of two turns).
struct Record {
    std::optional<std::string> text;
    hydralora::text::Conversation turns{};
};

/// Where a record begins.
struct RecordPlace {
    std::string_view path;
    hydralora::Index line = 1, column = 1;

    /// "path:line:column: ..."
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        hydralora::fail(path, ':', line, ':', column, ": ", parts...);
    }
};

/// What records look like, for messages.
inline constexpr std::string_view record_forms =
    R"(write each line, or each element of one array, as {"messages": [{"role": "user", "content": "..."}, ...]}, )"
    R"({"instruction": "...", "input": "...", "output": "..."} or {"text": "..."})";

/// Calls `take` for each record of a text, in order. The text is an array if its first character is [, else JSON lines,
/// of which blank ones are passed over. A record is an object with
/// - "messages" or "conversations": turns with "role" (or "from") and "content" (or "value");
/// - "instruction" and "output", with "input" that may be missing; or
/// - "text";
/// the first two may have "system". Other keys are of no interest. Roles may be system, developer; user, human;
/// assistant, gpt, chatgpt, model, bot; tool, function, observation, ipython. Throws hydralora::Error that begins with
/// `path`:line:column.
void read_records(std::string_view text, std::string_view path,
                  const std::function<void(Record&&, const RecordPlace&)>& take);

}  // namespace hydra
