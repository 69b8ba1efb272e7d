#include <hydralora/io/write_file.hpp>

#include <doctest/doctest.h>

#include <string>

#include "failing_calls.hpp"
#include "scratch.hpp"

namespace io_write_file_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
std::string long_text(char c) {
    std::string text(600'001, c);  // more than two buffers
    for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>('a' + i % 26);
    return text;
}
std::vector<std::string> names_in(const std::filesystem::path& path) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path))
        names.push_back(entry.path().filename().string());
    return names;
}
}  // namespace

TEST_CASE("a file is written whole, in pieces of any size, and its sum is told") {
    const test::ScratchDirectory scratch;
    const std::string text = long_text('x');
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{262'144}, std::size_t{300'000}, text.size()}) {
        const auto path = scratch / ("p" + std::to_string(piece));
        FileWriter writer(path, FileCalls{});
        CHECK(test::has(error_of([&] { FileWriter(path, FileCalls{}); }), "creating failed: File exists"));
        for (std::size_t at = 0; at < text.size(); at += piece) writer.write(std::string_view(text).substr(at, piece));
        const FileSum sum = writer.finish();
        CHECK(test::content(path) == text);
        CHECK(sum == FileSum{text.size(), xxh64(as_byte_span(text))});
    }
}

TEST_CASE("a file is replaced or stays, whichever call fails") {
    const test::ScratchDirectory scratch;
    const auto path = scratch / "file";
    const std::string old_text = long_text('o'), new_text = long_text('n');
    test::set_content(path, old_text);
    test::FaultPlan counting;
    replace_file(path, new_text, test::failing_calls(counting));
    CHECK(test::content(path) == new_text);
    REQUIRE(counting.calls >= 8);  // open write write write fsync close rename open fsync close

    int failures = 0;
    for (const test::Fault fault : test::all_faults) {
        for (int at = 0; at < counting.calls; ++at) {
            test::set_content(path, old_text);
            const auto descriptors = test::open_descriptors();
            test::FaultPlan plan{.at = at, .fault = fault};
            const std::string message = error_of([&] { replace_file(path, new_text, test::failing_calls(plan)); });
            INFO("fault ", static_cast<int>(fault), " at ", at, " in ", plan.failed, ": ", message);
            CHECK(test::open_descriptors() == descriptors);
            const std::string now = test::content(path);
            if (test::is_harmless(plan)) {
                CHECK(message == "");
                CHECK(now == new_text);
            } else if (message.empty()) {
                CHECK(now == new_text);
                CHECK((plan.failed.empty() || plan.failed == "close"));  // of the directory, with nothing to lose
            } else {
                ++failures;
                CHECK(has(message, scratch.path().string()));
                CHECK(has(message, "failed: "));
                if (has(message, "is as it was") && fault != test::Fault::late) CHECK(now == old_text);
                if (has(message, "is replaced")) CHECK(now == new_text);
                CHECK((now == old_text || now == new_text));
                if (fault == test::Fault::no_space) CHECK(has(message, "No space left on device; free some space"));
            }
            // Nothing is left behind where the call that failed was not the one that removes.
            CHECK(names_in(scratch.path()).size() == 1);
        }
    }
    CHECK(failures > 25);
}

}  // namespace io_write_file_test
