// Packing and batches: every example in a sequence once, whole, with its place marked; and cuts that change nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "batches.hpp"
#include "packing.hpp"
#include "support/draw.hpp"
#include "vocabulary.hpp"

namespace trainer_batches_test {

using namespace hydra;
using hydralora::Index;

namespace {

using Ids = std::vector<std::int32_t>;

/// Ids that say which example they are of and where in it; some labels ignored.
Example numbered_example(test::Draw& draw, Index number, Index length) {
    Example example;
    for (Index i = 0; i < length; ++i) {
        example.ids.push_back(static_cast<std::int32_t>(number * 1000 + i));
        const bool labelled = draw.integer(0, 2) > 0;
        example.labels.push_back(labelled ? static_cast<std::int32_t>(number * 1000 + i + 1) : ignored);
        example.labelled += labelled ? 1 : 0;
    }
    example.bytes = draw.integer(0, length);
    return example;
}

std::vector<Example> some_examples(test::Draw& draw, Index count, Index most) {
    std::vector<Example> examples;
    for (Index i = 0; i < count; ++i) examples.push_back(numbered_example(draw, i, draw.integer(1, most)));
    return examples;
}

}  // namespace

TEST_CASE("packing: every example is in one sequence, whole, and the starts say where") {
    test::Draw draw(11);
    for (int trial = 0; trial < test::trials(200, 5000); ++trial) {
        const Index length = draw.integer(1, 40);
        const auto examples = some_examples(draw, draw.integer(0, 60), length);
        const hydralora::Seed seed{static_cast<std::uint64_t>(trial)};
        const auto sequences = pack(examples, Packing::documents, length, seed, "d");
        std::map<std::int32_t, int> seen;
        for (const Example& s : sequences) {
            REQUIRE((!s.ids.empty() && static_cast<Index>(s.ids.size()) <= length));
            REQUIRE((s.ids.size() == s.labels.size() && s.ids.size() == s.starts.size()));
            Index labelled = 0, bytes = 0;
            for (std::size_t at = 0; at < s.ids.size();) {
                REQUIRE(s.ids[at] % 1000 == 0);
                const Example& e = examples[static_cast<std::size_t>(s.ids[at] / 1000)];
                REQUIRE(at + e.ids.size() <= s.ids.size());
                for (std::size_t i = 0; i < e.ids.size(); ++i) {
                    REQUIRE(s.ids[at + i] == e.ids[i]);
                    REQUIRE(s.labels[at + i] == e.labels[i]);
                    REQUIRE(s.starts[at + i] == static_cast<std::int32_t>(at));
                }
                ++seen[s.ids[at]];
                labelled += e.labelled;
                bytes += e.bytes;
                at += e.ids.size();
            }
            REQUIRE((s.labelled == labelled && s.bytes == bytes));
        }
        REQUIRE(seen.size() == examples.size());
        for (const auto& [id, times] : seen) REQUIRE(times == 1);

        const auto joined = pack(examples, Packing::concatenated, length, seed, "d");
        REQUIRE(joined.size() == sequences.size());
        for (std::size_t i = 0; i < joined.size(); ++i) {
            REQUIRE((joined[i].ids == sequences[i].ids && joined[i].labels == sequences[i].labels));
            REQUIRE(joined[i].starts.empty());
        }
        const auto same = pack(examples, Packing::none, length, seed, "d");
        REQUIRE(same.size() == examples.size());
        for (std::size_t i = 0; i < same.size(); ++i) REQUIRE(same[i].ids == examples[i].ids);
    }
}

TEST_CASE("packing: no two sequences could be one, and little of them is empty") {
    test::Draw draw(12);
    Index most_room = 0;
    for (int trial = 0; trial < test::trials(50, 500); ++trial) {
        const Index length = 64;
        const auto examples = some_examples(draw, 300, 48);
        const auto sequences = pack(examples, Packing::documents, length, {}, "d");
        Index tokens = 0, smallest = length, second = length;
        for (const Example& s : sequences) {
            const Index size = static_cast<Index>(s.ids.size());
            tokens += size;
            second = std::min(second, std::max(smallest, size));
            smallest = std::min(smallest, size);
        }
        // Had they fitted together, the later one's first example would have gone into the other.
        CHECK(smallest + second > length);
        most_room = std::max(most_room, static_cast<Index>(sequences.size()) * length - tokens);
        CHECK(static_cast<double>(tokens) > 0.85 * static_cast<double>(static_cast<Index>(sequences.size()) * length));
    }
    CHECK(most_room > 0);
}

TEST_CASE("packing: the order follows seed and name") {
    test::Draw draw(13);
    const auto examples = some_examples(draw, 40, 20);
    const auto first = [&](std::uint64_t seed, const char* name) {
        Ids ids;
        for (const Example& s : pack(examples, Packing::documents, 20, {seed}, name))
            ids.insert(ids.end(), s.ids.begin(), s.ids.end());
        return ids;
    };
    CHECK(first(1, "a") == first(1, "a"));
    CHECK(first(1, "a") != first(2, "a"));
    CHECK(first(1, "a") != first(1, "b"));
}

TEST_CASE("a padded batch: rows one below another, padding a document of its own") {
    Example a{{1, 2, 3}, {2, 3, ignored}, 2, 2, {0, 0, 2}}, b{{4}, {5}, 1, 1, {0}};
    const Example* both[] = {&a, &b};
    PaddedBatch batch;
    batch.assign(both, 2, 4);
    CHECK((batch.sequences == 2 && batch.length == 4 && batch.tokens == 4 && batch.labelled == 3));
    CHECK(batch.ids == Ids{1, 2, 3, 0, 4, 0, 0, 0});
    CHECK(batch.labels == Ids{2, 3, ignored, ignored, 5, ignored, ignored, ignored});
    CHECK(batch.starts == Ids{0, 0, 2, 3, 0, 1, 1, 1});
    a.starts.clear();
    b.starts.clear();
    batch.assign(both, 2, 4);
    CHECK(batch.starts.empty());
    CHECK(batch.ids == Ids{1, 2, 3, 0, 4, 0, 0, 0});
}

TEST_CASE("a step of packed sequences cut into parts has the rows of the whole") {
    test::Draw draw(14);
    for (int trial = 0; trial < test::trials(50, 2000); ++trial) {
        std::vector<Domain> domains(1);
        domains[0].train = pack(some_examples(draw, 80, 30), Packing::documents, 32, {}, "d");
        ExampleOrder order(domains, Mix::proportional, {7});
        const auto examples = order.batch(trial, 8);
        std::map<const Example*, Ids> whole;
        for (const Index most : {8 * 32, 4 * 32, 2 * 32, 32}) {
            Index first = 0;
            for (const Index part : cut_batch(examples, most, 8)) {
                PaddedBatch batch;
                batch.assign(examples.data() + first, part, 8);
                CHECK(batch.sequences * batch.length <= std::max<Index>(most, 32));
                for (Index s = 0; s < part; ++s) {
                    const Example* e = examples[static_cast<std::size_t>(first + s)];
                    const auto begin = batch.starts.begin() + s * batch.length;
                    const Ids row(begin, begin + static_cast<std::ptrdiff_t>(e->ids.size()));
                    CHECK(row == e->starts);
                    for (auto at = begin + static_cast<std::ptrdiff_t>(e->ids.size()); at != begin + batch.length; ++at)
                        CHECK(*at == static_cast<std::int32_t>(e->ids.size()));
                }
                first += part;
            }
            CHECK(first == 8);
        }
    }
}

}  // namespace trainer_batches_test
