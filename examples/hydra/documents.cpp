#include "documents.hpp"

#include <algorithm>

namespace hydra {

using namespace hydralora;
using text::Loss;
using text::Piece;
using text::Segment;

namespace {

void add_ids(Document& document, std::span<const std::int32_t> ids, bool trained, bool words) {
    document.ids.insert(document.ids.end(), ids.begin(), ids.end());
    document.trained.resize(document.ids.size(), trained);
    document.words.resize(document.ids.size(), words);
}

/// Texts that follow one another with no control token between them.
class Run {
public:
    void add(std::string_view text, bool trained) {
        text_ += text;
        ends_.emplace_back(text_.size(), trained);
    }
    void flush(const Vocabulary& vocabulary, Document& document) {
        const std::vector<std::int32_t> ids = vocabulary.encode(text_, position_);
        std::size_t begin = 0;
        for (std::size_t i = 0; i < ends_.size(); ++i) {
            const auto [end, trained] = ends_[i];
            const std::size_t next = i + 1 == ends_.size() ? ids.size() : border(vocabulary, ids, begin, end, trained);
            add_ids(document, std::span(ids).subspan(begin, next - begin), trained, true);
            begin = next;
        }
        if (!text_.empty()) follow();
        text_.clear();
        ends_.clear();
    }
    /// What comes next is not the first of the text.
    void follow() { position_ = text::Position::later; }

private:
    /// How many of the tokens are of the first `end` bytes alone.
    std::size_t border(const Vocabulary& vocabulary, const std::vector<std::int32_t>& ids, std::size_t begin,
                       std::size_t end, bool trained) const {
        if (vocabulary.is_bytes()) return end;
        const std::vector<std::int32_t> before = vocabulary.encode(std::string_view(text_).substr(0, end), position_);
        const auto differ = std::mismatch(before.begin(), before.end(), ids.begin(), ids.end()).second;
        std::size_t border = static_cast<std::size_t>(differ - ids.begin());
        if (border < before.size()) {  // tokens span the border: those before it still make text of this side alone
            const std::size_t most = vocabulary.decode(before).size();
            const auto size = [&](std::size_t n) { return vocabulary.decode(std::span(ids).first(n)).size(); };
            while (border < ids.size() && size(border + 1) <= most) ++border;
            if (trained && border < ids.size() && size(border) < most) ++border;  // one that is partly trained
        }
        return std::max(begin, border);
    }

    std::string text_;
    text::Position position_ = text::Position::first;
    std::vector<std::pair<std::size_t, bool>> ends_;  // of each text in text_, and whether it is trained
};

}  // namespace

Document document_of(const Vocabulary& vocabulary, std::string_view text) {
    Document document;
    add_ids(document, vocabulary.start(), true, false);
    vocabulary.encode(text, document.ids);
    document.trained.resize(document.ids.size(), true);
    document.words.resize(document.ids.size(), true);
    const std::int32_t end[] = {vocabulary.eos()};
    add_ids(document, end, true, false);
    return document;
}

Document document_of(const Vocabulary& vocabulary, const Chat& chat, const std::vector<Segment>& segments) {
    Document document;
    Run run;
    bool speaking = false;
    std::vector<std::string> texts;  // of what the assistant said, in order
    for (const Segment& segment : segments) {
        const bool trained = segment.loss == Loss::trained;
        if (trained && !speaking) texts.emplace_back();
        speaking = trained;
        if (trained && segment.piece == Piece::text) texts.back() += segment.text;

        const bool spelt = segment.piece != Piece::text && segment.piece != Piece::start;
        const auto id = spelt ? vocabulary.control(segment, chat) : std::nullopt;
        if (segment.piece == Piece::start) {
            run.flush(vocabulary, document);
            add_ids(document, vocabulary.start(), trained, false);
        } else if (id) {
            run.flush(vocabulary, document);
            run.follow();
            const std::int32_t ids[] = {*id};
            add_ids(document, ids, trained, false);
        } else {
            run.add(segment.text, trained);
        }
    }
    run.flush(vocabulary, document);
    for (std::size_t i = 0; i < document.ids.size(); ++i) {
        if (!document.trained[i]) continue;
        if (i == 0 || !document.trained[i - 1]) document.said.push_back({i, i, {}});
        document.said.back().end = i + 1;
    }
    for (std::size_t i = 0; i < std::min(texts.size(), document.said.size()); ++i)
        document.said[i].text = std::move(texts[i]);
    return document;
}

std::vector<std::int32_t> prompt_of(const Vocabulary& vocabulary, const Chat& chat, const text::Conversation& turns) {
    return document_of(vocabulary, chat, written_prompt(vocabulary, chat, turns)).ids;
}

void check_chat_format(const Vocabulary& vocabulary, const Chat& chat) {
    if (chat.own() != nullptr) return;  // it names the tokens itself
    static_cast<void>(document_of(
        vocabulary, chat, text::render(chat.format(), {{text::Speaker::user, "u"}, {text::Speaker::assistant, "a"}})));
}

Example example_of(const Vocabulary& vocabulary, const Document& document, std::size_t begin, std::size_t length) {
    Example example;
    const auto first = document.ids.begin() + static_cast<std::ptrdiff_t>(begin);
    example.ids.assign(first, first + static_cast<std::ptrdiff_t>(length));
    example.labels.assign(length, ignored);
    std::vector<std::int32_t> words;  // whose bytes are counted
    for (std::size_t i = 0; i < length; ++i) {
        const std::size_t next = begin + i + 1;
        if (!document.trained[next]) continue;
        example.labels[i] = document.ids[next];
        ++example.labelled;
        if (!document.words[next]) continue;
        if (vocabulary.is_bytes())
            ++example.bytes;
        else
            words.push_back(document.ids[next]);
    }
    if (!words.empty()) example.bytes = static_cast<Index>(vocabulary.decode(words).size());
    return example;
}

}  // namespace hydra
