// A file of JSON records, JSON lines or one array, cut into its records, with their places for messages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <hydralora/io/json.hpp>

namespace hydra {

/// .json, .jsonl and .ndjson, in letters of either case.
[[nodiscard]] bool holds_records(const std::filesystem::path& path);

/// What RecordPlace::fail throws: of one record, so that a reader may pass over it.
class RecordError : public hydralora::Error {
public:
    RecordError(const std::string& message, hydralora::Index line, hydralora::Index column)
        : Error(message), line_(line), column_(column) {}
    [[nodiscard]] hydralora::Index line() const { return line_; }
    [[nodiscard]] hydralora::Index column() const { return column_; }

private:
    hydralora::Index line_, column_;
};

/// Where a record begins.
struct RecordPlace {
    std::string_view path;
    hydralora::Index line = 1, column = 1;

    /// "path:line:column: ..."
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw RecordError(hydralora::concat(path, ':', line, ':', column, ": ", parts...), line, column);
    }
    /// "path:line:column: message; remedy" of an error inside the record, whose message begins ": line 1, column 7: ".
    [[noreturn]] void fail_inside(std::string_view message, std::string_view remedy) const;
};

inline constexpr std::size_t record_limit = std::size_t{16} << 20;  ///< bytes
inline constexpr hydralora::io::JsonLimits record_limits{.bytes = record_limit, .string_bytes = record_limit};

/// Whether to read on after a record.
enum class Reading { go_on, stop };
using TakeRecord = std::function<Reading(std::string_view record, const RecordPlace& place)>;

/// Calls `take` for the text of each record, in order, however long it is. The text is an array if its first character is [,
/// else JSON lines, of which blank ones are passed over. Throws hydralora::Error that begins with `path`:line:column.
void cut_records(std::string_view text, std::string_view path, const TakeRecord& take);

}  // namespace hydra
