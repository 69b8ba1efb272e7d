#include "choices.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <hydralora/io/json_view.hpp>
#include <hydralora/io/quote.hpp>

#include "documents.hpp"
#include "record_places.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

constexpr std::string_view question_form = R"(write {"question": "...", "choices": ["...", "..."], "answer": 0})";

constexpr std::size_t most_choices = 26;  // what a letter can name

std::size_t answer_of(const io::JsonView& answer, const std::vector<std::string>& choices) {
    const auto* text = answer.value().get_if<std::string>();
    if (text == nullptr) return static_cast<std::size_t>(answer.integer(0, static_cast<Index>(choices.size()) - 1));
    const auto at = std::find(choices.begin(), choices.end(), *text);
    if (at != choices.end()) return static_cast<std::size_t>(at - choices.begin());
    if (text->size() == 1 && text->front() >= 'A' && text->front() < 'A' + static_cast<int>(choices.size()))
        return static_cast<std::size_t>(text->front() - 'A');
    answer.refuse(concat("the number of a choice from 0 to ", choices.size() - 1, ", its letter, or its text"));
}

io::Json parse_question(std::string_view text, const RecordPlace& place) {
    try {
        return io::parse_json(text, "", record_limits);
    } catch (const Error& error) {
        place.fail_inside(error.what(), question_form);
    }
}

Question question_of(const io::Json& record, const RecordPlace& place, const std::string& domain) {
    Question question;
    question.place = concat(place.path, ':', place.line, ':', place.column);
    const io::JsonView json(record, question.place);
    question.domain = json["domain"].exists() ? json["domain"].string() : domain;
    question.text = json["question"].string();
    question.choices = json["choices"].strings();
    if (question.choices.size() < 2 || question.choices.size() > most_choices)
        json["choices"].refuse(concat("2 to ", most_choices, " choices"));
    for (const std::string& choice : question.choices)
        if (choice.empty()) json["choices"].refuse("choices that are not empty");
    question.answer = answer_of(json["answer"], question.choices);
    return question;
}

}  // namespace

bool holds_questions(std::string_view content, const std::filesystem::path& path) {
    if (!holds_records(path)) return false;
    bool found = false;
    const std::string name = path.string();
    cut_records(content, name, [&](std::string_view text, const RecordPlace&) {
        try {
            const io::Json record = io::parse_json(text, "", record_limits);
            found = record.find("question") != nullptr && record.find("choices") != nullptr;
        } catch (const Error&) {  // whoever reads the records says what is wrong with them
        }
        return Reading::stop;
    });
    return found;
}

std::vector<Question> read_questions(std::string_view content, const std::filesystem::path& path) {
    std::vector<Question> questions;
    const std::string name = path.string();
    cut_records(content, name, [&](std::string_view text, const RecordPlace& place) {
        questions.push_back(question_of(parse_question(text, place), place, path.stem().string()));
        return Reading::go_on;
    });
    return questions;
}

Example choice_example(const Question& question, const std::string& choice, const Speech& speech, Index most) {
    const Document document =
        document_of(speech.vocabulary, *speech.format,
                    written(speech.vocabulary, *speech.format,
                            {{text::Speaker::user, question.text}, {text::Speaker::assistant, choice}})
                        .segments);
    check(!document.said.empty(), question.place, ": the chat format writes nothing of the answer ",
          io::in_quotes(choice));
    const auto& said = document.said.back();
    const std::size_t length = said.end - 1;
    check(static_cast<Index>(length) <= most, question.place, ": the question with its longest choice has ", length,
          " tokens, the model takes ", most);
    Example example;
    example.ids.assign(document.ids.begin(), document.ids.begin() + static_cast<std::ptrdiff_t>(length));
    example.labels.assign(length, ignored);
    for (std::size_t i = said.begin; i < said.end; ++i) {
        if (!document.words[i]) continue;
        example.labels[i - 1] = document.ids[i];
        ++example.labelled;
    }
    check(example.labelled > 0, question.place, ": the choice ", io::in_quotes(choice), " has no token");
    return example;
}

void add_to(std::vector<ChoiceScore>& scores, const Question& question, std::vector<double> likelihoods) {
    auto score =
        std::find_if(scores.begin(), scores.end(), [&](const ChoiceScore& s) { return s.domain == question.domain; });
    if (score == scores.end()) score = scores.insert(scores.end(), ChoiceScore{question.domain});
    for (const double likelihood : likelihoods)
        check(std::isfinite(likelihood), question.place, ": the log-likelihood of a choice is ", likelihood,
              "; the model or the adapter has diverged");
    const auto right = [&] {
        return static_cast<std::size_t>(std::max_element(likelihoods.begin(), likelihoods.end()) -
                                        likelihoods.begin()) == question.answer
                   ? 1
                   : 0;
    };
    ++score->questions;
    score->by_sum += right();
    for (std::size_t i = 0; i < likelihoods.size(); ++i)
        likelihoods[i] /= static_cast<double>(question.choices[i].size());
    score->by_length += right();
}

io::Json to_json(const std::vector<ChoiceScore>& scores) {
    io::Json list = io::Json::array();
    for (const ChoiceScore& s : scores)
        list.push(io::Json::object({{"domain", s.domain},
                                    {"questions", s.questions},
                                    {"right_by_length", s.by_length},
                                    {"right_by_sum", s.by_sum}}));
    return list;
}

std::string choice_table(const std::vector<ChoiceScore>& scores) {
    Table table({"domain", "questions", "right, by log-likelihood a byte", "by its sum"});
    ChoiceScore all{"all"};
    const auto add = [&](const ChoiceScore& s) {
        const auto share = [&](Index right) {
            return concat(right, " (", fixed(100.0 * static_cast<double>(right) / static_cast<double>(s.questions), 1),
                          " %)");
        };
        table.add({s.domain, std::to_string(s.questions), share(s.by_length), share(s.by_sum)});
    };
    for (const ChoiceScore& s : scores) {
        add(s);
        all.questions += s.questions;
        all.by_length += s.by_length;
        all.by_sum += s.by_sum;
    }
    if (scores.size() > 1) add(all);
    return table.text();
}

}  // namespace hydra
