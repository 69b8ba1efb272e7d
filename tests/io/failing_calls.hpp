// System calls of which the k-th fails.
#pragma once

#include <hydralora/io/file_calls.hpp>

#include <cerrno>
#include <string>
#include <string_view>

namespace test {

enum class Fault {
    io,              // EIO, nothing done
    no_space,        // ENOSPC
    no_space_stays,  // ENOSPC for this call and all later ones that need space
    many_files,      // EMFILE
    interrupted,     // EINTR, nothing done: must be tried again
    short_write,     // a write takes half of the bytes
    late             // EIO although it was done
};
inline constexpr Fault all_faults[] = {Fault::io,         Fault::no_space,    Fault::no_space_stays,
                                       Fault::many_files, Fault::interrupted, Fault::short_write,
                                       Fault::late};

/// Counts calls and fails number `at` (from 0).
struct FaultPlan {
    int at = -1;
    Fault fault = Fault::io;
    int calls = 0;
    std::string failed{};  // name of the call that failed
};

/// Whether the caller must not notice the fault.
inline bool is_harmless(const FaultPlan& plan) {
    return plan.fault == Fault::interrupted || plan.fault == Fault::short_write;
}

/// The real calls without waiting for the disk: for tests that cut no power.
inline hydralora::io::FileCalls unsynced_calls() {
    hydralora::io::FileCalls calls;
    calls.fsync = [](int) { return 0; };
    return calls;
}

inline hydralora::io::FileCalls failing_calls(FaultPlan& plan) {
    const hydralora::io::FileCalls real = unsynced_calls();
    const auto guarded = [&plan](const char* name, bool needs_space, auto call) {
        return [&plan, name, needs_space, call](auto... arguments) {
            const int number = plan.calls++;
            const bool later = plan.fault == Fault::no_space_stays && needs_space && number > plan.at && plan.at >= 0;
            if (number != plan.at && !later) return call(arguments...);
            using Result = decltype(call(arguments...));
            if (plan.fault == Fault::short_write) return call(arguments...);  // write has its own
            if (plan.failed.empty()) plan.failed = name;
            const std::string_view call_name = name;
            if ((plan.fault == Fault::late && call_name != "open") || call_name == "close")
                static_cast<void>(call(arguments...));
            errno = plan.fault == Fault::many_files                                        ? EMFILE
                    : plan.fault == Fault::interrupted                                     ? EINTR
                    : plan.fault == Fault::no_space || plan.fault == Fault::no_space_stays ? ENOSPC
                                                                                           : EIO;
            return static_cast<Result>(-1);
        };
    };
    hydralora::io::FileCalls calls;
    calls.open = guarded(
        "open", true, [open = real.open](const char* path, int flags, mode_t mode) { return open(path, flags, mode); });
    const auto failing_write = guarded("write", true, [write = real.write](int fd, const void* data, std::size_t size) {
        return write(fd, data, size);
    });
    calls.write = [&plan, failing_write, write = real.write](int fd, const void* data, std::size_t size) {
        if (plan.fault == Fault::short_write && plan.calls == plan.at && size > 1) {
            ++plan.calls;
            plan.failed = "write";
            return write(fd, data, size / 2);
        }
        return failing_write(fd, data, size);
    };
    calls.fsync = guarded("fsync", true, [fsync = real.fsync](int fd) { return fsync(fd); });
    calls.close = guarded("close", false, [close = real.close](int fd) { return close(fd); });
    calls.lock = guarded("lock", false, [lock = real.lock](int fd) { return lock(fd); });
    calls.mkdir = guarded("mkdir", true, [mkdir = real.mkdir](const char* path) { return mkdir(path); });
    calls.rmdir = guarded("rmdir", false, [rmdir = real.rmdir](const char* path) { return rmdir(path); });
    calls.unlink = guarded("unlink", false, [unlink = real.unlink](const char* path) { return unlink(path); });
    calls.rename =
        guarded("rename", true, [rename = real.rename](const char* from, const char* to) { return rename(from, to); });
    calls.exchange =
        guarded("exchange", true, [exchange = real.exchange](const char* a, const char* b) { return exchange(a, b); });
    return calls;
}

}  // namespace test
