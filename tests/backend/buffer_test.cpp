#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <hydralora/backend/buffer.hpp>
#include <hydralora/core/check.hpp>
#include <type_traits>
#include <utility>

namespace backend_buffer_test {

using namespace hydralora;

namespace {

/// What Buffer and Arena ask of a backend, with an account of what is held; allocation number `fails_at` fails.
struct Ledger {
    using space = host;
    using arena_type = Arena<Ledger>;

    long allocations = 0, held = 0, fails_at = -1;
    arena_type scratch;

    ~Ledger() { scratch.release(*this); }

    template <class T>
    T* allocate(Index count) {
        check(++allocations != fails_at, "Ledger: told to fail");
        held += static_cast<long>(count) * static_cast<long>(sizeof(T));
        return static_cast<T*>(std::aligned_alloc(64, (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64));
    }
    template <class T>
    void deallocate(T* p, Index count) noexcept {
        held -= static_cast<long>(count) * static_cast<long>(sizeof(T));
        std::free(p);
    }
    template <class T>
    void fill(MatrixView<T> to, std::type_identity_t<T> value) {
        for (Index i = 0; i < to.rows; ++i)
            for (Index j = 0; j < to.cols; ++j) to(i, j) = value;
    }
    arena_type& arena() { return scratch; }
};

using Frame = Ledger::arena_type::Frame;

}  // namespace

TEST_CASE("Buffer: zero at first, contiguous, freed at the end") {
    Ledger be;
    {
        Buffer<Ledger, float> m(be, 3, 5);
        CHECK(m.shape() == Shape{3, 5});
        CHECK(m.view().contiguous());
        for (Index i = 0; i < 15; ++i) CHECK(m.view().data[i] == 0);
        CHECK(be.held == 60);
        const auto& constant = m;
        static_assert(std::is_same_v<decltype(constant.view()), MatrixView<const float>>);
        CHECK(view_of(constant).data == m.view().data);
        CHECK(view_of(m.view()).data == view_of(m).data);
    }
    CHECK(be.held == 0);
    CHECK(Buffer<Ledger, float>().empty());
    CHECK(Buffer<Ledger, float>(be, 0, 7).shape() == Shape{0, 7});
    CHECK(be.allocations == 1);
}

TEST_CASE("Buffer: resize allocates only to grow") {
    Ledger be;
    Buffer<Ledger, double> m;
    m.resize(be, 4, 6);
    const auto* data = m.view().data;
    m.resize(be, 2, 3);
    CHECK(m.shape() == Shape{2, 3});
    CHECK(m.view().ld == 3);
    m.resize(be, 6, 4);
    CHECK(m.view().data == data);
    CHECK(be.allocations == 1);
    m.resize(be, 5, 5);
    CHECK(be.allocations == 2);
    CHECK(be.held == 200);
    m.resize(be, 2, 2);
    m = Buffer<Ledger, double>();
    CHECK(be.held == 0);
}

TEST_CASE("Buffer: moving hands the memory on") {
    Ledger be;
    {
        Buffer<Ledger, int> a(be, 2, 2);
        a.view()(1, 1) = 5;
        Buffer<Ledger, int> b = std::move(a);
        CHECK(b.view()(1, 1) == 5);
        Buffer<Ledger, int> c(be, 1, 1);
        c = std::move(b);
        CHECK(c.view()(1, 1) == 5);
        CHECK(be.allocations == 2);
        static_assert(!std::is_copy_constructible_v<Buffer<Ledger, int>>);
    }
    CHECK(be.held == 0);
}

TEST_CASE("Buffer: a negative shape is refused, by constructor and resize, and changes nothing") {
    Ledger be;
    using Ints = Buffer<Ledger, int>;
    CHECK_THROWS_WITH_AS(Ints(be, -1, 4), "Buffer: shape (-1, 4) is negative", Error);
    Ints m(be, 2, 3);
    CHECK_THROWS_WITH_AS(m.resize(be, -1, 4), "Buffer: shape (-1, 4) is negative", Error);
    CHECK_THROWS_AS(m.resize(be, -2, -3), Error);
    CHECK(m.shape() == Shape{2, 3});
}

TEST_CASE("Arena: matrices of a frame do not overlap, are aligned to 64 bytes and outlive inner frames") {
    Ledger be;
    Frame outer(be);
    const auto a = outer.matrix<float>(3, 7);
    be.fill(a, 1.0f);
    for (int round = 0; round < 3; ++round) {
        Frame inner(be);
        for (int i = 0; i < 40; ++i) {
            const auto b = inner.matrix<double>(31, 17 + i);
            CHECK(reinterpret_cast<std::uintptr_t>(b.data) % 64 == 0);
            be.fill(b, 2.0);
        }
    }
    const auto c = outer.matrix<char>(1, 5);
    be.fill(c, 'c');
    for (Index i = 0; i < a.size(); ++i) CHECK(a.data[i] == 1.0f);
}

TEST_CASE("Arena: a frame that ended gives its room back") {
    Ledger be;
    const auto address = [&] {
        Frame frame(be);
        return static_cast<void*>(frame.matrix<float>(8, 8).data);
    };
    void* first = address();
    CHECK(address() == first);
    Frame outer(be);
    static_cast<void>(outer.matrix<float>(1, 1));
    void* second = address();
    CHECK(second != first);
    CHECK(address() == second);
}

TEST_CASE("Arena: growth joins into one block, and the second step allocates nothing") {
    Ledger be;
    const auto step = [&] {
        Frame outer(be);
        static_cast<void>(outer.matrix<double>(100, 300));
        for (Index i = 1; i <= 12; ++i) {
            Frame inner(be);
            static_cast<void>(inner.matrix<double>(i * 37, 100));
            Frame innermost(be);
            static_cast<void>(innermost.matrix<float>(i * 11, 999));
        }
        static_cast<void>(outer.matrix<float>(50, 1000));
    };
    step();
    const long after_first = be.allocations;
    CHECK(be.held == static_cast<long>(be.arena().bytes()));
    CHECK(after_first >= 3);
    for (int i = 0; i < 20; ++i) step();
    CHECK(be.allocations == after_first);
    be.arena().release(be);
    CHECK(be.held == 0);
}

TEST_CASE("Arena: memory that runs out is an error where a matrix is drawn, never at the end of a frame") {
    Ledger be;
    const auto step = [&] {
        Frame frame(be);
        static_cast<void>(frame.matrix<char>(1, 50000));
        static_cast<void>(frame.matrix<char>(1, 100000));
    };
    be.fails_at = 2;
    CHECK_THROWS_WITH_AS(step(), "Ledger: told to fail", Error);
    be.allocations = 0;
    be.arena().release(be);
    be.fails_at = 3;  // the one that joins the two blocks
    step();
    CHECK(be.held == static_cast<long>(be.arena().bytes()));
    be.fails_at = -1;
    step();
    step();
    CHECK(be.held >= 150000);
}

TEST_CASE("Arena: an empty matrix takes no room") {
    Ledger be;
    Frame frame(be);
    const auto a = frame.matrix<float>(0, 5);
    CHECK(a.shape() == Shape{0, 5});
    const auto b = frame.matrix<float>(1, 5);
    CHECK(static_cast<void*>(b.data) == static_cast<void*>(a.data));
}

}  // namespace backend_buffer_test
