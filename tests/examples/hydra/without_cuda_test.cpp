// The commands of a program that was built without CUDA.
#include "without_cuda.cpp"

#include <doctest/doctest.h>

namespace trainer_without_cuda_test {

TEST_CASE("Without CUDA every command says what is missing") {
    using namespace hydra;
    const auto refusal =
        "--device cuda: this program was built without CUDA; configure it where the CUDA toolkit and its "
        "compiler are found, with -DHYDRALORA_CUDA=ON";
    CHECK_THROWS_WITH_AS(pretrain_on_cuda({}, {}), refusal, hydralora::Error);
    CHECK_THROWS_WITH_AS(train_on_cuda({}, {}), refusal, hydralora::Error);
    CHECK_THROWS_WITH_AS(evaluate_on_cuda({}), refusal, hydralora::Error);
    CHECK_THROWS_WITH_AS(generate_on_cuda({}), refusal, hydralora::Error);
}

}  // namespace trainer_without_cuda_test
