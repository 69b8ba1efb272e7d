#include <doctest/doctest.h>

#include <hydralora/corpus/overlap.hpp>
#include <vector>

#include "support/message_of.hpp"

namespace corpus_overlap_test {

using namespace hydralora;
using namespace hydralora::corpus;

using Labels = std::vector<Index>;

TEST_CASE("overlap_table counts pairs of labels") {
    const auto table = overlap_table(Labels{4, -1, 4, 4, 9}, Labels{1, 1, 0, 1, 0});
    CHECK(table.first == Labels{-1, 4, 9});
    CHECK(table.second == Labels{0, 1});
    CHECK(table.counts == Labels{0, 1, 1, 2, 1, 0});
    CHECK(table(1, 1) == 2);
    CHECK(test::message_of([] {
              static_cast<void>(overlap_table(Labels{1}, Labels{1, 2}));
          }) == "overlap_table: 1 labels and 2 labels, expected as many of either, at least 1");
}

}  // namespace corpus_overlap_test
