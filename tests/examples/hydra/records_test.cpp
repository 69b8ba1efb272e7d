// Records as people have them: what is read, and what is said about what cannot be.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/json_write.hpp>

#include "records.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace trainer_records_test {

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
        if (!turn.reasoning.empty()) text += "[thought: " + turn.reasoning + "]";
        if (!turn.tool_calls.empty()) text += "[calls: " + turn.tool_calls + "]";
        if (!turn.name.empty()) text += "[of " + turn.name + "]";
        if (turn.loss == hydralora::text::Loss::masked) text += "[masked]";
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

TEST_CASE("records: a question and its answer, by any of their names") {
    for (const char* question : {"instruction", "prompt", "query", "question"})
        for (const char* answer : {"output", "completion", "response", "answer"})
            CHECK(told("{\"" + std::string(question) + R"(": "q", ")" + answer + R"(": " a"})") ==
                  "user: q|assistant:  a");
    CHECK(told(R"({"input": "q", "output": "a"})") == "user: q|assistant: a");
    CHECK(told(R"({"instruction": "", "input": "q", "output": "a"})") == "user: q|assistant: a");
    CHECK(told(R"({"instruction": "i", "context": "c", "response": "a"})") == "user: i(c)|assistant: a");
    CHECK(told(R"({"instruction": "i", "context": "\ufeffc", "response": "a"})") == "user: i(c)|assistant: a");
    CHECK(told(R"({"instruction": "", "context": "c", "response": "a"})") == "user: c|assistant: a");
    CHECK(told(R"({"text": "a", "context": "c"})") == "text: a");  // noted, see below
    for (const char* beside :
         {R"("instruction": "i", "input": "c", "output": "a")", R"("prompt": "q", "completion": "a")",
          R"("messages": [{"role": "user", "content": "c"}])"})
        CHECK(refused("{" + std::string(beside) + R"(, "context": "c"})").find(R"(found "context" beside a)") !=
              std::string::npos);
    CHECK(told(R"({"system_prompt": "s", "question": "q", "response": "a", "id": "x.1"})") ==
          "system: s|user: q|assistant: a");
    // As turns: what the assistant says in the prompt is read, not learnt.
    CHECK(
        told(
            R"({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]})") ==
        "user: q|assistant: a");
    CHECK(told(R"({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"},)"
               R"({"role": "assistant", "content": "b"}, {"role": "user", "content": "r"}], "completion": "a"})") ==
          "system: s|user: q|assistant: b[masked]|user: r|assistant: a");
    CHECK(told(R"({"instruction": "r", "input": "", "output": "a", "history": [["q", "b"]], "system": "s"})") ==
          "system: s|user: q|assistant: b|user: r|assistant: a");
    CHECK(told(R"({"prompt": "r", "response": "a", "history": [{"role": "user", "content": "q"},)"
               R"({"role": "assistant", "content": "b"}]})") == "user: q|assistant: b|user: r|assistant: a");
    const std::string both = "; leave out what is not to be learnt";
    CHECK(refused(R"({"prompt": "q", "question": "r", "answer": "a"})") ==
          R"(d.json:1:31: expected "prompt" or "question", found both)");
    CHECK(told(R"({"prompt": "q", "question": "q", "answer": "a"})") == "user: q|assistant: a");
    CHECK(refused(R"({"messages": [{"role": "user", "content": "q"}], "answer": "a"})") ==
          R"(d.json:1:63: expected "messages" alone, found "answer" too)" + both);
    CHECK(told(R"({"messages": [{"role": "user", "content": "q"}], "prompt": "q\n"})") == "user: q");  // a copy
    CHECK(refused(R"({"prompt": "q", "chosen": "a", "rejected": "b"})").substr(0, 31) ==
          R"(d.json:1:29: found "chosen": of)");
    CHECK(refused(R"({"prompt": "q", "completion": "a", "history": [["x"]]})").substr(0, 38) ==
          "d.json:1:48: expected pairs like [[\"qu");
    CHECK(refused(R"({"text": "x", "system": "s"})") ==
          R"(d.json:1:28: expected "text" alone, found "system" too)" + both);
    CHECK(refused(R"({"question": "q", "answer": "a", "context": "c"})").substr(0, 37) ==
          R"(d.json:1:47: found "context" beside a)");
}

TEST_CASE("records: null, [] and \"\" are no values where there is another") {
    for (
        const char* same :
        {R"({"instruction": "a", "input": null, "output": "b", "system": null, "messages": null, "text": null})",
         R"({"instruction": "a", "input": "", "output": "b", "messages": [], "history": [], "tools": []})",
         R"({"instruction": "a", "input": "", "output": "b", "history": "[]", "tools": "[]", "functions": "[]"})",
         R"({"instruction": "a", "input": "", "output": "b", "history": ""})",
         R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "history": "[]"})",
         R"({"messages": [{"role": "user", "content": "a", "name": null, "tool_calls": null},)"
         R"({"role": "assistant", "content": "b", "tool_calls": [], "function_call": null}], "text": null})",
         R"({"instruction": "", "input": "", "output": "", "text": "",)"
         R"( "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})",
         R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "conversations": null})",
         R"({"messages": [{"role": "user", "content": "a", "from": null, "value": null},)"
         R"({"role": "assistant", "content": "b", "from": null, "value": null, "weight": null}], "tools": null})",
         R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "image_url": null}]},)"
         R"({"role": "assistant", "content": [{"type": "text", "text": "b", "image_url": null}]}]})"})
        CHECK(told(std::string_view(same)) == "user: a|assistant: b");
    CHECK(told(R"({"text": "a", "messages": null, "instruction": null, "output": null})") == "text: a");
    CHECK(told(R"({"text": "a", "id": 123456789012345678901234567890})") == "text: a");
    CHECK(told(R"({"text": ""})") == "text: ");
    CHECK(told(R"({"text": "a", "history": "[]", "tools": " [] "})") == "text: a");
    CHECK(told(R"({"instruction": "[]", "output": "[]"})") == "user: []|assistant: []");
    CHECK(refused(R"({"instruction": "a", "output": "b", "history": "c"})").substr(0, 30) ==
          "d.json:1:50: expected pairs li");
    CHECK(told(R"({"text": "\ufeffa"})") == "text: a");  // a byte order mark, of whatever wrote it
    CHECK(told(R"({"text": "\ufeff\ufeffa"})") == "text: a");
    CHECK(told("\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf"
               R"({"text": "a"})") == "text: a");
    CHECK(refused(R"({"\ufeffprompt": "q", "completion": "a"})").find("write \"prompt\"") != std::string::npos);
    CHECK(told(R"({"instruction": "", "output": "a"})") == "user: |assistant: a");
    CHECK(refused(R"({"messages": [{"role": "user", "from": "gpt", "content": "x"}]})") ==
          R"(d.json:1:44: expected "role" or "from", found both)");
    CHECK(refused(R"({"messages": [{"from": "gpt", "role": "user", "content": "x"}]})") ==
          R"(d.json:1:44: expected "from" or "role", found both)");
    CHECK(refused(R"({"messages": [{"role": "user", "content": "x", "value": "y"}]})") ==
          R"(d.json:1:59: expected "content" or "value", found both)");
    for (const char* same : {R"("role": "user", "from": "user", "content": "x", "value": "x")",
                             R"("from": "", "role": "user", "value": "", "content": "x")",
                             R"("role": "user", "from": "", "content": "x", "value": "")"})
        CHECK(told(R"({"messages": [{)" + std::string(same) + "}]}") == "user: x");
    CHECK(refused(R"({"text": null})").find("found the keys \"text\"") != std::string::npos);
}

TEST_CASE("records: a turn of the assistant is masked by any key that says so") {
    const auto with = [](const std::string& key) {
        return R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", )" + key +
               R"(}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]})";
    };
    for (const char* key : {R"("train": false)", R"("masked": true)", R"("trainable": false)", R"("training": false)",
                            R"("loss": false)", R"("mask": 1)", R"("loss_mask": 0)", R"("is_masked": true)",
                            R"("label": false)", R"("train_on": 0)", R"("train_detail": [])", R"("weight": 0)",
                            R"("weight": 0.0)", R"("trained": 0)", R"("weight": 0, "mask": true)"})
        CHECK_MESSAGE(told(with(key)) == "user: q|assistant: a[masked]|user: r|assistant: b", key);
    for (const char* key : {R"("train": true)", R"("masked": false)", R"("weight": 1)", R"("weight": 1.0)",
                            R"("mask": 0)", R"("label": true)", R"("loss_mask": 1)", R"("train": null)",
                            R"("train_detail": null)", R"("weight": null)", R"("id": 7)"})
        CHECK_MESSAGE(told(with(key)) == "user: q|assistant: a|user: r|assistant: b", key);
    // Nothing is ever trained of a user's turn.
    for (const char* key :
         {R"("weight": 0)", R"("train": false)", R"("weight": 1.0)", R"("masked": true)", R"("train": true)"})
        CHECK(told(R"({"messages": [{"role": "user", "content": "q", )" + std::string(key) +
                   R"(}, {"role": "assistant", "content": "a"}]})") == "user: q|assistant: a");
    CHECK(refused(with(R"("train": false, "weight": 1)")).find("against what another key says") != std::string::npos);
    CHECK(refused(with(R"("train": "no")")).find("expected 0 or 1, true or false as \"train\"") != std::string::npos);
    CHECK(refused(with(R"("do_train": false)")).find("whether that is to be learnt is not known") != std::string::npos);
    CHECK(refused(with(R"("train_detail": [{"begin_offset": 0}])")).find("as a whole or not at all") !=
          std::string::npos);
}

TEST_CASE("records: thoughts, calls and tools are kept for the chat format") {
    for (const char* key : {"reasoning_content", "reasoning", "thinking"})
        CHECK(told(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", ")" + std::string(key) +
                   R"(": "t", "content": "a"}]})") == "user: q|assistant: a[thought: t]");
    CHECK(told(R"({"messages": [{"role": "assistant", "content": null, "tool_calls": [{"a": 1}, {}]},)"
               R"({"role": "tool", "name": "f", "tool_call_id": "7", "content": "r"}]})") ==
          R"(assistant: [calls: [{"a": 1}, {}]]|tool: r[of f])");
    CHECK(
        told(
            R"({"conversations": [{"from": "function_call", "value": "{\"name\": \"f\"}"}, {"from": "observation", "value": "r"}]})") ==
        R"(assistant: [calls: {"name": "f"}]|tool: r)");
    const std::string turns = R"({"messages": [{"role": "user", "content": "q"}], )";
    const auto tools = [&](const std::string& key) {
        return hydralora::io::to_text(read(turns + key + "}")[0].record.tools);
    };
    CHECK(tools(R"("tools": [{"type": "function"}])") == R"([{"type":"function"}])");
    CHECK(tools(R"("tools": "[{\"name\": \"f\"}]")") == R"([{"name":"f"}])");
    CHECK(tools(R"("functions": [{"name": "f"}])") == R"([{"type":"function","function":{"name":"f"}}])");
    CHECK(tools(R"("tools": "[]")") == "null");
    CHECK(refused(turns + R"("tools": "f"})") ==
          R"(d.json:1:61: expected an array of tools, or its JSON text, as "tools", found a string)");
    CHECK(refused(R"({"messages": [{"role": "user", "content": "q", "thinking": "t"}]})")
              .find("expected it in the assistant's") != std::string::npos);
    CHECK(refused(R"({"conversations": [{"from": "function_call", "value": "f"}]})").find("expected a call in JSON") !=
          std::string::npos);
    CHECK(refused(R"({"question": "q", "thinking": "t", "answer": "a"})").find("found \"thinking\" in a record") !=
          std::string::npos);
    CHECK(refused(turns + R"("images": ["x.png"]})").find("only text can be trained on") != std::string::npos);
    CHECK(refused(turns + R"("dialog": [{"role": "user", "content": "r"}]})").find("found turns as \"dialog\"") !=
          std::string::npos);
    CHECK(refused(R"({"prompt": "q", "completion": "a", "label": false})").find("found \"label\": false in a record") !=
          std::string::npos);
    CHECK(refused(turns + R"("weight": 0.5})").find("found \"weight\": 0.5 in a record") != std::string::npos);
}

TEST_CASE("records: keys that are not known are told of, once, with the first place") {
    RecordNotes notes;
    read_records(
        "{\"text\": \"a\", \"id\": 1, \"label\": 0, \"context\": \"c\"}\n"
        "{\"text\": \"a\", \"mood\": \"good\", \"age\": null}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\", \"mood\": 1, \"name\": \"Ann\"},"
        "{\"role\": \"user\", \"content\": \"a\", \"mood\": 2}], \"mood\": [1], \"weight\": 1}\n",
        "d.json", [](Record&&, const RecordPlace&) {}, {.notes = &notes});
    CHECK(notes.lines() == std::vector<std::string>{R"(the key "label" is not read (1 record, at line 1))",
                                                    R"(the key "context" is not read (1 record, at line 1))",
                                                    R"(the key "mood" is not read (2 records, the first at line 2))",
                                                    R"(the key "mood" of turns is not read (1 record, at line 3))",
                                                    R"(the key "name" of turns is not read (1 record, at line 3))"});
}

TEST_CASE("records: those that cannot be used are passed over and counted where that is asked for") {
    Unusable unusable;
    std::vector<std::string> texts;
    const std::string_view text =
        "{\"text\": \"a\"}\n{\"text\": 1}\n\n{\"text\": \"\\ud83d\"}\n{\"text\": \"b\"}\n{\"words\": \"c\"}";
    const auto take = [&](Record&& record, const RecordPlace& place) {
        if (*record.text == "b") place.fail("refused");
        texts.push_back(*record.text);
    };
    read_records(text, "d.json", take, {.unusable = &unusable});
    CHECK(texts == std::vector<std::string>{"a"});
    CHECK(unusable.count == 4);
    CHECK(unusable.places == std::vector<std::string>{"2:11", "4:17", "5:1", "6:14"});
    const std::string first = test::message_of([&] { read_records(text, "d.json", take); });
    CHECK(first == R"(d.json:2:11: expected a string as "text", found a number; )" + std::string(record_forms));
    CHECK(unusable.first == first);
}

TEST_CASE("records: one that is too long can be passed over, in lines and in an array") {
    const std::string good = R"({"text": "a"})", bad = R"({"text": ")" + std::string(record_limit, 'a') + R"("})";
    for (const auto& [text, place] : {std::pair(good + "\n" + bad + "\n" + good, "2:1"),
                                      std::pair("[" + good + ", " + bad + "," + good + "]", "1:17")}) {
        Unusable unusable;
        int taken = 0;
        read_records(text, "d.json", [&](Record&&, const RecordPlace&) { ++taken; }, {.unusable = &unusable});
        CHECK((taken == 2 && unusable.count == 1));
        CHECK(unusable.places == std::vector<std::string>{place});
        CHECK(unusable.first == "d.json:" + std::string(place) +
                                    ": expected at most 16777216 bytes in a record, found 16777228; split it, or close "
                                    "the bracket or quote that is open");
        CHECK(refused(text) == unusable.first);
    }
}

TEST_CASE("records: nothing is noted of a record that is passed over") {
    RecordNotes notes;
    Unusable unusable;
    read_records(
        "{\"text\": \"a\", \"mood\": 1}\n{\"text\": \"b\", \"mood\": 1}\n{\"text\": 1, \"mood\": 1, \"age\": 1}",
        "d.json",
        [](Record&& record, const RecordPlace& place) {
            if (*record.text == "a") place.fail("refused");
        },
        {.notes = &notes, .unusable = &unusable});
    CHECK(unusable.count == 2);
    CHECK(notes.lines() == std::vector<std::string>{R"(the key "mood" is not read (1 record, at line 2))"});
}

TEST_CASE("records: a label is a text, a whole number or a truth value") {
    const auto label = [](const std::string& value) {
        std::string found = "none";
        read_records(R"({"text": "a", "kind": )" + value + "}", "d.json",
                     [&](Record&& record, const RecordPlace&) { found = record.label.value_or("none"); },
                     {.field = "kind"});
        return found;
    };
    CHECK(label("\"a\"") == "a");
    CHECK(label("true") == "true");
    CHECK(label("null") == "none");
    for (const char* two : {"2", "2.0", "2e0", "0.2e1", "20E-1"}) CHECK(label(two) == "2");
    CHECK(label("-0") == "0");
    CHECK(label("9223372036854775807") == "9223372036854775807");
    for (const char* other : {"2.5", "1e16", "18446744073709551615", "123456789012345678901234567890", "[]", "{}"})
        CHECK(test::message_of([&] {
                  (void)label(other);
              }).find(R"(expected a string, a whole number or a truth value as "kind")") != std::string::npos);
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
        "observation, ipython, tool_response, tool_call, function_call; name it so, or leave the conversation out";
    CHECK(refused(turn(R"("role": "narrator", "content": "x")")) ==
          "d.json:1:33: the role \"narrator\" is unknown, " + roles);
    CHECK(refused(turn(R"("from": "Human", "value": "x")")) == "d.json:1:30: the role \"Human\" is unknown, " + roles);
    CHECK(refused(turn(R"("role": "user")")) ==
          R"(d.json:1:30: expected "content" (or "value") in the turn, found none)");
    CHECK(refused(turn(R"("content": "x")")) == R"(d.json:1:30: expected "role" (or "from") in the turn, found none)");
    CHECK(refused(turn(R"("role": "assistant", "content": null)")) ==
          R"(d.json:1:51: expected a string as "content", found null; write what the turn says, or leave it or the )"
          "conversation out");
    CHECK(refused(turn(R"("role": "assistant", "weight": 0.5, "content": "x")")) ==
          R"(d.json:1:50: expected 0 or 1, true or false as "weight" of a turn, found 0.5: the assistant's turns are )"
          "trained alike, or masked");
    CHECK(refused(R"({"question": "x", "choices": ["a", "b"], "answer": 0})") ==
          "d.json:1:53: found a question with choices, of which nothing is learnt: `hydra eval` takes those");
    CHECK(refused("\xef\xbb\xbf"
                  R"({"text": "x"})") == "no error");  // a byte order mark
    CHECK(refused(turn(R"("role": 1)")) == R"(d.json:1:25: expected a string as "role", found a number)");
    CHECK(refused(turn(R"("role": "user", "content": {"a": 1})")) ==
          R"(d.json:1:43: expected a string as "content", found an object)");
    CHECK(refused(turn(R"("role": "user", "content": ["x"])")) ==
          R"(d.json:1:46: expected a part like {"type": "text", "text": "..."}, found a string)");
    CHECK(refused(turn(R"("role": "assistant", "content": [{"type": "thinking", "thinking": "t"}])")) ==
          R"(d.json:1:85: expected parts of type "text", found "thinking"; only text can be trained on: write it as )"
          "text, or leave the conversation out");
    CHECK(refused(turn(R"("role": "user", "content": [{"type": "image_url", "image_url": {}}])")).substr(0, 86) ==
          R"(d.json:1:81: expected parts of type "text", found "image_url"; only text can be traine)");
    CHECK(refused(turn(R"("role": "user", "content": "a", "content": "b")")) ==
          R"(d.json:1:56: expected each key once, found "content" twice)");
    CHECK(refused(R"({"messages": []})") == R"(d.json:1:15: expected at least one turn in "messages", found none)");
    CHECK(refused(R"({"messages": ["x"]})") ==
          R"(d.json:1:17: expected a turn like {"role": "user", "content": "..."}, found a string)");
    CHECK(refused(R"({"messages": "x"})") ==
          R"(d.json:1:16: expected an array of turns as "messages", found a string)");
    CHECK(refused(R"({"messages": {}})") ==
          R"(d.json:1:14: expected an array of turns as "messages", found an object)");
    const std::string x = R"([{"role": "user", "content": "x"}])";
    CHECK(refused(R"({"messages": )" + x + R"(, "conversations": )" + x + "}") ==
          R"(d.json:1:67: expected "messages" or "conversations", found both)");
    CHECK(refused(R"({"messages": [{"role": "user", "content": "a"}], "text": "x"})") ==
          R"(d.json:1:61: expected "messages" alone, found "text" too; leave out what is not to be learnt)");
    CHECK(refused(R"({"system": "s", "messages": [{"role": "system", "content": "a"}]})") ==
          R"(d.json:1:65: expected one system prompt, found "system" and a first turn of system)");
}

TEST_CASE(
    "records: half a pair of surrogates and bytes that are no UTF-8 are named where they stand, and passed over") {
    const std::string fine = "{\"text\":\"fine line\"}\n";
    const std::pair<std::string, const char*> rows[] = {
        {R"({"text":"bad \ud83d here"})", "2:20"},  {R"({"text":"bad \ude00 here"})", "2:19"},
        {R"({"text":"bad \ude00\ud83d"})", "2:19"}, {R"({"text":"fine","id":"\ud83d"})", "2:28"},
        {"{\"text\":\"caf\xe9\"}", "2:14"},         {"{\"text\":\"\xed\xa0\xbd\"}", "2:11"}};
    for (const auto& [line, place] : rows) {
        CAPTURE(line);
        CHECK(refused(fine + line).starts_with("d.json:" + std::string(place) + ": not JSON: "));
        Unusable unusable;
        int taken = 0;
        read_records(fine + line + "\n" + fine, "d.json", [&](Record&&, const RecordPlace&) { ++taken; },
                     {.unusable = &unusable});
        CHECK((taken == 2 && unusable.places == std::vector<std::string>{place}));
    }
    CHECK(told(R"({"text":"good \ud83d\ude00 here"})") == "text: good \xf0\x9f\x98\x80 here");
    CHECK(told(R"({"text":"a\u0000b"})") == std::string("text: a\0b", 9));
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
          "d.json:1:2: expected at most 16777216 bytes in a record, found 16777236; split it, or close the bracket or "
          "quote that is open");
    Unusable unusable;  // the end of the array is missing, whatever is passed over
    CHECK(test::message_of([&] {
              read_records("[{\"text\": \"" + std::string((16u << 20) + 10, 'a'), "d.json",
                           [](Record&&, const RecordPlace&) {}, {.unusable = &unusable});
          }).find("is it cut off?") != std::string::npos);
}

}  // namespace trainer_records_test
