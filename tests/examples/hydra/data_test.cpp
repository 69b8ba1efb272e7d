#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "data.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"
#include "vocabulary.hpp"

namespace trainer_data_test {

using namespace hydra;
using hydralora::Index;

namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::int32_t eot = end_of_text;

const Vocabulary byte_tokens;
Ids encode(std::string_view text) { return byte_tokens.encode(text); }
std::string decode(const Ids& ids) { return byte_tokens.decode(ids); }

/// A directory of its own that ends with the test.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "hydra_data_XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    std::filesystem::path write(const std::string& name, const std::string& bytes) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << bytes;
        return path_ / name;
    }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

Domain read(const std::filesystem::path& file, const DataOptions& options) { return read_domains({file}, options)[0]; }
/// All examples in training, in the order of the file.
Domain read_all(const std::filesystem::path& file, Index sequence_length) {
    return read(file, {.sequence_length = sequence_length, .held_out = 0, .seed = {}});
}
std::string random_bytes(test::Draw& draw, Index size) {
    std::string text;
    for (Index i = 0; i < size; ++i) text += static_cast<char>(static_cast<unsigned char>(draw.integer(0, 255)));
    return text;
}
std::string random_letters(test::Draw& draw, Index least, Index most) {
    std::string text;
    for (Index i = draw.integer(least, most); i > 0; --i) text += static_cast<char>('a' + draw.integer(0, 3));
    return text;
}
std::string record(const std::string& instruction, const std::string& output) {
    return R"({"instruction": ")" + instruction + R"(", "output": ")" + output + "\"}\n";
}
/// Nine letters and the number, so that no two are alike.
std::string numbered(Index i) { return "question " + std::to_string(i); }

/// What an example says about itself must be what its labels say.
void check_counts(const Example& example) {
    REQUIRE(example.ids.size() == example.labels.size());
    REQUIRE(!example.ids.empty());
    Index labelled = 0, bytes = 0;
    for (const auto label : example.labels) {
        labelled += label != ignored;
        bytes += label >= 0 && label < 256;
    }
    CHECK(example.labelled == labelled);
    CHECK(example.bytes == bytes);
    CHECK(labelled >= 1);
}

/// The pieces of one text, one after another, must be the shifted text: each token predicted once, after the one before.
void check_pieces(const std::vector<Example>& pieces, std::size_t first, std::size_t count, const std::string& text,
                  Index sequence_length) {
    Ids inputs{eot}, targets;
    for (const char c : text) {
        inputs.push_back(static_cast<unsigned char>(c));
        targets.push_back(static_cast<unsigned char>(c));
    }
    targets.push_back(eot);
    Ids ids, labels;
    for (std::size_t p = first; p < first + count; ++p) {
        check_counts(pieces[p]);
        if (p + 1 < first + count) CHECK(static_cast<Index>(pieces[p].ids.size()) == sequence_length);
        CHECK(static_cast<Index>(pieces[p].ids.size()) <= sequence_length);
        ids.insert(ids.end(), pieces[p].ids.begin(), pieces[p].ids.end());
        labels.insert(labels.end(), pieces[p].labels.begin(), pieces[p].labels.end());
    }
    CHECK(ids == inputs);
    CHECK(labels == targets);
}

std::string prompt_of(const Example& example) {
    Ids masked;
    for (std::size_t i = 0; i < example.ids.size() && example.labels[i] == ignored; ++i)
        masked.push_back(example.ids[i]);
    return decode(masked);
}
std::vector<std::string> prompts_of(const std::vector<Example>& examples) {
    std::vector<std::string> result;
    for (const auto& example : examples) result.push_back(prompt_of(example));
    return result;
}

}  // namespace

TEST_CASE("tokens: a byte is its own id, end-of-text decodes to nothing") {
    CHECK(encode("") == Ids{});
    CHECK(encode(std::string("a\0\xff", 3)) == Ids{97, 0, 255});
    CHECK(decode(Ids{eot, 104, 105, eot, 255, eot}) == "hi\xff");
    CHECK(eot == byte_vocabulary - 1);
    test::Draw draw(1);
    for (int trial = 0; trial < test::trials(100, 10000); ++trial) {
        const std::string text = random_bytes(draw, draw.integer(0, 300));
        const Ids ids = encode(text);
        REQUIRE(ids.size() == text.size());
        for (const auto id : ids) REQUIRE((id >= 0 && id <= 255));
        REQUIRE(decode(ids) == text);
    }
}

TEST_CASE("tokens: an id that is no token is refused") {
    CHECK(test::message_of([] {
              (void)decode(Ids{1, 257});
          }) == "decode: token 257 at position 1, expected one in [0, 257)");
    CHECK(test::message_of([] { (void)decode(Ids{ignored}); }) ==
          "decode: token -100 at position 0, expected one in [0, 257)");
}

TEST_CASE("data: an instruction record, token by token") {
    const Folder folder;
    const Domain domain = read_all(folder.write("sums.jsonl", R"({"instruction": "ab", "output": "xyz"})"), 256);
    CHECK(domain.name == "sums");
    REQUIRE(domain.train.size() == 1);
    CHECK(domain.train[0].ids == Ids{eot, 'a', 'b', eot, 'x', 'y', 'z'});
    CHECK(domain.train[0].labels == Ids{ignored, ignored, ignored, 'x', 'y', 'z', eot});
    CHECK(domain.train[0].labelled == 4);
    CHECK(domain.train[0].bytes == 3);
    CHECK(domain.bytes == 3);
    CHECK((domain.truncated == 0 && domain.skipped == 0));
    CHECK((domain.held_out.empty() && domain.answers.empty()));
}

TEST_CASE("data: input follows the instruction on a new line; empty or missing, there is none") {
    const Folder folder;
    const std::string lines =
        R"({"instruction": "a", "input": "b", "output": "c"})"
        "\n"
        R"({"output": "c", "input": "", "instruction": "a"})"
        "\r\n \t\r\n\n"
        R"({"id": 7, "instruction": "a", "output": "", "more": {"text": [1, "x", null, {}], "output": "y"}, "x": "y"})"
        "\n";
    for (const char* name : {"a.jsonl", "a.json", "a.JSONL"}) {
        const Domain domain = read_all(folder.write(name, lines), 256);
        REQUIRE(domain.train.size() == 3);
        CHECK(domain.train[0].ids == Ids{eot, 'a', '\n', 'b', eot, 'c'});
        CHECK(domain.train[0].labels == Ids{ignored, ignored, ignored, ignored, 'c', eot});
        CHECK(domain.train[1].ids == Ids{eot, 'a', eot, 'c'});
        CHECK(domain.train[1].labels == Ids{ignored, ignored, 'c', eot});
        CHECK(domain.train[2].ids == Ids{eot, 'a', eot});
        CHECK(domain.train[2].labels == Ids{ignored, ignored, eot});
        CHECK(domain.bytes == 2);
    }
}

TEST_CASE("data: escapes become the bytes of UTF-8") {
    const Folder folder;
    const Domain domain = read_all(folder.write("u.jsonl", R"({"text": "\u00e9\n\u0000\ud83d\ude00é"})"), 256);
    REQUIRE(domain.train.size() == 1);
    CHECK(decode(domain.train[0].ids) == std::string("\xc3\xa9\n\0\xf0\x9f\x98\x80\xc3\xa9", 10));
}

TEST_CASE("data: the pieces of a plain file predict each byte once and the end") {
    const Folder folder;
    test::Draw draw(2);
    for (int trial = 0; trial < test::trials(150, 5000); ++trial) {
        const Index length = draw.integer(1, 20), size = draw.integer(1, 70);
        std::string text = random_bytes(draw, size);
        std::replace(text.begin(), text.end(), '\0', 'a');
        text[0] = 'a';  // the begin of no other kind of file
        CAPTURE(length);
        CAPTURE(size);
        const Domain domain = read_all(folder.write("plain.txt", text), length);
        REQUIRE(static_cast<Index>(domain.train.size()) == (size + 1 + length - 1) / length);
        check_pieces(domain.train, 0, domain.train.size(), text, length);
        CHECK(domain.bytes == size);
        CHECK((domain.truncated == 0 && domain.skipped == 0));
    }
}

TEST_CASE("data: the second piece starts with the byte before it, written out") {
    const Folder folder;
    const Domain domain = read_all(folder.write("abc", "abcd"), 3);
    REQUIRE(domain.train.size() == 2);
    CHECK(domain.train[0].ids == Ids{eot, 'a', 'b'});
    CHECK(domain.train[0].labels == Ids{'a', 'b', 'c'});
    CHECK(domain.train[1].ids == Ids{'c', 'd'});
    CHECK(domain.train[1].labels == Ids{'d', eot});
    CHECK((domain.train[0].bytes == 3 && domain.train[1].bytes == 1 && domain.train[1].labelled == 2));
}

TEST_CASE("data: a plain file keeps every byte, UTF-8 or not, and line ends, but no byte order mark") {
    const Folder folder;
    std::string text = "a\xff\xfe\xc0\x80\r\n\xed\xa0\x80\xef\xbb\xbf";
    for (int i = 1; i < 256; ++i) text += static_cast<char>(static_cast<unsigned char>(i));
    for (const std::string mark : {"", "\xef\xbb\xbf", "\xef\xbb\xbf\xef\xbb\xbf"}) {
        const Domain domain = read_all(folder.write("raw.bin", mark + text), 7);
        std::string back;
        for (const auto& example : domain.train) back += decode(example.labels);
        CHECK(back == text);
    }
}

TEST_CASE("data: files that are no text are refused by what they are, under any name") {
    const Folder folder;
    const std::pair<std::string, std::string> files[] = {{"\x1f\x8b\x08\x08", "gzip data"},
                                                         {"PK\3\4 ", "a zip archive"},
                                                         {"PAR1 ", "a Parquet file"},
                                                         {"\x93NUMPY", "a NumPy array"},
                                                         {std::string("\xff\xfe{\0", 4), "text in UTF-16"},
                                                         {std::string("h\0i\0", 4), "text in UTF-16"}};
    for (const auto& [bytes, kind] : files)
        for (const char* name : {"d.txt", "d.jsonl", "d.json", "d.gz", "d"}) {
            const auto file = folder.write(name, bytes);
            CHECK(test::message_of([&] {
                      (void)read_all(file, 8);
                  }).starts_with(file.string() + ": expected text or records, found " + kind));
        }
    const auto nul = folder.write("d.txt", std::string("ab\nc\0d", 6));
    CHECK(test::message_of([&] {
              (void)read_all(nul, 8);
          }).starts_with(nul.string() + ":2:2: expected text, found a NUL byte"));
    const auto mark = folder.write("d.txt", "\xef\xbb\xbf");
    CHECK(test::message_of([&] { (void)read_all(mark, 8); }) ==
          mark.string() +
              ": expected text, found a byte order mark and nothing else; leave it out or put text into it");
}

TEST_CASE("data: what is learnt as a text but looks like something else is noted") {
    const Folder folder;
    const auto notes = [&](const std::string& name, const std::string& text) {
        std::string all;
        for (const auto& note : read_all(folder.write(name, text), 64).notes) all += note + "\n";
        return all;
    };
    const std::string line = R"({"text": "a"})";
    CHECK(notes("d.jsonl.txt", line + "\n" + line).find("d.jsonl.txt: it begins with a JSON record") !=
          std::string::npos);
    CHECK(notes("d.data", "\n[" + line + "]").find("it begins with a JSON record") != std::string::npos);
    CHECK(notes("d.csv", "a,b\n").find("a table by its name") != std::string::npos);
    CHECK(notes("d.txt", "caf\xe9\nb\n\xff").find("2 lines have bytes that are no UTF-8, the first line 1") !=
          std::string::npos);
    for (const char* text : {"{a}\n", "[1] is a number\n", "text", "{\"a\": 1\n"}) CHECK(notes("d.txt", text) == "");
    for (const char* name : {"d.ndjson", "d.NDJSON", "d.jsonl"}) {
        const Domain records = read_all(folder.write(name, "\xef\xbb\xbf" + line + "\n" + line), 64);
        CHECK((records.train.size() == 2 && records.bytes == 2 && records.notes.empty()));
    }
}

namespace {
/// Of one record in a format, the examples as they are trained.
std::vector<Example> written(const std::string& record, hydralora::text::ChatFormat format,
                             Prompts prompts = Prompts::masked) {
    return read_domain(record, "d.jsonl",
                       {.sequence_length = 256, .held_out = 0, .seed = {}, .prompts = prompts, .chat = format})
        .train;
}
}  // namespace

TEST_CASE("data: forms that mean one conversation give the same tokens and labels") {
    using hydralora::text::ChatFormat;
    const std::pair<const char*, const char*> pairs[] = {
        {R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "t", "content": "a"}]})",
         R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>\nt\n</think>\n\na"}]})"},
        {R"({"instruction": "r", "input": "", "output": "b", "history": [["q", "a"]]})",
         R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},)"
         R"( {"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]})"},
        {R"({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]})",
         R"({"instruction": "q", "output": "a"})"}};
    for (const auto& [one, other] : pairs) {
        const auto a = written(one, ChatFormat::chatml), b = written(other, ChatFormat::chatml);
        REQUIRE((a.size() == 1 && b.size() == 1));
        CHECK(a[0].ids == b[0].ids);
        CHECK(a[0].labels == b[0].labels);
    }
}

TEST_CASE("data: a masked turn is read and not learnt, in every format") {
    const std::string begin =
                          R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad")",
                      end = R"(}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "good"}]})";
    for (std::size_t f = 0; f < hydralora::text::chat_format_names.size(); ++f) {
        const auto format = static_cast<hydralora::text::ChatFormat>(f);
        const auto plain = written(begin + end, format), masked = written(begin + R"(, "train": false)" + end, format);
        REQUIRE((plain.size() == 1 && masked.size() == 1));
        CHECK(masked[0].ids == plain[0].ids);
        CHECK(plain[0].bytes > masked[0].bytes);
        Ids learnt;
        for (const auto label : masked[0].labels)
            if (label >= 0 && label < 256) learnt.push_back(label);
        const std::string words = decode(learnt);
        CHECK(words.find("good") != std::string::npos);
        CHECK(words.find("bad") == std::string::npos);
    }
    const auto all =
        written(begin + R"(, "train": false)" + end, hydralora::text::ChatFormat::chatml, Prompts::trained);
    CHECK(std::count(all[0].labels.begin(), all[0].labels.end(), ignored) == 0);
}

TEST_CASE("data: what a format has no place for is refused by name") {
    using hydralora::text::ChatFormat;
    const auto refused = [](const std::string& record, ChatFormat format) {
        return test::message_of([&] { (void)written(record, format); });
    };
    const std::string user = R"({"messages": [{"role": "user", "content": "q"}, )", end = "}]}";
    const std::string thought = user + R"({"role": "assistant", "content": "a", "reasoning": "t")" + end;
    CHECK(refused(thought, ChatFormat::llama3) ==
          "d.jsonl:1:1: turn 2 has reasoning: the chat format llama3 has no place for it; chatml has, or write it into "
          "the "
          "content, or leave it out");
    CHECK(refused(user + R"({"role": "assistant", "content": "a", "tool_calls": [{}])" + end, ChatFormat::chatml) ==
          "d.jsonl:1:1: turn 2 calls tools: the chat format chatml has no place for calls; write them into its "
          "content, or "
          "leave the conversation out");
    CHECK(refused(user + R"({"role": "assistant", "content": "a"}], "tools": [{"name": "f"}]})", ChatFormat::chatml)
              .starts_with("d.jsonl:1:1: found tools: the chat format chatml has no place for them"));
    CHECK(refused(user +
                      R"({"role": "assistant", "content": "a", "thinking": "t"}, {"role": "user", "content": "r"})"
                      R"(, {"role": "assistant", "content": "b")" +
                      end,
                  ChatFormat::chatml)
              .starts_with("d.jsonl:1:1: turn 2 has reasoning, but turn 3 is of the user after it"));
}

TEST_CASE("data: records that cannot be used end the run, or are skipped with a count") {
    const Folder folder;
    std::string lines;
    for (int i = 1; i <= 10; ++i) lines += record(numbered(i), "a");
    lines += R"({"messages": [{"role": "user", "content": "w?"}, {"role": "assistant", "content": null}]})"
             "\n";
    const auto file = folder.write("d.jsonl", lines);
    CHECK(test::message_of([&] { (void)read_all(file, 64); }).starts_with(file.string() + ":11:"));
    const Domain domain = read(file, {.sequence_length = 64, .held_out = 0, .seed = {}, .skip_unusable = true});
    CHECK((domain.train.size() == 10 && domain.unusable == 1));
    REQUIRE(domain.notes.size() == 1);
    CHECK(domain.notes[0].starts_with(file.string() + ": 1 record skipped that cannot be used, at 11:"));
    const auto bad = folder.write("d.jsonl", "{\"words\": 1}\n");
    CHECK(test::message_of(
              [&] { (void)read(bad, {.sequence_length = 64, .held_out = 0, .seed = {}, .skip_unusable = true}); })
              .starts_with(bad.string() + ": none of its 1 records can be used, the first because of " + bad.string() +
                           ":1:"));
}

TEST_CASE("data: a record that is not learnt names no component") {
    const std::string lines =
        R"({"kind": "k", "text": "a"})"
        "\n"
        R"({"kind": "refused", "messages": [{"role": "assistant", "content": "a"}]})"  // the user speaks first
        "\n"
        R"({"kind": "empty", "text": ""})"
        "\n"
        R"({"kind": "l", "text": "b"})"
        "\n";
    FieldLabels labels{"kind"};
    const Domain domain =
        read_domain(lines, "d.jsonl", {.held_out = 0, .seed = {}, .labels = &labels, .skip_unusable = true});
    CHECK((domain.unusable == 1 && domain.skipped == 1));
    CHECK(labels.names == std::vector<std::string>{"k", "l"});
    REQUIRE(domain.train.size() == 2);
    CHECK((domain.train[0].component == 0 && domain.train[1].component == 1));
}

TEST_CASE("data: a record may spell the name of an archive's format where an archive has it") {
    const std::string before = R"({"text": ")";
    const std::string text = std::string(256 - before.size(), 'a') + "custard is sweet";
    CHECK(read_domain(before + text + "\"}", "d.jsonl", {.held_out = 0, .seed = {}}).bytes ==
          static_cast<Index>(text.size()));
}

TEST_CASE("data: long text records are cut like plain files, empty ones skipped") {
    const Folder folder;
    test::Draw draw(3);
    for (int trial = 0; trial < test::trials(50, 2000); ++trial) {
        const Index length = draw.integer(1, 9);
        std::vector<std::string> texts{"x"};
        Index empty = 0;
        for (Index i = draw.integer(0, 12); i > 0; --i) texts.push_back(random_letters(draw, 0, 30));
        std::string lines;
        for (const auto& text : texts) lines += R"({"text":")" + text + "\"}\n";
        const Domain domain = read_all(folder.write("t.jsonl", lines), length);
        std::size_t piece = 0;
        for (const auto& text : texts) {
            if (text.empty()) {
                ++empty;
                continue;
            }
            const auto pieces = (text.size() + static_cast<std::size_t>(length)) / static_cast<std::size_t>(length);
            REQUIRE(piece + pieces <= domain.train.size());
            check_pieces(domain.train, piece, pieces, text, length);
            piece += pieces;
        }
        CHECK(piece == domain.train.size());
        CHECK(domain.skipped == empty);
        CHECK(domain.truncated == 0);
    }
}

TEST_CASE("data: a record too long loses its end, one whose prompt fills the sequence is skipped") {
    const Folder folder;
    // EOT a b EOT x y z EOT: seven ids, the first label after the fourth.
    const auto file = folder.write("r.jsonl", record("ab", "xyz") + record("", "q"));
    const Ids ids{eot, 'a', 'b', eot, 'x', 'y', 'z'}, labels{ignored, ignored, ignored, 'x', 'y', 'z', eot};
    for (std::size_t length = 3; length <= 9; ++length) {
        CAPTURE(length);
        const Domain domain = read_all(file, static_cast<Index>(length));
        const std::size_t kept = length < 4 ? 0 : std::min<std::size_t>(length, 7);
        REQUIRE(domain.train.size() == (kept > 0 ? 2 : 1));
        CHECK(domain.skipped == (length < 4 ? 1 : 0));
        CHECK(domain.truncated == (length >= 4 && length < 7 ? 1 : 0));
        CHECK(domain.train.back().ids == Ids{eot, eot, 'q'});
        if (kept == 0) continue;
        const auto end = static_cast<std::ptrdiff_t>(kept);
        CHECK(domain.train[0].ids == Ids(ids.begin(), ids.begin() + end));
        CHECK(domain.train[0].labels == Ids(labels.begin(), labels.begin() + end));
        check_counts(domain.train[0]);
    }
}

TEST_CASE("data: truncated answers keep their whole expected text") {
    const Folder folder;
    std::string lines;
    for (Index i = 0; i < 6; ++i) lines += record(std::to_string(i), "long answer");
    const Domain domain = read(folder.write("r.jsonl", lines), {.sequence_length = 5, .held_out = 0.5, .seed = {}});
    CHECK(domain.truncated == 6);
    REQUIRE(domain.answers.size() == 3);
    for (const auto& answer : domain.answers) CHECK(answer.text == "long answer");
}

TEST_CASE("data: the held-out part is ceil(share n), disjoint, in order, and the same again") {
    const Folder folder;
    for (const Index n : {1, 2, 3, 10, 19, 20, 21, 100, 101, 400})
        for (const Index percent : {0, 1, 5, 7, 50, 99}) {
            CAPTURE(n);
            CAPTURE(percent);
            std::string lines;
            std::vector<std::string> all;
            for (Index i = 0; i < n; ++i) {
                lines += record(numbered(i), "answer " + std::to_string(i));
                all.push_back(numbered(i));
            }
            const auto file = folder.write("d.jsonl", lines);
            const DataOptions options{.held_out = static_cast<double>(percent) / 100, .seed = {5}};
            const Domain domain = read(file, options);

            const Index expected = percent == 0 || n == 1 ? 0 : std::min((percent * n + 99) / 100, n - 1);
            REQUIRE(static_cast<Index>(domain.held_out.size()) == expected);
            const auto train = prompts_of(domain.train), held_out = prompts_of(domain.held_out);
            // Both are subsequences of the file, and together they are the file.
            std::size_t t = 0, h = 0;
            for (const auto& prompt : all) {
                if (t < train.size() && train[t] == prompt)
                    ++t;
                else if (h < held_out.size() && held_out[h] == prompt)
                    ++h;
            }
            CHECK((t == train.size() && h == held_out.size() && t + h == all.size()));

            REQUIRE(domain.answers.size() == held_out.size());
            for (std::size_t i = 0; i < held_out.size(); ++i) {
                CHECK(domain.answers[i].prompt.front() == eot);
                CHECK(domain.answers[i].prompt.back() == eot);
                CHECK(decode(domain.answers[i].prompt) == held_out[i]);
                CHECK(domain.answers[i].text == "answer " + held_out[i].substr(9));
            }
            const Domain again = read(file, options);
            CHECK(prompts_of(again.train) == train);
            CHECK(prompts_of(again.held_out) == held_out);
        }
}

TEST_CASE("data: the split follows seed and name, not the other files") {
    const Folder folder;
    std::string lines;
    for (Index i = 0; i < 200; ++i) lines += record(numbered(i), "x");
    const auto a = folder.write("a.jsonl", lines), b = folder.write("b.jsonl", lines);
    const DataOptions options{.held_out = 0.2, .seed = {1}}, other{.held_out = 0.2, .seed = {2}};
    const auto both = read_domains({b, a}, options);
    REQUIRE(both.size() == 2);
    CHECK((both[0].name == "b" && both[1].name == "a"));
    CHECK(prompts_of(both[1].held_out) == prompts_of(read(a, options).held_out));
    CHECK(prompts_of(both[0].held_out) != prompts_of(both[1].held_out));
    CHECK(prompts_of(read(a, other).held_out) != prompts_of(both[1].held_out));
}

TEST_CASE("data: over the seeds, each example is held out about as often") {
    const Folder folder;
    constexpr Index n = 10, seeds = 2000;
    std::string lines;
    for (Index i = 0; i < n; ++i) lines += record(numbered(i), "x");
    const auto file = folder.write("d.jsonl", lines);
    std::map<std::string, double> counts;
    for (Index seed = 0; seed < seeds; ++seed)
        for (const auto& p :
             prompts_of(read(file, {.held_out = 0.3, .seed = {static_cast<std::uint64_t>(seed)}}).held_out))
            ++counts[p];
    REQUIRE(counts.size() == n);
    const double mean = 0.3 * seeds, deviation = std::sqrt(0.3 * 0.7 * seeds);
    for (const auto& [prompt, count] : counts) CHECK(std::abs(count - mean) < 5 * deviation);
}

TEST_CASE("data: copies of a record stay on one side, and the share is kept where it can be") {
    const Folder folder;
    test::Draw draw(4);
    for (int trial = 0; trial < test::trials(200, 5000); ++trial) {
        const Index kinds = draw.integer(1, 12), n = draw.integer(1, 60);
        std::string lines;
        std::map<std::string, Index> copies;
        for (Index i = 0; i < n; ++i) {
            const std::string question = numbered(draw.integer(1, kinds));
            lines += record(question, "x");
            ++copies[question];
        }
        const Domain domain =
            read(folder.write("d.jsonl", lines), {.held_out = 0.25, .seed = {static_cast<std::uint64_t>(trial)}});
        const auto train = prompts_of(domain.train), held_out = prompts_of(domain.held_out);
        REQUIRE(static_cast<Index>(train.size() + held_out.size()) == n);
        REQUIRE(!train.empty());
        for (const auto& [question, count] : copies) {
            const auto in_train = std::count(train.begin(), train.end(), question);
            const auto in_held_out = std::count(held_out.begin(), held_out.end(), question);
            REQUIRE(in_train + in_held_out == count);
            REQUIRE((in_train == 0 || in_held_out == 0));
        }
        if (copies.size() == 1) {
            CHECK(held_out.empty());
            continue;
        }
        Index fewest = n;
        for (const auto& [question, count] : copies) fewest = std::min(fewest, count);
        CHECK(!held_out.empty());
        CHECK(static_cast<Index>(held_out.size()) <= std::max((n + 3) / 4, fewest));
    }
}

TEST_CASE("data: equal pieces of a text stay on one side; pieces that differ in labels alone are not equal") {
    const Folder folder;
    // EOT aaa, many times aaaa, and a last piece that has the end to predict after a, or after aaaa: three contents, of
    // which the first and the last fit into the share.
    for (const Index size : {40, 39}) {
        const auto file = folder.write("a.txt", std::string(static_cast<std::size_t>(size), 'a'));
        const Domain pieces = read(file, {.sequence_length = 4, .held_out = 0.2, .seed = {}});
        const auto repeated = [](const Example& e) { return e.ids == e.labels; };
        CHECK(static_cast<Index>(pieces.train.size()) == size / 4 - 1);
        CHECK(std::all_of(pieces.train.begin(), pieces.train.end(), repeated));
        REQUIRE(pieces.held_out.size() == 2);
        CHECK(pieces.held_out[0].ids == Ids{eot, 'a', 'a', 'a'});
        CHECK(pieces.held_out[1].labels.back() == eot);
        CHECK(pieces.answers.empty());
    }
}

TEST_CASE("data: only records with an answer have answers, whatever stands between them") {
    const Folder folder;
    std::string lines;
    for (Index i = 0; i < 40; ++i)
        lines += i % 2 == 0 ? record(numbered(i), "x") : R"({"text": ")" + std::to_string(i) + "\"}\n";
    const Domain domain = read(folder.write("mixed.jsonl", lines), {.held_out = 0.5, .seed = {3}});
    std::vector<std::string> expected, found;
    for (const auto& example : domain.held_out)
        if (example.labels[0] == ignored) expected.push_back(prompt_of(example));
    for (const auto& answer : domain.answers) found.push_back(decode(answer.prompt));
    CHECK(found == expected);
    CHECK((!found.empty() && found.size() < domain.held_out.size()));
}

namespace {
std::string message_of_file(const std::filesystem::path& file, Index sequence_length = 256) {
    return test::message_of([&] { (void)read_all(file, sequence_length); });
}
constexpr const char* remedy =
    R"(; write each line, or each element of one array, as {"messages": [{"role": "user", "content": "..."}, ...]}, )"
    R"({"instruction": "...", "input": "...", "output": "..."} or {"text": "..."})";
}  // namespace

TEST_CASE("data: files that are missing, empty or no files") {
    const Folder folder;
    const std::string root = (folder / "").string();
    CHECK(message_of_file(folder / "none.txt") == root + "none.txt: opening failed: No such file or directory");
    std::filesystem::create_directory(folder / "sub.jsonl");
    CHECK(message_of_file(folder / "sub.jsonl") == root + "sub.jsonl: expected a regular file, found a directory");
    for (const char* name : {"empty.txt", "empty.jsonl"})
        CHECK(message_of_file(folder.write(name, "")) ==
              root + name + ": expected text, found an empty file; leave it out or put text into it");
    CHECK(test::message_of([] { (void)read_domains({}, {}); }) == "data: expected at least one file, found none");
}

TEST_CASE("data: files without a token to train on") {
    const Folder folder;
    const std::string path = (folder / "d.jsonl").string();
    CHECK(message_of_file(folder.write("d.jsonl", "\n  \r\n\t\n")) ==
          path + ": no trainable token: expected at least one record, found only blank lines or an empty array" +
              remedy);
    const std::string all =
        " records have an empty text, no turn of the assistant, or a prompt that fills the sequence length of 4; raise "
        "the sequence "
        "length or leave the file out";
    CHECK(message_of_file(folder.write("d.jsonl", record("abc", "x") + record("abcd", "y")), 4) ==
          path + ": no trainable token: all 2" + all);
    CHECK(message_of_file(folder.write("d.jsonl", R"({"text": ""})"), 4) == path + ": no trainable token: all 1" + all);
}

TEST_CASE("data: two files of one name") {
    const Folder folder;
    const auto a = folder.write("a/law.txt", "x"), b = folder.write("b/law.jsonl", "x"), c = folder.write("c.txt", "x");
    const auto message = [](const std::vector<std::filesystem::path>& files) {
        return test::message_of([&] { (void)read_domains(files, {}); });
    };
    const std::string rest =
        ": expected different names without the extension, found \"law\" twice; rename one of them";
    CHECK(message({a, c, b}) == a.string() + " and " + b.string() + rest);
    CHECK(message({a, a}) == a.string() + " and " + a.string() + rest);
}

TEST_CASE("data: options out of range") {
    const Folder folder;
    const auto file = folder.write("a.txt", "abc");
    const auto message = [&](const DataOptions& options) {
        return test::message_of([&] { (void)read_domains({file}, options); });
    };
    CHECK(message({.sequence_length = 0, .seed = {}}) == "data: sequence length = 0, expected at least 1");
    CHECK(message({.held_out = -0.5, .seed = {}}) == "data: held-out share = -0.5, expected a number in [0, 1]");
    CHECK(message({.held_out = 1.5, .seed = {}}) == "data: held-out share = 1.5, expected a number in [0, 1]");
    CHECK(message({.held_out = std::nan(""), .seed = {}}) == "data: held-out share = nan, expected a number in [0, 1]");
}

TEST_CASE("data: a broken line is named by file, line and column") {
    const Folder folder;
    struct Case {
        std::string line, place, message;
    };
    const Case cases[] = {
        {R"([1, 2])", "3:1", "expected an object, found an array"},
        {R"("text")", "3:6", "expected an object, found a string"},
        {R"( null)", "3:5", "expected an object, found null"},
        {R"({})", "3:2",
         R"(expected a record with "messages", with "instruction" and "output", or with "text", found no keys)"},
        {R"({"words": "x", "title": "y"})", "3:28",
         R"(expected a record with "messages", with "instruction" and "output", or with "text", found the keys "words", "title")"},
        {R"({"Text": "x"})", "3:7", R"(found the key "Text", which is not read; write "text")"},
        {R"({"instruction": "x", "output": "y", "Input": "z"})", "3:43",
         R"(found the key "Input", which is not read; write "input")"},
        {R"({"instruction": "x"})", "3:20",
         R"(expected "output" (or "completion", "response", "answer") in the record, found none)"},
        {R"({"output": "x"})", "3:15",
         R"(expected "instruction" (or "prompt", "query", "question") in the record, found none)"},
        {R"({"text": "x", "output": "y"})", "3:28",
         R"(expected "text" alone, found "output" too; leave out what is not to be learnt)"},
        {R"({"text": ["x"]})", "3:10", R"(expected a string as "text", found an array)"},
        {R"({"text": {"text": "x"}})", "3:10", R"(expected a string as "text", found an object)"},
        {R"({"text": true})", "3:13", R"(expected a string as "text", found true)"},
        {R"({"text": 12, "a": 1})", "3:12", R"(expected a string as "text", found a number)"},
        {R"({"instruction": "x", "input": 1, "output": "y"})", "3:32",
         R"(expected a string as "input", found a number)"},
        {R"({"text": "x", "text": "y"})", "3:20", R"(expected each key once, found "text" twice)"},
    };
    for (const auto& c : cases) {
        const auto file = folder.write("d.jsonl", record("a", "b") + "\n" + c.line + "\n" + record("c", "d"));
        CHECK(message_of_file(file) == file.string() + ":" + c.place + ": " + c.message + remedy);
    }
}

TEST_CASE("data: what the JSON parser refuses is named by file, line and column") {
    const Folder folder;
    struct Case {
        std::string line, place, message;
    };
    const std::string deep = R"({"a": )" + std::string(100, '[') + std::string(100, ']') + R"(, "text": "x"})";
    const Case cases[] = {
        {R"({"text": "x")", "2:12", "not JSON: "},
        {R"({"text": "x"} {"text": "y"})", "2:15", "not JSON: "},
        {R"({"text": x})", "2:10", "not JSON: "},
        {R"({'text': 'x'})", "2:2", "not JSON: "},
        {R"({"text": "\ud800"})", "2:17", "not JSON: "},
        {"{\"text\": \"\x01\"}", "2:11", "not JSON: "},
        {"{\"text\": \"a\xff\"}", "2:12", "not JSON: "},
        {std::string("{\"text\": \"a\0\"}", 14), "2:12", "expected JSON, found a NUL byte"},
        {"\xef\xbb\xbf{\"text\": \"a\"}", "2:1",
         "expected JSON, found a byte order mark; remove the first three bytes"},
        {deep, "2:70", "expected at most 64 levels of nesting, found more"},
        {"plain text", "2:1", "not JSON: "},
        {"[" + std::string(1000000, '['), "2:65", "expected at most 64 levels of nesting, found more"},
        {"[1", "2:2", "not JSON: "},
    };
    for (const auto& c : cases) {
        const auto file = folder.write("d.jsonl", record("a", "b") + c.line);
        const std::string message = message_of_file(file), start = file.string() + ":" + c.place + ": " + c.message;
        CHECK(message.substr(0, start.size()) == start);
        CHECK(message.size() < 600);
        CHECK(message.substr(message.size() - std::string(remedy).size()) == remedy);
    }
}

TEST_CASE("data: a line may have 16 MB and no byte more") {
    const Folder folder;
    const std::string before = R"({"text": ")", after = R"("})";
    const std::size_t limit = std::size_t{16} << 20, rest = limit - before.size() - after.size();
    const auto fits = folder.write("d.jsonl", before + std::string(rest, 'a') + after + "\n");
    CHECK(read_all(fits, 1 << 20).bytes == static_cast<Index>(rest));
    const auto file = folder.write("d.jsonl", record("a", "b") + before + std::string(rest + 1, 'a') + after + "\n");
    CHECK(message_of_file(file) ==
          file.string() +
              ":2:1: expected at most 16777216 bytes in a record, found 16777217; split it, or close the "
              "bracket or quote that is open");
    const Domain rest_of_it = read(file, {.held_out = 0, .seed = {}, .skip_unusable = true});
    CHECK((rest_of_it.train.size() == 1 && rest_of_it.unusable == 1));
}

}  // namespace trainer_data_test
