// How much memory a training run will take, told before anything is loaded: the run's own code on a backend that counts.
#pragma once

#include <optional>
#include <string>

#include <hydralora/weight/packed_matrix.hpp>

#include "options.hpp"

namespace hydra {

/// Bytes held at the peak of a run, by what they are for, where it computes: on a GPU nothing is mapped, and in bfloat16
/// activations take less than is planned.
struct MemoryPlan {
    Device device = Device::cpu;
    Index weights = 0;      // the base's files, mapped and all read; on a GPU a copy
    Index packed = 0;       // the base's adapted matrices in packed form, and the adapters' beside them
    bool in_place = false;  // packed: without the base's matrices, which are read in the files' memory
    Index parameters = 0;   // what is trained, its gradients and AdamW's moments
    Index activations = 0;  // what a part of a step keeps for its way back, and works in
    Index routers = 0;      // what fitting the routers, which comes before, takes beyond parameters and activations
    Index threads = 0;      // packing memory of the products
    Index process = 0;      // the program, and what it holds when the plan is made

    [[nodiscard]] Index total() const {
        return weights + packed + parameters + activations + routers + threads + process;
    }
};

/// The plan of `train` with these options on a base of that configuration, whose files have `weight_bytes` and whose adapted
/// matrices are held in `panels` (see adapted_panels); `process`: what the process holds without them.
[[nodiscard]] MemoryPlan memory_plan(const hydralora::LlamaConfig& config, Index weight_bytes,
                                     std::optional<hydralora::PanelStorage> panels, Index process,
                                     const TrainOptions& options);

/// Bytes of this process in memory now.
[[nodiscard]] Index resident_memory();

/// A line for each part, and the sum.
[[nodiscard]] std::string plan_table(const MemoryPlan& plan);

/// Bytes that this process may have: of the machine, or of the group of processes it is confined to.
[[nodiscard]] Index machine_memory();

/// A sentence where the plan exceeds the machine, with what to change; empty where it fits.
[[nodiscard]] std::string memory_warning(const MemoryPlan& plan, const TrainOptions& options);

}  // namespace hydra
