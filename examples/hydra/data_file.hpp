// What a file of training data is, before it is read as records or as a text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hydra {

/// The content that is read: without a byte order mark. Throws for files that are empty or surely no text (gzip, Parquet,
/// UTF-16, ...), and for plain texts with a NUL byte, naming the file, what was found and the way out.
[[nodiscard]] std::string_view data_content(std::string_view bytes, const std::filesystem::path& path);

/// What is learnt of a plain text otherwise than somebody may expect: records under a name that does not say so, tables,
/// bytes that are no UTF-8.
[[nodiscard]] std::vector<std::string> notes_of_text(std::string_view text, const std::filesystem::path& path);

}  // namespace hydra
