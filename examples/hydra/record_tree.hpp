// One JSON record as a tree that knows where its values stand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/io/json.hpp>

namespace hydra {

struct RecordValue {
    enum class Kind { null, boolean, number, string, array, object };
    struct Key {
        std::string name;
        const char* at;  // where the reader stood behind it
    };

    Kind kind = Kind::null;
    bool truth = false;
    hydralora::io::Json number{};
    std::string text{};                   ///< of a string; spelling of a number
    std::vector<Key> keys{};              ///< of an object
    std::vector<RecordValue> elements{};  ///< of an array; of an object, those of its keys
    const char* at = nullptr;             ///< where the reader stood behind it, of a container behind its bracket
    const char* end = nullptr;            ///< of a container, behind the one that closes it

    [[nodiscard]] bool is(Kind other) const { return kind == other; }
    /// null, "", [] and {}: as good as no value, wherever one may be missing.
    [[nodiscard]] bool is_empty() const {
        return kind == Kind::null || (kind == Kind::string && text.empty()) || (is_container() && elements.empty());
    }
    [[nodiscard]] bool is_container() const { return kind == Kind::array || kind == Kind::object; }
    /// "a string", "null", ..., for messages.
    [[nodiscard]] std::string_view described() const;
    /// The spelling in the file, of a container.
    [[nodiscard]] std::string_view spelling() const { return {at - 1, static_cast<std::size_t>(end - at) + 1}; }
    /// The number if it is whole, see Json::whole.
    [[nodiscard]] std::optional<std::int64_t> whole() const { return number.whole(); }
    /// The value of a key, nullptr if there is none.
    [[nodiscard]] const RecordValue* find(std::string_view key) const;
};

/// A key of an object with its value, or none.
struct RecordMember {
    const std::string* name = nullptr;
    const RecordValue* value = nullptr;

    explicit operator bool() const { return value != nullptr; }
    [[nodiscard]] bool filled() const { return value != nullptr && !value->is_empty(); }
};

/// Reads the text of an object, to which the places point. Throws hydralora::Error as parse_json does, of a file "", and for
/// what is no object.
[[nodiscard]] RecordValue read_record_tree(hydralora::io::JsonPlace& place);

}  // namespace hydra
