// How loops along a row read and write elements of an array: one by one, or a run of them 16 bytes at a time.
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../core/precision.hpp"
#include "../../core/view.hpp"

namespace hydralora::functor {

inline constexpr int row_run = 8;  // elements of a run

/// An array that row_map writes and does not read.
template <class T>
struct Out {
    T* data;
};
template <class T>
Out(T*) -> Out<T>;

namespace row_detail {

/// A computed number as an element of an array.
template <class T, class A>
HYDRALORA_HD T stored(A value) {
    if constexpr (sizeof(T) == 2)
        return static_cast<T>(static_cast<float>(value));
    else
        return static_cast<T>(value);
}

/// Eight elements in registers.
template <class T>
struct alignas(16) Run {
    T element[row_run];
};

/// The same bytes in words. nvcc 13 moves 16 bytes by one instruction where they are loaded as four words and stored as one;
/// a struct's members it may store one by one, and a long word it may load by halves.
template <class T, class Word>
struct alignas(16) [[gnu::may_alias]] RunWords {
    Word word[sizeof(Run<T>) / sizeof(Word)];
};
__extension__ using LongWord = unsigned __int128;

template <class T>
HYDRALORA_HD Run<T> load_run(const T* at) {
    return bit_cast<Run<T>>(*reinterpret_cast<const RunWords<T, std::uint32_t>*>(at));
}
template <class T, class A>
HYDRALORA_HD void store_run(T* at, const A* values) {
    if constexpr (std::is_same_v<T, bfloat16>) {  // in pairs, for which a GPU has an instruction
        struct Pairs {
            std::uint32_t pair[row_run / 2];
        } pairs;
        for (int w = 0; w < row_run / 2; ++w)
            pairs.pair[w] = bfloat16_pair(static_cast<float>(values[2 * w]), static_cast<float>(values[2 * w + 1]));
        *reinterpret_cast<RunWords<T, LongWord>*>(at) = bit_cast<RunWords<T, LongWord>>(pairs);
    } else {
        Run<T> run;
        for (int l = 0; l < row_run; ++l) run.element[l] = stored<T>(values[l]);
        *reinterpret_cast<RunWords<T, LongWord>*>(at) = bit_cast<RunWords<T, LongWord>>(run);
    }
}

template <class T>
HYDRALORA_HD bool on_16_bytes(const T* at) {
    return reinterpret_cast<std::uintptr_t>(at) % 16 == 0;
}
template <class T>
HYDRALORA_HD bool on_16_bytes(Out<T> array) {
    return on_16_bytes(array.data);
}

/// An array from element `begin` on.
template <class T>
HYDRALORA_HD T* from(T* array, Index begin) {
    return array + begin;
}
template <class T>
HYDRALORA_HD Out<T> from(Out<T> array, Index begin) {
    return {array.data + begin};
}

/// `count` elements of an array on their way through a loop: at(l) is what f is given for element l, store() writes what f
/// left there. Of a constant array nothing is written, of an Out nothing is read.
template <class A, class Array, int count>
struct Lanes;
template <class A, class T, int count>
struct Lanes<A, const T*, count> {
    const T* array;

    HYDRALORA_HD explicit Lanes(const T* begin) : array(begin) {}
    HYDRALORA_HD A at(int l) const { return widened<A>(array[l]); }
    HYDRALORA_HD void store() const {}
};
template <class A, class T, int count>
struct Lanes<A, Out<T>, count> {
    T* array;
    A kept[count];

    HYDRALORA_HD explicit Lanes(Out<T> begin) : array(begin.data) {}
    HYDRALORA_HD A& at(int l) { return kept[l]; }
    HYDRALORA_HD void store() const {
        for (int l = 0; l < count; ++l) array[l] = stored<T>(kept[l]);
    }
};
template <class A, class T, int count>
struct Lanes<A, T*, count> : Lanes<A, Out<T>, count> {
    HYDRALORA_HD explicit Lanes(T* begin) : Lanes<A, Out<T>, count>(Out<T>{begin}) {}
    HYDRALORA_HD A& at(int l) { return this->kept[l] = widened<A>(this->array[l]); }
};

/// The same for a run, read and stored as a whole.
template <class A, class Array>
struct WholeRun;
template <class A, class T>
struct WholeRun<A, const T*> {
    Run<T> run;

    HYDRALORA_HD explicit WholeRun(const T* begin) : run(load_run(begin)) {}
    HYDRALORA_HD A at(int l) const { return widened<A>(run.element[l]); }
    HYDRALORA_HD void store() const {}
};
template <class A, class T>
struct WholeRun<A, Out<T>> {
    T* array;
    A kept[row_run];

    HYDRALORA_HD explicit WholeRun(Out<T> begin) : array(begin.data) {}
    HYDRALORA_HD A& at(int l) { return kept[l]; }
    HYDRALORA_HD void store() const { store_run(array, kept); }
};
template <class A, class T>
struct WholeRun<A, T*> : WholeRun<A, Out<T>> {
    Run<T> run;

    HYDRALORA_HD explicit WholeRun(T* begin) : WholeRun<A, Out<T>>(Out<T>{begin}), run(load_run<T>(begin)) {}
    HYDRALORA_HD A& at(int l) { return this->kept[l] = widened<A>(run.element[l]); }
};

/// f on `count` elements of each array; all are read before any is stored.
template <int count, class F, class... Slots>
HYDRALORA_HD void map_slots(const F& f, Slots&&... cells) {
    for (int l = 0; l < count; ++l) f(cells.at(l)...);
    (cells.store(), ...);
}

}  // namespace row_detail

}  // namespace hydralora::functor
