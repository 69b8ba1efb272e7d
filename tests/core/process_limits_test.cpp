// Limits of a process, read from trees of files as Linux lays them out, and from the kernel itself.
#include "hydralora/core/process_limits.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "hydralora/core/thread_pool.hpp"

#include "io/scratch.hpp"

namespace core_process_limits_test {

using namespace hydralora;

namespace {

struct Tree {
    test::ScratchDirectory folder;

    std::string root() const { return folder.path().string(); }

    void write(const std::string& path, const std::string& text) {
        const std::filesystem::path file = root() + path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
};

TEST_CASE("without files there is no limit") {
    Tree tree;
    CHECK(std::isinf(processor_quota(tree.root())));
    CHECK(std::isinf(memory_limit(tree.root())));
    CHECK(available_processors(tree.root()) >= 1);
}

TEST_CASE("version 2: the least of the own group, those above it and the mounted root") {
    Tree tree;
    tree.write("/proc/self/cgroup", "0::/user.slice/job/step\n");
    tree.write("/sys/fs/cgroup/user.slice/job/step/cpu.max", "max 100000\n");
    tree.write("/sys/fs/cgroup/user.slice/job/cpu.max", "150000 100000\n");
    tree.write("/sys/fs/cgroup/user.slice/cpu.max", "800000 100000\n");
    tree.write("/sys/fs/cgroup/user.slice/job/step/memory.max", "1073741824\n");
    tree.write("/sys/fs/cgroup/user.slice/memory.max", "max\n");
    CHECK(processor_quota(tree.root()) == 1.5);
    CHECK(memory_limit(tree.root()) == 1073741824.0);
    tree.write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    CHECK(processor_quota(tree.root()) == 0.5);
    CHECK(available_processors(tree.root()) == 1);
}

TEST_CASE("version 2 in a container: the group's path is not there, the root is its own") {
    Tree tree;
    tree.write("/proc/self/cgroup", "0::/../outside\n");
    tree.write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    CHECK(processor_quota(tree.root()) == 2.0);
}

TEST_CASE("version 1: a folder a controller, -1 is no quota") {
    Tree tree;
    tree.write("/proc/self/cgroup", "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n");
    tree.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    tree.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    CHECK(std::isinf(processor_quota(tree.root())));
    tree.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    tree.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    tree.write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
    CHECK(processor_quota(tree.root()) == 2.5);
    CHECK(memory_limit(tree.root()) == 536870912.0);
}

TEST_CASE("files that say nothing limit nothing") {
    Tree tree;
    for (const char* text :
         {"", "max", "0 0\n", "100000 0\n", "-5 100000\n", "nan nan\n", "words\n", "0::words\n", "0::\n"}) {
        CAPTURE(text);
        tree.write("/proc/self/cgroup", text);
        tree.write("/sys/fs/cgroup/cpu.max", text);
        CHECK(std::isinf(processor_quota(tree.root())));
    }
}

TEST_CASE("a thread that is bound to one processor has one") {
    Tree tree;
    int found = 0, pool = 0;
    std::thread([&] {
        cpu_set_t mask;
        REQUIRE(::sched_getaffinity(0, sizeof mask, &mask) == 0);
        int first = 0;
        while (!CPU_ISSET(first, &mask)) ++first;
        CPU_ZERO(&mask);
        CPU_SET(first, &mask);
        REQUIRE(::sched_setaffinity(0, sizeof mask, &mask) == 0);
        found = available_processors(tree.root());
        pool = ThreadPool(0).size();
    }).join();
    CHECK(found == 1);
    CHECK(pool == 1);
}

}  // namespace

}  // namespace core_process_limits_test
