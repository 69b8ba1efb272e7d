#include <hydralora/io/staged_directory.hpp>

#include <doctest/doctest.h>

#include "failing_calls.hpp"
#include "scratch.hpp"

namespace io_staged_directory_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
void stage(const test::ScratchDirectory& scratch, std::string_view text, const FileCalls& calls) {
    StagedDirectory staged(scratch.path(), ".tmp-", calls);
    write_file(staged.path() / "file", text, calls);
    staged.commit(scratch / "target");
}
}  // namespace

TEST_CASE("a directory appears complete, is replaced in one step, and is not there after an error") {
    const test::ScratchDirectory scratch;
    stage(scratch, "first", {});
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
    CHECK(test::content(scratch / "target" / "file") == "first");
    stage(scratch, "second", {});
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
    CHECK(test::content(scratch / "target" / "file") == "second");
    { StagedDirectory staged(scratch.path(), ".tmp-", FileCalls{}); }
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
}

TEST_CASE("without an exchange of names: in two steps, and back if the second fails") {
    for (const int refusal :
         {ENOSYS, EINVAL, ENOTSUP, EOPNOTSUPP}) {  // of kernels, of file systems, of those in user space
        CAPTURE(refusal);
        const test::ScratchDirectory scratch;
        FileCalls calls;
        calls.exchange = [refusal](const char*, const char*) {
            errno = refusal;
            return -1;
        };
        stage(scratch, "first", calls);
        stage(scratch, "second", calls);
        CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
        CHECK(test::content(scratch / "target" / "file") == "second");
    }
    const test::ScratchDirectory scratch;
    FileCalls calls;
    calls.exchange = [](const char*, const char*) {
        errno = EPERM;  // which is a refusal
        return -1;
    };
    stage(scratch, "first", calls);
    CHECK(has(error_of([&] { stage(scratch, "second", calls); }), "exchanging the directories failed"));
    CHECK(test::content(scratch / "target" / "file") == "first");
    calls.exchange = [](const char*, const char*) {
        errno = ENOSYS;
        return -1;
    };
    stage(scratch, "second", calls);
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
    CHECK(test::content(scratch / "target" / "file") == "second");
    int renames = 0;
    calls.rename = [&](const char* from, const char* to) {
        if (++renames != 2) return ::rename(from, to);
        errno = EIO;
        return -1;
    };
    CHECK(has(error_of([&] { stage(scratch, "third", calls); }), "Input/output error"));
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"target"});
    CHECK(test::content(scratch / "target" / "file") == "second");
}

TEST_CASE("directories are made, listed and removed; links are not followed") {
    const test::ScratchDirectory scratch;
    make_directory(scratch / "a");
    make_directory(scratch / "a");
    CHECK(
        has(error_of([&] { make_directory(scratch / "no" / "parent"); }), "making the directory failed: No such file"));
    test::set_content(scratch / "file", "kept");
    CHECK(has(error_of([&] { make_directory(scratch / "file"); }), "making the directory failed: File exists"));
    std::filesystem::create_symlink(scratch / "file", scratch / "a" / "link");
    test::set_content(scratch / "a" / "b", "");
    CHECK(list_directory(scratch / "a") == std::vector<std::string>{"b", "link"});
    remove_directory(scratch / "a");
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"file"});
    CHECK(has(error_of([&] { static_cast<void>(list_directory(scratch / "a")); }),
              "listing the directory failed: No such file"));
    std::filesystem::create_directories(scratch / "c" / "d");
    CHECK(has(error_of([&] { remove_directory(scratch / "c"); }), "d: removing failed"));
}

}  // namespace io_staged_directory_test
