#include "data.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>

#include <hydralora/core/check.hpp>
#include <hydralora/io/file.hpp>
#include <hydralora/io/quote.hpp>

#include "data_file.hpp"
#include "documents.hpp"
#include "records.hpp"
#include "split.hpp"

namespace hydra {
namespace {

using hydralora::check;
using hydralora::Index;

struct Candidate {
    Example example;
    std::optional<Answer> answer;
};

/// What a file holds before the split: a domain without its parts, and the candidates for them.
class Contents {
public:
    Contents(const DataOptions& options, const Vocabulary& vocabulary, std::string name)
        : options_(options), vocabulary_(vocabulary), most_ids_(static_cast<std::size_t>(options.sequence_length)) {
        domain.name = std::move(name);
    }

    void add(const Record& record, const RecordPlace& place) {
        const std::size_t before = candidates.size();
        const Index skipped_before = domain.skipped;
        const std::int32_t component = label_of(record, place);
        if (record.text) {
            look_for_controls_of_record(*record.text, place.line);
            add_text(*record.text);
        } else {
            add_conversation(record, place);
            for (const auto& turn : record.turns)
                for (const std::string* words : {&turn.content, &turn.input, &turn.reasoning})
                    look_for_controls_of_record(*words, place.line);
        }
        if (candidates.size() > before) name_label(record, component);
        for (std::size_t i = before; i < candidates.size(); ++i) candidates[i].example.component = component;
        if (domain.skipped > 0 && skipped_before == 0) domain.first_skipped = hydralora::concat("line ", place.line);
    }

    void add_text(std::string_view text) {
        ++records;
        if (text.empty()) {
            ++domain.skipped;
            return;
        }
        const Document document = document_of(vocabulary_, text);
        for (std::size_t begin = 0; begin + 1 < document.ids.size(); begin += most_ids_) {
            const std::size_t length = std::min(most_ids_, document.ids.size() - 1 - begin);
            candidates.push_back({example_of(vocabulary_, document, begin, length), std::nullopt});
        }
    }

    /// Counts control tokens that a text spells, whose first line is `line`.
    void look_for_controls(std::string_view text, Index line) {
        const auto found = vocabulary_.spelt_controls(text);
        if (found.count > 0 && controls == 0) {
            first_control = text.substr(found.first, found.length);
            control_line =
                line + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(found.first), '\n');
        }
        controls += found.count;
    }
    /// Records stand in a line of their own, whatever line ends are in their words.
    void look_for_controls_of_record(std::string_view text, Index line) {
        const bool none = controls == 0;
        look_for_controls(text, line);
        if (none) control_line = line;
    }

    Domain domain;
    std::vector<Candidate> candidates;
    Index records = 0;
    RecordNotes notes;
    Unusable unusable;
    Index controls = 0, control_line = 0;  // control tokens spelt in texts, and where the first is
    std::string first_control;

private:
    /// The number of the record's label: the next one for a new label, -1 where none is asked for.
    [[nodiscard]] std::int32_t label_of(const Record& record, const RecordPlace& place) const {
        constexpr std::size_t most = 1024;  // as many as an adapter may have heads
        if (options_.labels == nullptr) return -1;
        const auto& [field, names] = *options_.labels;
        if (!record.label)
            place.fail("expected the field ", hydralora::io::in_quotes(field),
                       " in every record, as --component-field asks, found none; add it, or name another");
        const auto found = std::find(names.begin(), names.end(), *record.label);
        if (found == names.end() && names.size() == most)
            place.fail("more than ", most, " values of the field ", hydralora::io::in_quotes(field),
                       "; expected one that names a few components");
        return static_cast<std::int32_t>(found - names.begin());
    }

    /// Of a record that gave an example.
    void name_label(const Record& record, std::int32_t number) const {
        if (number < 0) return;
        auto& names = options_.labels->names;
        if (static_cast<std::size_t>(number) == names.size()) names.push_back(*record.label);
    }

    void add_conversation(const Record& record, const RecordPlace& place) {
        const Chat& how = chat(place);
        const Written conversation = rendered(how, record, place);
        note_turns(conversation, place);
        Document document = document_of(vocabulary_, how, conversation.segments);
        ++records;
        ++domain.conversations;
        // What follows the last answer teaches nothing.
        if (document.said.empty() || document.said.front().begin > most_ids_) {
            ++domain.skipped;
            return;
        }
        std::size_t length = document.said.back().end - 1;
        if (length > most_ids_) {
            ++domain.truncated;
            length = most_ids_;
        }
        std::optional<Answer> answer = last_answer(document);
        if (options_.prompts == Prompts::trained) {
            const auto masked = [](const hydralora::text::Turn& turn) {
                return turn.speaker == hydralora::text::Speaker::assistant &&
                       turn.loss == hydralora::text::Loss::masked;
            };
            if (std::any_of(record.turns.begin(), record.turns.end(), masked))
                notes.add("turns of the assistant that are masked are learnt all the same, as prompts are here", place);
            document.trained.assign(document.ids.size(), true);
        }
        candidates.push_back({example_of(vocabulary_, document, 0, length), std::move(answer)});
    }

    [[nodiscard]] const Chat& chat(const RecordPlace& place) const {
        // Of the model, not of the record: none is passed over for it.
        check(options_.chat.has_value(), place.path, ':', place.line, ':', place.column,
              ": a conversation: ", vocabulary_.why_no_chat_format());
        return *options_.chat;
    }
    [[nodiscard]] Written rendered(const Chat& chat, const Record& record, const RecordPlace& place) const {
        try {
            Written result = written(vocabulary_, chat, record.turns, record.tools);
            check(!result.tools_unwritten,
                  "found tools, of which the model's chat template writes nothing; write them into a system prompt and "
                  "leave \"tools\" out, or leave the record out");
            return result;
        } catch (const hydralora::Error& error) {
            place.fail(error.what());
        }
    }

    void note_turns(const Written& conversation, const RecordPlace& place) {
        const auto note = [&](const std::vector<std::size_t>& turns, Index& count, std::string& first) {
            if (turns.empty()) return;
            count += static_cast<Index>(turns.size());
            if (first.empty()) first = hydralora::concat("turn ", turns.front() + 1, " of line ", place.line);
        };
        note(conversation.unwritten, domain.unwritten, domain.first_unwritten);
        note(conversation.untrained, domain.untrained, domain.first_untrained);
    }

    /// The last that begins within the sequence length.
    [[nodiscard]] std::optional<Answer> last_answer(Document& document) const {
        const auto fits = [&](const Document::Said& said) { return said.begin <= most_ids_; };
        const auto said = std::find_if(document.said.rbegin(), document.said.rend(), fits);
        return Answer{{document.ids.begin(), document.ids.begin() + static_cast<std::ptrdiff_t>(said->begin)},
                      std::move(said->text),
                      static_cast<Index>(said->end - said->begin)};
    }

    const DataOptions& options_;
    const Vocabulary& vocabulary_;
    std::size_t most_ids_;
};

void check_options(const DataOptions& options) {
    check(options.sequence_length >= 1, "data: sequence length = ", options.sequence_length, ", expected at least 1");
    check(options.held_out >= 0 && options.held_out <= 1, "data: held-out share = ", options.held_out,
          ", expected a number in [0, 1]");
}

/// Reads the records of a file; throws unless one can be used.
void add_records(Contents& contents, std::string_view content, const std::string& name, const DataOptions& options) {
    read_records(content, name, [&](Record&& record, const RecordPlace& place) { contents.add(record, place); },
                 {.field = options.labels != nullptr ? options.labels->field : std::string_view{},
                  .notes = &contents.notes,
                  .unusable = options.skip_unusable ? &contents.unusable : nullptr});
    const Unusable& unusable = contents.unusable;
    contents.domain.unusable = unusable.count;
    check(contents.records > 0 || unusable.count == 0, name, ": none of its ", unusable.count,
          " records can be used, the first because of ", unusable.first);
    check(contents.records > 0, name,
          ": no trainable token: expected at least one record, found only blank lines or an empty array; ",
          record_forms);
}

/// "3 records skipped that cannot be used, ..."
std::string note_of(const Unusable& unusable) {
    std::string places;
    for (const std::string& place : unusable.places) places += (places.empty() ? "" : ", ") + place;
    return hydralora::concat(
        unusable.count, unusable.count == 1 ? " record" : " records", " skipped that cannot be used, at ", places,
        unusable.count > static_cast<Index>(unusable.places.size()) ? ", ..." : "", "; the first: ", unusable.first);
}

/// What the reader of a file should know, in sentences; more: of a plain text.
std::vector<std::string> notes_of(const Contents& contents, const std::string& name,
                                  const std::vector<std::string>& more) {
    using hydralora::concat;
    std::vector<std::string> notes;
    const auto add = [&](std::string_view what) { notes.push_back(concat(name, ": ", what)); };
    if (contents.unusable.count > 0) add(note_of(contents.unusable));
    for (const std::string& line : contents.notes.lines()) add(line);
    for (const std::string& line : more) add(line);
    if (contents.controls > 0)
        notes.push_back(concat(
            contents.controls,
            contents.controls == 1 ? " control token is spelt in texts of " : " control tokens are spelt in texts of ",
            name, ", the first, ", hydralora::io::in_quotes(contents.first_control), ", at line ",
            contents.control_line, "; learnt as text, not as the tokens"));
    return notes;
}

Contents contents_of(std::string_view bytes, const std::filesystem::path& path, const DataOptions& options,
                     const Vocabulary& vocabulary) {
    const std::string name = path.string();
    const std::string_view content = data_content(bytes, path);
    Contents contents(options, vocabulary, path.stem().string());
    std::vector<std::string> more;
    if (holds_records(path)) {
        add_records(contents, content, name, options);
    } else {
        check(options.labels == nullptr, name, ": a plain text has no fields, as --component-field asks; write it as ",
              "records {\"text\": ...} with the field, or take --component-of files");
        contents.add_text(content);
        contents.look_for_controls(content, 1);
        more = notes_of_text(content, path);
    }
    check(!contents.candidates.empty(), name, ": no trainable token: all ", contents.records,
          " records have an empty text, no turn of the assistant, or a prompt that fills the sequence length of ",
          options.sequence_length, "; raise the sequence length or leave the file out");
    contents.domain.notes = notes_of(contents, name, more);
    return contents;
}

}  // namespace

Domain read_domain(std::string_view content, const std::filesystem::path& path, const DataOptions& options,
                   const Vocabulary& vocabulary) {
    check_options(options);
    Contents contents = contents_of(content, path, options, vocabulary);
    Domain& domain = contents.domain;
    std::vector<const Example*> examples;
    for (const Candidate& candidate : contents.candidates) examples.push_back(&candidate.example);
    const std::vector<bool> held_out = held_out_of(examples, options.held_out, options.seed, domain.name);
    for (std::size_t i = 0; i < held_out.size(); ++i) {
        auto& [example, answer] = contents.candidates[i];
        domain.bytes += example.bytes;
        if (!held_out[i]) {
            domain.train.push_back(std::move(example));
            continue;
        }
        domain.held_out.push_back(std::move(example));
        if (answer) domain.answers.push_back(*std::move(answer));
    }
    if (options.packing != Packing::none) {
        domain.packed = static_cast<Index>(domain.train.size());
        domain.train =
            pack(std::move(domain.train), options.packing, options.sequence_length, options.seed, domain.name);
    }
    return std::move(domain);
}

void say_notes(const std::vector<Domain>& domains) {
    for (const Domain& domain : domains)
        for (const std::string& note : domain.notes) std::fprintf(stderr, "Note: %s\n", note.c_str());
}

std::vector<Domain> read_domains(const std::vector<std::filesystem::path>& files, const DataOptions& options,
                                 const Vocabulary& vocabulary) {
    check(!files.empty(), "data: expected at least one file, found none");
    check_options(options);
    for (std::size_t i = 0; i < files.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            check(files[k].stem() != files[i].stem(), files[k].string(), " and ", files[i].string(),
                  ": expected different names without the extension, found ",
                  hydralora::io::in_quotes(files[i].stem().string()), " twice; rename one of them");
    std::vector<Domain> domains;
    domains.reserve(files.size());
    for (const auto& path : files) {
        const auto file = hydralora::io::MappedFile::open(path);
        domains.push_back(read_domain(file.text(), path, options, vocabulary));
    }
    return domains;
}

}  // namespace hydra
