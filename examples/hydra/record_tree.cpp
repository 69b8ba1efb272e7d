#include "record_tree.hpp"

#include <cstdint>
#include <utility>

#include "record_places.hpp"

namespace hydra {
namespace {

using hydralora::io::Json;
using hydralora::io::JsonPlace;
using Kind = RecordValue::Kind;

/// Builds the tree from the parser's events.
class TreeBuilder {
public:
    explicit TreeBuilder(const JsonPlace& place) : place_(place) {}

    void null() { add(Kind::null); }
    void boolean(bool value) { add(Kind::boolean).truth = value; }
    void integer(std::int64_t value) { number(value, std::to_string(value)); }
    void unsigned_integer(std::uint64_t value) { number(value, std::to_string(value)); }
    void real(double value, const std::string& spelling) { number(value, spelling); }
    void string(std::string&& value) { add(Kind::string).text = std::move(value); }
    void key(std::string&& name) { open_.back()->keys.push_back({std::move(name), place_.at()}); }
    void begin_object() { open_.push_back(&add(Kind::object)); }
    void begin_array() { open_.push_back(&add(Kind::array)); }
    void end_object() { close(); }
    void end_array() { close(); }
    [[nodiscard]] RecordValue take() { return std::move(root_); }

private:
    void number(Json value, std::string spelling) {
        RecordValue& added = add(Kind::number);
        added.number = std::move(value);
        added.text = std::move(spelling);
    }
    void close() {
        open_.back()->end = place_.at();
        open_.pop_back();
    }
    /// Stays where it is while the containers around it are open, for nothing is added to them meanwhile.
    RecordValue& add(Kind kind) {
        RecordValue& value = open_.empty() ? root_ : open_.back()->elements.emplace_back();
        value.kind = kind;
        value.at = place_.at();
        return value;
    }

    const JsonPlace& place_;
    RecordValue root_;
    std::vector<RecordValue*> open_;
};

}  // namespace

std::string_view RecordValue::described() const {
    switch (kind) {
        case Kind::null:
            return "null";
        case Kind::boolean:
            return truth ? "true" : "false";
        case Kind::number:
            return "a number";
        case Kind::string:
            return "a string";
        case Kind::array:
            return "an array";
        case Kind::object:
            break;
    }
    return "an object";
}

const RecordValue* RecordValue::find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (keys[i].name == key) return &elements[i];
    return nullptr;
}

RecordValue read_record_tree(JsonPlace& place) {
    TreeBuilder builder(place);
    hydralora::io::parse_json_events(place, record_limits, builder);
    RecordValue root = builder.take();
    if (root.is(Kind::object)) return root;
    place.move_to(root.at);
    place.fail("expected an object, found ", root.described());
}

}  // namespace hydra
