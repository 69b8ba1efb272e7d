// What a model that we write says of conversations: the template it was trained with and the tokens that end its turns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "companions.hpp"
#include "vocabulary.hpp"

namespace hydra {

/// How a model was trained to speak, where its base does not say it already.
struct ModelChat {
    std::optional<std::string> chat_template{};  ///< of the format that was asked for by name
    std::vector<std::int32_t> ends{};            ///< all tokens that end a text
    std::optional<std::int32_t> end_of_turn{};   ///< the one of them that the base does not name
    std::string note{};                          ///< for people; "" where the base says it all
};

/// `chat`: the name of the format it was trained in, "" for the model's own template or none.
[[nodiscard]] ModelChat model_chat(const Vocabulary& vocabulary, const std::string& chat);

/// The companions of a base, with what `said` adds to them.
[[nodiscard]] std::vector<Companion> companions_with(const std::filesystem::path& base, const ModelChat& said);

}  // namespace hydra
