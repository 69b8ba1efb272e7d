// The sequence tasks: their layout, their rules on a few examples by hand, and that seeds and splits differ.
#include "tasks.hpp"

#include <hydralora/core/check.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

namespace compare_tasks_test {

namespace {

using namespace compare;
using hydralora::Seed;

std::vector<std::int32_t> input_of(const Example& e) {
    return {e.tokens.begin() + 2, e.tokens.begin() + 2 + input_length};
}
std::vector<std::int32_t> answer_of(const Example& e) {
    return {e.tokens.begin() + first_answer, e.tokens.begin() + first_answer + e.answers - 1};
}

TEST_CASE("every example is BOS, a tag, twelve tokens, SEP, an answer, EOS and padding") {
    for (const Mix mix : {Mix::pretraining, Mix::cipher, Mix::reasoning})
        for (Index task = 0; task < task_count(mix); ++task)
            for (Index n = 0; n < 20; ++n) {
                const Example e = example_of(mix, task, Seed{3}, false, n);
                CHECK(e.task == task);
                CHECK(e.tokens[0] == token::bos);
                CHECK((e.tokens[1] >= token::tag && e.tokens[1] < token::digit));
                CHECK(e.tokens[first_answer - 1] == token::sep);
                CHECK((e.answers >= 2 && e.answers <= input_length + 1));
                CHECK(e.tokens[static_cast<std::size_t>(first_answer + e.answers - 1)] == token::eos);
                for (auto i = static_cast<std::size_t>(first_answer + e.answers); i < e.tokens.size(); ++i)
                    CHECK(e.tokens[i] == token::pad);
                for (const auto t : input_of(e)) CHECK((t >= token::digit && t < vocabulary));
                for (const auto t : answer_of(e)) CHECK((t >= token::digit && t < vocabulary));
            }
}

TEST_CASE("a cipher task maps letters one to one, another task and another seed otherwise") {
    std::set<std::map<std::int32_t, std::int32_t>> rules;
    for (const std::uint64_t seed : {0, 1})
        for (Index task = 0; task < 8; ++task) {
            std::map<std::int32_t, std::int32_t> rule;
            for (Index n = 0; n < 100; ++n) {
                const Example e = example_of(Mix::cipher, task, Seed{seed}, n % 2 == 0, n);
                const auto x = input_of(e), y = answer_of(e);
                REQUIRE(x.size() == y.size());
                for (std::size_t i = 0; i < x.size(); ++i) CHECK(rule.emplace(x[i], y[i]).first->second == y[i]);
            }
            std::set<std::int32_t> images;
            for (const auto& [from, to] : rule) images.insert(to);
            CHECK(images.size() == 16);
            rules.insert(rule);
        }
    CHECK(rules.size() == 16);
}

TEST_CASE("rules of the base: reversed, sorted, summed, closed") {
    for (Index n = 0; n < 50; ++n) {
        const auto at = [&](Index task) { return example_of(Mix::pretraining, task, Seed{1}, false, n); };
        auto x = input_of(at(1));
        std::reverse(x.begin(), x.end());
        CHECK(x == answer_of(at(1)));
        x = input_of(at(4));
        std::sort(x.begin(), x.end());
        CHECK(x == answer_of(at(4)));
        std::int32_t sum = 0;
        const auto digits_in = input_of(at(8)), sums = answer_of(at(8));
        for (std::size_t i = 0; i < digits_in.size(); ++i) {
            sum += digits_in[i] - token::digit;
            CHECK(sums[i] == token::digit + sum % 10);
        }
        std::vector<std::int32_t> open;
        auto brackets = input_of(at(11));
        const auto closers = answer_of(at(11));
        brackets.insert(brackets.end(), closers.begin(), closers.end());
        for (const auto b : brackets) {
            if (b < token::closing) {
                open.push_back(b - token::opening);
            } else {
                REQUIRE(!open.empty());
                CHECK(open.back() == b - token::closing);
                open.pop_back();
            }
        }
        CHECK(open.empty());
    }
}

TEST_CASE("training and held-out examples are drawn apart, and a number gives the same example again") {
    const Example a = example_of(Mix::cipher, 2, Seed{5}, false, 7);
    CHECK(a.tokens == example_of(Mix::cipher, 2, Seed{5}, false, 7).tokens);
    CHECK(a.tokens != example_of(Mix::cipher, 2, Seed{5}, true, 7).tokens);
    CHECK(a.tokens != example_of(Mix::cipher, 2, Seed{5}, false, 8).tokens);
    CHECK(text_of(a).starts_with("tag2 l"));
    CHECK_THROWS_AS(static_cast<void>(example_of(Mix::cipher, 8, Seed{}, false, 0)), hydralora::Error);
}

}  // namespace

}  // namespace compare_tasks_test
