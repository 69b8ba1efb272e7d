// Promise: a run that is killed while it saves loses at most the unfinished save.
#include <hydralora/io/checkpoint.hpp>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint_case.hpp"
#include "scratch.hpp"

namespace io_checkpoint_kill_test {

using namespace hydralora;
using namespace hydralora::io;

namespace {

/// Saves step after step, from `first` on, and tells each one through the pipe once it is saved.
[[noreturn]] void save_for_ever(const std::filesystem::path& root, Index first, int pipe) {
    try {
        for (Index step = first;; ++step) {
            test::CheckpointCase(step, 6 * 4000).save(root);
            if (::write(pipe, &step, sizeof step) != sizeof step) ::_exit(2);
        }
    } catch (...) {
        ::_exit(1);
    }
}

}  // namespace

TEST_CASE("killed at random moments") {
    const test::ScratchDirectory scratch;
    const auto root = scratch / "run";
    std::mt19937_64 random(9);
    Index found_step = 0;
    int unfinished = 0, saved = 0;
    const int count = test::trials(50, 500);
    for (int trial = 0; trial < count; ++trial) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(ends[0]);
            save_for_ever(root, found_step + 1, ends[1]);
        }
        ::close(ends[1]);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
        REQUIRE(::kill(child, SIGKILL) == 0);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));  // it did not stop by itself

        Index told = found_step, step = 0;
        while (::read(ends[0], &step, sizeof step) == sizeof step) told = step, ++saved;
        ::close(ends[0]);

        std::vector<std::string> problems;
        const auto found = find_checkpoint(root, [&](const std::string& message) { problems.push_back(message); });
        CHECK(problems.empty());
        if (told == 0 && !found) continue;  // killed before the first was saved
        REQUIRE(found.has_value());
        CHECK(found->step >= told);
        CHECK(found->step <= told + 1);
        CHECK(test::holds_its_content(*found));
        for (const std::string& name : list_directory(root)) unfinished += name.starts_with(".tmp-") ? 1 : 0;
        found_step = found->step;
    }
    // The moments were inside saves, and saves did succeed.
    CHECK(unfinished > count / 4);
    CHECK(saved > count / 4);
    const auto place = test::CheckpointCase(found_step + 1).save(root);
    CHECK(test::holds_its_content(place));
    for (const std::string& name : list_directory(root)) CHECK(name.starts_with("step-"));
}

}  // namespace io_checkpoint_kill_test
