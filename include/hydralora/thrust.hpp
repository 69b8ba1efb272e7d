// The library on Thrust: on its host systems with any compiler (OmpSystem where OpenMP is on), on NVIDIA GPUs where nvcc
// compiles. Eigen is not included; hydralora.hpp brings the CPU's own backend and may stand beside this header.
#pragma once

#include "fwd.hpp"
#include "version.hpp"

#include "core/check.hpp"
#include "core/config.hpp"
#include "core/enum_names.hpp"
#include "core/params.hpp"
#include "core/precision.hpp"
#include "core/random.hpp"
#include "core/view.hpp"

#include "quant/blocks.hpp"
#include "quant/quant_view.hpp"

#include "backend/buffer.hpp"
#include "backend/compose.hpp"
#include "backend/concept.hpp"
#include "backend/group.hpp"
#include "backend/planning_backend.hpp"
#include "backend/stored_view.hpp"

#include "thrust/cpp_system.hpp"
#include "thrust/thrust_backend.hpp"
#if defined(_OPENMP)
#include "thrust/omp_system.hpp"
#endif
#if defined(__CUDACC__)
#include "thrust/cuda_graph.hpp"
#include "thrust/cuda_system.hpp"
#endif

#include "weight/frozen_weight.hpp"

#include "adapter/collapse.hpp"
#include "adapter/config.hpp"
#include "adapter/hydra_adapter.hpp"
#include "adapter/hydra_linear.hpp"
#include "adapter/joined_linear.hpp"
#include "adapter/joined_weight.hpp"
#include "adapter/params.hpp"

#include "nn/attention.hpp"
#include "nn/cross_entropy.hpp"
#include "nn/embedding.hpp"
#include "nn/geglu.hpp"
#include "nn/rms_norm.hpp"
#include "nn/rope.hpp"
#include "nn/swiglu.hpp"

#include "model/block.hpp"
#include "model/config.hpp"
#include "model/generate.hpp"
#include "model/joined.hpp"
#include "model/llama.hpp"
#include "model/params.hpp"

#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/schedule.hpp"
#include "optim/sgd.hpp"

namespace hydralora {

#if defined(__CUDACC__)
/// One NVIDIA GPU.
using CudaBackend = ThrustBackend<CudaSystem>;
#endif

}  // namespace hydralora
