// The turns of a record's conversation, and what is refused or noted in them.
#pragma once

#include <string>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/text/chat_format.hpp>

#include "record_places.hpp"
#include "record_tree.hpp"
#include "records.hpp"

namespace hydra {

/// What is wrong with a record, told where it stands in it.
class RecordDesk {
public:
    RecordDesk(hydralora::io::JsonPlace& text, const RecordPlace& place, RecordNotes* notes)
        : text_(text), place_(place), notes_(notes) {}

    template <class... Parts>
    [[noreturn]] void fail(const char* at, const Parts&... parts) const {
        text_.move_to(at);
        text_.fail(parts...);
    }
    void note(std::string_view what) const {
        if (notes_ != nullptr) notes_->add(what, place_);
    }
    /// Throws where a key of the object stands twice.
    void check_keys_once(const RecordValue& object) const;
    /// The text of a value, without a byte order mark; `name`: of its key, for messages.
    [[nodiscard]] std::string string(const RecordValue& value, std::string_view name) const;

private:
    hydralora::io::JsonPlace& text_;
    const RecordPlace& place_;
    RecordNotes* notes_;
};

/// The turns of an array; `name`: of its key.
[[nodiscard]] hydralora::text::Conversation read_turns(const RecordValue& value, std::string_view name,
                                                       const RecordDesk& desk);

/// Whether a value looks like an array of turns.
[[nodiscard]] bool looks_like_turns(const RecordValue& value);

}  // namespace hydra
