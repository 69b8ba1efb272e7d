// Plans of products, kept from call to call: what decides a plan, and where the plans lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "../core/view.hpp"

namespace hydralora {

/// Everything that decides how c (m, n) = alpha op(a) op(b) + beta c is computed, column-major. Alpha and beta do not: the
/// library that makes the plan is not told them.
struct ProductKey {
    Index m = 0, n = 0, k = 0;
    Index ld_a = 0, ld_b = 0, ld_c = 0;
    Index stride_a = 0, stride_b = 0, stride_c = 0;  ///< elements from matrix to matrix of a batch
    Index batch = 1;
    int align_a = 0, align_b = 0, align_c = 0;             ///< bytes, see alignment_of
    int type_factors = 0, type_result = 0, type_sums = 0;  ///< of elements, as the library numbers them
    bool transpose_a = false, transpose_b = false;

    friend bool operator==(const ProductKey&, const ProductKey&) = default;

    struct Hash {
        std::size_t operator()(const ProductKey& key) const noexcept {
            std::uint64_t hash = 0;
            const auto add = [&](auto value) {
                hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio
                hash ^= hash >> 32;
            };
            for (const Index value : {key.m, key.n, key.k, key.ld_a, key.ld_b, key.ld_c, key.stride_a, key.stride_b,
                                      key.stride_c, key.batch})
                add(value);
            for (const int value :
                 {key.align_a, key.align_b, key.align_c, key.type_factors, key.type_result, key.type_sums})
                add(value);
            add(key.transpose_a);
            add(key.transpose_b);
            return static_cast<std::size_t>(hash);
        }
    };
};

/// The bytes that an address is a multiple of, 16 at most: kernels ask for no more, and a matrix gets the same plan, and so
/// the same bits, wherever an allocator puts it.
[[nodiscard]] inline int alignment_of(const void* address) {
    const auto at = reinterpret_cast<std::uintptr_t>(address) | 16;
    return static_cast<int>(at & (~at + 1));
}

/// Plans by key, each made once. Not thread-safe: one caller at a time, as a backend has.
template <class Plan>
class ProductPlans {
public:
    /// So many plans are kept: a training has some hundred products, generation one set for each length.
    explicit ProductPlans(std::size_t most = 4096) : most_(most) {}

    /// The plan of `key`: the one kept, or make(key). Allocates only where it makes one. Valid until the next call.
    template <class Make>
    [[nodiscard]] Plan& of(const ProductKey& key, const Make& make) {
        const auto found = plans_.find(key);
        if (found != plans_.end()) return found->second;
        if (plans_.size() >= most_) plans_.clear();
        return plans_.emplace(key, make(key)).first->second;
    }
    [[nodiscard]] std::size_t size() const { return plans_.size(); }

private:
    std::size_t most_;
    std::unordered_map<ProductKey, Plan, ProductKey::Hash> plans_;
};

}  // namespace hydralora
