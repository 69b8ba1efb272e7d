// The system calls that change files, as values: pass other ones to watch them or to make any of them fail.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/check.hpp"

namespace hydralora::io {

/// Each member has the contract of the POSIX call of its name (-1 and errno on failure); the default is that call.
struct FileCalls {
    std::function<int(const char* path, int flags, mode_t mode)> open = [](const char* path, int flags, mode_t mode) {
        return ::open(path, flags, mode);
    };
    std::function<ssize_t(int, const void*, std::size_t)> write = [](int fd, const void* data, std::size_t size) {
        return ::write(fd, data, size);
    };
    std::function<int(int)> fsync = [](int fd) { return ::fsync(fd); };
    std::function<int(int)> close = [](int fd) { return ::close(fd); };
    std::function<int(int)> lock = [](int fd) { return ::flock(fd, LOCK_EX | LOCK_NB); };  // until fd is closed
    std::function<int(const char*)> mkdir = [](const char* path) { return ::mkdir(path, 0777); };
    std::function<int(const char*)> rmdir = [](const char* path) { return ::rmdir(path); };
    std::function<int(const char*)> unlink = [](const char* path) { return ::unlink(path); };
    std::function<int(const char*, const char*)> rename = [](const char* from, const char* to) {
        return ::rename(from, to);
    };
    /// Two paths change places in one step; ENOSYS where the system cannot, EINVAL, EOPNOTSUPP or ENOTSUP where the file
    /// system cannot.
    std::function<int(const char*, const char*)> exchange = [](const char* a, const char* b) {
#ifdef RENAME_EXCHANGE
        return ::renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
#else
        static_cast<void>(a), static_cast<void>(b);
        errno = ENOSYS;
        return -1;
#endif
    };
};

namespace file_detail {

/// A call again and again while a signal interrupts it.
template <class Call>
auto retried(Call&& call) {
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

[[nodiscard]] inline std::string remedy(int code) {
    if (code == ENOSPC || code == EDQUOT) return "; free some space and try again";
    if (code == EMFILE || code == ENFILE) return "; too many open files: close some or raise the limit (ulimit -n)";
    if (code == EACCES || code == EPERM || code == EROFS) return "; check the permissions of the directory";
    return "";
}

/// Throws an Error that names file, operation and cause.
[[noreturn]] inline void fail_call(const std::filesystem::path& path, std::string_view operation, int code) {
    fail(path.string(), ": ", operation, " failed: ", std::generic_category().message(code), remedy(code));
}

/// An open descriptor that is closed at the end of its scope, whatever happens.
class Descriptor {
public:
    Descriptor(const FileCalls& calls, int fd) : calls_(&calls), fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept : calls_(other.calls_), fd_(other.release()) {}
    ~Descriptor() {
        if (fd_ >= 0) calls_->close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }
    int release() {
        const int fd = fd_;
        fd_ = -1;
        return fd;
    }

private:
    const FileCalls* calls_;
    int fd_;
};

[[nodiscard]] inline Descriptor open_directory(const std::filesystem::path& path, const FileCalls& calls) {
    const int fd = retried([&] { return calls.open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
    if (fd < 0) fail_call(path, "opening the directory", errno);
    return {calls, fd};
}

/// Makes the names in an open directory durable. File systems that cannot do this say EINVAL.
inline void sync_directory(int fd, const std::filesystem::path& path, const FileCalls& calls) {
    if (retried([&] { return calls.fsync(fd); }) < 0 && errno != EINVAL)
        fail_call(path, "fsync of the directory", errno);
}

}  // namespace file_detail

/// Makes the names in a directory durable.
inline void sync_directory(const std::filesystem::path& path, const FileCalls& calls = {}) {
    const auto directory = file_detail::open_directory(path, calls);
    file_detail::sync_directory(directory.get(), path, calls);
}

/// The directory a path lies in, "." for a plain name.
[[nodiscard]] inline std::filesystem::path directory_of(const std::filesystem::path& path) {
    const auto parent = path.parent_path();
    return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace hydralora::io
