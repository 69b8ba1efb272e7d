// Records as people have them: what is read, and what is said about what cannot be.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "records.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

using namespace hydra;
using hydralora::Index;
using hydralora::text::Speaker;

namespace {

struct Read {
    Record record;
    Index line, column;
};

std::vector<Read> read(std::string_view text) {
    std::vector<Read> records;
    read_records(text, "d.json", [&](Record&& record, const RecordPlace& place) {
        records.push_back({std::move(record), place.line, place.column});
    });
    return records;
}

/// "user: a|assistant: b", an input in brackets.
std::string told(const Record& record) {
    if (record.text) return "text: " + *record.text;
    std::string text;
    for (const auto& turn : record.turns) {
        text += (text.empty() ? "" : "|") +
                std::string(hydralora::text::speaker_names[static_cast<std::size_t>(turn.speaker)]) + ": " +
                turn.content;
        if (!turn.input.empty()) text += "(" + turn.input + ")";
    }
    return text;
}

std::string told(std::string_view text) {
    const auto records = read(text);
    REQUIRE(records.size() == 1);
    return told(records[0].record);
}

std::string refused(std::string_view text) {
    const std::string message = test::message_of([&] { (void)read(text); });
    const std::string remedy = "; " + std::string(record_forms);
    if (message.size() > remedy.size() && message.substr(message.size() - remedy.size()) == remedy)
        return message.substr(0, message.size() - remedy.size());
    return message;
}

}  // namespace

TEST_CASE("records: every form in which people have conversations") {
    CHECK(told(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})") ==
          "user: a|assistant: b");
    CHECK(told(R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})") ==
          "user: a|assistant: b");
    CHECK(told(R"({"system": "s", "conversations": [{"value": "a", "from": "user"}], "id": [1, {"messages": []}]})") ==
          "system: s|user: a");
    CHECK(told(R"({"instruction": "a", "input": "b", "output": "c", "system": "s"})") ==
          "system: s|user: a(b)|assistant: c");
    CHECK(told(R"({"instruction": "a", "output": "c", "system": "", "domain": null})") == "user: a|assistant: c");
    CHECK(told(R"({"text": "a"})") == "text: a");
    CHECK(told(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}],)"
               R"( "name": {"content": "x"}}, {"role": "assistant", "content": "", "tool_calls": null}]})") ==
          "user: ab|assistant: ");
    for (const char* role : {"system", "developer"})
        CHECK(told(R"({"messages": [{"role": ")" + std::string(role) + R"(", "content": "x"}]})") == "system: x");
    for (const char* role : {"user", "human"})
        CHECK(told(R"({"messages": [{"role": ")" + std::string(role) + R"(", "content": "x"}]})") == "user: x");
    for (const char* role : {"assistant", "gpt", "chatgpt", "model", "bot"})
        CHECK(told(R"({"messages": [{"role": ")" + std::string(role) + R"(", "content": "x"}]})") == "assistant: x");
    for (const char* role : {"tool", "function", "observation", "ipython"})
        CHECK(told(R"({"messages": [{"role": ")" + std::string(role) + R"(", "content": "x"}]})") == "tool: x");
}

TEST_CASE("records: an array is read as its elements, wherever they stand") {
    const auto records = read(" \n[ {\"text\": \"a,]}\\\"\"},\n\n  {\"text\":\n \"b\"}\r\n,{\"text\": \"c\"}] \n");
    REQUIRE(records.size() == 3);
    CHECK(told(records[0].record) == "text: a,]}\"");
    CHECK((records[0].line == 2 && records[0].column == 3));
    CHECK((records[1].line == 4 && records[1].column == 3));
    CHECK((records[2].line == 6 && records[2].column == 2));
    CHECK(read("[]").empty());
    CHECK(read(" [ \n ] ").empty());
}

TEST_CASE("records: an array and the lines of its elements read alike") {
    test::Draw draw(8);
    for (int trial = 0; trial < test::trials(100, 5000); ++trial) {
        std::vector<std::string> objects;
        for (Index i = draw.integer(1, 8); i > 0; --i) {
            std::string words;
            const std::string signs[] = {"a", "[", "]", "{", "}", ",", "\\\"", "\\\\", " ", ":", "\\n"};
            for (Index k = draw.integer(0, 12); k > 0; --k) words += signs[draw.integer(0, 10)];
            objects.push_back(draw.integer(0, 1) == 0
                                  ? R"({"text": ")" + words + "\"}"
                                  : R"({"messages": [{"role": "user", "content": ")" + words + "\"}]}");
        }
        std::string lines, array = "[";
        for (std::size_t i = 0; i < objects.size(); ++i) {
            lines += objects[i] + "\n";
            array += (i == 0 ? "" : draw.integer(0, 1) == 0 ? "," : " ,\n ") + objects[i];
        }
        const auto a = read(lines), b = read(array + "]");
        REQUIRE((a.size() == objects.size() && b.size() == objects.size()));
        for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(told(a[i].record) == told(b[i].record));
    }
}

TEST_CASE("records: what is wrong in a conversation is named by file, line and column") {
    const auto turn = [](const std::string& inside) { return R"({"messages": [{)" + inside + "}]}"; };
    const std::string roles =
        "expected one of: system, user, assistant, tool, human, gpt, developer, model, bot, chatgpt, function, "
        "observation, ipython";
    CHECK(refused(turn(R"("role": "narrator", "content": "x")")) ==
          "d.json:1:33: the role \"narrator\" is unknown, " + roles);
    CHECK(refused(turn(R"("from": "Human", "value": "x")")) == "d.json:1:30: the role \"Human\" is unknown, " + roles);
    CHECK(refused(turn(R"("role": "user")")) ==
          R"(d.json:1:30: expected "content" (or "value") in the turn, found none)");
    CHECK(refused(turn(R"("content": "x")")) == R"(d.json:1:30: expected "role" (or "from") in the turn, found none)");
    CHECK(
        refused(turn(R"("role": "assistant", "content": null)")) ==
        R"(d.json:1:51: expected a string as "content", found null; turns that only call tools cannot be trained on)");
    CHECK(
        refused(turn(R"("role": "assistant", "weight": 0, "content": "x")")) ==
        R"(d.json:1:48: expected 1 as the "weight" of a turn, found a number; all turns of the assistant are trained )"
        "alike: leave the key or the conversation out");
    CHECK(refused(turn(R"("role": "assistant", "weight": 1, "content": "x")")) == "no error");
    CHECK(refused(R"({"question": "x", "choices": ["a", "b"], "answer": 0})") ==
          "d.json:1:53: found a question with choices, of which nothing is learnt: `hydra eval` takes those");
    CHECK(refused("\xef\xbb\xbf"
                  R"({"text": "x"})") == "no error");  // a byte order mark
    CHECK(refused(turn(R"("role": 1)")) == R"(d.json:1:25: expected a string as "role", found a number)");
    CHECK(
        refused(turn(R"("role": "user", "content": {"a": 1})")) ==
        R"(d.json:1:43: expected a string as "content", found an object; turns that only call tools cannot be trained on)");
    CHECK(refused(turn(R"("role": "user", "content": ["x"])")) ==
          R"(d.json:1:46: expected a part like {"type": "text", "text": "..."}, found a string)");
    CHECK(refused(turn(R"("role": "user", "content": [{"type": "image_url", "image_url": {}}])")).substr(0, 86) ==
          R"(d.json:1:81: expected parts of type "text", found "image_url"; only text can be traine)");
    CHECK(refused(turn(R"("role": "user", "content": "a", "content": "b")")) ==
          R"(d.json:1:56: expected each key once, found "content" twice)");
    CHECK(refused(turn(R"("role": "assistant", "content": "", "tool_calls": [{}])"))
              .find("calls of tools have no place") != std::string::npos);
    CHECK(refused(R"({"messages": []})") == R"(d.json:1:16: expected at least one turn in "messages", found none)");
    CHECK(refused(R"({"messages": ["x"]})") ==
          R"(d.json:1:17: expected a turn like {"role": "user", "content": "..."}, found a string)");
    CHECK(refused(R"({"messages": "x"})") ==
          R"(d.json:1:16: expected an array of turns as "messages", found a string)");
    CHECK(refused(R"({"messages": {}})") ==
          R"(d.json:1:14: expected an array of turns as "messages", found an object)");
    CHECK(refused(R"({"messages": [], "conversations": []})") ==
          R"(d.json:1:32: expected "messages" or "conversations", found both)");
    CHECK(refused(R"({"messages": [{"role": "user", "content": "a"}], "text": "x"})") ==
          R"(d.json:1:61: expected "messages" alone, found "text" or its like too)");
    CHECK(refused(R"({"system": "s", "messages": [{"role": "system", "content": "a"}]})") ==
          R"(d.json:1:65: expected one system prompt, found "system" and a first turn of system)");
}

TEST_CASE("records: what is wrong in an array is named where it stands") {
    CHECK(refused("[{\"text\": \"a\"},\n  {\"text\": 1}]").substr(0, 12) == "d.json:2:13:");
    CHECK(refused("[{\"text\": \"a\"},\n  {\"text\":\n  tru}]").substr(0, 21) == "d.json:3:6: not JSON:");
    CHECK(refused("[{\"text\": \"a\"},\n]") ==
          "d.json:2:1: expected a record after the comma, found the end of the array; remove the comma");
    CHECK(refused("[{\"text\": \"a\"}\n") ==
          "d.json:2:1: expected a comma or ] after the record, found the end of the file; is it cut off?");
    CHECK(refused("[{\"text\": \"a\"}") ==
          "d.json:1:15: expected a comma or ] after the record, found the end of the file; is it cut off?");
    CHECK(refused("[") ==
          "d.json:1:2: expected a comma or ] after the record, found the end of the file; is it cut off?");
    CHECK(refused("[{\"text\": \"a").find("not JSON") != std::string::npos);
    CHECK(refused("[{\"text\": \"a\"}]\n{\"text\": \"b\"}") ==
          "d.json:2:1: expected nothing after the array's ], found more");
    CHECK(refused("[{\"text\": \"a\"} {\"text\": \"b\"}]").substr(0, 22) == "d.json:1:16: not JSON:");
    CHECK(refused("[[{\"text\": \"a\"}]]") == "d.json:1:2: expected an object, found an array");
    CHECK(refused("[1]") == "d.json:1:2: expected an object, found a number");
    const std::string message = refused("[{\"text\": \"" + std::string((16u << 20) + 10, 'a'));
    CHECK(message ==
          "d.json:1:2: expected a record of at most 16777216 bytes here, found a longer one; split it, or "
          "close the bracket or quote that is open");
}
