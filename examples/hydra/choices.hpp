// Questions with choices, one of which is right: the model's answer is the choice it finds likeliest.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/io/json_value.hpp>

#include "evaluate.hpp"

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

/// Each choice as the assistant's answer to the question, in the chat format of `speech`, which must have one. A domain
/// at a time, in the order of their first questions; the tokens that end the answer do not count.
[[nodiscard]] std::vector<ChoiceScore> score_questions(B& be, const hydralora::Llama<B>& model,
                                                       const std::vector<Question>& questions, const Speech& speech);

[[nodiscard]] hydralora::io::Json to_json(const std::vector<ChoiceScore>& scores);

/// A table for people: each domain, and all questions together.
[[nodiscard]] std::string choice_table(const std::vector<ChoiceScore>& scores);

}  // namespace hydra
