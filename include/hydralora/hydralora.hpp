// The library on the CPU: everything that needs Eigen alone. Files (io/) need a JSON library besides and are included one by
// one; the target hydralora::io brings it. So is what looks at a corpus before training (corpus/) and at adapters after it
// (analysis/), which a program that trains does without and would pay for with a tenth of its compile time each.
#pragma once

#include "fwd.hpp"
#include "version.hpp"

#include "core/check.hpp"
#include "core/config.hpp"
#include "core/enum_names.hpp"
#include "core/isa.hpp"
#include "core/params.hpp"
#include "core/precision.hpp"
#include "core/random.hpp"
#include "core/random_words.hpp"
#include "core/vector_loops.hpp"
#include "core/view.hpp"

#include "quant/blocks.hpp"
#include "quant/quant_view.hpp"

#include "backend/buffer.hpp"
#include "backend/compose.hpp"
#include "backend/concept.hpp"
#include "backend/group.hpp"
#include "backend/planning_backend.hpp"
#include "backend/stored_view.hpp"

#include "eigen/eigen_backend.hpp"

#include "weight/frozen_weight.hpp"
#include "weight/packed_weight.hpp"
#include "weight/quantised_matrix.hpp"

#include "adapter/collapse.hpp"
#include "adapter/config.hpp"
#include "adapter/hydra_adapter.hpp"
#include "adapter/hydra_linear.hpp"
#include "adapter/joined_linear.hpp"
#include "adapter/joined_weight.hpp"
#include "adapter/narrow_products.hpp"
#include "adapter/packed_joined_weight.hpp"
#include "adapter/params.hpp"
#include "adapter/routing_loss.hpp"

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
#include "model/routing_losses.hpp"

#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/schedule.hpp"
#include "optim/sgd.hpp"

#include "compiled.hpp"
