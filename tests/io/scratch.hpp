// For tests of files: a directory of its own that is gone afterwards, and plain ways to look at files.
#pragma once

#include <hydralora/core/check.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/draw.hpp"  // trials

namespace test {

class ScratchDirectory {
public:
    ScratchDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "hydralora-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
        path_ = name;
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

inline std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void set_content(const std::filesystem::path& path, std::string_view text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// Changes one bit in place: to shorten and write a file again waits for the disk.
inline void flip_bit(const std::filesystem::path& path, std::size_t bit) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const auto at = static_cast<std::streamoff>(bit / 8);
    file.seekg(at);
    const int byte = file.get() ^ (1 << (bit % 8));
    file.seekp(at);
    file.put(static_cast<char>(byte));
}

/// The message of the library's error, "" if there was none. Any other exception passes through and fails the test.
template <class F>
std::string error_of(F&& f) {
    try {
        f();
    } catch (const hydralora::Error& error) {
        return error.what();
    }
    return "";
}
inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// The number of descriptors that this process has open.
inline std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

}  // namespace test
