// Questions with choices, one of which is right: the model's answer is the choice it finds likeliest.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/io/json_value.hpp>

#include "placement.hpp"
#include "speech.hpp"

namespace hydra {

struct Question {
    std::string domain, text;
    std::vector<std::string> choices;
    std::size_t answer = 0;  // index of the right one
    std::string place;       // file:line:column
};

/// Whether a file is of questions: a .json or .jsonl file whose first record has "question" and "choices".
[[nodiscard]] bool holds_questions(std::string_view content, const std::filesystem::path& path);

/// Records {"question": "...", "choices": ["...", ...], "answer": ...}, JSON lines or one array. The answer is the number of
/// a choice from 0, its letter from A, or its text. "domain" names the domain; without it, the file does.
[[nodiscard]] std::vector<Question> read_questions(std::string_view content, const std::filesystem::path& path);

struct ChoiceScore {
    std::string domain;
    Index questions = 0;
    Index by_length = 0;  // right by the log-likelihood over the bytes of the choice
    Index by_sum = 0;     // right by the log-likelihood
};

/// The question with one choice as the answer; labels are the words of the answer. `most`: positions of the model.
[[nodiscard]] Example choice_example(const Question& question, const std::string& choice, const Speech& speech,
                                     Index most);

/// Counts a question by log p(choice | question) of each choice; throws for one that is not finite.
void add_to(std::vector<ChoiceScore>& scores, const Question& question, std::vector<double> likelihoods);

/// Each choice as the assistant's answer to the question, in the chat format of `speech`, which must have one. A domain
/// at a time, in the order of their first questions; the tokens that end the answer do not count.
template <hydralora::Backend B>
[[nodiscard]] std::vector<ChoiceScore> score_questions(B& be, const hydralora::Llama<B>& model,
                                                       const std::vector<Question>& questions, const Speech& speech) {
    using namespace hydralora;
    check(speech.format.has_value(), speech.vocabulary.why_no_chat_format());
    std::vector<ChoiceScore> scores;
    Passage<B> reading;
    PaddedBatch& batch = reading.batch;
    AccumBuffer<B> memory;
    for (const Question& question : questions) {
        std::vector<Example> examples;
        std::vector<const Example*> pointers;
        for (const std::string& choice : question.choices)
            examples.push_back(choice_example(question, choice, speech, model.config().max_positions));
        for (const Example& example : examples) pointers.push_back(&example);
        batch.assign(pointers.data(), static_cast<Index>(pointers.size()), 1);
        const auto tokens = reading.read(be, model);
        memory.resize(be, 1, tokens.tokens());
        model.token_losses(be, tokens, reading.cache, memory.view());
        const OnHost<B, AccumScalar<B>> losses(be, std::as_const(memory).view());  // (1, choices * length)
        std::vector<double> likelihoods(static_cast<std::size_t>(batch.sequences));
        for (Index t = 0; t < tokens.tokens(); ++t)
            likelihoods[static_cast<std::size_t>(t / batch.length)] -= static_cast<double>(losses.view()(0, t));
        add_to(scores, question, std::move(likelihoods));
    }
    return scores;
}

[[nodiscard]] hydralora::io::Json to_json(const std::vector<ChoiceScore>& scores);

/// A table for people: each domain, and all questions together.
[[nodiscard]] std::string choice_table(const std::vector<ChoiceScore>& scores);

}  // namespace hydra
