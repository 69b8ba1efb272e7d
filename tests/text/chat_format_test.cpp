// Chat formats against what Hugging Face transformers renders (golden/chat.json, made by golden/make_chat.py), and by hand.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/text/chat_format.hpp>

#include "support/message_of.hpp"

namespace text_chat_format_test {

using namespace hydralora;
using namespace hydralora::text;

namespace {

using Parts = std::vector<std::pair<std::string, bool>>;

std::string spelt(const Segment& segment, const std::string& bos, const std::string& eos) {
    if (segment.piece == Piece::bos) return bos;
    if (segment.piece == Piece::eos) return eos;
    return segment.text;
}

/// Texts with the loss on or off, neighbours of one kind joined.
Parts parts_of(const std::vector<Segment>& segments, const std::string& bos, const std::string& eos) {
    Parts parts;
    for (const Segment& segment : segments) {
        const bool trained = segment.loss == Loss::trained;
        const std::string words = spelt(segment, bos, eos);
        if (words.empty()) continue;
        if (parts.empty() || parts.back().second != trained)
            parts.emplace_back(words, trained);
        else
            parts.back().first += words;
    }
    return parts;
}

std::string text_of(const std::vector<Segment>& segments, const std::string& bos = "<s>",
                    const std::string& eos = "</s>") {
    std::string text;
    for (const Segment& segment : segments) text += spelt(segment, bos, eos);
    return text;
}

Conversation conversation_of(const io::JsonView& messages) {
    Conversation turns;
    for (std::size_t i = 0; i < messages.size(); ++i)
        turns.push_back({parse_enum<Speaker>("role", messages.element(i)["role"].string(), speaker_names),
                         messages.element(i)["content"].string()});
    return turns;
}

const Conversation question{{Speaker::user, "u"}}, pair{{Speaker::user, "u"}, {Speaker::assistant, "a"}};
const Conversation two{
    {Speaker::user, "u"}, {Speaker::assistant, "a"}, {Speaker::user, "v", "in"}, {Speaker::assistant, "b"}};

}  // namespace

TEST_CASE("chat formats: as transformers renders them, and what it trains") {
    const std::string path = HYDRALORA_TEST_DATA "/golden/chat.json";
    const io::Json document = io::read_json(path);
    const io::JsonView golden(document, path), cases = golden["cases"];
    REQUIRE(cases.size() >= 30);
    std::size_t rendered = 0, refused = 0, prompts = 0;
    for (const auto& [name, unused] : golden["tokens"].object()) {
        const auto format = parse_enum<ChatFormat>("format", name, chat_format_names);
        const std::string bos = golden["tokens"][name]["bos_token"].string();
        const std::string eos = golden["tokens"][name]["eos_token"].string();
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CAPTURE(name);
            CAPTURE(i);
            const Conversation turns = conversation_of(cases.element(i)["messages"]);
            const io::JsonView expected = cases.element(i)["rendered"][name];
            if (!expected["parts"].exists()) {
                CHECK_THROWS_AS((void)render(format, turns), Error);
                ++refused;
                continue;
            }
            Parts parts;
            for (std::size_t k = 0; k < expected["parts"].size(); ++k)
                parts.emplace_back(expected["parts"].element(k).element(0).string(),
                                   expected["parts"].element(k).element(1).boolean());
            CHECK(parts_of(render(format, turns), bos, eos) == parts);
            ++rendered;
            if (!expected["prompt"].exists()) continue;
            CHECK(text_of(render_prompt(format, turns), bos, eos) == expected["prompt"].string());
            ++prompts;
        }
    }
    CHECK((rendered == 140 && refused == 20 && prompts > 10));
}

TEST_CASE("chat formats: words are never control tokens, whatever they look like") {
    const std::string words = "<|im_end|> <|eot_id|> </s> [INST] <|user|>";
    for (std::size_t f = 0; f < chat_format_names.size(); ++f) {
        std::string texts;
        for (const Segment& s : render(static_cast<ChatFormat>(f), {{Speaker::user, words}}))
            if (s.piece == Piece::text) texts += s.text;
        CHECK(texts.find(words) != std::string::npos);
    }
}

TEST_CASE("hydralora: prompt and answer each end a text, loss on the answer and its end") {
    const std::vector<Segment> expected{{Piece::start, "", Loss::masked},
                                        {Piece::text, "u", Loss::masked},
                                        {Piece::eos, "", Loss::masked},
                                        {Piece::text, "a", Loss::trained},
                                        {Piece::eos, "", Loss::trained}};
    CHECK(render(ChatFormat::hydralora, pair) == expected);
    CHECK(text_of(render(ChatFormat::hydralora, two)) == "u</s>a</s>v\nin</s>b</s>");
    CHECK(text_of(render(ChatFormat::hydralora, {{Speaker::system, "s"}, {Speaker::user, "u"}})) == "s\nu</s>");
}

TEST_CASE("plain and alpaca") {
    CHECK(text_of(render(ChatFormat::plain, two)) == "u\na</s>v\nin\nb</s>");
    const std::string about =
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n";
    CHECK(parts_of(render(ChatFormat::alpaca, pair), "<s>", "</s>") ==
          Parts{{about + "### Instruction:\nu\n\n### Response:\n", false}, {"a</s>", true}});
    const std::string with_input = text_of(render(ChatFormat::alpaca, {{Speaker::user, "u", "in"}}));
    CHECK(with_input.find("paired with an input that provides further context") != std::string::npos);
    CHECK(with_input.find("### Instruction:\nu\n\n### Input:\nin\n\n### Response:\n") != std::string::npos);
    CHECK(text_of(render(ChatFormat::alpaca, two)) ==
          about +
              "### Instruction:\nu\n\n### Response:\na</s>\n\n### Instruction:\nv\n\n### Input:\nin\n\n### "
              "Response:\nb</s>");
    CHECK(text_of(render(ChatFormat::alpaca, {{Speaker::system, "s"}, {Speaker::user, "u"}})) ==
          "s\n\n### Instruction:\nu\n\n### Response:\n");
}

TEST_CASE("chat formats: a prompt is what stands before the answer, and the answer ends with the end of turn") {
    for (std::size_t f = 0; f < chat_format_names.size(); ++f) {
        const auto format = static_cast<ChatFormat>(f);
        const auto whole = render(format, pair);
        std::string before;
        std::vector<Segment> trained;
        for (const Segment& s : whole) {
            if (s.loss == Loss::trained) trained.push_back(s);
            if (trained.empty()) before += spelt(s, "<s>", "</s>");
        }
        CHECK(text_of(render_prompt(format, question)) == before);
        REQUIRE(!trained.empty());
        CHECK(trained.back() == end_of_turn(format));
    }
}

TEST_CASE("chat formats: what a format has no place for is named") {
    const auto message = [](ChatFormat format, const Conversation& turns) {
        return test::message_of([&] { (void)render(format, turns); });
    };
    CHECK(message(ChatFormat::chatml, {}) == "expected a conversation of at least one turn, found none");
    CHECK(message(ChatFormat::llama2, {{Speaker::user, "a"}, {Speaker::user, "b"}}) ==
          "turn 2 is of user: the chat format llama2 takes user and assistant by turns, user first, and expected "
          "assistant here; join turns of one speaker, or use chatml, llama3 or zephyr");
    CHECK(message(ChatFormat::mistral, {{Speaker::user, "a"}, {Speaker::system, "b"}}) ==
          "turn 2 is of system: the chat format mistral takes a system prompt as the first turn only");
    CHECK(message(ChatFormat::hydralora, {{Speaker::system, "b"}}) ==
          "the chat format hydralora writes a system prompt into the user's first turn: expected one, found only the "
          "system prompt");
    CHECK(message(ChatFormat::zephyr, {{Speaker::tool, "b"}}) ==
          "turn 1 is of tool: the chat format zephyr has no place for it; chatml has, or leave the conversation out");
    CHECK(test::message_of([] { (void)render_prompt(ChatFormat::chatml, pair); }) ==
          "expected a conversation that ends before the assistant speaks, found one that ends with it");
}

TEST_CASE("chat templates are recognised by their marks, or not at all") {
    const auto recognised = [](std::string_view text) { return recognise_chat_template(text); };
    CHECK(recognised("{{'<|im_start|>' + m['role'] + m['content'] + '<|im_end|>'}}") == ChatFormat::chatml);
    CHECK(recognised("{{ '<|start_header_id|>' }}{{ '<|eot_id|>' }}") == ChatFormat::llama3);
    CHECK(recognised("{{ '[INST] <<SYS>>' + eos_token }}") == ChatFormat::llama2);
    CHECK(recognised("{{ bos_token + '[INST] ' + eos_token }}") == ChatFormat::mistral);
    CHECK(recognised("{{ '<|user|>' + m + eos_token }}{{ '<|assistant|>' }}") == ChatFormat::zephyr);
    CHECK(recognised("### Instruction: {{ m }} ### Response:") == ChatFormat::alpaca);
    for (const char* other : {"", "{{ messages }}", "<start_of_turn>user", "<|im_start|>user<|im_sep|> <|im_end|>",
                              "<|user|> <|end|> <|assistant|> eos_token", "[SYSTEM_PROMPT] [INST]", "<|header_start|>",
                              "<|im_start|> <|im_end|> [INST]", "<|im_start|>"})
        CHECK(!recognised(other));
}

TEST_CASE("white space around a text") {
    CHECK(without_outer_space(" \t\n\v\f\r\x1c\x1f x y \xc2\x85\xc2\xa0\xe3\x80\x80\xe2\x80\xa8") == "x y");
    CHECK(without_outer_space("\xe2\x80\x8b") == "\xe2\x80\x8b");  // U+200B joins and separates nothing
    CHECK(without_outer_space("").empty());
    CHECK(without_outer_space(" \xe2\x80\x80\xe2\x80\x8a ").empty());
    CHECK(without_outer_space("\x80") == "\x80");
}

}  // namespace text_chat_format_test
