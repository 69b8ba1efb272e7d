// Promise: after a loss of power at any moment the last checkpoint whose save had returned is there, or a later one.
#include <hydralora/io/checkpoint.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "checkpoint_case.hpp"
#include "losing_disk.hpp"
#include "scratch.hpp"

namespace io_checkpoint_power_test {

using namespace hydralora;
using namespace hydralora::io;

TEST_CASE("loss of power at every call") {
    const int seeds = test::trials(2, 20);
    int losses = 0, unfinished = 0;
    for (int seed = 0; seed < seeds; ++seed) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        const test::ScratchDirectory scratch;
        const auto root = scratch / "run";
        std::filesystem::create_directory(root);
        test::LosingDisk disk(root);
        Index returned = -1, current = 0;
        disk.on_change = [&] {
            ++losses;
            const auto left = scratch / "left";
            std::filesystem::create_directory(left);
            disk.survive(left, random);
            std::vector<std::string> problems;
            const auto found = find_checkpoint(left, [&](const std::string& message) { problems.push_back(message); });
            INFO("seed ", seed, ", saving step ", current, ", loss ", losses);
            CHECK(problems.empty());
            CHECK((found.has_value() || returned < 0));
            if (found) {
                CHECK(found->step >= returned);
                CHECK(found->step <= current);
                CHECK(test::holds_its_content(*found));
            }
            // The next run goes on from there.
            for (const std::string& name : list_directory(left)) unfinished += name.starts_with(".tmp-") ? 1 : 0;
            std::filesystem::remove_all(left);
        };
        const FileCalls calls = disk.calls();
        for (const Index step : {0, 1, 2, 3, 3, 4}) {
            current = step;
            test::CheckpointCase(step).save(root, {.keep = step == 2 ? 1 : 2}, calls);
            returned = step;
        }
    }
    CHECK(losses > seeds * 6 * 12);
    CHECK(unfinished > losses / 4);
}

}  // namespace io_checkpoint_power_test
