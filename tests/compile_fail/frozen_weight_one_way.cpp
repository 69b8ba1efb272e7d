// expected error: (FrozenWeight|constraints not satisfied for class template .HydraLinear)
#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/eigen/eigen_backend.hpp>

using namespace hydralora;

/// A frozen weight that can be applied, but that gradients do not come back through.
struct Weight {
    Index rows() const { return 8; }
    Index cols() const { return 8; }
    void apply(EigenBackend&, MatrixView<const float>, MatrixView<float>) const {}
#ifndef HYDRALORA_MUST_NOT_COMPILE
    void apply_transposed(EigenBackend&, MatrixView<const float>, MatrixView<float>, Grad) const {}
#endif
};

Index columns(const HydraLinear<EigenBackend, Weight>& layer) { return layer.weight().cols(); }
