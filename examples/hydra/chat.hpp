// How conversations are written: in a format that is built in, or by the model's own template.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/io/json_value.hpp>
#include <hydralora/text/chat_format.hpp>

namespace hydra {

class Vocabulary;

struct OwnTemplate;  // own_template.hpp

class Chat {
public:
    Chat(hydralora::text::ChatFormat format) : format_(format) {}
    Chat(std::shared_ptr<const OwnTemplate> own) : own_(std::move(own)) {}

    /// Null where the format is a built-in one.
    [[nodiscard]] const OwnTemplate* own() const { return own_.get(); }
    /// The built-in one, where own() is null.
    [[nodiscard]] hydralora::text::ChatFormat format() const { return format_; }
    /// "the chat format chatml" or "the model's chat template".
    [[nodiscard]] std::string name() const;

    friend bool operator==(const Chat& a, const Chat& b) { return a.own_ == b.own_ && a.format_ == b.format_; }

private:
    std::shared_ptr<const OwnTemplate> own_;
    hydralora::text::ChatFormat format_ = hydralora::text::ChatFormat::hydralora;
};

/// A conversation that is written.
struct Written {
    std::vector<hydralora::text::Segment> segments;
    std::vector<std::size_t> unwritten{};  ///< turns, from 0, of whose words the template writes nothing
    std::vector<std::size_t> untrained{};  ///< the assistant's turns of which nothing is trained
    bool tools_unwritten = false;          ///< there are tools, of which the template writes nothing
};
/// Throws where a built-in format has no place for a turn or for tools, or the model's template refuses them.
[[nodiscard]] Written written(const Vocabulary& vocabulary, const Chat& chat,
                              const hydralora::text::Conversation& turns, const hydralora::io::Json& tools = {});

/// The same up to where the assistant's next turn begins. The last turn must not be the assistant's.
[[nodiscard]] std::vector<hydralora::text::Segment> written_prompt(const Vocabulary& vocabulary, const Chat& chat,
                                                                   const hydralora::text::Conversation& turns);

}  // namespace hydra
