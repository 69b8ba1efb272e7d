#include <hydralora/io/checkpoint.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "checkpoint_case.hpp"
#include "failing_calls.hpp"
#include "scratch.hpp"

namespace io_checkpoint_test {

using namespace hydralora;
using namespace hydralora::io;
using test::CheckpointCase;
using test::error_of;
using test::has;
using test::holds_its_content;

namespace {
using Names = std::vector<std::string>;

/// The step that is found, -1 for none, and the problems on the way.
struct Found {
    Index step = -1;
    std::vector<std::string> problems;

    explicit Found(const std::filesystem::path& root) {
        const auto place = find_checkpoint(root, [&](const std::string& message) { problems.push_back(message); });
        if (place) {
            step = place->step;
            CHECK(holds_its_content(*place));
        }
    }
};
}  // namespace

TEST_CASE("checkpoints are saved, found and loaded; old ones go") {
    const test::ScratchDirectory scratch;
    const auto root = scratch / "run";
    CHECK(Found(root).step == -1);
    const auto descriptors = test::open_descriptors();
    for (const Index step : {0, 7, 12, 100}) {
        const auto place = CheckpointCase(step).save(root);
        CHECK(place.step == step);
        CHECK(Found(root).step == step);
    }
    CHECK(test::open_descriptors() == descriptors);
    CHECK(list_directory(root) == Names{"step-00000012", "step-00000100"});
    CHECK(list_directory(root / "step-00000012") == Names{"manifest.json", "state.json", "tensors.safetensors"});
    CheckpointCase(123456789012).save(root, {.keep = 1});
    CHECK(list_directory(root) == Names{"step-123456789012"});
    CHECK(Found(root).step == 123456789012);

    // A step again replaces it; an earlier step than others leaves those.
    CheckpointCase(5).save(root, {.keep = 3});
    CheckpointCase(5).save(root, {.keep = 3});
    CheckpointCase(4).save(root, {.keep = 1});
    CHECK(list_directory(root) == Names{"step-00000004", "step-00000005", "step-123456789012"});
    CHECK(has(error_of([&] { CheckpointCase(-1).save(root); }), "expected step >= 0 and keep >= 1, found -1 and 2"));
    CHECK(has(error_of([&] { CheckpointCase(1).save(root, {.keep = 0}); }), "found 1 and 0"));
}

TEST_CASE("a loaded checkpoint outlives its directory") {
    const test::ScratchDirectory scratch;
    const Checkpoint loaded = load_checkpoint(CheckpointCase(3).save(scratch / "run"));
    std::filesystem::remove_all(scratch / "run");
    CHECK(loaded.tensors.view<float>("weights")(0, 1) == 3.5f);
}

TEST_CASE("what others left in the directory is left alone, what dead runs left is removed") {
    const test::ScratchDirectory scratch;
    const auto root = scratch / "run";
    CheckpointCase(1).save(root);
    std::filesystem::create_directory(root / ".tmp-999-1-0");
    test::set_content(root / ".tmp-999-1-0" / "tensors.safetensors", "half");
    for (const char* name : {"step-2", "step-00000002x", "step-0000000000002", "step--0000003",
                             "step-99999999999999999999", "best", "notes"})
        std::filesystem::create_directory(root / name);
    test::set_content(root / "step-00000009", "a file");
    const Found found(root);
    CHECK(found.step == 1);
    REQUIRE(found.problems.size() == 1);
    CHECK(has(found.problems[0], "step-00000009"));
    CheckpointCase(3).save(root, {.keep = 1});
    const auto names = list_directory(root);
    CHECK(names.size() == 9);
    CHECK(!path_exists(root / ".tmp-999-1-0"));
    CHECK(!path_exists(root / "step-00000001"));
    CHECK(path_exists(root / "best"));
    CheckpointCase(9).save(root);  // the name is ours: what stood there is replaced
    CHECK(Found(root).step == 9);
    CHECK(list_directory(root).size() == 9);
}

TEST_CASE("two runs do not save in one place at one time") {
    const test::ScratchDirectory scratch;
    CheckpointCase(1).save(scratch.path());
    const FileCalls calls;
    const auto held = file_detail::open_directory(scratch.path(), calls);
    REQUIRE(calls.lock(held.get()) == 0);
    CHECK(
        has(error_of([&] { CheckpointCase(2).save(scratch.path()); }), "another process is saving a checkpoint here"));
    CHECK(Found(scratch.path()).step == 1);
}

TEST_CASE("whichever call fails, the old checkpoint is there and no half of the new one") {
    const test::ScratchDirectory scratch;
    const auto root = scratch / "run";
    int last = 1000, errors = 0;
    for (const test::Fault fault : test::all_faults)
        for (int at = 0; at < last; ++at) {
            std::filesystem::remove_all(root);
            CheckpointCase(1).save(root, {}, test::unsynced_calls());
            std::filesystem::create_directory(root / ".tmp-of-a-dead-run");
            test::set_content(root / ".tmp-of-a-dead-run" / "state.json", "{");
            const auto descriptors = test::open_descriptors();
            test::FaultPlan plan{.at = at, .fault = fault};
            std::vector<std::string> problems;
            const std::string message = error_of([&] {
                CheckpointCase(2).save(
                    root, {.keep = 1, .on_problem = [&](const std::string& problem) { problems.push_back(problem); }},
                    test::failing_calls(plan));
            });
            INFO("fault ", static_cast<int>(fault), " at ", at, " in ", plan.failed, ": ", message);
            if (at >= plan.calls) {
                last = at;
                break;
            }
            CHECK(test::open_descriptors() == descriptors);
            const Found found(root);
            CHECK(found.problems.empty());
            if (message.empty()) {
                CHECK(found.step == 2);
                if (!plan.failed.empty() && !test::is_harmless(plan) && plan.failed != "close")
                    CHECK(!problems.empty());
            } else {
                ++errors;
                CHECK(!test::is_harmless(plan));
                CHECK(has(message, root.string()));
                CHECK(has(message, " failed: "));
                if (has(message, "the checkpoint was not saved, the newest one kept is"))
                    CHECK((found.step == 1 || fault == test::Fault::late));
                else
                    CHECK((has(message, "is written, but may be lost in a power loss") && found.step == 2));
                if (fault == test::Fault::no_space)
                    CHECK(has(message, "No space left on device; free some space and try again"));
                if (fault == test::Fault::many_files) CHECK(has(message, "ulimit -n"));
            }
            // Afterwards all is well again.
            CheckpointCase(3).save(root, {.keep = 1}, test::unsynced_calls());
            CHECK(list_directory(root) == Names{"step-00000003"});
            CHECK(Found(root).step == 3);
        }
    CHECK(last > 25);
    CHECK(last < 200);
    CHECK(errors > 60);
}

TEST_CASE("one flipped bit in any file is noticed, and the checkpoint before is found") {
    const test::ScratchDirectory scratch;
    const auto root = scratch / "run";
    CheckpointCase(1, 12).save(root);
    const auto place = CheckpointCase(2, 12).save(root);
    std::mt19937_64 random(5);
    for (const char* name : {"tensors.safetensors", "state.json", "manifest.json"}) {
        const auto path = place.directory / name;
        const std::string good = test::content(path);
        // The manifest, which has no checksum of its own, bit for bit.
        const bool all = std::string_view(name) == "manifest.json";
        const std::size_t count = all ? good.size() * 8 : static_cast<std::size_t>(test::trials(500, 10'000));
        for (std::size_t trial = 0; trial < count; ++trial) {
            const std::size_t bit = all ? trial : random() % (good.size() * 8);
            test::flip_bit(path, bit);
            std::vector<std::string> problems;
            const auto found = find_checkpoint(root, [&](const std::string& message) { problems.push_back(message); });
            INFO(name, " bit ", bit);
            REQUIRE(found.has_value());
            CHECK(found->step == 1);
            REQUIRE(problems.size() == 1);
            CHECK(has(problems[0], place.directory.string()));
            CHECK(has(problems[0], "is skipped"));
            if (!all) CHECK(has(problems[0], path.string() + ": expected checksum \""));
            test::flip_bit(path, bit);
        }
        CHECK(test::content(path) == good);
        // Shorter, longer, gone.
        test::set_content(path, good.substr(0, good.size() - 1));
        CHECK(Found(root).step == 1);
        test::set_content(path, good + "\n");
        CHECK(Found(root).step == 1);
        std::filesystem::remove(path);
        CHECK(Found(root).step == 1);
        CHECK(error_of([&] { static_cast<void>(load_checkpoint(place)); }) != "");
        test::set_content(path, good);
        CHECK(Found(root).step == 2);
    }
    // A whole one under the name of another step.
    std::filesystem::rename(place.directory, root / "step-00000004");
    const Found found(root);
    CHECK(found.step == 1);
    REQUIRE(found.problems.size() == 1);
    CHECK(has(found.problems[0], "\"step\": expected an integer in [4, 4], found 2"));
}

TEST_CASE("a damaged checkpoint is replaced when its step is saved again") {
    const test::ScratchDirectory scratch;
    CheckpointCase(1).save(scratch.path());
    const auto place = CheckpointCase(2).save(scratch.path());
    test::set_content(place.directory / "state.json", "{}");
    CHECK(Found(scratch.path()).step == 1);
    CheckpointCase(2).save(scratch.path());
    CHECK(Found(scratch.path()).step == 2);
    CHECK(list_directory(scratch.path()) == Names{"step-00000001", "step-00000002"});
}

}  // namespace io_checkpoint_test
