// The chat template that a model brings along.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <hydralora/text/chat_template.hpp>

#include "chat.hpp"

namespace hydra {

/// A model's own template. Throws, naming place, line and remedy, where it cannot be rendered here.
struct OwnTemplate {
    OwnTemplate(const std::string& source, std::string where,
                const std::vector<std::pair<std::string, std::string>>& spellings);

    std::string place;  ///< where it stands
    hydralora::text::ChatTemplate chat_template;
    std::string
        end_of_turn{};   ///< what it ends an assistant's turn with; "" where it refuses a conversation of two turns
    bool dated = false;  ///< it writes the date of the day
};

}  // namespace hydra
