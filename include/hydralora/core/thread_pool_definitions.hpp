// What thread_pool.hpp declares: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

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
        call_ = call;
        task_ = task;
        count_ = count;
        next_.store(0, std::memory_order_relaxed);
        busy_.store(size_ - 1, std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            generation_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        work(0);
        for (int spin = 0; busy_.load(std::memory_order_acquire) > 0; ++spin) {
            if (spin < spins) {
                pause(spin);
            } else {
                std::unique_lock lock(mutex_);
                done_.wait(lock, [this] { return busy_.load(std::memory_order_acquire) == 0; });
            }
        }
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    }

private:
    // Waiting spins for some microseconds, then offers the processor to whoever wants it, perhaps the very thread it waits
    // for, then sleeps.
    static constexpr int spins = 500, spins_without_yield = 100;

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

    static void pause(int spin) {
        if (spin >= spins_without_yield) return std::this_thread::yield();
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#else
        std::this_thread::yield();
#endif
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
            for (int spin = 0; spin < spins && generation_.load(std::memory_order_acquire) == seen; ++spin) pause(spin);
            if (generation_.load(std::memory_order_acquire) == seen) {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
            }
            seen = generation_.load(std::memory_order_acquire);
            if (stop_) return;
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
    bool stop_ = false;
    Call call_ = nullptr;
    void* task_ = nullptr;
    Index count_ = 0;
    std::exception_ptr error_;
};

HYDRALORA_INLINE ThreadPool::ThreadPool(int threads) : size_(threads > 0 ? threads : hardware_threads()) {
    check(threads >= 0 && threads <= 1024, "ThreadPool: threads = ", threads, ", expected 0 (all) to 1024");
    if (size_ > 1) team_ = new Team(size_);
}

HYDRALORA_INLINE ThreadPool::~ThreadPool() { delete team_; }

HYDRALORA_INLINE int ThreadPool::hardware_threads() {
    return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

HYDRALORA_INLINE void ThreadPool::run_together(Index count, void* task, Call call) { team_->run(count, task, call); }

}  // namespace hydralora
