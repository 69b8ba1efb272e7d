// Reading files: the whole of a regular file mapped into memory.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../core/check.hpp"
#include "file_calls.hpp"

namespace hydralora::io {

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<const std::byte> as_byte_span(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// A regular file, mapped read-only. Opened once, so that what is checked is what is read; symbolic links are followed
/// (model caches are made of them). Do not let another program shorten the file while it is mapped: replace it instead.
class MappedFile {
public:
    MappedFile() = default;

    [[nodiscard]] static MappedFile open(const std::filesystem::path& path) {
        // Without O_NONBLOCK a named pipe would make us wait for a writer.
        const int fd = file_detail::retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
        if (fd < 0) file_detail::fail_call(path, "opening", errno);
        const FileCalls calls;
        const file_detail::Descriptor descriptor(calls, fd);

        const std::uint64_t size = size_of(fd, path);
        check(size <= std::numeric_limits<std::size_t>::max() / 2, path.string(), ": ", size,
              " bytes do not fit the address space");
        MappedFile file;
        file.path_ = path.string();
        if (size > 0) {
            void* data = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, fd, 0);
            if (data == MAP_FAILED) file_detail::fail_call(path, "mapping", errno);
            file.data_ = data;
            file.size_ = static_cast<std::size_t>(size);
        }
        const std::uint64_t now = size_of(fd, path);
        check(now == size, path.string(), ": the size changed from ", size, " to ", now,
              " bytes while it was opened; try again when nothing writes to it");
        return file;
    }

    MappedFile(MappedFile&& other) noexcept { swap(other); }
    MappedFile& operator=(MappedFile&& other) noexcept {
        swap(other);
        return *this;
    }
    ~MappedFile() {
        if (data_ != nullptr) ::munmap(data_, size_);
    }

    [[nodiscard]] std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
    [[nodiscard]] std::string_view text() const { return as_text(bytes()); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    static std::uint64_t size_of(int fd, const std::filesystem::path& path) {
        struct stat status {};
        if (::fstat(fd, &status) != 0) file_detail::fail_call(path, "fstat", errno);
        check(S_ISREG(status.st_mode), path.string(), ": expected a regular file, found ",
              S_ISDIR(status.st_mode) ? "a directory" : "something else (a pipe, a socket or a device)");
        return static_cast<std::uint64_t>(status.st_size);
    }
    void swap(MappedFile& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(path_, other.path_);
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
    std::string path_;
};

/// Gives back the memory of the whole pages of a part of a mapped file; whoever reads them again has them read again.
inline void release_pages(std::span<const std::byte> mapped) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = (reinterpret_cast<std::uintptr_t>(mapped.data()) + page - 1) / page * page;
    const auto end = reinterpret_cast<std::uintptr_t>(mapped.data() + mapped.size()) / page * page;
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // advice: may do nothing
}

/// Whether the name exists, be it a broken link.
[[nodiscard]] inline bool path_exists(const std::filesystem::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT && errno != ENOTDIR) file_detail::fail_call(path, "lstat", errno);
    return false;
}

}  // namespace hydralora::io
