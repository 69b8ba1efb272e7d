// Tasks that write to places of their own, on a few threads: which thread runs a task changes no result.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora::corpus {

/// task(i) for i in [0, count) on `threads` threads, 0 for as many as the machine has, the caller among them. Rethrows the
/// exception of one thread after all have ended. If the machine gives fewer threads, fewer do the work.
template <class Task>
void for_each_task(int threads, Index count, Task&& task) {
    check(threads >= 0 && threads <= 1024, "corpus: threads = ", threads, ", expected 0 (all) to 1024");
    if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    threads = static_cast<int>(std::min<Index>(threads, count));
    if (threads <= 1) {
        for (Index i = 0; i < count; ++i) task(i);
        return;
    }
    std::atomic<Index> next{0};
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads));
    const auto work = [&](std::size_t worker) {
        try {
            for (Index i = next++; i < count; i = next++) task(i);
        } catch (...) {
            failures[worker] = std::current_exception();
            next = count;
        }
    };
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(threads - 1));
    try {
        for (std::size_t worker = 1; worker < static_cast<std::size_t>(threads); ++worker)
            others.emplace_back([&work, worker] { work(worker); });
    } catch (const std::system_error&) {
    }
    work(0);
    for (std::thread& other : others) other.join();
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

/// range(begin, end) for the parts of [0, count) that are `size` long, the last one shorter.
template <class Range>
void for_each_slab(int threads, Index count, Index size, Range&& range) {
    for_each_task(threads, (count + size - 1) / size,
                  [&](Index slab) { range(slab * size, slab * size + size < count ? slab * size + size : count); });
}

}  // namespace hydralora::corpus
