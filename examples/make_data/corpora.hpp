// The two sets of files: what the base learns from, and what is fine-tuned on. They share words, and neither templates,
// names, licences, dictionaries nor the sentences that records turn into.
#pragma once

#include <filesystem>
#include <vector>

namespace make_data {

/// Writes `out`/*.txt and *.jsonl from the texts in `texts` (examples/data of the source tree).
void write_pretrain(const std::filesystem::path& texts, const std::filesystem::path& out);

/// The same for fine-tuning; `code` are the source files that become code.txt, in the order given.
void write_finetune(const std::filesystem::path& texts, const std::filesystem::path& out,
                    const std::vector<std::filesystem::path>& code);

}  // namespace make_data
