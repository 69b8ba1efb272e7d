#include "data.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compare>
#include <cstddef>
#include <hydralora/core/check.hpp>
#include <hydralora/io/file.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/quote.hpp>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "tokens.hpp"

namespace hydra {
namespace {

using hydralora::check;
using hydralora::Index;
using hydralora::io::JsonPlace;

constexpr std::size_t line_limit = std::size_t{16} << 20;
// Clear of the adapters' streams, which lie at head * 2^24 + layer * targets + target.
constexpr std::uint32_t split_stream = 0x00d00000;
constexpr std::string_view record_forms =
    R"(write each line as {"instruction": "...", "input": "...", "output": "..."} or {"text": "..."})";

// ---- records of JSON lines

struct Record {
    std::optional<std::string> instruction, input, output, text;
};

/// Takes the strings of the record's own keys from the parser's events, whatever else the object holds.
class RecordReader {
public:
    explicit RecordReader(const JsonPlace& place) : place_(place) {}

    void null() { refuse("null"); }
    void boolean(bool value) { refuse(value ? "true" : "false"); }
    void integer(std::int64_t) { refuse("a number"); }
    void unsigned_integer(std::uint64_t) { refuse("a number"); }
    void real(double, const std::string&) { refuse("a number"); }
    void string(std::string&& value) {
        if (depth_ == 1 && wanted_ != nullptr)
            *wanted_ = std::move(value);
        else
            refuse("a string");
    }
    void key(std::string&& name) {
        if (depth_ != 1) return;
        wanted_ = name == "instruction" ? &record_.instruction
                  : name == "input"     ? &record_.input
                  : name == "output"    ? &record_.output
                  : name == "text"      ? &record_.text
                                        : nullptr;
        if (wanted_ != nullptr && wanted_->has_value())
            place_.fail("expected each key once, found ", hydralora::io::in_quotes(name), " twice");
        name_ = std::move(name);
    }
    void begin_object() {
        if (depth_ > 0) refuse("an object");
        ++depth_;
    }
    void begin_array() {
        refuse("an array");
        ++depth_;
    }
    void end_array() { --depth_; }
    void end_object() {
        if (--depth_ > 0) return;
        const bool paired = record_.instruction || record_.input || record_.output;
        if (record_.text && paired)
            place_.fail(R"(expected "text" alone or "instruction" and "output", found keys of both)");
        if (!record_.text && !paired)
            place_.fail(
                R"(expected a record with "text" or with "instruction" and "output", found none of these keys)");
        if (paired && !record_.instruction) place_.fail(R"(expected "instruction" in the record, found none)");
        if (paired && !record_.output) place_.fail(R"(expected "output" in the record, found none)");
    }
    [[nodiscard]] Record take() { return std::move(record_); }

private:
    /// Any other value: wrong in place of a record or under one of our keys, else of no interest.
    void refuse(std::string_view found) const {
        if (depth_ == 0) place_.fail("expected an object, found ", found);
        if (depth_ == 1 && wanted_ != nullptr)
            place_.fail("expected a string as ", hydralora::io::in_quotes(name_), ", found ", found);
    }

    const JsonPlace& place_;
    Record record_;
    std::optional<std::string>* wanted_ = nullptr;
    std::string name_;
    std::size_t depth_ = 0;
};

/// "path:line:column: message" of an error that a line has as a text of its own, ": line 1, column 7: message".
[[noreturn]] void fail_at(const std::string& path, Index line, std::string_view message) {
    constexpr std::string_view before = ": line 1, column ";
    std::size_t column = 1;
    if (message.substr(0, before.size()) == before) {
        message.remove_prefix(before.size());
        const auto end = std::from_chars(message.data(), message.data() + message.size(), column).ptr;
        message.remove_prefix(std::min(static_cast<std::size_t>(end - message.data()) + 2, message.size()));
    }
    hydralora::fail(path, ':', line, ':', column, ": ", message, "; ", record_forms);
}

Record parse_record(std::string_view text, const std::string& path, Index line) {
    constexpr hydralora::io::JsonLimits limits{.bytes = line_limit, .string_bytes = line_limit};
    try {
        JsonPlace place(text, "");
        RecordReader reader(place);
        hydralora::io::parse_json_events(place, limits, reader);
        return reader.take();
    } catch (const hydralora::Error& error) {
        fail_at(path, line, error.what());
    }
}

// ---- records and texts as token sequences

struct Candidate {
    Example example;
    std::optional<Answer> answer;
};

/// What a file holds before the split.
struct Contents {
    std::vector<Candidate> candidates;
    Index records = 0, truncated = 0, skipped = 0;
};

/// ids = all tokens but the last, labels = all but the first; labels before `first_label` are ignored.
Example example_of(std::span<const std::int32_t> tokens, std::size_t first_label) {
    Example example;
    const std::size_t length = tokens.size() - 1;
    example.ids.assign(tokens.begin(), tokens.end() - 1);
    example.labels.assign(length, ignored);
    for (std::size_t i = first_label; i < length; ++i) {
        example.labels[i] = tokens[i + 1];
        ++example.labelled;
        if (tokens[i + 1] != end_of_text) ++example.bytes;
    }
    return example;
}

std::size_t most_ids(const DataOptions& options) { return static_cast<std::size_t>(options.sequence_length); }

void append(std::vector<std::int32_t>& tokens, std::string_view text) {
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
}

void add_text(Contents& contents, std::string_view text, const DataOptions& options) {
    ++contents.records;
    if (text.empty()) {
        ++contents.skipped;
        return;
    }
    std::vector<std::int32_t> tokens;
    tokens.reserve(text.size() + 2);
    tokens.push_back(end_of_text);
    append(tokens, text);
    tokens.push_back(end_of_text);
    const std::span<const std::int32_t> all(tokens);
    for (std::size_t begin = 0; begin + 1 < all.size(); begin += most_ids(options)) {
        const std::size_t length = std::min(most_ids(options), all.size() - 1 - begin);
        contents.candidates.push_back({example_of(all.subspan(begin, length + 1), 0), std::nullopt});
    }
}

void add_instruction(Contents& contents, const Record& record, const DataOptions& options) {
    ++contents.records;
    std::vector<std::int32_t> tokens{end_of_text};
    append(tokens, *record.instruction);
    if (record.input && !record.input->empty()) {
        append(tokens, "\n");
        append(tokens, *record.input);
    }
    tokens.push_back(end_of_text);
    Answer answer{tokens, *record.output};
    append(tokens, *record.output);
    tokens.push_back(end_of_text);

    if (answer.prompt.size() > most_ids(options)) {
        ++contents.skipped;
        return;
    }
    if (tokens.size() - 1 > most_ids(options)) {
        ++contents.truncated;
        tokens.resize(most_ids(options) + 1);
    }
    const std::size_t first_label = options.prompts == Prompts::trained ? 0 : answer.prompt.size() - 1;
    contents.candidates.push_back({example_of(tokens, first_label), std::move(answer)});
}

void add_lines(Contents& contents, std::string_view text, const std::string& path, const DataOptions& options) {
    Index number = 0;
    while (!text.empty()) {
        ++number;
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        check(line.size() <= line_limit, path, ':', number, ':', line_limit + 1, ": expected at most ", line_limit,
              " bytes in a line, found ", line.size(), "; split the record");
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        const Record record = parse_record(line, path, number);
        if (record.text)
            add_text(contents, *record.text, options);
        else
            add_instruction(contents, record, options);
    }
}

// ---- the split

/// Numbers equal examples alike, in the order in which they first appear.
std::vector<std::size_t> groups_of(const std::vector<Candidate>& candidates) {
    const auto compare = [&](std::size_t a, std::size_t b) {
        const Example &x = candidates[a].example, &y = candidates[b].example;
        if (const auto ids = x.ids <=> y.ids; ids != 0) return ids;
        return x.labels <=> y.labels;
    };
    std::vector<std::size_t> order(candidates.size()), first(candidates.size()), group(candidates.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const auto content = compare(a, b);
        return content < 0 || (content == 0 && a < b);
    });
    for (std::size_t i = 0; i < order.size(); ++i)
        first[order[i]] = i > 0 && compare(order[i - 1], order[i]) == 0 ? first[order[i - 1]] : order[i];
    std::size_t count = 0;
    for (std::size_t i = 0; i < group.size(); ++i) group[i] = first[i] == i ? count++ : group[first[i]];
    return group;
}

/// 0, 1, ... count - 1 shuffled (Fisher-Yates).
std::vector<std::size_t> permutation(std::size_t count, hydralora::Seed seed, std::string_view name) {
    check(count <= std::numeric_limits<std::uint32_t>::max(), name, ": ", count, " examples, expected fewer than 2^32");
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    const hydralora::RandomKey key{seed, split_stream, hash};
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = count; i > 1; --i)
        std::swap(order[i - 1], order[hydralora::uniform_below(key, i, static_cast<std::uint32_t>(i))]);
    return order;
}

/// ceil(share * n), at least 1 and at most n - 1; none of a single example.
std::size_t held_out_count(std::size_t n, double share) {
    if (share == 0 || n < 2) return 0;
    // A share like 0.07 is a little more than it says: 0.07 * 100 = 7.000000000000001.
    const auto count = static_cast<std::size_t>(std::ceil(share * static_cast<double>(n) * (1 - 1e-12)));
    return std::clamp<std::size_t>(count, 1, n - 1);
}

/// Whether each group is held out: from the permuted groups the first that fit into the count. Where not even one
/// fits, all being copied often, the smallest.
std::vector<bool> held_out_groups(const std::vector<std::size_t>& group, const DataOptions& options,
                                  std::string_view name) {
    const std::size_t groups = *std::max_element(group.begin(), group.end()) + 1;
    const std::size_t count = held_out_count(group.size(), options.held_out);
    std::vector<bool> held_out(groups, false);
    if (options.held_out == 1) held_out.assign(groups, true);
    if (groups == 1 || count == 0 || options.held_out == 1) return held_out;

    std::vector<std::size_t> sizes(groups, 0);
    for (const std::size_t g : group) ++sizes[g];
    const std::vector<std::size_t> order = permutation(groups, options.seed, name);
    std::size_t chosen = 0;
    for (const std::size_t g : order) {
        if (chosen + sizes[g] > count) continue;
        held_out[g] = true;
        chosen += sizes[g];
    }
    if (chosen == 0)
        held_out[*std::min_element(order.begin(), order.end(),
                                   [&](std::size_t a, std::size_t b) { return sizes[a] < sizes[b]; })] = true;
    return held_out;
}

// ---- files

bool holds_lines(const std::filesystem::path& path) {
    std::string extension = path.extension().string();
    for (char& c : extension)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return extension == ".jsonl" || extension == ".json";
}

Contents read_contents(const std::filesystem::path& path, const DataOptions& options) {
    const auto file = hydralora::io::MappedFile::open(path);
    check(!file.bytes().empty(), file.path(), ": expected text, found an empty file; leave it out or put text into it");
    Contents contents;
    if (holds_lines(path)) {
        add_lines(contents, file.text(), file.path(), options);
        check(contents.records > 0, file.path(),
              ": no trainable token: expected at least one record, found only blank lines; ", record_forms);
    } else {
        add_text(contents, file.text(), options);
    }
    check(!contents.candidates.empty(), file.path(), ": no trainable token: all ", contents.records,
          " records have an empty text or a prompt that fills the sequence length of ", options.sequence_length,
          "; raise the sequence length or leave the file out");
    return contents;
}

Domain read_domain(const std::filesystem::path& path, const DataOptions& options) {
    Contents contents = read_contents(path, options);
    Domain domain{.name = path.stem().string(),
                  .train = {},
                  .held_out = {},
                  .answers = {},
                  .truncated = contents.truncated,
                  .skipped = contents.skipped};
    const std::vector<std::size_t> group = groups_of(contents.candidates);
    const std::vector<bool> held_out = held_out_groups(group, options, domain.name);
    for (std::size_t i = 0; i < group.size(); ++i) {
        auto& [example, answer] = contents.candidates[i];
        domain.bytes += example.bytes;
        if (!held_out[group[i]]) {
            domain.train.push_back(std::move(example));
            continue;
        }
        domain.held_out.push_back(std::move(example));
        if (answer) domain.answers.push_back(*std::move(answer));
    }
    return domain;
}

}  // namespace

std::vector<Domain> read_domains(const std::vector<std::filesystem::path>& files, const DataOptions& options) {
    check(!files.empty(), "data: expected at least one file, found none");
    check(options.sequence_length >= 1, "data: sequence length = ", options.sequence_length, ", expected at least 1");
    check(options.held_out >= 0 && options.held_out <= 1, "data: held-out share = ", options.held_out,
          ", expected a number in [0, 1]");
    for (std::size_t i = 0; i < files.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            check(files[k].stem() != files[i].stem(), files[k].string(), " and ", files[i].string(),
                  ": expected different names without the extension, found ",
                  hydralora::io::in_quotes(files[i].stem().string()), " twice; rename one of them");
    std::vector<Domain> domains;
    domains.reserve(files.size());
    for (const auto& path : files) domains.push_back(read_domain(path, options));
    return domains;
}

}  // namespace hydra
