// A frozen matrix and its adapter's matrices in one buffer, so that one product serves both.
//
//   [ W0           B ]    forward:   y  = [x | z] [W0 | B]^T
//   [ [A; router]  0 ]    backward:  dx = [dy | du dl] [W0; A; router]
//
//   r rank, N heads, R rows of A (r, or N*r with own_a)
// The corner W0 begins where the buffer does; what stands beside and below it is its tail. The scaling s is in z and du.
#pragma once

#include "../backend/stored_view.hpp"
#include "../weight/frozen_weight.hpp"
#include "params.hpp"

namespace hydralora {

/// Extents of a joined buffer. Rows and columns are filled up with zeros to a multiple that products on a GPU like.
struct JoinedShape {
    static constexpr Index multiple = 16;

    Index in = 0, out = 0;  ///< of W0 (out, in)
    Index a_rows = 0;       ///< R
    Index router_rows = 0;  ///< N where a router reads x; one that reads A x is not in the buffer
    Index b_cols = 0;       ///< N*r

    [[nodiscard]] constexpr Index rows() const { return filled_up(out + a_rows + router_rows); }
    [[nodiscard]] constexpr Index cols() const { return filled_up(in + b_cols); }
    /// Columns that a row of dy and of x needs behind its own: for [du | dl] and for z.
    [[nodiscard]] constexpr Index tail_rows() const { return rows() - out; }
    [[nodiscard]] constexpr Index tail_cols() const { return cols() - in; }
    friend constexpr bool operator==(const JoinedShape&, const JoinedShape&) = default;

private:
    static constexpr Index filled_up(Index n) { return (n + multiple - 1) / multiple * multiple; }
};

/// The extents for an adapter of this configuration; throws unless it is one of the family.
template <class Rank, class Heads>
[[nodiscard]] JoinedShape joined_shape(const BasicAdapterConfig<Rank, Heads>& c) {
    validate(c);
    const bool routes_on_x = c.routed() && c.router_input == RouterInput::x;
    return {c.in, c.out, c.a_rows(), routes_on_x ? Index{c.heads} : 0, c.heads * c.rank};
}

/// Throws unless A, B and the router are of the extents; `type` is named in the message.
template <Backend B, class M>
void check_joined_parameters(const char* type, const JoinedShape& shape, const AdapterParams<M>& params) {
    const auto expect = [&](const char* name, ConstParamView<B> m, Shape expected) {
        check(m.shape() == expected, type, ": ", name, " is (", m.rows, ", ", m.cols, "), expected (", expected.rows,
              ", ", expected.cols, ")");
    };
    expect("A", view_of(params.A), {shape.a_rows, shape.in});
    expect("B", view_of(params.B), {shape.out, shape.b_cols});
    if (shape.router_rows > 0) expect("router", view_of(params.router), {shape.router_rows, shape.in});
}

/// Owns the joined buffer of one linear layer, in the compute type. W0 is put there once, by put_frozen or by upload: there
/// is no second copy of it. The adapter's matrices are copied from its parameters by refresh, after each change of them.
template <Backend B>
class JoinedWeight {
public:
    JoinedWeight() = default;
    template <class Rank, class Heads>
    JoinedWeight(B& be, const BasicAdapterConfig<Rank, Heads>& config)
        : shape_(joined_shape(config)), memory_(be, shape_.rows(), shape_.cols()) {}

    [[nodiscard]] const JoinedShape& shape() const { return shape_; }

    /// W0 (out, in), zero at first
    [[nodiscard]] View<B> frozen() { return part(0, shape_.out, 0, shape_.in); }
    /// Copies W0 there, from any stored type, rounded to the compute type.
    void put_frozen(B& be, std::type_identity_t<StoredView<B>> w0) {
        check(w0.shape() == Shape{shape_.out, shape_.in}, "JoinedWeight: W0 is (", w0.rows, ", ", w0.cols,
              "), expected (out, in) = (", shape_.out, ", ", shape_.in, ")");
        w0.visit([&](auto m) { ops::widen(be, m, frozen()); });
    }

    /// A, B and the router as they were at the last refresh; the parameters are not looked at.
    [[nodiscard]] AdapterParams<ConstView<B>> adapter(const AdapterParams<ConstParamView<B>>&) const {
        AdapterParams<ConstView<B>> views;
        views.A = part(shape_.out, shape_.a_rows, 0, shape_.in);
        views.B = part(0, shape_.out, shape_.in, shape_.b_cols);
        views.router = part(shape_.out + shape_.a_rows, shape_.router_rows, 0, shape_.in);
        return views;
    }

    /// [W0 | B] (out, cols()) and [W0; A; router] (rows(), in), with the zeros that fill them up.
    [[nodiscard]] ConstView<B> forward_factor() const { return part(0, shape_.out, 0, shape_.cols()); }
    [[nodiscard]] ConstView<B> backward_factor() const { return part(0, shape_.rows(), 0, shape_.in); }

    /// The two products of a JoinedLinear, by views of the buffer, which must outlive them; the object may be moved.
    class Products {
    public:
        Products(const JoinedWeight& weight, ConstParamView<B> bias)
            : forward_{weight.forward_factor(), bias}, backward_{weight.backward_factor()} {}

        /// y (T, out) = [x | z] (T, cols()) [W0 | B]^T + bias
        void forward(B& be, ConstView<B> xz, View<B> y) const { forward_.apply(be, xz, y); }
        static void check_backward() {}  // there is nothing in its way
        /// dx (T, in) = [dy | du dl] (T, rows()) [W0; A; router], or dx += that
        void backward(B& be, ConstView<B> dyu, View<B> dx, Grad mode) const {
            backward_.apply_transposed(be, dyu, dx, mode);
        }

    private:
        DenseWeight<B> forward_, backward_;
    };
    /// bias: (1, out) or empty, checked when it is used
    [[nodiscard]] Products products(ConstParamView<B> bias) const { return {*this, bias}; }

    /// Copies A, B and the router from the parameters, rounded to the compute type. Allocates nothing.
    template <class M>
    void refresh(B& be, const AdapterParams<M>& params) {
        check_joined_parameters<B>("JoinedWeight", shape_, params);
        const ConstParamView<B> a = view_of(params.A), b = view_of(params.B), router = view_of(params.router);
        be.cast(a, part(shape_.out, shape_.a_rows, 0, shape_.in));
        be.cast(b, part(0, shape_.out, shape_.in, shape_.b_cols));
        if (shape_.router_rows > 0) be.cast(router, part(shape_.out + shape_.a_rows, shape_.router_rows, 0, shape_.in));
    }

private:
    [[nodiscard]] View<B> part(Index row, Index rows, Index col, Index cols) {
        return memory_.view().row_slice(row, rows).col_slice(col, cols);
    }
    [[nodiscard]] ConstView<B> part(Index row, Index rows, Index col, Index cols) const {
        return memory_.view().row_slice(row, rows).col_slice(col, cols);
    }

    JoinedShape shape_;
    ActivationBuffer<B> memory_;  // (rows(), cols())
};

}  // namespace hydralora
