#include "speech.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "documents.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// How much of the text is told at once: all but a beginning of `end`.
std::size_t told_from(std::string_view text, std::string_view end) {
    for (std::size_t n = std::min(text.size(), end.size()); n > 0; --n)
        if (text.substr(text.size() - n) == end.substr(0, n)) return text.size() - n;
    return text.size();
}

}  // namespace

Speech speech_of(const Vocabulary& vocabulary, std::string_view chat) {
    vocabulary.check_present();
    const auto format = vocabulary.chat_format(chat);
    if (format) check_chat_format(vocabulary, *format);
    return {vocabulary, format};
}

TextTeller::TextTeller(const Speech& speech, std::function<void(std::string_view)> take)
    : vocabulary_(speech.vocabulary),
      end_(speech.format ? speech.vocabulary.spelt_end_of_turn(*speech.format) : ""),
      take_(std::move(take)) {}

bool TextTeller::add(std::int32_t token) {
    ids_.push_back(token);
    text_ = vocabulary_.decode(ids_);
    const std::size_t found = end_.empty() ? std::string::npos : text_.find(end_);
    tell(found != std::string::npos ? found : told_from(text_, end_));
    return found == std::string::npos;
}

TextEnd TextTeller::finish(bool all) {
    const std::size_t last = end_.empty() ? text_.size() : std::min(text_.find(end_), text_.size());
    tell(last);
    return all && (end_.empty() || last == text_.size()) ? TextEnd::limit : TextEnd::stopped;
}

void TextTeller::tell(std::size_t end) {
    if (end > told_) take_(std::string_view(text_).substr(told_, end - told_));
    told_ = std::max(told_, end);
}

Index answer_limit(const Speech& speech, const Answer& answer, Index more) {
    return (speech.vocabulary.is_bytes() ? static_cast<Index>(answer.text.size()) : answer.tokens) + more;
}

std::optional<SamplePrompt> sample_prompt(const Domain& domain, const Speech& speech) {
    constexpr Index text_prompt = 64, text_tokens = 80;
    const auto spelt = [&](const std::vector<std::int32_t>& ids) { return readable(speech.vocabulary.decode(ids)); };
    if (!domain.answers.empty()) {
        const Answer& answer = domain.answers.front();
        return SamplePrompt{{domain.name, spelt(answer.prompt), readable(answer.text), {}},
                            answer.prompt,
                            answer_limit(speech, answer, 32),
                            speech};
    }
    if (domain.held_out.empty()) return std::nullopt;
    const auto& ids = domain.held_out.front().ids;
    const auto cut = ids.begin() + std::min(text_prompt, static_cast<Index>(ids.size()));
    const auto end = ids.begin() + std::min(text_prompt + text_tokens, static_cast<Index>(ids.size()));
    const std::vector<std::int32_t> prompt(ids.begin(), cut);
    return SamplePrompt{
        {domain.name, spelt(prompt), spelt({cut, end}), {}}, prompt, text_tokens, {speech.vocabulary, {}}};
}

}  // namespace hydra
