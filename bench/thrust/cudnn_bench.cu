// The training step's rows with attention by cuDNN. Needs, besides what gpu_bench.cu needs, cuDNN, its header-only frontend
// and hydralora/thrust/cudnn_attention.cpp.
#include <hydralora/thrust/cudnn_backend.hpp>

#include "cuda_device.hpp"
#include "program.hpp"

namespace bench {

struct CudnnDevice : CudaDevice {
    template <class>
    using Backend = hydralora::CudnnBackend;  // of bfloat16 alone
    static constexpr const char* attention = "attention by cuDNN";
};

}  // namespace bench

int main(int argc, char** argv) {
    return bench::run_program(argc, argv, {{"step", bench::step_rows<bench::CudnnDevice>}}, nullptr);
}
