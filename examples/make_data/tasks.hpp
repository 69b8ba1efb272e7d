// Small tasks with one right answer.
#pragma once

#include <string>

#include "dice.hpp"
#include "grammar.hpp"
#include "record.hpp"

namespace make_data {

/// Numbers of word problems stay within these.
struct Range {
    int sum, difference, factor;
};

/// A line of arithmetic: "12 + 7 = 19", "twelve plus seven is nineteen", "7 < 12", "4 5 6 7 8" ...
std::string number_fact(Dice& dice);

/// A word problem from the sections sum, difference, product and two_steps; the answer is the number alone.
Record word_problem(const Grammar& grammar, const std::string& instruction, Range range, Dice& dice);

/// Copy, reverse, sort, count and the like.
Record string_task(const Grammar& grammar, Dice& dice);

/// Words replaced by a list that stands in the input.
Record lookup_task(const Grammar& grammar, Dice& dice);

/// Forms of one English word.
Record word_form(const Grammar& grammar, Dice& dice);

/// A text of the section `record`: `instruction => input => output`.
Record written_record(const Grammar& grammar, Dice& dice);

}  // namespace make_data
