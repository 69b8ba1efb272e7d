#include <hydralora/io/file.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "scratch.hpp"

namespace io_file_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

TEST_CASE("a mapped file shows the bytes of the file") {
    const test::ScratchDirectory scratch;
    const auto before = test::open_descriptors();
    const std::string text(100'000, 'x');
    test::set_content(scratch / "a", text);
    MappedFile file = MappedFile::open(scratch / "a");
    CHECK(file.text() == text);
    CHECK(file.path() == (scratch / "a").string());
    CHECK(test::open_descriptors() == before);

    const auto* data = file.bytes().data();
    const MappedFile moved = std::move(file);
    CHECK(moved.bytes().data() == data);
    std::filesystem::remove(scratch / "a");
    CHECK(moved.text() == text);  // the mapping outlives the name

    test::set_content(scratch / "empty", "");
    CHECK(MappedFile::open(scratch / "empty").bytes().empty());
    std::filesystem::create_symlink(scratch / "empty", scratch / "link");
    CHECK(MappedFile::open(scratch / "link").bytes().empty());
}

TEST_CASE("what is not a regular file is refused by name") {
    const test::ScratchDirectory scratch;
    const auto opening = [](const std::filesystem::path& path) {
        return error_of([&] { static_cast<void>(MappedFile::open(path)); });
    };
    CHECK(has(opening(scratch / "none"), "none: opening failed: No such file or directory"));
    CHECK(has(opening(scratch.path()), "expected a regular file, found a directory"));
    REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
    CHECK(has(opening(scratch / "pipe"), "expected a regular file, found something else"));
    CHECK(has(opening("/dev/null"), "expected a regular file, found something else"));
    CHECK(path_exists(scratch / "pipe"));
    CHECK(!path_exists(scratch / "none"));
    CHECK(!path_exists(scratch / "pipe" / "below"));
}

}  // namespace io_file_test
