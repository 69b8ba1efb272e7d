// What thread_pool.hpp declares: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "process_limits.hpp"
#include "thread_pool.hpp"

namespace hydralora {

/// The threads of a pool but the caller's, and the work they share.
class ThreadPool::Team {
public:
    explicit Team(int size) : size_(size) {
        workers_.reserve(static_cast<std::size_t>(size_ - 1));
        try {
            for (int worker = 1; worker < size_; ++worker) workers_.emplace_back([this, worker] { serve(worker); });
        } catch (const std::system_error& error) {
            const auto started = workers_.size();
            stop();
            fail("ThreadPool: thread ", started + 2, " of ", size_, " could not be started: ", error.what(),
                 "; ask for fewer");
        }
    }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    ~Team() { stop(); }

    void run(Index count, void* task, Call call) {
        check(!running_.test_and_set(),
              "ThreadPool: a run within another, or by two threads at once; a pool, and so a "
              "backend, has one caller at a time");
        {
            const std::lock_guard lock(mutex_);
            call_ = call;
            task_ = task;
            count_ = count;
            next_.store(0, std::memory_order_relaxed);
            open_ = true;
            generation_.fetch_add(1, std::memory_order_release);
        }
        if (count < size_)
            for (Index i = 1; i < count; ++i) wake_.notify_one();
        else
            wake_.notify_all();
        work(0);
        {
            const std::lock_guard lock(mutex_);
            open_ = false;  // who wakes now has come too late, and is not waited for
        }
        const auto idle = [this] { return busy_.load(std::memory_order_acquire) == 0; };
        if (!spin_until(idle)) {
            std::unique_lock lock(mutex_);
            done_.wait(lock, idle);
        }
        const std::exception_ptr error = std::exchange(error_, nullptr);
        running_.clear();
        if (error) std::rethrow_exception(error);
    }

private:
    /// How long a thread looks for what it waits for before it sleeps: the next piece of a pass comes sooner than a sleeper
    /// wakes, but what takes longer is not worth a processor.
    static constexpr std::chrono::microseconds patience{50};

    /// Whether it came. The processor is offered to whoever wants it, perhaps the very thread that is waited for.
    template <class Condition>
    static bool spin_until(const Condition& came) {
        const auto end = std::chrono::steady_clock::now() + patience;
        do {
            for (int i = 0; i < 16; ++i) {
                if (came()) return true;
#if defined(__x86_64__) || defined(__i386__)
                __builtin_ia32_pause();
#endif
            }
            std::this_thread::yield();
        } while (std::chrono::steady_clock::now() < end);
        return came();
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
            ++generation_;
        }
        wake_.notify_all();
        for (auto& thread : workers_) thread.join();
        workers_.clear();
    }

    void work(int worker) {
        for (Index i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) {
            try {
                call_(task_, i, worker);
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (!error_) error_ = std::current_exception();
            }
        }
    }

    void serve(int worker) {
        unsigned seen = 0;
        for (;;) {
            const auto called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
            const bool came = spin_until(called);
            {
                std::unique_lock lock(mutex_);
                if (!came) wake_.wait(lock, called);
                seen = generation_.load(std::memory_order_relaxed);
                if (stop_) return;
                if (!open_) continue;
                busy_.fetch_add(1, std::memory_order_relaxed);
            }
            work(worker);
            if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex_);
                done_.notify_one();
            }
        }
    }

    int size_;
    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::atomic<unsigned> generation_{0};
    std::atomic<Index> next_{0};
    std::atomic<int> busy_{0};
    std::atomic_flag running_;
    bool stop_ = false, open_ = false;
    Call call_ = nullptr;
    void* task_ = nullptr;
    Index count_ = 0;
    std::exception_ptr error_;
};

HYDRALORA_INLINE ThreadPool::ThreadPool(int threads) : size_(threads > 0 ? threads : available_processors()) {
    check(threads >= 0 && threads <= 1024, "ThreadPool: threads = ", threads, ", expected 0 (all) to 1024");
    if (size_ > 1) team_ = new Team(size_);
}

HYDRALORA_INLINE ThreadPool::~ThreadPool() { delete team_; }

HYDRALORA_INLINE void ThreadPool::run_together(Index count, void* task, Call call) { team_->run(count, task, call); }

}  // namespace hydralora
