// English word forms. An entry of a word list is `walk` (regular), `stop+` (doubles its last letter), `take/took/taken`
// (past and participle of a verb) or `child/children` (plural of a noun); `_` stands for a blank.
#pragma once

#include <string>

namespace make_data {

/// `form`: "" as it is, s plural, 3 third person, ed past, en participle, ing.
std::string inflect(const std::string& entry, const std::string& form);

/// The first letter as a capital.
std::string capitalised(std::string text);

/// `a` before a vowel becomes `an`, anywhere in the text.
std::string with_articles(const std::string& text);

/// Capital letters where sentences begin.
std::string with_capitals(std::string text);

}  // namespace make_data
