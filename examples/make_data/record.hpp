// A record of instruction, input and output, and sets of them without repeats.
#pragma once

#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace make_data {

struct Record {
    std::string instruction, input, output;
};

/// One line of JSONL, without the newline.
std::string json_line(const Record& record);

/// Makes `count` records no two of which ask the same; those longer than `bytes` in total are thrown away.
template <class Make>
std::vector<Record> collect(std::size_t count, std::size_t bytes, Make make) {
    std::vector<Record> records;
    std::set<std::pair<std::string, std::string>> asked;
    for (std::size_t tries = 0; records.size() < count; ++tries) {
        if (tries > 50 * count)
            throw std::runtime_error("collect: the templates do not give so many different records");
        Record r = make();
        if (r.instruction.size() + r.input.size() + r.output.size() > bytes) continue;
        if (asked.emplace(r.instruction, r.input).second) records.push_back(std::move(r));
    }
    return records;
}

}  // namespace make_data
