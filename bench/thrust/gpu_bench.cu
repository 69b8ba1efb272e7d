// The measurements on an NVIDIA GPU: see bench/README.md, "On a GPU". Needs the CUDA toolkit and this library alone.
#include "cuda_device.hpp"
#include "program.hpp"

int main(int argc, char** argv) { return bench::run_program<bench::CudaDevice>(argc, argv); }
