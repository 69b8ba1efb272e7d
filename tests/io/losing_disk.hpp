// A disk that loses power: it remembers what was made durable, and gives back a state that the rules of POSIX allow.
#pragma once

#include <hydralora/io/file_calls.hpp>

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// Watches the calls below a directory that is empty at first (the calls are also made, without waiting for the disk).
/// Rules: the content of a file is safe up to its last fsync, later writes may each be there or not; a name made, moved
/// or removed is safe after an fsync of its directory, before that each such change may be there or not, whatever the
/// others.
class LosingDisk {
public:
    explicit LosingDisk(std::filesystem::path root) : root_(std::move(root)) {
        names_[root_.string()] = std::make_shared<Node>();
        top_ = names_[root_.string()];
    }

    [[nodiscard]] hydralora::io::FileCalls calls() {
        hydralora::io::FileCalls calls;
        calls.open = [this, open = calls.open](const char* path, int flags, mode_t mode) {
            const int fd = open(path, flags, mode);
            if (fd < 0) return fd;
            if ((flags & O_CREAT) != 0) {
                const auto node = names_[path] = std::make_shared<Node>();
                change(path, node);
            }
            open_[fd] = names_.at(path);
            return fd;
        };
        calls.write = [this, write = calls.write](int fd, const void* data, std::size_t size) {
            const ssize_t count = write(fd, data, size);
            if (count > 0)
                open_.at(fd)->pending.emplace_back(static_cast<const char*>(data), static_cast<std::size_t>(count));
            return after(count);
        };
        calls.fsync = [this](int fd) {
            Node& node = *open_.at(fd);
            for (const std::string& part : node.pending) node.safe += part;
            node.pending.clear();
            for (const Change& change : node.changes) apply(node.entries, change);
            node.changes.clear();
            return after(0);
        };
        calls.mkdir = [this, mkdir = calls.mkdir](const char* path) {
            const int result = mkdir(path);
            if (result == 0) change(path, names_[path] = std::make_shared<Node>());
            return after(result);
        };
        const auto removing = [this](auto call) {
            return [this, call](const char* path) {
                const int result = call(path);
                if (result == 0) {
                    change(path, nullptr);
                    names_.erase(path);
                }
                return after(result);
            };
        };
        calls.unlink = removing(calls.unlink);
        calls.rmdir = removing(calls.rmdir);
        calls.rename = [this, rename = calls.rename](const char* from, const char* to) {
            const int result = rename(from, to);
            if (result == 0) {
                const auto node = names_.at(from);
                add(from, {{{name_of(from), nullptr}, {name_of(to), node}}});
                move_names(from, to);
            }
            return after(result);
        };
        calls.exchange = [this, exchange = calls.exchange](const char* a, const char* b) {
            const int result = exchange(a, b);
            if (result == 0) {
                add(a, {{{name_of(a), names_.at(b)}, {name_of(b), names_.at(a)}}});
                const std::string other = std::string(a) + "?";
                move_names(a, other);
                move_names(b, a);
                move_names(other, b);
            }
            return after(result);
        };
        return calls;
    }

    /// Called after each call that may change the disk.
    std::function<void()> on_change;

    /// Writes what may be left after a loss of power now to an empty directory.
    void survive(const std::filesystem::path& target, std::mt19937_64& random) const { survive(*top_, target, random); }

private:
    struct Node;
    using NodePointer = std::shared_ptr<Node>;
    using Entries = std::map<std::string, NodePointer>;
    struct Change {
        std::vector<std::pair<std::string, NodePointer>> names;  // at one moment; nullptr removes
    };
    struct Node {
        std::string safe{};  // content of a file
        std::vector<std::string> pending{};
        Entries entries{};  // of a directory
        std::vector<Change> changes{};
        bool is_directory = false;
    };

    static std::string name_of(const std::filesystem::path& path) { return path.filename().string(); }
    static void apply(Entries& entries, const Change& change) {
        for (const auto& [name, node] : change.names) {
            if (node == nullptr)
                entries.erase(name);
            else
                entries[name] = node;
        }
    }
    void add(const std::filesystem::path& path, Change change) {
        Node& parent = *names_.at(path.parent_path().string());
        parent.is_directory = true;
        parent.changes.push_back(std::move(change));
    }
    void change(const std::filesystem::path& path, const NodePointer& node) { add(path, {{{name_of(path), node}}}); }
    void move_names(const std::string& from, const std::string& to) {
        std::map<std::string, NodePointer> moved;
        for (auto at = names_.begin(); at != names_.end();) {
            if (at->first == from || at->first.starts_with(from + "/")) {
                moved[to + at->first.substr(from.size())] = at->second;
                at = names_.erase(at);
            } else {
                ++at;
            }
        }
        names_.merge(moved);
    }
    template <class Result>
    Result after(Result result) {
        const int code = errno;
        if (on_change) on_change();
        errno = code;
        return result;
    }

    static void survive(const Node& directory, const std::filesystem::path& target, std::mt19937_64& random) {
        Entries entries = directory.entries;
        for (const Change& change : directory.changes)
            if (random() % 2 == 0) apply(entries, change);
        for (const auto& [name, node] : entries) {
            if (node->is_directory) {
                std::filesystem::create_directory(target / name);
                survive(*node, target / name, random);
                continue;
            }
            std::string content = node->safe;
            std::string later;
            for (const std::string& part : node->pending) {
                const bool kept = random() % 2 == 0;
                later += kept ? part : std::string(part.size(), '\0');  // a hole, if something after it is there
                if (kept) content = node->safe + later;
            }
            std::ofstream(target / name, std::ios::binary) << content;
        }
    }

    std::filesystem::path root_;
    std::map<std::string, NodePointer> names_;  // as the running program sees them
    std::map<int, NodePointer> open_;
    NodePointer top_;
};

}  // namespace test
