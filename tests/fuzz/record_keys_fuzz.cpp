// Records under keys from outside, line by line: whatever is passed over is counted, every message names its place, and a key
// that says nothing of what is learnt, or that holds nothing, changes nothing. Needs the trainer's records, turns and keys.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_write.hpp>

#include "lines.hpp"
#include "record_keys.hpp"
#include "records.hpp"

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

struct Reading {
    std::vector<std::string> records;  // all that is learnt of each
    hydra::Unusable unusable;
    bool whole = true;  // else the text is no list of records
};

std::string told(const hydra::Record& record) {
    std::string all = record.text ? "text " + *record.text : "turns";
    for (const auto& turn : record.turns) {
        for (const std::string* words :
             {&turn.content, &turn.input, &turn.reasoning, &turn.tool_calls, &turn.name, &turn.call})
            all += '\0' + *words;
        all += static_cast<char>('0' + static_cast<int>(turn.speaker) * 2 + static_cast<int>(turn.loss));
    }
    return all + '\0' + hydralora::io::to_text(record.tools) + '\0' + record.label.value_or("");
}

Reading read(std::string_view text) {
    Reading reading;
    hydra::RecordNotes notes;
    try {
        hydra::read_records(text, "f.jsonl",
                            [&](hydra::Record&& record, const hydra::RecordPlace& place) {
                                require(place.line >= 1 && place.column >= 1);
                                require(!record.text || record.turns.empty());
                                require(record.text || !record.turns.empty());
                                reading.records.push_back(told(record));
                            },
                            {.field = "kind", .notes = &notes, .unusable = &reading.unusable});
    } catch (const hydralora::Error&) {
        reading.whole = false;
    }
    require(notes.lines().size() <= 21);
    require(reading.unusable.count >= static_cast<hydralora::Index>(reading.unusable.places.size()));
    require(reading.unusable.count == 0 || std::string_view(reading.unusable.first).starts_with("f.jsonl:"));
    return reading;
}

/// Whether a record that can be used ends the reading with an error where none is passed over.
bool refused(std::string_view text) {
    try {
        hydra::read_records(text, "f.jsonl", [](hydra::Record&&, const hydra::RecordPlace&) {}, {.field = "kind"});
        return false;
    } catch (const hydralora::Error& error) {
        require(std::string_view(error.what()).starts_with("f.jsonl:"));
        return true;
    }
}

void check_names(std::string_view name) {
    using hydra::RecordKey;
    using hydra::TurnKey;
    const std::string_view record = hydra::record_key_meant(name), turn = hydra::turn_key_meant(name);
    if (!record.empty()) {  // a key that is read, and another than this one
        require(record != name && hydra::record_key(record) < RecordKey::flag &&
                hydra::record_key_meant(record).empty());
        require(hydra::record_key(name) >= RecordKey::flag && hydra::record_key(name) != RecordKey::harmless);
    }
    if (!turn.empty()) {
        require(turn != name && hydra::turn_key(turn) < TurnKey::flag && hydra::turn_key_meant(turn).empty());
        require(hydra::turn_key(name) >= TurnKey::flag && hydra::turn_key(name) != TurnKey::harmless);
    }
}

/// The line with members put at its begin, if it is an object that has none of these keys and is not empty.
std::string with(std::string_view line, const std::string& members, const std::vector<std::string_view>& keys) {
    const auto begin = line.find_first_not_of(" \t\r");
    if (begin == line.npos || line[begin] != '{') return std::string(line);
    try {
        const auto json = hydralora::io::parse_json(line, "");
        if (json.size() == 0) return std::string(line);
        for (const std::string_view key : keys)
            if (json.find(key) != nullptr) return std::string(line);
    } catch (const hydralora::Error&) {
        return std::string(line);
    }
    return std::string(line.substr(0, begin + 1)) + members + ", " + std::string(line.substr(begin + 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Reading reading = read(text);
    require(refused(text) == (!reading.whole || reading.unusable.count > 0));
    if (text.find('[') > text.find('{')) {  // lines
        std::string changed;
        hydra::each_line(text, [&](std::string_view line, hydralora::Index) {
            check_names(line);
            changed += with(line, R"("licence": "x", "history": null, "Mood": [], "tools": "")",
                            {"licence", "history", "Mood", "tools"}) +
                       '\n';
            return true;
        });
        const Reading again = read(changed);
        require(again.records == reading.records && again.unusable.count == reading.unusable.count);
    }
    for (std::size_t begin = 0; begin < size && begin < 64; ++begin)  // names within the text, quoted or not
        check_names(text.substr(begin, text.substr(begin).find('"')));
    return 0;
}
