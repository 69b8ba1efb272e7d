#include "record_keys.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <hydralora/io/file_kind.hpp>
#include <hydralora/text/white_space.hpp>

#include "letters.hpp"

namespace hydra {
namespace {

constexpr std::pair<std::string_view, RecordKey> record_keys[] = {
    {"text", RecordKey::text},
    {"messages", RecordKey::turns},
    {"conversations", RecordKey::turns},
    {"conversation", RecordKey::turns},
    {"instruction", RecordKey::prompt},
    {"prompt", RecordKey::prompt},
    {"query", RecordKey::prompt},
    {"question", RecordKey::prompt},
    {"output", RecordKey::answer},
    {"completion", RecordKey::answer},
    {"response", RecordKey::answer},
    {"answer", RecordKey::answer},
    {"input", RecordKey::input},
    {"context", RecordKey::context},
    {"system", RecordKey::system},
    {"system_prompt", RecordKey::system},
    {"history", RecordKey::history},
    {"tools", RecordKey::tools},
    {"functions", RecordKey::functions},
    {"chosen", RecordKey::preference},
    {"rejected", RecordKey::preference},
    {"reasoning_content", RecordKey::reasoning},
    {"reasoning", RecordKey::reasoning},
    {"thinking", RecordKey::reasoning},
    {"thought", RecordKey::reasoning},
    {"thoughts", RecordKey::reasoning},
    {"tool_calls", RecordKey::reasoning},
    {"function_call", RecordKey::reasoning},
    {"image", RecordKey::media},
    {"images", RecordKey::media},
    {"audio", RecordKey::media},
    {"audios", RecordKey::media},
    {"video", RecordKey::media},
    {"videos", RecordKey::media},
};

/// Names of things and where they come from, counts and marks: nothing that a model is to say.
constexpr std::string_view harmless[] = {"_id",
                                         "author",
                                         "authors",
                                         "categories",
                                         "category",
                                         "chat_id",
                                         "conversation_hash",
                                         "conversation_id",
                                         "country",
                                         "create_time",
                                         "created",
                                         "created_at",
                                         "creation_time",
                                         "dataset",
                                         "dataset_name",
                                         "data_source",
                                         "date",
                                         "difficulty",
                                         "domain",
                                         "file",
                                         "file_name",
                                         "filename",
                                         "generator",
                                         "hash",
                                         "hashed_ip",
                                         "id",
                                         "idx",
                                         "index",
                                         "int_score",
                                         "lang",
                                         "language",
                                         "level",
                                         "license",
                                         "licence",
                                         "link",
                                         "md5",
                                         "message_id",
                                         "message_tree_id",
                                         "meta",
                                         "metadata",
                                         "model",
                                         "model_name",
                                         "n_tokens",
                                         "num_tokens",
                                         "num_turns",
                                         "number",
                                         "origin",
                                         "parent_id",
                                         "path",
                                         "prompt_id",
                                         "qid",
                                         "quality",
                                         "question_id",
                                         "rating",
                                         "redacted",
                                         "repo",
                                         "review_count",
                                         "score",
                                         "scores",
                                         "sha1",
                                         "sha256",
                                         "source",
                                         "source_dataset",
                                         "split",
                                         "src",
                                         "state",
                                         "status",
                                         "subject",
                                         "subset",
                                         "subtopic",
                                         "tag",
                                         "tags",
                                         "task",
                                         "task_id",
                                         "task_name",
                                         "task_type",
                                         "time",
                                         "timestamp",
                                         "title",
                                         "token_count",
                                         "topic",
                                         "topics",
                                         "toxic",
                                         "turn",
                                         "turn_id",
                                         "turn_identifier",
                                         "type",
                                         "update_time",
                                         "updated_at",
                                         "uid",
                                         "uri",
                                         "url",
                                         "user_id",
                                         "uuid",
                                         "version",
                                         "guid",
                                         "openai_moderation",
                                         "detoxify_moderation",
                                         "language_score",
                                         "dump",
                                         "date_created"};

constexpr std::pair<std::string_view, TurnKey> turn_keys[] = {
    {"role", TurnKey::role},
    {"from", TurnKey::role},
    {"content", TurnKey::content},
    {"value", TurnKey::content},
    {"reasoning_content", TurnKey::reasoning},
    {"reasoning", TurnKey::reasoning},
    {"thinking", TurnKey::reasoning},
    {"tool_calls", TurnKey::calls},
    {"function_call", TurnKey::calls},
    {"tool_call_id", TurnKey::call},
    {"name", TurnKey::name},
    {"weight", TurnKey::trained},
    {"loss_weight", TurnKey::trained},
    {"loss", TurnKey::trained},
    {"loss_mask", TurnKey::trained},
    {"train", TurnKey::trained},
    {"trained", TurnKey::trained},
    {"trainable", TurnKey::trained},
    {"training", TurnKey::trained},
    {"train_on", TurnKey::trained},
    {"train_on_turn", TurnKey::trained},
    {"is_trained", TurnKey::trained},
    {"is_trainable", TurnKey::trained},
    {"should_train", TurnKey::trained},
    {"learn", TurnKey::trained},
    {"mask", TurnKey::masked},
    {"masked", TurnKey::masked},
    {"is_masked", TurnKey::masked},
    {"label", TurnKey::label},
    {"train_detail", TurnKey::detail},
    {"training_detail", TurnKey::detail},
    {"image", TurnKey::media},
    {"images", TurnKey::media},
    {"audio", TurnKey::media},
    {"video", TurnKey::media},
    {"videos", TurnKey::media},
};

/// A name as it may be meant: in small letters, without white space and a byte order mark around it.
std::string in_small(std::string_view name) {
    name = hydralora::text::without_outer_space(hydralora::io::without_byte_order_mark(name));
    std::string small = small_letters(name);
    std::replace(small.begin(), small.end(), '-', '_');
    return small;
}

template <class Key, std::size_t n>
const std::pair<std::string_view, Key>* entry(const std::pair<std::string_view, Key> (&list)[n],
                                              std::string_view name) {
    const auto found = std::find_if(std::begin(list), std::end(list), [&](const auto& e) { return e.first == name; });
    return found == std::end(list) ? nullptr : found;
}

bool is_harmless(std::string_view name) {
    return std::find(std::begin(harmless), std::end(harmless), name) != std::end(harmless);
}

/// Whether a name speaks of what is learnt.
bool speaks_of_training(const std::string& small) {
    if (small == "weight" || small == "weights" || small == "label") return true;
    for (const std::string_view word : {"train", "mask", "loss", "learn", "supervis", "ignore", "_weight"})
        if (small.find(word) != small.npos) return true;
    return false;
}

template <class Key, std::size_t n>
std::string_view meant(const std::pair<std::string_view, Key> (&list)[n], std::string_view name) {
    const auto* found = entry(list, name) == nullptr && !is_harmless(name) ? entry(list, in_small(name)) : nullptr;
    return found == nullptr ? std::string_view{} : found->first;
}

}  // namespace

RecordKey record_key(std::string_view name) {
    if (const auto* found = entry(record_keys, name)) return found->second;
    if (is_harmless(name)) return RecordKey::harmless;
    return speaks_of_training(in_small(name)) ? RecordKey::flag : RecordKey::unknown;
}

TurnKey turn_key(std::string_view name) {
    if (const auto* found = entry(turn_keys, name)) return found->second;
    if (is_harmless(name)) return TurnKey::harmless;
    return speaks_of_training(in_small(name)) ? TurnKey::flag : TurnKey::unknown;
}

bool harmless_in_part(std::string_view name) {
    return is_harmless(name) || name == "cache_control" || name == "annotations" || name == "citations";
}

std::string_view record_key_meant(std::string_view name) { return meant(record_keys, name); }
std::string_view turn_key_meant(std::string_view name) { return meant(turn_keys, name); }

}  // namespace hydra
