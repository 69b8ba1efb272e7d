// A backend that computes nothing and counts memory: a pass on it takes no time and tells what the same pass will hold
// elsewhere, buffer by buffer, because it is the same code.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "compose/attention.hpp"
#include "compose/cross_entropy.hpp"
#include "concept.hpp"

namespace hydralora {

/// The memory space of a plan: addresses without memory behind them.
struct nowhere {};

/// Bytes held now, and the most at any time.
struct MemoryCount {
    Index now = 0, peak = 0;

    void add(Index bytes) {
        now += bytes;
        peak = std::max(peak, now);
    }
};

/// Backend of element type T without memory or arithmetic. Buffers and scratch are counted as they come and go.
template <class T>
class BasicPlanningBackend {
public:
    using space = nowhere;
    using precision = Precision<T>;

    /// Scratch memory is counted as drawn: what a frame holds until it ends.
    class arena_type {
    public:
        class Frame {
        public:
            explicit Frame(BasicPlanningBackend& be) : be_(be) {}
            Frame(const Frame&) = delete;
            Frame& operator=(const Frame&) = delete;
            ~Frame() { be_.memory_.add(-bytes_); }

            template <class U>
            [[nodiscard]] MatrixView<U, nowhere> matrix(Index rows, Index cols) {
                const Index bytes = rows * cols * static_cast<Index>(sizeof(U));
                be_.memory_.add(bytes);
                bytes_ += bytes;
                return {be_.address<U>(bytes), rows, cols};
            }

        private:
            BasicPlanningBackend& be_;
            Index bytes_ = 0;
        };
    };

    /// slab_rows, attention_cut and most_logits: those of the backend planned for.
    explicit BasicPlanningBackend(Index slab_rows = 128, const AttentionCut& attention_cut = {},
                                  Index most_logits = cross_entropy_detail::most_logits)
        : slab_rows_(slab_rows), attention_cut_(attention_cut), most_logits_(most_logits) {}
    BasicPlanningBackend(const BasicPlanningBackend&) = delete;
    BasicPlanningBackend& operator=(const BasicPlanningBackend&) = delete;

    [[nodiscard]] const MemoryCount& memory() const { return memory_; }
    [[nodiscard]] Index slab_rows() const { return slab_rows_; }
    [[nodiscard]] AttentionCut attention_cut() const { return attention_cut_; }
    [[nodiscard]] Index most_logits() const { return most_logits_; }
    [[nodiscard]] arena_type& arena() { return arena_; }

    template <class U>
    [[nodiscard]] U* allocate(Index count) {
        const Index bytes = count * static_cast<Index>(sizeof(U));
        memory_.add(bytes);
        return address<U>(bytes);
    }
    template <class U>
    void deallocate(U*, Index count) noexcept {
        memory_.add(-count * static_cast<Index>(sizeof(U)));
    }

    /// An address for `bytes` that nothing will read.
    template <class U>
    [[nodiscard]] U* address(Index bytes) {
        const auto at = next_;
        next_ += static_cast<std::uintptr_t>((bytes + 63) / 64 * 64);
        return reinterpret_cast<U*>(at);
    }

    template <class... Arguments>
    void fill(const Arguments&...) {}
    template <class... Arguments>
    void copy(const Arguments&...) {}
    template <class... Arguments>
    void cast(const Arguments&...) {}
    template <class... Arguments>
    void upload(const Arguments&...) {}
    template <class... Arguments>
    void download(const Arguments&...) {}
    template <class... Arguments>
    void gemm(const Arguments&...) {}
    template <class... Arguments>
    void gemm_batched(const Arguments&...) {}
    template <class... Arguments>
    void each(const Arguments&...) {}
    template <class... Arguments>
    void rows(const Arguments&...) {}
    template <class... Arguments>
    void reduce(const Arguments&...) {}
    template <class... Arguments>
    void segments(const Arguments&...) {}

private:
    MemoryCount memory_;
    Index slab_rows_;
    AttentionCut attention_cut_;
    Index most_logits_;
    arena_type arena_;
    std::uintptr_t next_ = 4096;
};

using PlanningBackend = BasicPlanningBackend<float>;

}  // namespace hydralora
