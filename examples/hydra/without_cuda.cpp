#include <hydralora/core/check.hpp>

#include "cuda_commands.hpp"

namespace hydra {

namespace {

[[noreturn]] void refuse() {
    hydralora::fail(
        "--device cuda: this program was built without CUDA; configure it where the CUDA toolkit and its compiler are "
        "found, with -DHYDRALORA_CUDA=ON");
}

}  // namespace

Outcome pretrain_on_cuda(const PretrainOptions&, const Surroundings&) { refuse(); }
Outcome train_on_cuda(const TrainOptions&, const Surroundings&) { refuse(); }
void evaluate_on_cuda(const EvaluateOptions&) { refuse(); }
void generate_on_cuda(const GenerateTextOptions&) { refuse(); }

}  // namespace hydra
