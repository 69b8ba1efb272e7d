# Sourced by examples/quickstart.sh and examples/make_base.sh from the top folder: installs what is missing and builds the
# trainer for this machine's processor. Sets hydra and make_data to the two programs.
source cmake/install_dependencies.sh
install_dependencies \
    "g++:g++:compiles the trainer" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU" \
    "nlohmann/json.hpp:nlohmann-json3-dev:reads model and adapter files" \
    "?pcre2.h:libpcre2-dev:regular expressions of tokenizers other than GPT-2's, Llama 3's and Qwen2's" \
    "CLI/CLI.hpp:libcli11-dev:command line of the trainer"

cuda=OFF  # compiling for a GPU takes minutes
if command -v nvidia-smi > /dev/null; then cuda=ON; fi
echo "== Building the trainer (release, for this machine's processor)"
cmake --preset release -DHYDRALORA_BUILD_BENCH=OFF -DHYDRALORA_CUDA=$cuda > /dev/null
cmake --build --preset release --parallel "$(nproc)" --target hydra make_data > /dev/null
hydra=build/release/examples/hydra/hydra
make_data=build/release/examples/make_data
