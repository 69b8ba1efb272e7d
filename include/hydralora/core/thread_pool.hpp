// A small pool for tasks that the shape of the work alone decides: which thread runs a task never changes a result.
#pragma once

#include <type_traits>

#include "check.hpp"
#include "view.hpp"

namespace hydralora {

/// Runs task(i, worker) for i in [0, count) on `threads` threads, the caller among them as worker 0. Tasks are claimed one by
/// one; run returns when all are done, whether or not a thread that got none has woken, and rethrows the first exception of a
/// task. One caller at a time, and not from within a task: throws where it sees that.
class ThreadPool {
public:
    /// threads = 0: as many as available_processors() (process_limits.hpp).
    explicit ThreadPool(int threads);
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool();

    [[nodiscard]] int size() const { return size_; }

    template <class Task>
    void run(Index count, Task&& task) {
        if (size_ == 1 || count <= 1) {
            for (Index i = 0; i < count; ++i) task(i, 0);
            return;
        }
        run_together(count, const_cast<void*>(static_cast<const void*>(&task)), [](void* t, Index i, int worker) {
            (*static_cast<std::remove_reference_t<Task>*>(t))(i, worker);
        });
    }

private:
    using Call = void (*)(void* task, Index i, int worker);
    class Team;

    void run_together(Index count, void* task, Call call);

    int size_;
    Team* team_ = nullptr;  // owned; the threads besides the caller's, if there are any
};

}  // namespace hydralora

#if !defined(HYDRALORA_COMPILED)
#include "thread_pool_definitions.hpp"
#endif
