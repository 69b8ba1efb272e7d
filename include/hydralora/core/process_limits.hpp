// What this process may use of its machine: the processors of its affinity mask and the limits of its control groups, as
// containers, batch systems and services set them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace hydralora {

namespace process_detail {

inline std::string read_small_file(const std::string& path) {
    std::string text;
    if (std::FILE* file = std::fopen(path.c_str(), "re")) {
        char buffer[4096];
        while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) {
            text.append(buffer, n);
            if (text.size() > 65536) break;
        }
        std::fclose(file);
    }
    return text;
}

/// The group's path of one line of /proc/self/cgroup, "id:controllers:path", if the controller is among them ("" is version 2).
inline std::string_view group_of(std::string_view line, std::string_view controller) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) return {};
    std::string_view names = line.substr(first + 1, second - first - 1);
    if (controller.empty()) return names.empty() ? line.substr(second + 1) : std::string_view{};
    while (!names.empty()) {
        const auto comma = std::min(names.find(','), names.size());
        if (names.substr(0, comma) == controller) return line.substr(second + 1);
        names.remove_prefix(std::min(comma + 1, names.size()));
    }
    return {};
}

/// The least of limit_in(folder) over the groups that hold this process, from its own up to the mounted root, which in a
/// container is often all that can be seen. `root` stands before /proc and /sys.
template <class LimitIn>
double least_in_groups(const std::string& root, std::string_view controller, const std::string& mount,
                       LimitIn&& limit_in) {
    const std::string groups = read_small_file(root + "/proc/self/cgroup");
    double least = limit_in(root + mount);
    for (std::string_view rest = groups; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        std::string path(group_of(rest.substr(0, end), controller));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!path.starts_with('/')) continue;  // no line of a group
        for (; path.size() > 1; path.resize(path.rfind('/'))) least = std::min(least, limit_in(root + mount + path));
    }
    return least;
}

/// The number that a file begins with, infinite where there is none ("max").
inline double number_in(const std::string& path) {
    const std::string text = read_small_file(path);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return end == text.c_str() || !(value >= 0) ? std::numeric_limits<double>::infinity() : value;
}

}  // namespace process_detail

/// Processors that the process's control groups allow in the mean, infinite without a quota: cpu.max of version 2 ("quota period"
/// in microseconds), cpu.cfs_quota_us and cpu.cfs_period_us of version 1 (Linux, Documentation/admin-guide/cgroup-v2.rst and
/// scheduler/sched-bwc.rst).
[[nodiscard]] inline double processor_quota(const std::string& root = {}) {
    using namespace process_detail;
    const auto unified = [](const std::string& folder) {
        const std::string text = read_small_file(folder + "/cpu.max");
        double quota = 0, period = 0;
        const bool limited = std::sscanf(text.c_str(), "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0;
        return limited ? quota / period : std::numeric_limits<double>::infinity();
    };
    const auto separate = [](const std::string& folder) {  // -1 is no quota
        const double quota = number_in(folder + "/cpu.cfs_quota_us"), period = number_in(folder + "/cpu.cfs_period_us");
        return period > 0 && std::isfinite(period) ? quota / period : std::numeric_limits<double>::infinity();
    };
    double least = least_in_groups(root, "", "/sys/fs/cgroup", unified);
    for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
        least = std::min(least, least_in_groups(root, "cpu", mount, separate));
    return least;
}

/// Bytes that the process's control groups allow, infinite without a limit: memory.max of version 2, memory.limit_in_bytes of
/// version 1.
[[nodiscard]] inline double memory_limit(const std::string& root = {}) {
    using namespace process_detail;
    return std::min(least_in_groups(root, "", "/sys/fs/cgroup",
                                    [](const std::string& folder) { return number_in(folder + "/memory.max"); }),
                    least_in_groups(root, "memory", "/sys/fs/cgroup/memory", [](const std::string& folder) {
                        return number_in(folder + "/memory.limit_in_bytes");
                    }));
}

/// Processors for the process's threads: those of its affinity mask (of the machine where that cannot be asked), and no more
/// than its quota rounded up. At least 1.
[[nodiscard]] inline int available_processors(const std::string& root = {}) {
    int processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
    cpu_set_t mask;  // of 1,024 processors; a larger machine refuses it, and the count above stands
    if (::sched_getaffinity(0, sizeof mask, &mask) == 0) processors = std::max(1, CPU_COUNT(&mask));
#endif
    const double quota = std::ceil(processor_quota(root));
    return quota < processors ? std::max(1, static_cast<int>(quota)) : processors;
}

}  // namespace hydralora
