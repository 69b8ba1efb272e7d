// Templates against what Hugging Face transformers renders of them (golden/templates.json, made by
// golden/make_templates.py), what is trained where a template marks nothing, and what is refused.
#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/text/chat_template.hpp>
#include <hydralora/text/format_templates.hpp>

#include "support/message_of.hpp"

namespace text_chat_template_test {

using namespace hydralora;
using namespace hydralora::text;

namespace {

const std::string golden_path = HYDRALORA_TEST_DATA "/golden/templates.json";

jinja::Text rendered(std::string_view source, const io::Json& variables = io::Json::object(),
                     const jinja::Limits& limits = {}) {
    const jinja::NodePtr tree = jinja::parse(source, limits);
    jinja::Evaluator evaluator(limits, {});
    jinja::Names values;
    for (const auto& [name, value] : *variables.get_if<io::Json::Object>())
        values.set(evaluator.context(), name, jinja::from_json(evaluator.context(), value, 1));
    return evaluator.render(*tree, std::move(values));
}

using Spans = std::vector<std::pair<std::size_t, std::size_t>>;

/// Adds [begin, end), joined with a neighbour.
void add_span(Spans& spans, std::size_t begin, std::size_t end) {
    if (!spans.empty() && spans.back().second == begin)
        spans.back().second = end;
    else
        spans.emplace_back(begin, end);
}

/// What is marked as generated.
Spans marked(const jinja::Text& text) {
    Spans spans;
    text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
        if ((origin & jinja::generated) != 0) add_span(spans, begin, end);
    });
    return spans;
}

void check_rendered(const jinja::Text& text, const io::JsonView& expected) {
    CHECK(text.bytes() == expected["text"].string());
    Spans spans;
    for (std::size_t k = 0; k < expected["generated"].size(); ++k) {
        const io::JsonView span = expected["generated"].element(k);
        const auto bound = [&](std::size_t i) { return static_cast<std::size_t>(span.element(i).integer(0, 1 << 20)); };
        add_span(spans, bound(0), bound(1));
    }
    CHECK(marked(text) == spans);
}

Conversation conversation_of(const io::JsonView& messages) {
    Conversation turns;
    for (std::size_t i = 0; i < messages.size(); ++i)
        turns.push_back({parse_enum<Speaker>("role", messages.element(i)["role"].string(), speaker_names),
                         messages.element(i)["content"].string()});
    return turns;
}

std::string refusal(std::string_view source, const jinja::Limits& limits = {}) {
    return test::message_of([&] { (void)rendered(source, io::Json::object(), limits); });
}

/// The text with what is trained in brackets.
std::string with_brackets(const RenderedChat& chat) {
    std::string text = chat.text.bytes();
    const auto spans = marked(chat.text);
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
        text.insert(span->second, "]");
        text.insert(span->first, "[");
    }
    return text;
}

constexpr Speaker S = Speaker::system, U = Speaker::user, A = Speaker::assistant, T = Speaker::tool;

}  // namespace

TEST_CASE("templates: each feature as transformers renders it") {
    const io::Json document = io::read_json(golden_path);
    const io::JsonView golden(document, golden_path), small = golden["small"];
    const io::Json& variables = *document.find("variables");
    REQUIRE(small.size() > 90);
    std::size_t refused = 0;
    for (std::size_t i = 0; i < small.size(); ++i) {
        const std::string& source = small.element(i)["template"].string();
        CAPTURE(source);
        const io::JsonView expected = small.element(i)["rendered"];
        if (expected.exists()) {
            check_rendered(rendered(source, variables), expected);
        } else {
            CHECK_THROWS_AS((void)rendered(source, variables), jinja::TemplateError);
            ++refused;
        }
    }
    CHECK(refused > 20);
}

TEST_CASE("templates: conversations as transformers renders them") {
    const io::Json document = io::read_json(golden_path);
    const io::JsonView golden(document, golden_path), cases = golden["conversations"];
    TemplateOptions options;
    for (const auto& [name, unused] : golden["tokens"].object())
        options.tokens.emplace_back(name, golden["tokens"][name].string());
    std::size_t same = 0, refused = 0;
    for (const auto& [name, unused] : golden["templates"].object()) {
        CAPTURE(name);
        const ChatTemplate chat(golden["templates"][name].string(), options);
        CHECK(chat.marks_generation() == (name == "generation_blocks"));
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CAPTURE(i);
            const io::JsonView each = cases.element(i), expected = each["rendered"][name];
            const Conversation turns = conversation_of(each["messages"]);
            const Ending ending = each["add_generation_prompt"].boolean() ? Ending::for_assistant : Ending::as_it_is;
            const io::Json& tools = *document.find("conversations")->get_if<io::Json::Array>()->at(i).find("tools");
            if (!expected.exists()) {
                CHECK_THROWS_AS((void)chat.text(turns, ending, tools), jinja::TemplateError);
                ++refused;
                continue;
            }
            check_rendered(chat.text(turns, ending, tools), expected);
            if (ending == Ending::as_it_is)
                CHECK(chat.conversation(turns, tools).text.bytes() == expected["text"].string());
            ++same;
        }
    }
    CHECK((same > 100 && refused > 0));
}

TEST_CASE("templates: what is trained where nothing is marked") {
    const ChatTemplate chatml(
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content + '<end>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}");
    CHECK(with_brackets(chatml.conversation({{U, "a"}, {A, "b"}, {U, "c"}, {A, "d"}})) ==
          "<user>a<end>\n<assistant>[b<end>]\n<user>c<end>\n<assistant>[d<end>]\n");
    CHECK(with_brackets(chatml.conversation({{U, "a"}, {A, ""}})) == "<user>a<end>\n<assistant>[<end>]\n");
    CHECK(with_brackets(chatml.conversation({{A, "a"}, {U, "b"}})) == "<assistant>[a<end>]\n<user>b<end>\n");
    CHECK(chatml.end_of_turn() == "<end>");

    // The words begin as the prompt ends, and a prompt may open a thought that is left out later.
    const ChatTemplate opens(
        "{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' and loop.last %}"
        "{{ '<t></t>' }}{% endif %}{{ m.content.split('</t>')[-1] + '<end>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant><t>' }}{% endif %}");
    CHECK(with_brackets(opens.conversation({{U, "a"}, {A, "<t>b"}, {U, "c"}, {A, "x</t>d"}})) ==
          "<user>a<end><assistant>[<t>b<end>]<user>c<end><assistant><t>[</t>d<end>]");

    // Without a prompt of its own, a turn begins where the one before ends; white space of it is trained.
    const ChatTemplate inst(
        "{% for m in messages %}{% if m.role == 'user' %}{{ '[I] ' + m.content + ' [/I]' }}{% else %}"
        "{{ ' ' + m.content + ' </s>' }}{% endif %}{% endfor %}");
    CHECK(with_brackets(inst.conversation({{U, "a"}, {A, "b"}, {U, "c"}, {A, "d"}})) ==
          "[I] a [/I][ b </s>][I] c [/I][ d </s>]");
    CHECK(inst.end_of_turn() == " </s>");

    // A system prompt that moves with the last turn of the user.
    const ChatTemplate moving(
        "{% for m in messages %}{% if m.role == 'user' %}{{ '[I]' }}{% if loop.last or loop.nextitem is "
        "defined and loop.index + 1 == loop.length %}{{ 'SYS ' }}{% endif %}{{ m.content + '[/I]' }}"
        "{% else %}{{ m.content + '</s>' }}{% endif %}{% endfor %}");
    CHECK(with_brackets(moving.conversation({{U, "a"}, {A, "b"}, {U, "c"}, {A, "d"}})) ==
          "[I]a[/I][b</s>][I]SYS c[/I][d</s>]");

    // Where white space alone ends a turn, it is trained.
    const ChatTemplate lines("{% for m in messages %}{{ m.content + '\n\n' }}{% endfor %}");
    CHECK(with_brackets(lines.conversation({{U, "a"}, {A, "b"}})) == "a\n\n[b\n\n]");
}

TEST_CASE("templates: turns that are not written are told of") {
    const ChatTemplate some(
        "{% for m in messages %}{% if m.role != 'system' and m.role != 'tool' %}{{ m.content }}."
        "{% endif %}{% endfor %}");
    const RenderedChat chat = some.conversation({{S, "s"}, {U, "u"}, {T, " "}, {T, "t"}, {A, "a"}});
    CHECK(with_brackets(chat) == "u.[a.]");
    CHECK(chat.unwritten == std::vector<std::size_t>{0, 3});
    CHECK(chat.untrained.empty());
    const ChatTemplate marked_late(
        "{% for m in messages %}{% if loop.last %}{% generation %}{{ m.content }}"
        "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}");
    CHECK(marked_late.conversation({{U, "u"}, {A, "a"}, {U, "v"}, {A, "b"}}).untrained == std::vector<std::size_t>{1});
}

TEST_CASE("templates: what a turn says stays its own") {
    const auto origins = [](const jinja::Text& text) {
        std::string result;
        text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
            result += std::to_string(jinja::source_of(origin)) + ":" + text.bytes().substr(begin, end - begin) + "|";
        });
        return result;
    };
    const auto of = [&](const std::string& expression, const std::string& content) {
        return origins(ChatTemplate("{{ " + expression + " }}").text(Conversation{{U, content}}, Ending::as_it_is));
    };
    CHECK(of("'<s>' + messages[0].content + '</s>'", "<s>") == "0:<s>|1:<s>|0:</s>|");
    CHECK(of("messages[0].content | trim | upper", " <s>a ") == "1:<S>A|");
    CHECK(of("messages[0].content.split(',')[1] ~ messages[0].content[-1]", "a,<s>,b") == "1:<s>b|");
    CHECK(of("messages[0].content | replace('x', '<s>')", "axb") == "1:a|0:<s>|1:b|");
    CHECK(of("messages[0] | tojson", "\"<s>") == "0:{\"role\": \"user\", \"content\": \"|1:\\\"<s>|0:\"}|");
    CHECK(of("messages[0].content | indent(2)", "a\nb") == "1:a\n|0:  |1:b|");
    CHECK(of("[messages[0].content, '<s>']", "<s>") == "0:['|1:<s>|0:', '<s>']|");
    CHECK(of("'%s-{}' % messages[0].content", "<s>") == "1:<s>|0:-{}|");
    CHECK(of("messages[0].content | list | join('-')", "ab") == "1:a|0:-|1:b|");
}

TEST_CASE("templates: errors name the place, what is not known and what was found") {
    CHECK(refusal("a\n {{ 'x' | nofilter }}") == "line 2, column 11: the filter nofilter is not known here");
    CHECK(refusal("{{ 'x' is notest }}") == "line 1, column 8: the test notest is not known here");
    CHECK(refusal("{{ 'a'.center(3) }}") == "line 1, column 14: the method center of a text is not known here");
    CHECK(refusal("{% include 'x' %}") ==
          "line 1, column 4: {% include %} is of templates in several files; a model's template is one");
    CHECK(refusal("{% trans %}") == "line 1, column 4: the block {% trans %} is not known here");
    CHECK(refusal("{{ f(1) }}") == "line 1, column 5: expected a function to call, found \"f\" is undefined");
    CHECK(refusal("\n\n{{ x.y }}") == "line 3, column 5: \"x\" is undefined, so it has no \"y\"");
    CHECK(refusal("{{ [].append(1) }}") ==
          "line 1, column 13: the method append changes a list, which a template may not");
    CHECK(refusal("{{ raise_exception('no <b>\n') }}") == "line 1, column 19: the template refuses: \"no <b>\\x0a\"");
    CHECK(refusal("{% if true %}") == "line 1, column 14: expected {% endif %}, found the end of the template");
    CHECK(refusal("{{ 1 + }}") == "line 1, column 8: expected an expression, found }}");
    CHECK(refusal("{{ 'a' + 1 }}") == "line 1, column 8: expected two values that + takes, found str and int");
    CHECK(refusal("{{ 9223372036854775807 + 1 }}") == "line 1, column 24: a whole number grows beyond 64 bits");
    CHECK(refusal("{{ '\xc3\xa9' | upper }}") ==
          "line 1, column 11: upper: only letters of ASCII have capital and small forms here");
}

TEST_CASE("templates: what they may cost is bounded") {
    const auto over = [](std::string_view message, std::string_view words) {
        return message.find(words) != std::string_view::npos;
    };
    const std::string loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    CHECK(over(refusal(loops), "steps"));
    CHECK(over(refusal("{% set n = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}"
                       "{% endfor %}"),
               "bytes of text"));
    CHECK(over(refusal("{{ 'ab' * 4611686018427387904 }}"), "bytes of text"));
    CHECK(over(refusal("{{ [1] * 9223372036854775807 }}"), "steps"));
    CHECK(over(refusal("{{ range(100001) | list }}"), "at most 100000 numbers"));
    CHECK(over(refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "macros call each other more than 40 deep"));
    CHECK(over(refusal("{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}"),
               "values are nested more than 120 deep"));
    CHECK(over(refusal("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"),
               "the template is nested more than 120 deep"));
    std::string wide = "{{ 1";
    for (int i = 0; i < 5000; ++i) wide += " + 1";
    CHECK(over(refusal(wide + " }}"), "the template is nested more than 120 deep"));
    CHECK(over(refusal("{% for i in range(99) %}x{% endfor %}", {.output = 50}), "writes more than 50 bytes"));
    CHECK(over(refusal("12345", {.template_bytes = 4}), "expected a template of at most 4 bytes, found 5"));
    // A name that holds itself costs nothing and is not lost.
    CHECK(rendered("{% set n = namespace() %}{% set n.me = n %}{% for i in [1] %}{% set n.l = loop %}{% macro m() %}"
                   "{{ i }}{% endmacro %}{% set n.m = m %}{% endfor %}{{ n.m() }}{{ n.l.index }}")
              .bytes() == "11");
}

TEST_CASE("templates: no operation costs more than is counted") {
    const auto times = [](int n, const std::string& inner) {
        return "{% for i in range(" + std::to_string(n) + ") %}" + inner + "{% endfor %}";
    };
    const auto check_over = [](const std::string& source, const jinja::Limits& limits, std::string_view word) {
        CAPTURE(source.substr(0, 200));
        const std::string message = refusal(source, limits);
        CHECK(message.find("the template ") != std::string::npos);
        CHECK(message.find(word) != std::string::npos);
    };
    // Memory: what is made counts, whether it is new or a copy, and where its bytes come from counts with them.
    const std::string bytes = "bytes of text", long_text = "{% set t = 'a' * 5000 %}";
    const jinja::Limits few_bytes{.bytes = 60000};
    for (const char* each : {"t.removeprefix('b')", "t.removesuffix('a')", "'' | indent(5000 * ' ', true)", "t | e",
                             "t | safe", "([1] * 20) | tojson(separators=(t, ':'))", "1 | tojson(separators=(t, t))",
                             "1 | tojson(indent=t)", "'' | indent(t)", "namespace({t: 1})", "'b' | replace('b', t)"})
        check_over(long_text + times(20, "{% set x = " + std::string(each) + " %}"), few_bytes, bytes);
    const auto doubled = [](const std::string& start) {
        return "{% set n = namespace(x=" + start + ") %}{% for i in range(10) %}{% set n.x = n.x + n.x %}{% endfor %}";
    };
    const auto origins = [&](const std::string& source) {
        return test::message_of([&] { (void)rendered(source, io::Json::object({{"said", "b"}}), {.bytes = 30000}); });
    };
    CHECK(origins(doubled("'ab'")) == "no error");
    CHECK(origins(doubled("'a' ~ said")).find(bytes) != std::string::npos);

    // Time: what is looked through counts.
    const std::string steps = "steps", digits = "{% set t = '1' * 16000 %}";
    const jinja::Limits few_steps{.steps = 30000};
    for (const char* each : {"t.isdigit()",
                             "t.isupper()",
                             "t is lower",
                             "t | int",
                             "t | float",
                             "t.format()",
                             "t % ()",
                             "t | upper",
                             "[1] | map(attribute=t) | list",
                             "[] | select(t) | list",
                             "[] | map(t) | list",
                             "{} | attr(t)",
                             "namespace() | attr(t)",
                             "t.strip('a')",
                             "t.find('2')",
                             "t.rfind('2')",
                             "t.count('2')",
                             "t.split('2')",
                             "t.rsplit('2')",
                             "t.partition('2')",
                             "t.rpartition('2')",
                             "t.replace('2', '')",
                             "'2' in t",
                             "t.startswith(t)",
                             "t.index('1')"})
        check_over(digits + times(200, "{% set x = " + std::string(each) + " %}"), few_steps, steps);
    const std::string nearly = digits + "{% set p = '1' * 8000 ~ '2' %}";
    for (const char* each : {"t.find(p)", "t.rfind(p)", "t.count(p)", "t.split(p)", "t.rsplit(p)", "t.partition(p)",
                             "t.replace(p, '')", "p in t"})
        check_over(nearly + times(10, "{% set x = " + std::string(each) + " %}"), few_steps, steps);
    check_over("{{ ('b' * 5000).strip('" + std::string(1000, 'c') + "b') }}", {.steps = 100000}, steps);
    check_over("{{ 'a'.startswith(('b',) * 13000) }}", few_steps, steps);
    std::string names, members = "{% set n = namespace() %}", parameters, arguments;
    for (int i = 0; i < 1000; ++i) {
        names += "{% set a" + std::to_string(i) + " = 1 %}";
        members += "{% set n.a" + std::to_string(i) + " = 1 %}";
        parameters += (i == 0 ? "a" : ", a") + std::to_string(i);
        arguments += (i == 0 ? "a" : ", a") + std::to_string(i) + "=1";
    }
    check_over(names, few_steps, steps);
    check_over(names + times(1000, "{{ a999 }}"), {.steps = 150000}, steps);
    check_over(members, few_steps, steps);
    check_over("{% macro m(" + parameters + ") %}{% endmacro %}{{ m(" + arguments + ") }}", few_steps, steps);
    std::string fields;
    for (int i = 0; i < 300; ++i) fields += "{a999}";
    check_over("{{ '" + fields + "'.format(" + arguments + ") }}", few_steps, steps);
    CHECK(refusal("{{ " + std::string(257, 'a') + " }}") ==
          "line 1, column 4: expected a name of at most 256 bytes, found 257");
    // How deep a loop's items are is not looked for again where the loop itself is an item.
    CHECK(rendered(
              "{% set n = namespace() %}{% for i in range(20000) %}{% if loop.first %}{% set n.l = loop %}{% endif %}"
              "{% endfor %}{{ ([n.l] * 20000) | length }}")
              .bytes() == "20000");
}

TEST_CASE("templates: what leaves a loop, as Jinja has it") {
    // Rendered by jinja2 3.1.6 with the blocks of transformers.
    const auto text = [](const char* source) { return rendered(source).bytes(); };
    CHECK(text("{% for i in [1, 2] %}{{ i }}{% for j in [] %}{% else %}{% break %}{% endfor %}x{% endfor %}") == "1");
    CHECK(text("{% for i in [1, 2] %}{{ i }}{% for j in [] %}{% else %}{% continue %}{% endfor %}x{% endfor %}") ==
          "12");
    CHECK(
        text("{% for i in [1, 2] %}{{ i }}{% for j in [1] if j > 3 %}{% else %}{% set q = 1 %}{% break %}{% endfor %}x"
             "{% endfor %}{{ q }}") == "1");
    CHECK(text("{% for i in [1, 2] %}{% set s %}a{% break %}b{% endset %}{{ s }}|{% endfor %}after") == "after");
    CHECK(text("{% set s = 'old' %}{% for i in [1, 2] %}{% set s %}a{% if i == 2 %}{% continue %}{% endif %}b"
               "{% endset %}{{ s }}|{% endfor %}{{ s }}") == "ab|old");
    CHECK(text("{% for i in [1, 2] %}x{% filter upper %}a{% break %}b{% endfilter %}|{% endfor %}after") == "xafter");
    CHECK(text("{% for i in [1, 2] %}x{% filter upper %}a{% continue %}b{% endfilter %}|{% endfor %}after") ==
          "xxafter");
    CHECK(text("{% for i in [1, 2] %}x{% with a = 1 %}a{% break %}b{% endwith %}|{% endfor %}after") == "xaafter");
    // A generation block is a function of its own.
    CHECK(refusal("{% for i in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}") ==
          "line 1, column 38: break stands outside of a loop");
    CHECK(refusal("{% for j in [] %}{% else %}{% break %}{% endfor %}") ==
          "line 1, column 31: break stands outside of a loop");
}

TEST_CASE("templates: markup stays markup, as Jinja has it") {
    // Rendered by jinja2 3.1.6.
    const auto text = [](const std::string& source) { return rendered(source).bytes(); };
    CHECK(text("{{ '<' | e | e }}{{ '<' | safe | e }}") == "&lt;<");
    const std::pair<const char*, bool> cases[] = {{"'<' | e", true},
                                                  {"'<'", false},
                                                  {"nothing", false},
                                                  {"'<' | safe | string", true},
                                                  {"'<' | safe | trim", true},
                                                  {"'a' | safe | upper", true},
                                                  {"'a' | safe | title", false},
                                                  {"('a' | safe).title()", true},
                                                  {"'a' | safe | capitalize", true},
                                                  {"'a' | safe | replace('a', 'b')", false},
                                                  {"('a' | safe).replace('a', 'b')", true},
                                                  {"'a' | safe | indent", true},
                                                  {"'<' | safe ~ 'x'", false},
                                                  {"('<' | safe) + 'x'", true},
                                                  {"('<' | safe) * 2", true},
                                                  {"('ab' | safe)[0]", true},
                                                  {"('ab' | safe)[::-1]", true},
                                                  {"'ab' | safe | first", false},
                                                  {"('a b' | safe).split()[0]", true},
                                                  {"('ab' | safe).removeprefix('a')", true},
                                                  {"('ab' | safe).removesuffix('q')", true},
                                                  {"(',' | safe).join(['<'])", true},
                                                  {"['<'] | join(',' | safe)", false},
                                                  {"'abc' | safe | trim('a')", true},
                                                  {"5 | safe", true},
                                                  {"5 | string", false}};
    for (const auto& [value, escaped] : cases) {
        CAPTURE(value);
        CHECK(text("{{ (" + std::string(value) + ") is escaped }}") == (escaped ? "True" : "False"));
    }
    CHECK(text("{{ ('a b' | safe).replace('a', '<') }}{{ (',' | safe).join(['<', '>' | safe]) }}") == "&lt; b&lt;,>");
    CHECK(text("{{ ('%s' | safe) % '<' }}{{ ('{}' | safe).format('<') }}{{ '%s' | safe | format('<') }}") ==
          "&lt;&lt;&lt;");
    CHECK(text("{{ ['<' | e, \"it's\" | safe] }}{{ ('<' | safe) ~ '<' }}") == "[Markup('&lt;'), Markup(\"it's\")]<<");
    CHECK(text("{% set y | safe %}<{% endset %}{{ y is escaped }}{% set y %}<{% endset %}{{ y is escaped }}") ==
          "TrueFalse");
}

TEST_CASE("templates: starts and ends are texts or tuples of them, as Python has it") {
    CHECK(rendered("{{ 'a'.startswith(('a', 1)) }}{{ 'ab'.endswith(('x', 'b')) }}").bytes() == "TrueTrue");
    CHECK(refusal("{{ 'a'.startswith(['a']) }}") == "line 1, column 18: startswith: expected a text, found list");
    CHECK(refusal("{{ 'a'.startswith(('b', ('a',))) }}") ==
          "line 1, column 18: startswith: expected a text, found tuple");
}

TEST_CASE("templates: the date is the one that is given") {
    TemplateOptions options;
    options.now.tm_year = 125;
    options.now.tm_mon = 5;
    options.now.tm_mday = 7;
    CHECK(ChatTemplate("{{ strftime_now('%d %b %Y') }}", options).text({}, Ending::as_it_is).bytes() == "07 Jun 2025");
}

TEST_CASE("templates: those of the built-in formats write what the formats write") {
    const std::string path = HYDRALORA_TEST_DATA "/golden/chat.json";
    const io::Json document = io::read_json(path);
    const io::JsonView cases = io::JsonView(document, path)["cases"];
    const FormatSpellings spellings{"<start>", "<it's>", "<\\e>"};
    const auto spelt = [&](const std::vector<Segment>& segments) {
        std::string text;
        for (const Segment& s : segments)
            text += s.piece == Piece::start ? spellings.start
                    : s.piece == Piece::bos ? spellings.bos
                    : s.piece == Piece::eos ? spellings.eos
                                            : s.text;
        return text;
    };
    const auto or_none = [](auto&& make) {
        try {
            return std::optional<std::string>(make());
        } catch (const Error&) {
            return std::optional<std::string>();
        }
    };
    // Thoughts, which chatml alone has a place for; those before the last question it leaves out, where `render` refuses.
    Conversation thought{{U, "q"}, {A, "a"}, {T, "7"}, {A, "b"}};
    thought[1].reasoning = "\n\nwhy\n";
    thought[3].reasoning = "so";
    const ChatTemplate chatml(chat_template_of(ChatFormat::chatml, spellings));
    const std::string expected_thoughts =
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\nwhy\n</think>\n\na<|im_end|>\n"
        "<|im_start|>tool\n7<|im_end|>\n<|im_start|>assistant\n<think>\nso\n</think>\n\nb<|im_end|>\n";
    CHECK(chatml.text(thought, Ending::as_it_is).bytes() == expected_thoughts);
    CHECK(spelt(render(ChatFormat::chatml, thought)) == expected_thoughts);
    thought.push_back({U, "r"});
    CHECK(chatml.text(thought, Ending::as_it_is).bytes().find("think") == std::string::npos);

    for (std::size_t f = 0; f < chat_format_names.size(); ++f) {
        const auto format = static_cast<ChatFormat>(f);
        const ChatTemplate own(chat_template_of(format, spellings));
        std::size_t written = 0;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CAPTURE(chat_format_names[f]);
            CAPTURE(i);
            const Conversation turns = conversation_of(cases.element(i)["messages"]);
            const auto expected = or_none([&] { return spelt(render(format, turns)); });
            if (!expected && turns.size() == 1) continue;  // a system prompt alone, which templates write nothing of
            CHECK(or_none([&] { return own.text(turns, Ending::as_it_is).bytes(); }) == expected);
            written += expected ? 1 : 0;
            if (!expected || turns.back().speaker == A) continue;
            CHECK(own.text(turns, Ending::for_assistant).bytes() == spelt(render_prompt(format, turns)));
        }
        CHECK(written > 20);
    }
}

TEST_CASE(
    "templates: thoughts, calls and ids are handed on; what is nowhere written is told; masked turns are not trained") {
    const ChatTemplate chat(
        "{% for m in messages %}{% if m.reasoning_content %}<{{ m.reasoning_content }}>{% endif %}{{ m.content }}"
        "{% for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments.n }}]{% endfor %}"
        "{% if m.tool_call_id %}={{ m.name }}:{{ m.tool_call_id }}{% endif %}|{% endfor %}");
    Conversation turns{
        {Speaker::user, "q"}, {Speaker::assistant, "a"}, {Speaker::tool, "7"}, {Speaker::assistant, "b"}};
    turns[1].reasoning = "why";
    turns[1].tool_calls = R"({"id": "x1", "function": {"name": "f", "arguments": {"n": 3}}})";
    turns[2].name = "f";
    turns[2].call = "x1";
    const auto trained = [&] {
        const RenderedChat made = chat.conversation(turns);
        std::string text;
        made.text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
            if ((origin & jinja::generated) != 0) text += made.text.bytes().substr(begin, end - begin);
        });
        return text;
    };
    CHECK(chat.conversation(turns).text.bytes() == "q|<why>a[f 3]|7=f:x1|b|");
    CHECK(chat.conversation(turns).unwritten.empty());
    CHECK(trained() == "<why>a[f 3]|b|");
    turns[1].loss = Loss::masked;
    CHECK(trained() == "b|");
    CHECK(chat.conversation(turns).untrained.empty());

    const ChatTemplate words("{% for m in messages %}{{ m.content }}|{% endfor %}");
    CHECK(words.conversation(turns).unwritten == std::vector<std::size_t>{1, 1});  // the thought and the call
    const ChatTemplate marking("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");
    CHECK(test::message_of([&] { static_cast<void>(marking.conversation(turns)); }).find("turn 2 is masked") == 0);
}

namespace {

std::string trained_of(const char* source, const Conversation& turns) {
    const RenderedChat made = ChatTemplate(source).conversation(turns);
    std::string text;
    made.text.each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
        if ((origin & jinja::generated) != 0) text += made.text.bytes().substr(begin, end - begin);
    });
    return text;
}

}  // namespace

TEST_CASE("templates that write earlier turns in another way for the prompt: no other's words are trained") {
    CHECK(trained_of(
              "{% for m in messages %}{% if m.role == 'user' %}[I] {% if loop.last %}SYS {% endif %}{{ m.content }}[/I]"
              "{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
              {{Speaker::user, "code"}, {Speaker::assistant, "yo"}}) == " yo</s>");
    const char* asked = "{% if add_generation_prompt %}<assistant>{% endif %}";
    const std::string each = "<{{ m.role }}>{{ m.content }}{% endfor %}";
    const std::string counts = "Turns: {{ messages|length }} {% for m in messages %}" + each + asked;
    CHECK(trained_of(counts.c_str(), {{Speaker::user, "secret"}, {Speaker::assistant, "yo"}}) == "yo");
    const std::string window = "{% for m in messages[-2:] %}" + each + asked;
    CHECK(trained_of(
              window.c_str(),
              {{Speaker::user, "a"}, {Speaker::assistant, "b"}, {Speaker::user, "c"}, {Speaker::assistant, "d"}}) ==
          "d");
}

TEST_CASE("templates that mark what is trained: turns that are masked are read alone") {
    const char* marks =
        "{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}{% else %}<a>{% generation %}{{ m.content "
        "}};"
        "{% endgeneration %}{% endif %}{% endfor %}";
    Conversation turns{
        {Speaker::user, "1"}, {Speaker::assistant, "bad"}, {Speaker::user, "2"}, {Speaker::assistant, "good"}};
    CHECK(trained_of(marks, turns) == "bad;good;");
    turns[1].loss = Loss::masked;
    CHECK(trained_of(marks, turns) == "good;");
    CHECK(ChatTemplate(marks).conversation(turns).text.bytes() == "<u>1<a>bad;<u>2<a>good;");
    CHECK(ChatTemplate(marks).conversation(turns).untrained.empty());
}

TEST_CASE("templates are told a turn's own name of its role") {
    Conversation turns{{Speaker::system, "s"}, {Speaker::user, "q"}};
    const ChatTemplate chat("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}");
    CHECK(chat.text(turns, Ending::as_it_is).bytes() == "<system>s<user>q");
    turns[0].role = "developer";
    CHECK(chat.text(turns, Ending::as_it_is).bytes() == "<developer>s<user>q");
}

TEST_CASE("templates: what is read, and what is not") {
    const auto tools = io::Json::array({io::Json::object({{"name", "f"}})});
    Conversation turns{{U, "q"}, {A, "a"}};
    const auto made = [&](const char* source) { return ChatTemplate(source).conversation(turns, tools); };
    const std::string words = "{% for m in messages %}{{ m.content }}|{% endfor %}";
    CHECK(made(words.c_str()).tools_unwritten);
    CHECK(!ChatTemplate(words).conversation(turns).tools_unwritten);
    CHECK(!ChatTemplate(words).conversation(turns, io::Json::array()).tools_unwritten);
    CHECK(!made(("{{ tools | tojson }}" + words).c_str()).tools_unwritten);
    CHECK(!made(("{% if tools %}T{% endif %}" + words).c_str()).tools_unwritten);
    // What refuses to do without has looked.
    const std::string refuses = "{% if not tools %}{{ raise_exception('no tools') }}{% endif %}" + words;
    CHECK(!made(refuses.c_str()).tools_unwritten);
    turns[1].reasoning = "why";
    turns[1].tool_calls = R"([{"function": {"name": "f", "arguments": {}}}])";
    CHECK(made("{% for m in messages %}{{ m.reasoning_content + m.content if m.role == 'assistant' else m.content }}|"
               "{% endfor %}")
              .unwritten == std::vector<std::size_t>{1});  // the call alone
    CHECK(made("{% for m in messages %}{{ m.tool_calls[0].function.name if m.role == 'assistant' }}"
               "{{ m.reasoning_content }}{{ m.content }}|{% endfor %}")
              .unwritten.empty());
    CHECK(made("{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' and not m.thinking %}"
               "{{ raise_exception('think') }}{% endif %}|{% endfor %}")
              .unwritten == std::vector<std::size_t>{1});
    CHECK(test::message_of([&] {
              turns[1].tool_calls = R"({"n": 18446744073709551615})";
              (void)made(words.c_str());
          }).find("expected whole numbers that fit 64 bits") != std::string::npos);
}

}  // namespace text_chat_template_test
