// A directory that appears complete or not at all: filled under a temporary name, made durable, then renamed.
#pragma once

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../core/check.hpp"
#include "file.hpp"
#include "file_calls.hpp"
#include "write_file.hpp"

namespace hydralora::io {

/// The names in a directory, sorted.
[[nodiscard]] inline std::vector<std::string> list_directory(const std::filesystem::path& path) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(path, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        names.push_back(entry->path().filename().string());
    if (error) file_detail::fail_call(path, "listing the directory", error.value());
    std::sort(names.begin(), names.end());
    return names;
}

/// Makes a directory durable by name unless it is there. Its parent must exist.
inline void make_directory(const std::filesystem::path& path, const FileCalls& calls = {}) {
    if (file_detail::retried([&] { return calls.mkdir(path.c_str()); }) == 0)
        return sync_directory(directory_of(path), calls);
    const int code = errno;
    std::error_code ignored;
    if (code != EEXIST || !std::filesystem::is_directory(path, ignored))
        file_detail::fail_call(path, "making the directory", code);
}

/// Removes a directory of plain files, or a plain file. Links are removed, not followed; a directory in it is an error.
inline void remove_directory(const std::filesystem::path& path, const FileCalls& calls = {}) {
    const auto unlink = [&](const std::filesystem::path& file) {
        if (file_detail::retried([&] { return calls.unlink(file.c_str()); }) < 0)
            file_detail::fail_call(file, "removing", errno);
    };
    std::error_code ignored;
    if (std::filesystem::symlink_status(path, ignored).type() != std::filesystem::file_type::directory)
        return unlink(path);
    for (const std::string& name : list_directory(path)) unlink(path / name);
    if (file_detail::retried([&] { return calls.rmdir(path.c_str()); }) < 0)
        file_detail::fail_call(path, "removing the directory", errno);
}

class StagedDirectory {
public:
    /// Makes the temporary directory `<parent>/<prefix><unique>`.
    StagedDirectory(const std::filesystem::path& parent, std::string_view prefix, const FileCalls& calls)
        : calls_(calls), parent_(parent) {
        for (int attempt = 0;; ++attempt) {
            path_ = parent / unique_name(prefix, attempt);
            if (file_detail::retried([&] { return calls.mkdir(path_.c_str()); }) == 0) break;
            if (errno != EEXIST || attempt == 100)
                file_detail::fail_call(path_, "making the temporary directory", errno);
        }
        present_ = true;
    }
    StagedDirectory(const StagedDirectory&) = delete;
    StagedDirectory& operator=(const StagedDirectory&) = delete;

    /// What was not committed is removed as far as that works.
    ~StagedDirectory() {
        if (!present_) return;
        try {
            remove_directory(path_, calls_);
        } catch (const std::exception&) {
            return;  // the next save removes it
        }
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// Whether the target has its new content (it may not be durable yet if commit has thrown).
    [[nodiscard]] bool visible() const { return visible_; }

    /// Gives the directory its name in one step. A directory of that name, if there is one, takes the temporary name
    /// and is removed by the destructor.
    void commit(const std::filesystem::path& target) {
        sync_directory(path_, calls_);
        if (!path_exists(target)) {
            rename(path_, target);
            present_ = false;
        } else if (file_detail::retried([&] { return calls_.exchange(path_.c_str(), target.c_str()); }) < 0) {
            const bool not_here = errno == ENOSYS || errno == EINVAL || errno == ENOTSUP || errno == EOPNOTSUPP;
            if (!not_here) file_detail::fail_call(target, "exchanging the directories", errno);
            // No exchange on this file system: two steps, and the old one is put back if the second fails.
            const std::filesystem::path old = path_.string() + "-old";
            rename(target, old);
            try {
                rename(path_, target);
            } catch (const Error&) {
                calls_.rename(old.c_str(), target.c_str());
                throw;
            }
            path_ = old;
        }
        visible_ = true;
        sync_directory(parent_, calls_);
    }

private:
    void rename(const std::filesystem::path& from, const std::filesystem::path& to) {
        if (file_detail::retried([&] { return calls_.rename(from.c_str(), to.c_str()); }) < 0)
            file_detail::fail_call(to, concat("renaming ", from.filename().string(), " to this name"), errno);
    }

    FileCalls calls_;
    std::filesystem::path parent_, path_;
    bool present_ = false, visible_ = false;
};

}  // namespace hydralora::io
