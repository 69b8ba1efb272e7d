// Row functors on a GPU: a warp or a block shares a row. Compiled by nvcc.
#pragma once

#include "../core/view.hpp"

namespace hydralora::cuda_detail {

inline constexpr int threads_a_block = 256, warp_size = 32;

/// The 32 threads of a warp. Sums are made in one order whichever thread asks.
struct Warp {
    __device__ static int rank() { return static_cast<int>(threadIdx.x % warp_size); }
    __device__ static constexpr int size() { return warp_size; }
    template <class T>
    __device__ static T sum(T value) {
        for (int other = warp_size / 2; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffffu, value, other);
        return value;
    }
    template <class T>
    __device__ static T max(T value) {
        for (int other = warp_size / 2; other > 0; other /= 2) {
            const T theirs = __shfl_xor_sync(0xffffffffu, value, other);
            value = theirs > value ? theirs : value;
        }
        return value;
    }
    __device__ static void sync() { __syncwarp(); }
};

/// The threads of a block.
struct Block {
    __device__ static int rank() { return static_cast<int>(threadIdx.x); }
    __device__ static constexpr int size() { return threads_a_block; }
    template <class T>
    __device__ static T sum(T value) {
        T* const of_warps = slots_of(Warp::sum(value));
        T all = of_warps[0];
        for (int w = 1; w < threads_a_block / warp_size; ++w) all += of_warps[w];
        __syncthreads();  // nobody writes the next value before all have read this one
        return all;
    }
    template <class T>
    __device__ static T max(T value) {
        T* const of_warps = slots_of(Warp::max(value));
        T all = of_warps[0];
        for (int w = 1; w < threads_a_block / warp_size; ++w) all = of_warps[w] > all ? of_warps[w] : all;
        __syncthreads();
        return all;
    }
    __device__ static void sync() { __syncthreads(); }

private:
    /// One value a warp, visible to all threads.
    template <class T>
    __device__ static T* slots_of(T of_warp) {
        __shared__ T of_warps[threads_a_block / warp_size];
        if (Warp::rank() == 0) of_warps[threadIdx.x / warp_size] = of_warp;
        __syncthreads();
        return of_warps;
    }
};

/// A functor whose rows are long and few says so with `static constexpr bool wide_rows = true`: a block shares each.
template <class F>
inline constexpr bool has_wide_rows = requires {
    requires F::wide_rows;
};

template <class F>
__global__ void each_kernel(Index n, F f) {
    const Index step = static_cast<Index>(gridDim.x) * threads_a_block;
    for (Index i = static_cast<Index>(blockIdx.x) * threads_a_block + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void warp_rows_kernel(Index n, F f) {
    constexpr int warps = threads_a_block / warp_size;
    const Index step = static_cast<Index>(gridDim.x) * warps;
    for (Index row = static_cast<Index>(blockIdx.x) * warps + threadIdx.x / warp_size; row < n; row += step) {
        f(Warp{}, row);
        Warp::sync();
    }
}

template <class F>
__global__ void block_rows_kernel(Index n, F f) {
    for (Index row = blockIdx.x; row < n; row += gridDim.x) {
        f(Block{}, row);
        Block::sync();
    }
}

}  // namespace hydralora::cuda_detail
