// The templates that the target hydralora::compiled holds compiled, for EigenBackend and configurations of run-time rank and
// heads. A program that links it has HYDRALORA_COMPILED defined: its units then see declarations of these, and neither
// Eigen nor the standard headers that only the bodies need. Whatever else is instantiated is compiled where it is used, as
// always. The list is read twice, as `extern template` by those units and as `template` by compiled.cpp.
#pragma once

#if defined(HYDRALORA_COMPILED) || defined(HYDRALORA_COMPILING)

#include <cstdint>
#include <span>
#include <vector>

#include "adapter/hydra_linear.hpp"
#include "adapter/joined_linear.hpp"
#include "adapter/packed_joined_weight.hpp"
#include "eigen/eigen_backend.hpp"
#include "model/generate.hpp"
#include "model/joined.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/sgd.hpp"
#include "weight/packed_weight.hpp"

#if defined(HYDRALORA_COMPILING)
#define HYDRALORA_INSTANTIATE template
#else
#define HYDRALORA_INSTANTIATE extern template
#endif

namespace hydralora {

namespace compiled_detail {
using B = EigenBackend;
using View = MatrixView<float>;
using ConstView = MatrixView<const float>;
using Matrix = Buffer<B, float>;
}  // namespace compiled_detail

// The backend; products of doubles too, which are Eigen's.
HYDRALORA_INSTANTIATE class BasicEigenBackend<float>;
HYDRALORA_INSTANTIATE void product(Op, Op, double, MatrixView<const double>, MatrixView<const double>,
                                   MatrixView<double>, ProductMemory<double>);
HYDRALORA_INSTANTIATE void product_of_stored(Op, double, MatrixView<const double>, MatrixView<const bfloat16>,
                                             MatrixView<double>, ProductMemory<double>);
HYDRALORA_INSTANTIATE void product_of_stored(Op, double, MatrixView<const double>, MatrixView<const float16>,
                                             MatrixView<double>, ProductMemory<double>);

// The kernels of packed products, which are chosen there alone.
HYDRALORA_INSTANTIATE const panel::Kernel<float>& panel::kernel<float>();
HYDRALORA_INSTANTIATE const panel::Kernel<bfloat16>& panel::kernel<bfloat16>();

// Frozen weights.
HYDRALORA_INSTANTIATE struct DenseWeight<EigenBackend>;
HYDRALORA_INSTANTIATE class PackedWeight<EigenBackend>;
HYDRALORA_INSTANTIATE class PackedMatrix<EigenBackend>;
HYDRALORA_INSTANTIATE class JoinedWeight<EigenBackend>;
HYDRALORA_INSTANTIATE class PackedJoinedWeight<EigenBackend>;
HYDRALORA_INSTANTIATE JoinedWeight<EigenBackend>::JoinedWeight(EigenBackend&, const AdapterConfig&);
HYDRALORA_INSTANTIATE PackedJoinedWeight<EigenBackend>::PackedJoinedWeight(EigenBackend&, const AdapterConfig&,
                                                                           PackOptions);
HYDRALORA_INSTANTIATE void JoinedWeight<EigenBackend>::refresh(EigenBackend&,
                                                               const AdapterParams<compiled_detail::Matrix>&);
HYDRALORA_INSTANTIATE void PackedJoinedWeight<EigenBackend>::refresh(EigenBackend&,
                                                                     const AdapterParams<compiled_detail::Matrix>&);

// The adapter, and layers with it.
HYDRALORA_INSTANTIATE class HydraAdapter<EigenBackend>;
HYDRALORA_INSTANTIATE class HydraLinear<EigenBackend>;
HYDRALORA_INSTANTIATE class HydraLinear<EigenBackend, PackedWeight<EigenBackend>>;
HYDRALORA_INSTANTIATE class JoinedLinear<EigenBackend>;
HYDRALORA_INSTANTIATE class JoinedLinear<EigenBackend, AdapterConfig, PackedJoinedWeight<EigenBackend>>;

// The decoder.
HYDRALORA_INSTANTIATE class LlamaBlock<EigenBackend>;
HYDRALORA_INSTANTIATE class Llama<EigenBackend>;
HYDRALORA_INSTANTIATE class JoinedProjections<EigenBackend>;
HYDRALORA_INSTANTIATE std::vector<std::int32_t> generate(EigenBackend&, const Llama<EigenBackend>&,
                                                         std::span<const std::int32_t>, const GenerateOptions&,
                                                         const Sampling&);

// What is made from sets of views or buffers.
HYDRALORA_INSTANTIATE HydraAdapter<EigenBackend>::HydraAdapter(EigenBackend&, const AdapterConfig&,
                                                               const AdapterParams<compiled_detail::View>&);
HYDRALORA_INSTANTIATE HydraAdapter<EigenBackend>::HydraAdapter(EigenBackend&, const AdapterConfig&,
                                                               const AdapterParams<compiled_detail::ConstView>&);
HYDRALORA_INSTANTIATE AdapterParams<compiled_detail::Matrix> make_params(EigenBackend&, const AdapterConfig&);
HYDRALORA_INSTANTIATE void initialise(EigenBackend&, AdapterParams<compiled_detail::Matrix>&, const AdapterConfig&,
                                      Seed, std::uint32_t, const AdapterStart&);
HYDRALORA_INSTANTIATE void initialise(EigenBackend&, LlamaAdapters<compiled_detail::Matrix>&, const LlamaConfig&,
                                      const LlamaAdapterConfig&, Seed, const AdapterStart&);
HYDRALORA_INSTANTIATE void initialise(EigenBackend&, LlamaWeights<compiled_detail::Matrix>&, const LlamaConfig&, Seed);

// Optimisers of each kind of set.
HYDRALORA_INSTANTIATE class GradientNorm<EigenBackend>;
#define HYDRALORA_INSTANTIATE_SET(Set)                                                                                 \
    HYDRALORA_INSTANTIATE Set<compiled_detail::View> views(Set<compiled_detail::Matrix>&);                             \
    HYDRALORA_INSTANTIATE Set<compiled_detail::ConstView> views(const Set<compiled_detail::Matrix>&);                  \
    HYDRALORA_INSTANTIATE void GradientNorm<EigenBackend>::measure(EigenBackend&, const Set<compiled_detail::Matrix>&, \
                                                                   double, MatrixView<const double>);                  \
    HYDRALORA_INSTANTIATE AdamWState<Set<compiled_detail::Matrix>> AdamW::init(                                        \
        EigenBackend&, const Set<compiled_detail::Matrix>&) const;                                                     \
    HYDRALORA_INSTANTIATE void AdamW::step(                                                                            \
        EigenBackend&, Set<compiled_detail::Matrix>&, const Set<compiled_detail::Matrix>&,                             \
        AdamWState<Set<compiled_detail::Matrix>>&, const StepScale<EigenBackend>&) const;                              \
    HYDRALORA_INSTANTIATE SgdState<Set<compiled_detail::Matrix>> Sgd::init(EigenBackend&,                              \
                                                                           const Set<compiled_detail::Matrix>&) const; \
    HYDRALORA_INSTANTIATE void Sgd::step(EigenBackend&, Set<compiled_detail::Matrix>&,                                 \
                                         const Set<compiled_detail::Matrix>&, SgdState<Set<compiled_detail::Matrix>>&, \
                                         const StepScale<EigenBackend>&) const;
HYDRALORA_INSTANTIATE_SET(AdapterParams)
HYDRALORA_INSTANTIATE_SET(LlamaAdapters)
HYDRALORA_INSTANTIATE_SET(LlamaWeights)
#undef HYDRALORA_INSTANTIATE_SET

}  // namespace hydralora

#undef HYDRALORA_INSTANTIATE

#endif
