// The rows of gpu_bench.cu on Thrust's sequential system: with --tiny a test of their paths without a GPU.
#include "host_device.hpp"
#include "program.hpp"

int main(int argc, char** argv) { return bench::run_program<bench::HostDevice>(argc, argv); }
