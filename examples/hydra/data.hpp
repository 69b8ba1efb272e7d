// Training data: each file a domain, cut into token sequences and split into a training and a held-out part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>
#include <hydralora/text/chat_format.hpp>

#include "packing.hpp"
#include "vocabulary.hpp"

namespace hydra {

/// What to generate from, and the text that should come.
struct Answer {
    std::vector<std::int32_t> prompt;
    std::string text;
    hydralora::Index tokens = 0;  ///< that the text has
};

struct Domain {
    std::string name;
    std::vector<Example> train, held_out;          ///< in the order of the file; train packed where that is asked for
    std::vector<Answer> answers;                   ///< of the held-out records that have one, in the order of the file
    hydralora::Index truncated = 0;                ///< records that lost their end
    hydralora::Index skipped = 0;                  ///< records without a token to train on
    std::string first_skipped;                     ///< where the first of them is, as "line 7"
    hydralora::Index unusable = 0;                 ///< records that could not be used, passed over as DataOptions asks
    std::vector<std::string> notes;                ///< sentences about what was read otherwise than somebody may expect
    hydralora::Index conversations = 0;            ///< records that are one
    hydralora::Index unwritten = 0;                ///< turns of whose words the model's chat template writes nothing
    hydralora::Index untrained = 0;                ///< turns of the assistant of which it marks nothing
    std::string first_unwritten, first_untrained;  ///< where the first of them are
    hydralora::Index bytes = 0;                    ///< bytes to predict, in both parts
    hydralora::Index packed = 0;                   ///< examples in the packed sequences of train; 0: not packed
};

/// A field of records that names their component; its values are numbered as they come.
struct FieldLabels {
    std::string field;
    std::vector<std::string> names{};
};

/// Whether the prompts of records are predicted too (pretraining) or read only (fine-tuning).
enum class Prompts { masked, trained };

struct DataOptions {
    hydralora::Index sequence_length = 256;  ///< most ids of an example
    double held_out = 0.05;                  ///< share of each domain's examples, in [0, 1]; 1: none to train on
    hydralora::Seed seed;                    ///< chooses the held-out examples
    Prompts prompts = Prompts::masked;
    Packing packing = Packing::none;  ///< of the training part
    /// How conversations are written; none: a conversation is refused with Vocabulary::why_no_chat_format().
    std::optional<Chat> chat = hydralora::text::ChatFormat::hydralora;
    FieldLabels* labels = nullptr;  ///< where every record is to have a label, which becomes Example::component
    bool skip_unusable = false;     ///< records that cannot be used are counted and passed over; else they throw
};

/// One domain per file, named as the file without its extension.
///
/// .jsonl, .ndjson and .json hold records (see read_records), all other files one text; see data_content for what is
/// neither. A conversation becomes the
/// tokens of its chat format: the assistant's turns are trained, and what exceeds the sequence length is cut off at the
/// end. In the format hydralora, with bytes, an instruction with its output is `EOT prompt EOT output EOT` with prompt =
/// instruction or instruction, newline, input. A text becomes `EOT text EOT` (what the tokenizer puts before a text,
/// the text, end of text), all of it trained, in consecutive pieces that overlap by one token, so that each token is
/// predicted once.
///
/// Equal examples of a domain are all trained on or all held out. The split depends on the seed, the domain's name
/// and its examples, so it stays when other files come or go. Throws hydralora::Error that names the file, in records as
/// file:line:column.
[[nodiscard]] std::vector<Domain> read_domains(const std::vector<std::filesystem::path>& files,
                                               const DataOptions& options, const Vocabulary& vocabulary = {});

/// Says the notes of domains on stderr.
void say_notes(const std::vector<Domain>& domains);

/// The domain of a file's content; `path` gives its name, and by its extension what it holds.
[[nodiscard]] Domain read_domain(std::string_view content, const std::filesystem::path& path,
                                 const DataOptions& options, const Vocabulary& vocabulary = {});

}  // namespace hydra
