// Conversations as tokens, against the ids that Hugging Face transformers makes of them with the same tokenizer and
// template (golden/chat_*, made by golden/make_chat_tokens.py), and what a model directory says about its vocabulary.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/io/gguf.hpp>
#include <hydralora/io/gguf_writer.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include "data.hpp"
#include "documents.hpp"
#include "evaluate.hpp"
#include "io/scratch.hpp"
#include "model_chat.hpp"
#include "own_template.hpp"
#include "plan.hpp"

namespace trainer_documents_test {

using namespace hydra;
using hydralora::Index;
using hydralora::io::GgufArray;
using hydralora::io::GgufFields;
using hydralora::io::GgufFile;
using hydralora::io::GgufScalar;
using hydralora::io::Json;
using hydralora::io::JsonView;
using hydralora::text::ChatFormat;
using hydralora::text::Conversation;
using hydralora::text::render;
using hydralora::text::Speaker;
using test::error_of;
using test::has;

namespace {

using Ids = std::vector<std::int32_t>;

Vocabulary open(const std::filesystem::path& directory) {
    const std::string path = (directory / "config.json").string();
    const Json config = hydralora::io::read_json(path);
    return load_vocabulary(directory, JsonView(config, path));
}
std::filesystem::path golden(const std::string& name) {
    return std::filesystem::path(HYDRALORA_TEST_DATA "/golden") / name;
}

/// The tokenizer of golden/chat_chatml and what stands beside it, as fields of a GGUF file.
GgufFields chatml_fields() {
    const auto read = [](const char* name) { return hydralora::io::read_json(golden("chat_chatml") / name); };
    const Json file = read("tokenizer.json"), beside = read("tokenizer_config.json");
    const JsonView tokenizer(file, "tokenizer.json"), config(beside, "tokenizer_config.json");
    const JsonView vocabulary = tokenizer["model"]["vocab"], merges = tokenizer["model"]["merges"];
    std::vector<std::string> tokens(vocabulary.object().size()), rules;
    for (const auto& [content, id] : vocabulary.object())
        tokens.at(static_cast<std::size_t>(*id.get_if<std::int64_t>())) = content;
    for (std::size_t i = 0; i < merges.size(); ++i)
        rules.push_back(merges.array()[i].is_array()
                            ? merges.element(i).element(0).string() + ' ' + merges.element(i).element(1).string()
                            : merges.element(i).string());
    std::vector<std::int32_t> types(tokens.size(), 1);
    for (std::size_t i = 0; i < 3; ++i) types[i] = 3;  // <|endoftext|> <|im_start|> <|im_end|>
    const auto text = [](std::string t) { return GgufScalar(std::move(t)); };
    return {{"tokenizer.ggml.model", text("gpt2")},
            {"tokenizer.ggml.pre", text("gpt-2")},
            {"tokenizer.ggml.tokens", GgufArray(tokens)},
            {"tokenizer.ggml.token_type", GgufArray(types)},
            {"tokenizer.ggml.merges", GgufArray(rules)},
            {"tokenizer.ggml.eos_token_id", GgufScalar(std::uint32_t{2})},
            {"tokenizer.chat_template", text(config["chat_template"].string())}};
}
Vocabulary open(const GgufFields& fields, Index model_size = 360) {
    std::string bytes;
    hydralora::io::write_gguf([&](auto part) { bytes += hydralora::io::as_text(part); }, fields, {});
    return load_vocabulary(GgufFile(hydralora::io::as_byte_span(bytes), "m.gguf"), model_size);
}
GgufFields without(GgufFields fields, std::string_view key) {
    std::erase_if(fields, [&](const auto& field) { return field.first == key; });
    return fields;
}

Ids ids_of(const JsonView& list) {
    Ids ids;
    for (std::size_t i = 0; i < list.size(); ++i)
        ids.push_back(static_cast<std::int32_t>(list.element(i).integer(0, 1 << 20)));
    return ids;
}

Conversation conversation_of(const JsonView& messages) {
    Conversation turns;
    for (std::size_t t = 0; t < messages.size(); ++t)
        turns.push_back({hydralora::parse_enum<Speaker>("role", messages.element(t)["role"].string(),
                                                        hydralora::text::speaker_names),
                         messages.element(t)["content"].string()});
    return turns;
}

/// A copy of a golden directory to change a file of.
struct Model {
    test::ScratchDirectory folder;
    explicit Model(const std::string& name) {
        for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json"})
            std::filesystem::copy_file(golden(name) / file, folder / file);
    }
    void write(const char* file, const std::string& text) const { test::set_content(folder / file, text); }
};

const Conversation pair{{Speaker::user, "Hello"}, {Speaker::assistant, "Hi!"}};

}  // namespace

TEST_CASE("documents: control tokens spelt in texts are counted, and learnt as text") {
    const Vocabulary vocabulary = open(golden("chat_chatml"));
    const DataOptions options{.sequence_length = 256, .held_out = 0, .seed = {}};
    const auto notes = [&](std::string_view text, const char* name) {
        return read_domain(text, name, options, vocabulary).notes;
    };
    const std::string text = R"({"text": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n"})";
    CHECK(notes("{\"text\": \"a\"}\n" + text, "d.jsonl") ==
          std::vector<std::string>{
              "4 control tokens are spelt in texts of d.jsonl, the first, \"<|im_start|>\", at line 2; "
              "learnt as text, not as the tokens"});
    CHECK(notes("a\nb <|im_end|>\n", "d.txt") ==
          std::vector<std::string>{"1 control token is spelt in texts of d.txt, the first, \"<|im_end|>\", at line 2; "
                                   "learnt as text, not as the tokens"});
    CHECK(notes(R"({"instruction": "a", "output": "<|im_end|>"})", "d.jsonl").size() == 1);
    CHECK(notes("<|im_end >", "d.txt").empty());
}

TEST_CASE("documents: conversations have the ids and the mask that transformers gives them") {
    const std::pair<const char*, Vocabulary> models[] = {{"chat_chatml", open(golden("chat_chatml"))},
                                                         {"chat_llama2", open(golden("chat_llama2"))},
                                                         {"chat_mistral", open(golden("chat_mistral"))},
                                                         {"chat_chatml", open(chatml_fields())}};
    for (const auto& model : models) {
        const std::string name = model.first;
        const Vocabulary& vocabulary = model.second;
        const auto format = vocabulary.chat_format("");
        REQUIRE(format.has_value());
        REQUIRE(format->own() != nullptr);
        const auto builtin = vocabulary.chat_format(name.substr(5));
        const std::string path = (golden(name) / "conversations.json").string();
        const Json document = hydralora::io::read_json(path);
        const JsonView cases(document, path);
        REQUIRE(cases.size() > 20);
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CAPTURE(name);
            CAPTURE(i);
            const JsonView expected = cases.element(i);
            const Conversation turns = conversation_of(expected["messages"]);
            const Document made = document_of(vocabulary, *format, written(vocabulary, *format, turns).segments);
            if (builtin) CHECK(document_of(vocabulary, *builtin, render(builtin->format(), turns)).ids == made.ids);
            CHECK(made.ids == ids_of(expected["ids"]));
            Ids mask(made.trained.begin(), made.trained.end());
            CHECK(mask == ids_of(expected["mask"]));
            if (expected["prompt"].exists()) CHECK(prompt_of(vocabulary, *format, turns) == ids_of(expected["prompt"]));
        }
    }
}

TEST_CASE("documents: a model's own template gives the ids and the mask that transformers gives") {
    const std::string path = HYDRALORA_TEST_DATA "/golden/chat_templates.json";
    const Json document = hydralora::io::read_json(path);
    const JsonView cases = JsonView(document, path)["cases"], templates = JsonView(document, path)["templates"];
    REQUIRE(cases.size() > 80);
    std::size_t masks = 0;
    for (const auto& [name, source] : templates.object()) {
        const Model model("chat_chatml");
        model.write("tokenizer_config.json",
                    R"({"bos_token": "<|endoftext|>", "eos_token": {"content": "<|im_end|>"}})");
        model.write("chat_template.jinja", *source.get_if<std::string>());
        const Vocabulary vocabulary = open(model.folder.path());
        const auto chat = vocabulary.chat_format("");
        CAPTURE(name);
        REQUIRE(chat.has_value());
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const JsonView expected = cases.element(i);
            if (expected["template"].string() != name) continue;
            CAPTURE(i);
            const Conversation turns = conversation_of(expected["messages"]);
            const Json& tools = *expected.value().find("tools");
            if (expected["add_generation_prompt"].boolean()) {
                if (tools.is_null()) CHECK(prompt_of(vocabulary, *chat, turns) == ids_of(expected["ids"]));
                continue;
            }
            const Document made = document_of(vocabulary, *chat, written(vocabulary, *chat, turns, tools).segments);
            CHECK(made.ids == ids_of(expected["ids"]));
            if (!expected["mask"].exists()) continue;
            CHECK(Ids(made.trained.begin(), made.trained.end()) == ids_of(expected["mask"]));
            ++masks;
        }
    }
    CHECK(masks > 5);
}

namespace {
/// What is read of one record or text, and what of it is learnt.
struct Learnt {
    Ids ids;          // with the last, which is a label alone
    Ids trained;      // places in ids
    Index unwritten;  // turns
};
/// By the tokenizer of golden/chat_chatml. chat: "" for its own template.
Learnt learnt(std::string_view content, const char* chat, const char* name = "d.jsonl") {
    static const Vocabulary vocabulary = open(golden("chat_chatml"));
    const Domain domain =
        read_domain(content, name, {.held_out = 0, .seed = {}, .chat = vocabulary.chat_format(chat)}, vocabulary);
    REQUIRE(domain.train.size() == 1);
    const Example& example = domain.train[0];
    Learnt result{example.ids, {}, domain.unwritten};
    result.ids.push_back(example.labels.back());
    for (std::size_t i = 0; i < example.labels.size(); ++i)
        if (example.labels[i] != ignored) result.trained.push_back(static_cast<std::int32_t>(i) + 1);
    return result;
}
Ids counted_from(std::int32_t first, std::size_t end) {
    Ids places;
    for (; first < static_cast<std::int32_t>(end); ++first) places.push_back(first);
    return places;
}
constexpr const char* ask = R"({"messages":[{"role":"user","content":")";
constexpr const char* answer = R"("},{"role":"assistant",)";
}  // namespace

// Ids of apply_chat_template of transformers 5.24 (tokenizers 0.23.3) with the files of golden/chat_chatml.
TEST_CASE("documents: records of every form have the ids that transformers gives the conversation") {
    const Ids hi{1, 302, 201, 74, 75, 2, 201, 1, 67, 300, 307, 201, 91, 81, 2},
        a{1, 302, 201, 67, 2, 201, 1, 67, 300, 307, 201, 68, 2},
        q{1, 302, 201, 83, 2, 201, 1, 67, 300, 307, 201, 67, 2};
    const std::pair<const char*, const Ids&> rows[] = {
        {R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}]})", hi},
        {R"({"instruction":"","input":"","output":"","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}],"text":""})",
         hi},
        {R"({"messages":[{"role":"user","content":"hi","name":null,"tool_calls":null},{"role":"assistant","content":"yo","name":null,"tool_calls":[]}],"text":null})",
         hi},
        {R"({"messages":[{"role":"user","content":"hi","from":null,"value":null},{"role":"assistant","content":"yo","from":null,"value":null}]})",
         hi},
        {R"({"messages":[{"role":"user","content":"hi","weight":0},{"role":"assistant","content":"yo","weight":1.0}],"conversations":null,"tools":null})",
         hi},
        {R"({"instruction":"a","output":"b"})", a},
        {R"({"instruction":"a","input":null,"output":"b","system":null,"messages":null,"text":null})", a},
        {R"({"instruction":"a","input":"","output":"b","messages":[],"history":[]})", a},
        {R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]})", q},
        {R"({"prompt":"q","response":"a"})", q},
        {R"({"query":"q","response":"a"})", q},
        {R"({"instruction":"q","response":"a"})", q},
        {R"({"question":"q","answer":"a"})", q}};
    for (const auto& [record, ids] : rows)
        for (const char* chat : {"", "chatml"}) {
            CAPTURE(record);
            CHECK(learnt(record, chat).ids == ids);
            CHECK(learnt(record, chat).trained == counted_from(ids == hi ? 12 : 11, ids.size()));
        }
    const Ids turns{1,   302, 201, 20, 13,  20, 33, 2,  201, 1, 67,  300, 307, 201, 22,  2,   201, 1,
                    302, 201, 259, 70, 223, 21, 13, 21, 33,  2, 201, 1,   67,  300, 307, 201, 24,  2};
    for (
        const char* record :
        {R"({"instruction":"and 3+3?","input":"","output":"6","history":[["2+2?","4"]]})",
         R"({"messages":[{"role":"user","content":"2+2?"},{"role":"assistant","content":"4"},{"role":"user","content":"and 3+3?"},{"role":"assistant","content":"6"}]})"}) {
        CHECK(learnt(record, "").ids == turns);
        CHECK(learnt(record, "").trained == Ids{14, 15, 34, 35});
    }
    const std::string mark = "\xef\xbb\xbf", text = "hello\r\nworld\r\n";
    for (const std::string& before : {std::string(), mark})
        CHECK(learnt(before + text, "", "d.txt").ids == Ids{278, 346, 204, 201, 89, 337, 78, 70, 204, 201, 2});
    CHECK(learnt(mark + R"({"text":"abc","id":123456789012345678901234567890})", "").ids == Ids{67, 68, 69, 2});
    CHECK(learnt("a", "", "one_byte.txt").ids == Ids{67, 2});
}

TEST_CASE("documents: thoughts beside an answer are those in it, and a turn that is masked is read alone") {
    const Ids thought{1,  302, 201, 20,  13, 20, 33, 2,  201, 1,  67,  300, 307, 201, 30,  86, 74, 288, 77,  32, 201,
                      20, 328, 311, 223, 79, 67, 77, 71, 223, 22, 201, 354, 86,  74,  288, 77, 32, 201, 201, 22, 2};
    for (const char* key : {"reasoning_content", "thinking", "reasoning"}) {
        const std::string record =
            ask + std::string("2+2?") + answer + '"' + key + R"(":"2 and 2 make 4","content":"4"}]})";
        CHECK(learnt(record, "chatml").ids == thought);
        CHECK(learnt(record, "chatml").trained == counted_from(14, thought.size()));
        CHECK(learnt(record, "").unwritten == 1);  // the template has no place for it
    }
    const Ids turns{1,   302, 201, 83, 2,   201, 1,   67, 300, 307, 201, 68,  67, 70, 2,  201, 1, 302,
                    201, 67,  73,  67, 288, 2,   201, 1,  67,  300, 307, 201, 73, 81, 81, 70,  2};
    for (const char* key :
         {R"("train":false)", R"("masked":true)", R"("trainable":false)", R"("training":false)", R"("loss":false)",
          R"("mask":1)", R"("loss_mask":0)", R"("is_masked":true)", R"("label":false)", R"("train_on":0)",
          R"("train_detail":[])", R"("weight":0)", R"("weight":0.0)"}) {
        CAPTURE(key);
        const std::string record = ask + std::string("q") + answer + R"("content":"bad",)" + key +
                                   R"(},{"role":"user","content":"again"},{"role":"assistant","content":"good"}]})";
        CHECK(learnt(record, "chatml").ids == turns);
        CHECK(learnt(record, "chatml").trained == Ids{30, 31, 32, 33, 34});
        CHECK(learnt(record, "").ids == turns);  // the template marks itself what is trained
        CHECK(learnt(record, "").trained == Ids{30, 31, 32, 33, 34});
    }
}

TEST_CASE("documents: tools and calls that nothing writes are refused by name or counted") {
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}]})",
                      pair_of = ask + std::string("w?") + answer + R"("content":"ok"}],)";
    CHECK(has(error_of([&] { (void)learnt(pair_of + tools, ""); }), "d.jsonl:1:1: found tools, of which the model's"));
    CHECK(has(error_of([&] { (void)learnt(pair_of + tools, "chatml"); }), "d.jsonl:1:1: found tools: the chat format"));
    const std::string call =
        R"({"messages":[{"role":"user","content":"w?"},{"role":"tool_call","content":"{}"},{"role":"tool_response","content":"7"},{"role":"assistant","content":"7"}]})";
    CHECK(has(error_of([&] { (void)learnt(call, "chatml"); }), "d.jsonl:1:1: turn 2 calls tools"));
    CHECK(learnt(call, "").unwritten == 1);
}

TEST_CASE("documents: control tokens spelt in a text stay text") {
    for (const char* name : {"chat_chatml", "chat_llama2", "chat_mistral"}) {
        const Vocabulary vocabulary = open(golden(name));
        const auto format = vocabulary.chat_format("");
        const std::string words = "<|im_end|> </s><s> <|im_start|>system";
        const auto ids = [&](const char* content) {
            return document_of(vocabulary, *format, written(vocabulary, *format, {{Speaker::user, content}}).segments)
                .ids;
        };
        const Ids plain = ids(words.c_str()), none = ids("w");
        for (const std::int32_t id : vocabulary.stops(format))
            CHECK(std::count(plain.begin(), plain.end(), id) == std::count(none.begin(), none.end(), id));
        CHECK(has(vocabulary.decode(plain), words));
    }
}

TEST_CASE("documents: a text has the tokenizer's start and the end of text") {
    const Vocabulary bytes, byte_level = open(golden("chat_chatml")), llama = open(golden("chat_llama2"));
    CHECK(document_of(bytes, "ab").ids == Ids{end_of_text, 'a', 'b', end_of_text});
    Ids expected = byte_level.encode("ab");
    expected.push_back(byte_level.eos());
    CHECK(document_of(byte_level, "ab").ids == expected);
    expected = llama.encode("ab");
    expected.insert(expected.begin(), 1);  // <s>
    expected.push_back(2);                 // </s>
    CHECK(document_of(llama, "ab").ids == expected);
    const Ids spelt = document_of(llama, "<s>[INST] hi [/INST] {\"a\":1}</s>").ids;  // which stay text
    CHECK((std::count(spelt.begin(), spelt.end(), 1) == 1 && std::count(spelt.begin(), spelt.end(), 2) == 1));
}

TEST_CASE("documents: with bytes, the format hydralora is two texts, and other formats are spelt") {
    const Vocabulary bytes;
    const Document document = document_of(bytes, ChatFormat::hydralora, render(ChatFormat::hydralora, pair));
    Ids expected{end_of_text, 'H', 'e', 'l', 'l', 'o', end_of_text, 'H', 'i', '!', end_of_text};
    CHECK(document.ids == expected);
    CHECK(document.trained ==
          std::vector<bool>{false, false, false, false, false, false, false, true, true, true, true});
    REQUIRE(document.said.size() == 1);
    CHECK((document.said[0].begin == 7 && document.said[0].end == 11 && document.said[0].text == "Hi!"));
    const Document chatml = document_of(bytes, ChatFormat::chatml, render(ChatFormat::chatml, pair));
    CHECK(bytes.decode(chatml.ids) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n");
    CHECK(chatml.said[0].text == "Hi!");
    CHECK(bytes.spelt_end_of_turn(ChatFormat::chatml) == "<|im_end|>");
    CHECK(bytes.spelt_end_of_turn(ChatFormat::hydralora).empty());
    CHECK(bytes.stops(ChatFormat::chatml) == Ids{end_of_text});
}

TEST_CASE("data: a conversation of many turns, masked, cut and answered") {
    const Vocabulary bytes;
    const std::string line =
        R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}, )"
        R"({"role": "user", "content": "ef"}, {"role": "assistant", "content": "gh"}, {"role": "user", "content": "i"}]})";
    // EOT a b EOT c d EOT e f EOT g h EOT, and what follows teaches nothing.
    constexpr std::int32_t e = end_of_text, x = ignored;
    const Ids ids{e, 'a', 'b', e, 'c', 'd', e, 'e', 'f', e, 'g', 'h'};
    const Ids labels{x, x, x, 'c', 'd', e, x, x, x, 'g', 'h', e};
    for (std::size_t length = 3; length <= 14; ++length) {
        const DataOptions options{.sequence_length = static_cast<Index>(length), .held_out = 1, .seed = {}};
        if (length == 3) {
            CHECK(
                has(error_of([&] { (void)read_domain(line, "d.json", options, bytes); }), "no trainable token: all 1"));
            continue;
        }
        const Domain domain = read_domain(line, "d.json", options, bytes);
        REQUIRE(domain.held_out.size() == 1);
        const auto kept = static_cast<std::ptrdiff_t>(std::min<std::size_t>(length, 12));
        CHECK(domain.held_out[0].ids == Ids(ids.begin(), ids.begin() + kept));
        CHECK(domain.held_out[0].labels == Ids(labels.begin(), labels.begin() + kept));
        CHECK(domain.truncated == (length < 12 ? 1 : 0));
        REQUIRE(domain.answers.size() == 1);
        CHECK(domain.answers[0].text == (length < 10 ? "cd" : "gh"));
        CHECK(domain.answers[0].prompt == Ids(ids.begin(), ids.begin() + (length < 10 ? 4 : 10)));
    }
}

TEST_CASE("data: what a format has no place for is named by its record") {
    const std::string text =
        "{\"text\": \"x\"}\n"
        R"({"messages": [{"role": "assistant", "content": "a"}]})";
    CHECK(has(error_of([&] { (void)read_domain(text, "d.jsonl", {.seed = {}}); }),
              "d.jsonl:2:1: turn 1 is of assistant: the chat format hydralora takes user and assistant by turns"));
    DataOptions options{.seed = {}};
    options.chat.reset();
    CHECK(has(error_of([&] { (void)read_domain(text, "d.jsonl", options); }), "d.jsonl:2:1: a conversation: "));
    CHECK(read_domain("{\"text\": \"x\"}", "d.jsonl", options).train.size() == 1);
}

TEST_CASE("vocabulary: end, stops and template as the directory's files have them") {
    const Model model("chat_chatml");
    const Vocabulary plain = open(model.folder.path());
    CHECK(plain.eos() == 2);
    CHECK(plain.stops(ChatFormat::chatml) == Ids{2});
    REQUIRE(plain.chat_format("").has_value());
    CHECK(plain.chat_format("")->own() != nullptr);
    CHECK(plain.stops(plain.chat_format("")) == Ids{2});
    CHECK(plain.chat_format("zephyr") == ChatFormat::zephyr);
    model.write("config.json", R"({"vocab_size": 360, "eos_token_id": [0, 7]})");
    model.write("generation_config.json", R"({"eos_token_id": 9})");
    CHECK(open(model.folder.path()).stops() == Ids{0, 7, 9, 2});
    model.write("tokenizer_config.json", R"({"eos_token": {"content": "<|endoftext|>"}, "chat_template":
        [{"name": "tool_use", "template": "x"}, {"name": "default", "template":
            "{% for m in messages %}{{ '<|im_start|>' + m.content + '<|im_end|>' + eos_token }}{% endfor %}"}]})");
    const auto own = [&] {
        const Vocabulary vocabulary = open(model.folder.path());
        return vocabulary.spelt(prompt_of(vocabulary, vocabulary.chat_format("").value(), {{Speaker::user, "u"}}));
    };
    CHECK(own() == "<|im_start|>u<|im_end|><|endoftext|>");
    CHECK(open(model.folder.path()).eos() == 0);
    CHECK(open(model.folder.path()).stops(ChatFormat::chatml) == Ids{0, 7, 9, 2});
    CHECK(open(model.folder.path()).stops(open(model.folder.path()).chat_format("")) == Ids{0, 7, 9, 2});
    model.write("chat_template.jinja", "[INST] {{ messages[-1].content }}");
    CHECK(own() == "[INST] u");
    model.write("chat_template.jinja", "\xef\xbb\xbf\xef\xbb\xbf[INST] {{ messages[-1].content }}");
    CHECK(own() == "[INST] u");
    model.write("chat_template.jinja", "[INST]\n{{ messages | groupby('role') }} [/INST]");
    CHECK(!open(model.folder.path()).chat_format("").has_value());
    CHECK(open(model.folder.path()).why_no_chat_format() ==
          (model.folder / "chat_template.jinja").string() +
              ": line 2, column 15: the filter groupby is not known here; choose a format that is built in with --chat "
              "NAME: plain, hydralora, alpaca, chatml, llama2, llama3, mistral, zephyr (the template has the marks of "
              "mistral)");
    model.write("chat_template.jinja", "{% if %}");
    CHECK(has(open(model.folder.path()).why_no_chat_format(), "line 1, column 7: expected an expression, found %}"));
    CHECK(open(model.folder.path()).chat_format("chatml") == ChatFormat::chatml);
    std::filesystem::remove(model.folder / "chat_template.jinja");
    model.write("tokenizer_config.json", R"({"chat_template": "\ufeff[INST] {{ messages[-1].content }}"})");
    CHECK(own() == "[INST] u");
    // transformers: "This model has multiple chat templates with no default specified!", of one too.
    for (const auto& [list, found] :
         {std::pair(R"([{"name": "rag", "template": "x"}])", R"(the 1, found "rag";)"),
          std::pair(R"([{"name": "tool_use", "template": "x"}, {"name": "rag", "template": "y"}])",
                    R"(the 2, found "tool_use", "rag";)")}) {
        model.write("tokenizer_config.json", R"({"chat_template": )" + std::string(list) + "}");
        const Vocabulary several = open(model.folder.path());
        CHECK(!several.chat_format("").has_value());
        CHECK(
            several.why_no_chat_format() ==
            (model.folder / "tokenizer_config.json").string() +
                ": \"chat_template\": expected a template named \"default\" among " + found +
                " choose a format that is built in with --chat NAME: plain, hydralora, alpaca, chatml, llama2, llama3, "
                "mistral, zephyr, or name one of them \"default\"");
        CHECK(several.chat_format("chatml") == ChatFormat::chatml);
    }
    model.write("tokenizer_config.json", "{}");
    CHECK(open(model.folder.path()).chat_format("") == ChatFormat::hydralora);
    CHECK(open(model.folder.path()).eos() == 0);  // of config.json
    const Vocabulary bytes;
    CHECK(bytes.chat_format("") == ChatFormat::hydralora);
}

TEST_CASE("models that are written say how they were trained to speak") {
    const auto content = [](const std::vector<hydra::Companion>& all, const std::string& name) {
        for (const auto& each : all)
            if (each.name == name) return each.text;
        return std::string();
    };
    const Model base("chat_chatml");
    base.write("config.json", R"({"vocab_size": 360, "eos_token_id": 0})");
    base.write("generation_config.json", R"({"eos_token_id": 0, "top_k": 5})");
    base.write("tokenizer_config.json", R"({"eos_token": "<|endoftext|>", "model_max_length": 7})");
    const auto told = [&](const char* chat) { return hydra::model_chat(open(base.folder.path()), chat); };
    CHECK((!told("").chat_template && !told("").end_of_turn && told("").note.empty()));  // the base says it all

    const hydra::ModelChat chatml = told("chatml");
    CHECK(chatml.end_of_turn == 2);
    CHECK(chatml.note ==
          "It has the chat template of chatml, which it was trained in. It ends its turns with token 2 "
          "(<|im_end|>), which the base does not name as an end; it is named now.\n");
    const auto written_files = hydra::companions_with(base.folder.path(), chatml);
    CHECK(content(written_files, "generation_config.json") ==
          "{\n  \"eos_token_id\": [\n    0,\n    2\n  ],\n  \"top_k\": 5\n}\n");
    const Model made("chat_chatml");
    made.write("config.json", R"({"vocab_size": 360, "eos_token_id": 0})");
    for (const char* name : {"generation_config.json", "tokenizer_config.json"})
        made.write(name, content(written_files, name));
    const Vocabulary vocabulary = open(made.folder.path());
    const auto own = vocabulary.chat_format("");
    REQUIRE((own.has_value() && own->own() != nullptr));
    CHECK(vocabulary.stops() == Ids{0, 2});
    CHECK(prompt_of(vocabulary, *own, {{Speaker::system, "s"}, {Speaker::user, "u"}}) ==
          prompt_of(vocabulary, ChatFormat::chatml, {{Speaker::system, "s"}, {Speaker::user, "u"}}));
    CHECK(document_of(vocabulary, *own, written(vocabulary, *own, pair).segments).trained ==
          document_of(vocabulary, ChatFormat::chatml, render(ChatFormat::chatml, pair)).trained);

    // A template that is there is not changed in its file: the one that readers take first is put beside it.
    base.write("tokenizer_config.json", R"({"eos_token": "<|endoftext|>", "chat_template":
        "{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}"})");
    const auto beside = hydra::companions_with(base.folder.path(), told("zephyr"));
    CHECK(content(beside, "tokenizer_config.json") == test::content(base.folder / "tokenizer_config.json"));
    CHECK(has(content(beside, "chat_template.jinja"), "<|endoftext|>"));
    CHECK(content(beside, "generation_config.json") == test::content(base.folder / "generation_config.json"));
    // Its own template ends turns with a token that nothing names as an end.
    CHECK(!told("").chat_template);
    CHECK(told("").ends == Ids{0, 2});
}

TEST_CASE("data: turns that the model's template leaves out are counted") {
    const Model model("chat_chatml");
    model.write("chat_template.jinja",
                "{% for m in messages if m.role != 'system' %}{{ m.role + ': ' + m.content }}"
                "{% if m.content == 'no' %}{{ raise_exception('not no') }}{% endif %}{% endfor %}");
    const Vocabulary vocabulary = open(model.folder.path());
    const DataOptions options{.seed = {}, .chat = vocabulary.chat_format("")};
    const std::string pair_of = R"({"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})"
                                "\n";
    const auto domain =
        read_domain(R"({"messages": [)" + pair_of + R"({"messages": [{"role": "system", "content": "s"}, )" + pair_of,
                    "d.jsonl", options, vocabulary);
    CHECK((domain.conversations == 2 && domain.unwritten == 1 && domain.untrained == 0));
    CHECK(domain.first_unwritten == "turn 1 of line 2");
    CHECK(has(error_of([&] {
                  (void)read_domain(R"({"messages": [{"role": "user", "content": "no"}]})", "d.jsonl", options,
                                    vocabulary);
              }),
              "chat_template.jinja: line 1, column 121: the template refuses: \"not no\""));
}

TEST_CASE("vocabulary: tokens that tokenizer.json lacks are told") {
    const Model model("chat_chatml");
    for (const char* tokens :
         {R"("added_tokens_decoder": {"600": {"content": "<new>", "special": true}})",
          R"("additional_special_tokens": ["<|im_start|>", "<new>"])", R"("extra_special_tokens": ["<new>"])"}) {
        model.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>", )" + std::string(tokens) + "}");
        const Vocabulary vocabulary = open(model.folder.path());
        CHECK(has(vocabulary.note(), "tokens that tokenizer.json lacks, such as \"<new>\""));
    }
    model.write("tokenizer_config.json",
                R"({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})");
    CHECK(open(model.folder.path()).note().empty());
}

TEST_CASE("vocabulary: templates know the tokens that a model names besides") {
    const Model model("chat_chatml");
    model.write("tokenizer_config.json",
                R"({"eos_token": "<|im_end|>", "extra_special_tokens": {"image_token": "<|im_start|>"}})");
    model.write("chat_template.jinja",
                "{{ image_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
    const Vocabulary vocabulary = open(model.folder.path());
    const Conversation turns{{hydralora::text::Speaker::user, "hi"}, {hydralora::text::Speaker::assistant, "yo"}};
    const Document made = document_of(vocabulary, *vocabulary.chat_format(""),
                                      written(vocabulary, *vocabulary.chat_format(""), turns, {}).segments);
    CHECK(made.ids.front() == 1);  // "<|im_start|>" of that tokenizer
}

TEST_CASE("vocabulary: what is missing is named") {
    const Model model("chat_chatml");
    const std::string path = model.folder.path().string();
    const auto refused = [&](const char* chat) {
        return error_of([&] { (void)speech_of(open(model.folder.path()), chat); });
    };
    CHECK(has(refused("llama3"), path + ": names no beginning-of-text token, which the chat format llama3 needs"));
    model.write("tokenizer_config.json", R"({"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"})");
    CHECK(has(refused("llama3"), path + ": tokenizer.json has no token \"<|start_header_id|>\", which the chat format "
                                        "llama3 needs; choose another with --chat: plain, hydralora,"));
    CHECK(refused("zephyr").empty());
    CHECK(has(refused("chatlm"), "--chat: \"chatlm\" is unknown, expected one of: plain, hydralora,"));
    model.write("config.json", R"({"vocab_size": 100})");
    CHECK(has(error_of([&] { (void)open(model.folder.path()).encode("question"); }),
              ", but config.json has vocab_size = 100"));
    model.write("tokenizer_config.json", R"({"eos_token": "<|nothing|>"})");
    CHECK(has(refused(""), "tokenizer_config.json: \"eos_token\": \"<|nothing|>\" is no token of tokenizer.json"));
    model.write("tokenizer_config.json", "{}");
    CHECK(has(refused(""), path + ": names no end-of-text token"));
    model.write("tokenizer_config.json", R"({"chat_template": [{"name": "x"}]})");
    CHECK(has(refused(""), "\"chat_template[0].template\": expected a string"));
    model.write("tokenizer_config.json", R"([])");
    CHECK(has(refused(""), "tokenizer_config.json: expected an object"));
    std::filesystem::remove(model.folder / "tokenizer.json");
    CHECK(has(refused(""), path + ": has no tokenizer.json"));
}

TEST_CASE("vocabulary: a GGUF file's fields") {
    const Vocabulary whole = open(chatml_fields()), directory = open(golden("chat_chatml"));
    CHECK(whole.size() == 360);
    CHECK(whole.eos() == 2);
    CHECK(whole.start().empty());
    CHECK(whole.stops() == Ids{2, 0});  // the spelling of <|endoftext|> says that it ends a text
    CHECK(whole.stops(ChatFormat::chatml) == Ids{2, 0});
    REQUIRE(whole.chat_format("").has_value());
    CHECK(whole.chat_format("")->own()->place == "m.gguf: field \"tokenizer.chat_template\"");
    CHECK(whole.stops(whole.chat_format("")) == Ids{2, 0});
    for (const std::int32_t id : {0, 1, 2, 3, 100}) CHECK(whole.is_control(id) == directory.is_control(id));
    CHECK(whole.encode("<|im_end|> 12 a\n") == directory.encode("<|im_end|> 12 a\n"));
    CHECK(open(without(chatml_fields(), "tokenizer.chat_template")).chat_format("") == ChatFormat::hydralora);
    CHECK(open(without(chatml_fields(), "tokenizer.ggml.eos_token_id")).eos() == 2);  // as spelt

    GgufFields started = chatml_fields();
    started.emplace_back("tokenizer.ggml.bos_token_id", GgufScalar(std::uint32_t{1}));
    started.emplace_back("tokenizer.ggml.add_bos_token", GgufScalar(true));
    CHECK(open(started).start().size() == 1);

    CHECK(open(chatml_fields(), 400).size() == 400);
    CHECK(error_of([] { (void)open(chatml_fields(), 359); }) ==
          "m.gguf: field \"tokenizer.ggml.tokens\": expected at most 359 tokens, which is the rows of the embedding, "
          "found "
          "360");
    CHECK(has(error_of([&] { (void)speech_of(whole, "llama3"); }),
              "m.gguf: names no beginning-of-text token, which the chat format llama3 needs; set "
              "tokenizer.ggml.bos_token_id, or choose"));
    CHECK(has(error_of([&] { (void)speech_of(open(started), "llama3"); }),
              "m.gguf: tokenizer.ggml.tokens has no token \"<|start_header_id|>\""));
}

TEST_CASE("an example as people see it: what is trained in brackets, nothing that a terminal would obey") {
    const Vocabulary bytes;
    const auto shown = [&](const std::string& user, const std::string& assistant) {
        const Document d =
            document_of(bytes, ChatFormat::hydralora,
                        render(ChatFormat::hydralora, {{Speaker::user, user}, {Speaker::assistant, assistant}}));
        return masked_text(bytes, example_of(bytes, d, 0, d.ids.size() - 1));
    };
    const std::string end = "\u2039<|end_of_text|>\u203a";
    CHECK(shown("<|end_of_text|>", "b") == end + "<|end_of_text|>" + end + "[[b" + end + "]]");  // spelt, it is text
    CHECK(shown("a\n", "b") == end + "a\\n" + end + "[[b" + end + "]]");
    CHECK(shown("\x1b[31m", "\xe2\x80\xae\\") == end + "\\x1b[31m" + end + "[[\\xe2\\x80\\xae\\\\" + end + "]]");
    CHECK(shown("\xc3\xa9", "\xc2\x85\x7f") == end + "\xc3\xa9" + end + "[[\\xc2\\x85\\x7f" + end + "]]");
    CHECK(has(shown(std::string(600, 'a'), "b"), " ... 92 more tokens"));

    std::vector<Example> examples;
    for (const char* word : {"a", "b"}) {
        const Document d = document_of(bytes, word);
        examples.push_back(example_of(bytes, d, 0, d.ids.size() - 1));
    }
    const auto packed = pack(examples, Packing::documents, 8, {}, "d");
    REQUIRE(packed.size() == 1);
    const std::string text = masked_text(bytes, packed[0]);
    CHECK(has(text, "\n    and: " + end + "[["));
    CHECK(has(text, end + "[[a" + end + "]]"));
    CHECK(has(text, end + "[[b" + end + "]]"));
}

}  // namespace trainer_documents_test
