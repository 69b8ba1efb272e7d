#include "cuda_commands.hpp"

#include <string_view>

#include <hydralora/thrust.hpp>

#include "commands_with.hpp"
#include "recorder.hpp"
#include "train_with.hpp"

namespace hydra {

using namespace hydralora;

/// A step is one CUDA graph.
template <class Numbers>
class Recorder<ThrustBackend<CudaSystem, Numbers>> {
public:
    explicit Recorder(ThrustBackend<CudaSystem, Numbers>& be) : graph_(be) {}

    template <class F>
    void run(F&& f) {
        graph_.run(std::forward<F>(f));
    }

private:
    CudaGraph graph_;
};

using Bfloat16Backend = ThrustBackend<CudaSystem, Precision<float, bfloat16, float>>;

namespace {

const CudaSystem::Options backend_options{.slab_rows = slab_rows};

/// f(type of the backend) for the numbers asked for.
template <class F>
decltype(auto) with_numbers(Numbers numbers, F&& f) {
    if (numbers == Numbers::bfloat16) return f(std::type_identity<Bfloat16Backend>{});
    return f(std::type_identity<CudaBackend>{});
}

}  // namespace

Outcome pretrain_on_cuda(const PretrainOptions& options, const Surroundings& surroundings) {
    return with_numbers(options.loop.place.numbers, [&]<class B>(std::type_identity<B>) {
        B be(backend_options);
        return pretrain_with(be, options, surroundings);
    });
}

Outcome train_on_cuda(const TrainOptions& options, const Surroundings& surroundings) {
    try {
        return with_numbers(options.loop.place.numbers, [&]<class B>(std::type_identity<B>) {
            B be(backend_options);
            return train_with(be, options, surroundings);
        });
    } catch (const Error& error) {
        if (std::string_view(error.what()).find("out of memory on device") == std::string_view::npos) throw;
        fail(error.what(),
             "; --numbers bfloat16, --keep inputs, a higher --accumulation or a shorter --length take less");
    }
}

void evaluate_on_cuda(const EvaluateOptions& options) {
    with_numbers(options.place.numbers,
                 [&]<class B>(std::type_identity<B>) { evaluate_with<B>(options, backend_options); });
}

void generate_on_cuda(const GenerateTextOptions& options) {
    with_numbers(options.place.numbers,
                 [&]<class B>(std::type_identity<B>) { generate_with<B>(options, backend_options); });
}

}  // namespace hydra
