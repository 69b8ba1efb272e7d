// A frozen matrix and its adapter's matrices in packed form: the factors of JoinedLinear's two products, each packed as the
// micro-kernel reads it. After a step only A, B and the router are packed again.
//
//   [W0 | B]^T (in + N*r, out)     [W0; A; router] (out + R + N, in)
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "../backend/stored_view.hpp"
#include "../weight/packed_matrix.hpp"
#include "joined_weight.hpp"
#include "narrow_products.hpp"

namespace hydralora {

/// A, B and the router of a packed joined weight, with the narrow products that HydraAdapter's stages make with them.
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

/// Owns both factors, and A, B and the router in the compute type. W0 is put in once; the matrix it comes from is not needed
/// afterwards. On backends without panels (has_panels) the factors are plain matrices and the backend multiplies.
template <Backend B>
class PackedJoinedWeight {
    struct Factors {
        PackedMatrix<B> forward, backward;
        PackedMatrix<B> down, up;  // [A; router]^T (in, R + N) and B (out, N*r); nothing without panels

        Factors(B& be, const JoinedShape& s)
            : forward(be, Op::transpose, s.in + s.b_cols, s.out),
              backward(be, Op::none, s.out + s.a_rows + s.router_rows, s.in),
              down(be, Op::transpose, has_panels<B> ? s.in : 0, s.a_rows + s.router_rows),
              up(be, Op::none, has_panels<B> ? s.out : 0, s.b_cols) {}
    };

public:
    PackedJoinedWeight() = default;
    template <class Rank, class Heads>
    PackedJoinedWeight(B& be, const BasicAdapterConfig<Rank, Heads>& config)
        : shape_(joined_shape(config)), factors_(std::make_unique<Factors>(be, shape_)) {
        down_ = {be, shape_.a_rows + shape_.router_rows, shape_.in};
        B_ = {be, shape_.out, shape_.b_cols};
    }

    [[nodiscard]] const JoinedShape& shape() const { return shape_; }
    /// Of memory held, in bytes
    [[nodiscard]] Index bytes() const {
        if (!factors_) return 0;
        return factors_->forward.bytes() + factors_->backward.bytes() + factors_->down.bytes() + factors_->up.bytes() +
               (down_.size() + B_.size()) * static_cast<Index>(sizeof(Scalar<B>));
    }

    /// W0 (out, in), zero before, from any stored type
    void put_frozen(B& be, std::type_identity_t<StoredView<B>> w0) {
        check(w0.shape() == Shape{shape_.out, shape_.in}, "PackedJoinedWeight: W0 is (", w0.rows, ", ", w0.cols,
              "), expected (out, in) = (", shape_.out, ", ", shape_.in, ")");
        w0.visit([&](auto m) {
            factors_->forward.put(be, 0, m);
            factors_->backward.put(be, 0, m);
        });
    }

    /// A, B and the router as they were at the last refresh; on panels with their products.
    [[nodiscard]] auto adapter() const {
        const ConstView<B> all = down_.view();
        const ConstView<B> a = all.row_slice(0, shape_.a_rows),
                           router = all.row_slice(shape_.a_rows, shape_.router_rows);
        if constexpr (has_panels<B>) {
            return PackedMatrices<B>{a, B_.view(), router, factors_ ? &factors_->down : nullptr,
                                     factors_ ? &factors_->up : nullptr};
        } else {
            AdapterParams<ConstView<B>> views;
            views.A = a;
            views.B = B_.view();
            views.router = router;
            return views;
        }
    }

    /// The two products of a JoinedLinear, by the factors, which must outlive them; the weight object may be moved.
    class Products {
    public:
        Products(const PackedJoinedWeight& weight, ConstParamView<B> bias)
            : factors_(weight.factors_.get()), bias_(bias) {
            check(bias.empty() || bias.shape() == Shape{1, weight.shape_.out}, "PackedJoinedWeight: bias is (",
                  bias.rows, ", ", bias.cols, "), expected (1, out) = (1, ", weight.shape_.out, ")");
        }

        /// y (T, out) = [x | z] [W0 | B]^T + bias; columns of [x | z] behind in + N*r are not read
        void forward(B& be, ConstView<B> xz, View<B> y) const {
            factors_->forward.multiply(be, xz.col_slice(0, factors_->forward.depth()), y, Grad::overwrite, bias_);
        }
        /// dx (T, in) = [dy | du dl] [W0; A; router], or dx += that
        void backward(B& be, ConstView<B> dyu, View<B> dx, Grad mode) const {
            factors_->backward.multiply(be, dyu.col_slice(0, factors_->backward.depth()), dx, mode, {});
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
        check_joined_parameters<B>("PackedJoinedWeight", shape_, params);
        const ConstParamView<B> a = view_of(params.A), b = view_of(params.B), router = view_of(params.router);
        be.cast(a, down_.view().row_slice(0, shape_.a_rows));
        be.cast(b, B_.view());
        factors_->forward.put(be, shape_.in, b);
        if constexpr (has_panels<B>) factors_->up.put(be, 0, b);
        factors_->backward.put(be, shape_.out, a);
        if (shape_.router_rows > 0) {
            be.cast(router, down_.view().row_slice(shape_.a_rows, shape_.router_rows));
            factors_->backward.put(be, shape_.out + shape_.a_rows, router);
        }
        if constexpr (has_panels<B>) factors_->down.put(be, 0, std::as_const(down_).view());
    }

private:
    JoinedShape shape_;
    std::unique_ptr<Factors> factors_;
    ActivationBuffer<B> down_;  // [A; router] (R + N, in)
    ActivationBuffer<B> B_;     // (out, N*r)
};

}  // namespace hydralora
