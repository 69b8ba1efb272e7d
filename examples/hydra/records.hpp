// Records of training data as people have them: JSON lines or one JSON array of instructions, conversations and texts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/view.hpp>
#include <hydralora/io/json_value.hpp>
#include <hydralora/text/chat_format.hpp>

#include "record_places.hpp"

namespace hydra {

/// One record: a text, or a conversation (a question with its answer is one of two turns).
struct Record {
    std::optional<std::string> text;
    hydralora::text::Conversation turns{};
    hydralora::io::Json tools{};         ///< that may be called in the conversation, an array; null: none
    std::optional<std::string> label{};  ///< value of the field asked for
};

/// What records look like, for messages.
inline constexpr std::string_view record_forms =
    R"(write each line, or each element of one array, as {"messages": [{"role": "user", "content": "..."}, ...]}, )"
    R"({"instruction": "...", "input": "...", "output": "..."} or {"text": "..."})";

/// What was seen in the records of a file that its reader should know, each thing once, with the first place.
class RecordNotes {
public:
    void add(std::string_view what, const RecordPlace& place);
    /// "the key "x" of turns is not read (12 records, the first at line 3)"
    [[nodiscard]] std::vector<std::string> lines() const;

private:
    struct Note {
        std::string what;
        hydralora::Index records, line;  // how many, and of the first
        hydralora::Index last_line, last_column;
    };
    std::vector<Note> notes_;
    hydralora::Index more_ = 0;  // that found no place
};

/// Records that could not be used and were passed over.
struct Unusable {
    hydralora::Index count = 0;
    std::vector<std::string> places{};  ///< of the first ones, as "11:78"
    std::string first{};                ///< what is wrong with the first, with its place and the remedy
};

struct RecordReading {
    std::string_view field = {};   ///< a key, none of those that are used: its value is the record's label
    RecordNotes* notes = nullptr;  ///< where there is one, it is told of what is read of records otherwise than written
    Unusable* unusable =
        nullptr;  ///< where there is one, a record that cannot be used is counted there, else it throws
};

/// Calls `take` for each record of a text (see cut_records), in order. A record is an object with
/// - "messages", "conversations" or "conversation": turns with "role" (or "from") and "content" (or "value");
/// - a question ("instruction", "prompt", "query", "question") and its answer ("output", "completion", "response",
///   "answer"), as texts, or "prompt" and "completion" as turns; with "input" and "history" that may be missing; or
/// - "text".
/// The first two may have "system" and "tools". null, "" and [] are as good as no key where another form is filled. The
/// other keys are a closed list, see record_keys.hpp: one that would change what is learnt is refused by name, one that is
/// not known is noted. A turn of the assistant is masked by "train", "masked", "weight": 0 and their like.
///
/// Throws hydralora::Error that begins with `path`:line:column; `take` may throw by RecordPlace::fail.
void read_records(std::string_view text, std::string_view path,
                  const std::function<void(Record&&, const RecordPlace&)>& take, const RecordReading& how = {});

/// Throws unless a label can be read from a key of that name.
void check_label_field(std::string_view field);

}  // namespace hydra
