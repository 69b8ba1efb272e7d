// The turns of a record's conversation, and what is refused or noted in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/text/chat_format.hpp>

#include "record_tree.hpp"

namespace hydra {

/// What is wrong with a record, told where it stands in it, and what is to be noted of it.
class RecordDesk {
public:
    RecordDesk(hydralora::io::JsonPlace& text, std::vector<std::string>& notes) : text_(text), notes_(notes) {}

    template <class... Parts>
    [[noreturn]] void fail(const char* at, const Parts&... parts) const {
        text_.move_to(at);
        text_.fail(parts...);
    }
    /// Once, and no more than a reader would read.
    void note(std::string what) const;
    /// Throws where a key of the object stands twice.
    void check_keys_once(const RecordValue& object) const;
    /// The text of a value, without a byte order mark; `name`: of its key, for messages.
    [[nodiscard]] std::string string(const RecordValue& value, std::string_view name) const;
    /// The one key of a use that has a value: a filled one before an empty one, which counts where none is filled; null does
    /// not. `uses`: of each key of the object. Throws where two are filled with different values.
    template <class Use>
    [[nodiscard]] RecordMember chosen(const RecordValue& object, const std::vector<Use>& uses, Use use) const {
        RecordMember found;
        for (std::size_t i = 0; i < uses.size(); ++i)
            if (uses[i] == use) found = better(found, {&object.keys[i].name, &object.elements[i]});
        return found;
    }

private:
    /// Of what was found so far and what comes after it.
    [[nodiscard]] RecordMember better(const RecordMember& found, const RecordMember& next) const;

    hydralora::io::JsonPlace& text_;
    std::vector<std::string>& notes_;
};

/// The turns of an array; `name`: of its key.
[[nodiscard]] hydralora::text::Conversation read_turns(const RecordValue& value, std::string_view name,
                                                       const RecordDesk& desk);

/// Whether a value looks like an array of turns.
[[nodiscard]] bool looks_like_turns(const RecordValue& value);

}  // namespace hydra
