// Owning matrices in a backend's memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora {

/// A (rows, cols) matrix owned in the backend's memory, zero at first, contiguous. The backend must outlive it.
template <class B, class T>
class Buffer {
public:
    using value_type = T;
    using space = typename B::space;

    Buffer() = default;
    Buffer(B& be, Index rows, Index cols) : be_(&be), rows_(rows), cols_(cols) {
        check_shape(rows, cols);
        if (size() > 0) {
            data_ = be.template allocate<T>(size());
            capacity_ = size();
            be.fill(view(), T{});
        }
    }
    Buffer(B& be, Shape shape) : Buffer(be, shape.rows, shape.cols) {}
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() {
        if (data_ != nullptr) be_->deallocate(data_, capacity_);
    }

    [[nodiscard]] MatrixView<T, space> view() { return {data_, rows_, cols_}; }
    [[nodiscard]] MatrixView<const T, space> view() const { return {data_, rows_, cols_}; }

    [[nodiscard]] Index rows() const { return rows_; }
    [[nodiscard]] Index cols() const { return cols_; }
    [[nodiscard]] Index size() const { return rows_ * cols_; }
    [[nodiscard]] Shape shape() const { return {rows_, cols_}; }
    [[nodiscard]] bool empty() const { return size() == 0; }

    /// Makes the matrix (rows, cols). Allocates only to grow; the elements are unspecified afterwards.
    void resize(B& be, Index rows, Index cols) {
        check_shape(rows, cols);
        if (rows * cols > capacity_) *this = Buffer(be, rows, cols);
        rows_ = rows;
        cols_ = cols;
    }

private:
    static void check_shape(Index rows, Index cols) {
        check(rows >= 0 && cols >= 0, "Buffer: shape (", rows, ", ", cols, ") is negative");
    }
    void swap(Buffer& other) noexcept {
        std::swap(be_, other.be_);
        std::swap(data_, other.data_);
        std::swap(rows_, other.rows_);
        std::swap(cols_, other.cols_);
        std::swap(capacity_, other.capacity_);
    }

    B* be_ = nullptr;
    T* data_ = nullptr;
    Index rows_ = 0, cols_ = 0, capacity_ = 0;
};

/// The view of a tensor, be it a buffer or a view already: what lets one function take sets of either.
template <class B, class T>
[[nodiscard]] MatrixView<T, typename B::space> view_of(Buffer<B, T>& m) {
    return m.view();
}
template <class B, class T>
[[nodiscard]] MatrixView<const T, typename B::space> view_of(const Buffer<B, T>& m) {
    return m.view();
}
template <class T, class Space>
[[nodiscard]] MatrixView<T, Space> view_of(const MatrixView<T, Space>& m) {
    return m;
}

/// Scratch memory of a backend: stacked frames, memory kept from call to call, so that a repeated step allocates nothing.
/// Take a Frame, draw matrices from it; all of them are released together when the frame ends.
template <class B>
class Arena {
public:
    class Frame {
    public:
        explicit Frame(B& be) : be_(be), arena_(be.arena()), mark_block_(arena_.block_), mark_used_(arena_.used_) {
            ++arena_.depth_;
        }
        Frame(const Frame&) = delete;
        Frame& operator=(const Frame&) = delete;
        ~Frame() {
            arena_.block_ = mark_block_;
            arena_.used_ = mark_used_;
            if (--arena_.depth_ == 0) arena_.join(be_);
        }

        /// An uninitialised contiguous (rows, cols) matrix, 64-byte aligned, valid until the frame ends.
        template <class T>
        [[nodiscard]] MatrixView<T, typename B::space> matrix(Index rows, Index cols) {
            return {static_cast<T*>(arena_.take(be_, rows * cols * static_cast<Index>(sizeof(T)))), rows, cols};
        }

    private:
        B& be_;
        Arena& arena_;
        std::size_t mark_block_;
        Index mark_used_;
    };

    Arena() = default;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// Bytes held. The backend calls release() before it ends.
    [[nodiscard]] Index bytes() const {
        Index sum = 0;
        for (int i = 0; i < count_; ++i) sum += blocks_[i].size;
        return sum;
    }
    void release(B& be) {
        for (int i = 0; i < count_; ++i) be.deallocate(blocks_[i].data, blocks_[i].size);
        count_ = 0;
        block_ = 0;
        used_ = 0;
    }

private:
    struct Block {
        std::byte* data = nullptr;
        Index size = 0;
    };
    static constexpr int most_blocks = 48;  // each at least doubles what is held
    static constexpr Index alignment = 64;

    void* take(B& be, Index bytes) {
        const Index need = (bytes + alignment - 1) / alignment * alignment;
        while (static_cast<int>(block_) < count_ && used_ + need > blocks_[block_].size) {
            ++block_;
            used_ = 0;
        }
        if (static_cast<int>(block_) == count_) {
            check(count_ < most_blocks, "Arena: more than ", most_blocks, " blocks of scratch memory");
            const Index size = std::max({need, this->bytes(), Index{1} << 16});
            blocks_[count_++] = {be.template allocate<std::byte>(size), size};
        }
        std::byte* at = blocks_[block_].data + used_;
        used_ += need;
        return at;
    }

    /// With no frame open, several blocks become one, so that the next step finds room in one piece.
    void join(B& be) {
        if (count_ < 2) return;
        const Index all = bytes();
        release(be);
        try {
            blocks_[0] = {be.template allocate<std::byte>(all), all};
            count_ = 1;
        } catch (...) {  // a frame's end does not throw: the next matrix tries again, and says so if it fails
        }
    }

    Block blocks_[most_blocks];
    int count_ = 0, depth_ = 0;
    std::size_t block_ = 0;
    Index used_ = 0;
};

}  // namespace hydralora
