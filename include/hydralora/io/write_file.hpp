// Writing files so that a crash leaves the old content or the new, never a part of either.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "checksum.hpp"
#include "file.hpp"
#include "file_calls.hpp"

namespace hydralora::io {

/// What was written: number of bytes and their checksum.
struct FileSum {
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;  // XXH64
    friend bool operator==(const FileSum&, const FileSum&) = default;
};

/// A name that no other process or call uses: `<prefix><pid>-<nanoseconds>-<attempt>`.
[[nodiscard]] inline std::string unique_name(std::string_view prefix, int attempt) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return concat(prefix, ::getpid(), '-', now.tv_sec, std::to_string(1'000'000'000 + now.tv_nsec).substr(1), '-',
                  attempt);
}

/// Writes a new file from its beginning to its end. A path that exists is refused. Unless finish() has returned, the
/// file is not complete; its removal is left to the caller.
class FileWriter {
public:
    FileWriter(std::filesystem::path path, const FileCalls& calls)
        : path_(std::move(path)), calls_(calls), file_(calls_, create(path_, calls_)) {
        buffer_.reserve(buffer_size);
    }
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;

    void write(std::span<const std::byte> bytes) {
        sum_.update(bytes);
        total_ += bytes.size();
        if (buffer_.size() + bytes.size() > buffer_size) flush();
        if (bytes.size() >= buffer_size)
            write_through(bytes);
        else
            buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
    void write(std::string_view text) { write(as_byte_span(text)); }

    /// Flushes, makes the content durable (not the name: sync the directory) and closes.
    FileSum finish() {
        flush();
        if (file_detail::retried([&] { return calls_.fsync(file_.get()); }) < 0)
            file_detail::fail_call(path_, "fsync", errno);
        // After an interrupted close the descriptor is gone all the same, and the content is on disk already.
        if (calls_.close(file_.release()) < 0 && errno != EINTR) file_detail::fail_call(path_, "closing", errno);
        return {total_, sum_.digest()};
    }

private:
    static constexpr std::size_t buffer_size = std::size_t{1} << 18;

    static int create(const std::filesystem::path& path, const FileCalls& calls) {
        const int fd = file_detail::retried(
            [&] { return calls.open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666); });
        if (fd < 0) file_detail::fail_call(path, "creating", errno);
        return fd;
    }
    void flush() {
        write_through(buffer_);
        buffer_.clear();
    }
    void write_through(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ssize_t count =
                file_detail::retried([&] { return calls_.write(file_.get(), bytes.data(), bytes.size()); });
            if (count < 0) file_detail::fail_call(path_, concat("writing at byte ", written_), errno);
            check(count > 0, path_.string(), ": writing at byte ", written_, " made no progress; is the disk full?");
            written_ += static_cast<std::uint64_t>(count);
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
    }

    std::filesystem::path path_;
    FileCalls calls_;
    file_detail::Descriptor file_;
    std::vector<std::byte> buffer_;
    Xxh64 sum_;
    std::uint64_t total_ = 0, written_ = 0;
};

/// A new file with this content, durable; a path that exists is refused.
inline FileSum write_file(const std::filesystem::path& path, std::string_view content, const FileCalls& calls = {}) {
    FileWriter writer(path, calls);
    writer.write(content);
    return writer.finish();
}

/// Replaces (or makes) `target` in one step: `fill(FileWriter&)` writes a temporary file beside it, which is made
/// durable and renamed. If anything fails, `target` is what it was and the error says so.
template <class Fill>
FileSum replace_file_with(const std::filesystem::path& target, Fill&& fill, const FileCalls& calls = {}) {
    const auto directory = directory_of(target);
    const auto temporary = directory / unique_name("." + target.filename().string() + ".tmp-", 0);
    bool renamed = false;
    try {
        FileWriter writer(temporary, calls);
        fill(writer);
        const FileSum sum = writer.finish();
        if (file_detail::retried([&] { return calls.rename(temporary.c_str(), target.c_str()); }) < 0)
            file_detail::fail_call(target, "renaming the new file to this name", errno);
        renamed = true;
        sync_directory(directory, calls);
        return sum;
    } catch (const Error& error) {
        if (renamed)
            fail(error.what(), "; ", target.string(), " is replaced, but may be the old one again after a power loss");
        calls.unlink(temporary.c_str());
        fail(error.what(), "; ", target.string(), " is as it was");
    } catch (...) {
        calls.unlink(temporary.c_str());
        throw;
    }
}

inline FileSum replace_file(const std::filesystem::path& target, std::string_view content,
                            const FileCalls& calls = {}) {
    return replace_file_with(
        target, [&](FileWriter& writer) { writer.write(content); }, calls);
}

}  // namespace hydralora::io
