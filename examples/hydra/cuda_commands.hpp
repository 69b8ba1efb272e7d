// The commands on an NVIDIA GPU. A program without CUDA has them too: there they say what is missing.
#pragma once

#include "options.hpp"
#include "train.hpp"

namespace hydra {

Outcome pretrain_on_cuda(const PretrainOptions& options, const Surroundings& surroundings);
Outcome train_on_cuda(const TrainOptions& options, const Surroundings& surroundings);
void evaluate_on_cuda(const EvaluateOptions& options);
void generate_on_cuda(const GenerateTextOptions& options);

}  // namespace hydra
