// A frozen matrix and its adapter's matrices in packed form: the factors of JoinedLinear's two products, each packed as the
// micro-kernel reads it. After a step only A, B and the router are packed again.
//
//   [W0 | B]^T (in + N*r, out)     [W0; A; router] (out + R + N, in)
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "../backend/stored_view.hpp"
#include "../weight/packed_weight.hpp"
#include "joined_weight.hpp"
#include "narrow_products.hpp"

namespace hydralora {

/// A, B and the router beside a packed joined weight, with the narrow products that HydraAdapter's stages make with them.
template <Backend Be>
requires has_panels<Be>
struct PackedMatrices {
    ConstView<Be> A, B, router;
    const PackedMatrix<Be>* down_factor;  // [A; router]^T (in, R + N)
    const PackedMatrix<Be>* up_factor;    // B (out, N*r)

    void down(Be& be, ConstView<Be> x, ConstView<Be>, View<Be> down) const {
        down_factor->multiply(be, x, down, Grad::overwrite, {});
    }
    void up_backward(Be& be, ConstView<Be> dy, View<Be> dz) const {
        up_factor->multiply(be, dy, dz, Grad::overwrite, {});
    }
};

namespace packed_detail {

/// [W0; rest] (depth + rest, cols) of a product's right side: W0 as it is to be held, what is trained in the compute type.
/// Held alike they are one matrix, which is read with one pass over the result; else two.
template <Backend B>
class Factor {
public:
    Factor(B& be, Op op, Index depth, Index rest, Index cols, PanelStorage storage)
        : depth_(depth), frozen_(be, op, storage == PanelStorage::compute ? depth + rest : depth, cols, storage) {
        if (storage != PanelStorage::compute) rest_.emplace(be, op, rest, cols);
    }
    [[nodiscard]] Index depth() const { return frozen_.depth() + (rest_ ? rest_->depth() : 0); }
    [[nodiscard]] Index bytes() const { return frozen_.bytes() + (rest_ ? rest_->bytes() : 0); }

    template <class V>
    void put_frozen(B& be, const V& m) {
        frozen_.put(be, 0, m);
    }
    /// Rows of `rest` from `first` on
    void put(B& be, Index first, ConstParamView<B> part) {
        if (rest_)
            rest_->put(be, first, part);
        else
            frozen_.put(be, depth_ + first, part);
    }
    /// y = x (T, depth()) [W0; rest] + bias, or y += that
    void multiply(B& be, ConstView<B> x, View<B> y, Grad mode, ConstParamView<B> bias) const {
        const auto frozen = x.col_slice(0, frozen_.depth());
        if (!rest_) return frozen_.multiply(be, frozen, y, mode, bias);
        frozen_.multiply(be, frozen, y, mode, bias, *rest_, x.col_slice(depth_, rest_->depth()));
    }

private:
    Index depth_;  // of W0
    PackedMatrix<B> frozen_;
    std::optional<PackedMatrix<B>> rest_;
};

}  // namespace packed_detail

/// Owns both factors. W0 is put in once; the matrix it comes from is not needed afterwards. On backends without panels
/// (has_panels) the factors are plain matrices and the backend multiplies, with A, B and the router in the compute type,
/// which are held beside them; on panels that is the type of the parameters, which are read where they lie.
template <Backend B>
class PackedJoinedWeight {
    struct Factors {
        packed_detail::Factor<B> forward;
        std::optional<packed_detail::Factor<B>> backward;
        PackedMatrix<B> down, up;  // [A; router]^T (in, R + N) and B (out, N*r); nothing without panels

        Factors(B& be, const JoinedShape& s, const PackOptions& pack)
            : forward(be, Op::transpose, s.in, s.b_cols, s.out, pack.storage),
              down(be, Op::transpose, has_panels<B> ? s.in : 0, s.a_rows + s.router_rows),
              up(be, Op::none, has_panels<B> ? s.out : 0, s.b_cols) {
            if (pack.directions == Directions::both)
                backward.emplace(be, Op::none, s.out, s.a_rows + s.router_rows, s.in, pack.storage);
        }
    };

public:
    PackedJoinedWeight() = default;
    template <class Rank, class Heads>
    PackedJoinedWeight(B& be, const BasicAdapterConfig<Rank, Heads>& config, PackOptions pack = {})
        : shape_(joined_shape(config)), pack_(pack), factors_(std::make_unique<Factors>(be, shape_, pack)) {
        if constexpr (!has_panels<B>) {
            down_ = {be, shape_.a_rows + shape_.router_rows, shape_.in};
            B_ = {be, shape_.out, shape_.b_cols};
        }
    }

    [[nodiscard]] const JoinedShape& shape() const { return shape_; }
    /// Bytes that such a weight will hold; as codes, besides those of the codes, which depend on the format (CodePanels).
    [[nodiscard]] static Index planned_bytes(const JoinedShape& s, const PackOptions& pack) requires has_panels<B> {
        const Index narrow = s.a_rows + s.router_rows;
        const bool wide = pack.storage == PanelStorage::compute,
                   in_place = pack.storage == PanelStorage::in_place || pack.storage == PanelStorage::codes;
        const auto factor = [&](Index depth, Index rest, Index cols) {
            if (wide) return 4 * panel::Layout{depth + rest, cols}.size();
            return (in_place ? 0 : 2 * panel::layout_of<bfloat16>(depth, cols).size()) +
                   4 * panel::Layout{rest, cols}.size();
        };
        const Index backward = pack.directions == Directions::both ? factor(s.out, narrow, s.in) : 0;
        return factor(s.in, s.b_cols, s.out) + backward +
               4 * (panel::Layout{s.in, narrow}.size() + panel::Layout{s.out, s.b_cols}.size());
    }
    /// Of memory held, in bytes
    [[nodiscard]] Index bytes() const {
        if (!factors_) return 0;
        return factors_->forward.bytes() + (factors_->backward ? factors_->backward->bytes() : 0) +
               factors_->down.bytes() + factors_->up.bytes() +
               (down_.size() + B_.size()) * static_cast<Index>(sizeof(Scalar<B>));
    }

    /// W0 (out, in), zero before, from any stored type; panels of bfloat16 are for one that is stored so.
    void put_frozen(B& be, std::type_identity_t<StoredView<B>> w0) {
        check_held();
        check(w0.shape() == Shape{shape_.out, shape_.in}, "PackedJoinedWeight: W0 is (", w0.rows, ", ", w0.cols,
              "), expected (out, in) = (", shape_.out, ", ", shape_.in, ")");
        check_to_pack<B>("PackedJoinedWeight", w0, pack_.storage);
        w0.visit([&](auto m) {
            factors_->forward.put_frozen(be, m);
            if (factors_->backward) factors_->backward->put_frozen(be, m);
        });
    }

    /// A, B and the router as they were at the last refresh; on panels `params` themselves, with their products.
    [[nodiscard]] auto adapter(const AdapterParams<ConstParamView<B>>& params) const {
        if constexpr (has_panels<B>) {
            return PackedMatrices<B>{params.A, params.B, params.router, factors_ ? &factors_->down : nullptr,
                                     factors_ ? &factors_->up : nullptr};
        } else {
            const ConstView<B> all = down_.view();
            AdapterParams<ConstView<B>> views;
            views.A = all.row_slice(0, shape_.a_rows);
            views.B = B_.view();
            views.router = all.row_slice(shape_.a_rows, shape_.router_rows);
            return views;
        }
    }

    /// The two products of a JoinedLinear, by the factors, which must outlive them; the weight object may be moved.
    class Products {
    public:
        Products(const PackedJoinedWeight& weight, ConstParamView<B> bias)
            : factors_(weight.factors_.get()), bias_(bias) {
            weight.check_held();
            check(bias.empty() || bias.shape() == Shape{1, weight.shape_.out}, "PackedJoinedWeight: bias is (",
                  bias.rows, ", ", bias.cols, "), expected (1, out) = (1, ", weight.shape_.out, ")");
        }

        /// y (T, out) = [x | z] [W0 | B]^T + bias; columns of [x | z] behind in + N*r are not read
        void forward(B& be, ConstView<B> xz, View<B> y) const {
            factors_->forward.multiply(be, xz.col_slice(0, factors_->forward.depth()), y, Grad::overwrite, bias_);
        }
        /// Throws if packed for Directions::forward.
        void check_backward() const {
            check(factors_->backward.has_value(),
                  "PackedJoinedWeight: packed for Directions::forward, a backward pass needs Directions::both");
        }
        /// dx (T, in) = [dy | du dl] [W0; A; router], or dx += that; after check_backward.
        void backward(B& be, ConstView<B> dyu, View<B> dx, Grad mode) const {
            factors_->backward->multiply(be, dyu.col_slice(0, factors_->backward->depth()), dx, mode, {});
        }

    private:
        const Factors* factors_;
        ConstParamView<B> bias_;
    };
    /// bias: (1, out) or empty; throws if it is of another length
    [[nodiscard]] Products products(ConstParamView<B> bias) const { return {*this, bias}; }

    /// Copies and packs A, B and the router from the parameters, rounded to the compute type. Allocates nothing.
    template <class M>
    void refresh(B& be, const AdapterParams<M>& params) {
        check_held();
        check_joined_parameters<B>("PackedJoinedWeight", shape_, params);
        const ConstParamView<B> a = view_of(params.A), b = view_of(params.B), router = view_of(params.router);
        const bool routed = shape_.router_rows > 0;
        factors_->forward.put(be, 0, b);
        if (factors_->backward) {
            factors_->backward->put(be, 0, a);
            if (routed) factors_->backward->put(be, shape_.a_rows, router);
        }
        const auto stack = [&](View<B> down) {  // [A; router] (R + N, in)
            be.cast(a, down.row_slice(0, shape_.a_rows));
            if (routed) be.cast(router, down.row_slice(shape_.a_rows, shape_.router_rows));
        };
        if constexpr (has_panels<B>) {
            Scratch<B> scratch(be);
            const auto down = scratch.template matrix<Scalar<B>>(shape_.a_rows + shape_.router_rows, shape_.in);
            stack(down);
            factors_->down.put(be, 0, ConstView<B>(down));
            factors_->up.put(be, 0, b);
        } else {
            stack(down_.view());
            be.cast(b, B_.view());
        }
    }

private:
    void check_held() const {
        check(factors_ != nullptr, "PackedJoinedWeight: holds nothing: default-constructed, or moved from");
    }

    JoinedShape shape_;
    PackOptions pack_;
    std::unique_ptr<Factors> factors_;
    ActivationBuffer<B> down_;  // [A; router] (R + N, in), and
    ActivationBuffer<B> B_;     // (out, N*r), without panels
};

}  // namespace hydralora
