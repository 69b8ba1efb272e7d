#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <hydralora/core/check.hpp>
#include <hydralora/core/thread_pool.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace core_thread_pool_test {

using hydralora::Error;
using hydralora::Index;
using hydralora::ThreadPool;

TEST_CASE("ThreadPool: every task once, by a worker that exists, for 1 to 8 threads") {
    for (int threads = 1; threads <= 8; ++threads) {
        ThreadPool pool(threads);
        CHECK(pool.size() == threads);
        for (const Index count : {0, 1, 2, 3, 7, 64, 1000}) {
            std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
            std::atomic<bool> worker_exists{true};
            pool.run(count, [&](Index i, int worker) {
                ++done[static_cast<std::size_t>(i)];
                if (worker < 0 || worker >= threads) worker_exists = false;
            });
            int wrong = 0;
            for (const auto& d : done) wrong += d != 1;
            CHECK(wrong == 0);
            CHECK(worker_exists);
        }
    }
}

TEST_CASE("ThreadPool: what tasks wrote is seen when run returns, and one worker runs one task at a time") {
    ThreadPool pool(4);
    std::vector<long> sums(4);
    for (int round = 0; round < 200; ++round) {
        std::vector<int> values(333);
        pool.run(333, [&](Index i, int worker) {
            values[static_cast<std::size_t>(i)] = static_cast<int>(i);
            ++sums[static_cast<std::size_t>(worker)];  // not atomic: each worker has its own
        });
        long sum = 0;
        for (const int v : values) sum += v;
        REQUIRE(sum == 333 * 332 / 2);
    }
    CHECK(sums[0] + sums[1] + sums[2] + sums[3] == 200 * 333);
}

TEST_CASE("ThreadPool: an exception of a task reaches the caller and the pool goes on") {
    for (const int threads : {1, 2, 4}) {
        ThreadPool pool(threads);
        for (int round = 0; round < 50; ++round) {
            std::string caught;
            try {
                pool.run(100, [&](Index i, int) {
                    if (i == 37) throw std::runtime_error("task 37");
                });
            } catch (const std::runtime_error& e) {
                caught = e.what();
            }
            CHECK(caught == "task 37");
            std::atomic<int> done{0};
            pool.run(100, [&](Index, int) { ++done; });
            CHECK(done == 100);
        }
    }
}

TEST_CASE("ThreadPool: many exceptions in one run are one exception") {
    ThreadPool pool(4);
    CHECK_THROWS_AS(pool.run(64, [](Index, int) { throw Error("each"); }), Error);
    pool.run(64, [](Index, int) {});
}

TEST_CASE("ThreadPool: 10,000 runs on one pool, no wake-up lost") {
    for (const int threads : {1, 2, 4}) {
        ThreadPool pool(threads);
        std::atomic<long> done{0};
        const auto begin = std::chrono::steady_clock::now();
        for (int round = 0; round < 10000; ++round) pool.run(4, [&](Index, int) { ++done; });
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        CHECK(done == 40000);
        CHECK(seconds.count() < 60);  // a sanitizer or a busy machine is no failure
        MESSAGE(threads << " threads: " << seconds.count() * 100 << " us a run");
    }
}

TEST_CASE("ThreadPool: pools that never worked, or rested a while, end and work") {
    { ThreadPool pool(4); }
    ThreadPool pool(3);
    std::atomic<int> done{0};
    pool.run(3, [&](Index, int) { ++done; });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.run(3, [&](Index, int) { ++done; });
    CHECK(done == 6);
    CHECK(ThreadPool(0).size() >= 1);
}

TEST_CASE("ThreadPool: a number of threads out of range is named") {
    CHECK_THROWS_WITH_AS(ThreadPool(-1), "ThreadPool: threads = -1, expected 0 (all) to 1024", Error);
    CHECK_THROWS_AS(ThreadPool(1025), Error);
}

TEST_CASE("ThreadPool: a run within a run is refused, and the pool goes on") {
    ThreadPool pool(2);
    CHECK_THROWS_WITH_AS(
        pool.run(4, [&](Index, int) { pool.run(4, [](Index, int) {}); }),
        "ThreadPool: a run within another, or by two threads at once; a pool, and so a backend, has one "
        "caller at a time",
        Error);
    std::atomic<int> done{0};
    pool.run(9, [&](Index, int) { ++done; });
    CHECK(done == 9);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("ThreadPool: threads that wait for the next run soon sleep") {
    ThreadPool pool(8);
    const auto processor_time = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
        };
        return seconds(usage.ru_utime) + seconds(usage.ru_stime);
    };
    const double before = processor_time();
    constexpr int runs = 50;
    for (int i = 0; i < runs; ++i) {
        pool.run(8, [](Index, int) {});
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(processor_time() - before < runs * 2.5e-3);  // 7 threads that never slept would take up to 10e-3
}
#endif

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a thread that cannot be started is an error, and those that were are joined") {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // stacks of 8 MiB in 256 MiB of addresses
        const rlimit addresses{std::size_t{1} << 28, std::size_t{1} << 28};
        setrlimit(RLIMIT_AS, &addresses);
        try {
            const hydralora::ThreadPool pool(1000);
        } catch (const hydralora::Error& error) {
            _exit(std::string(error.what()).find(" of 1000 could not be started: ") != std::string::npos ? 0 : 2);
        }
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
#endif

}  // namespace core_thread_pool_test
