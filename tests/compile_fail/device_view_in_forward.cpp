// expected error: (could not convert|cannot convert|no viable conversion|no matching).*device
#include <hydralora/adapter/hydra_adapter.hpp>
#include <hydralora/eigen/eigen_backend.hpp>

using namespace hydralora;

void forward(EigenBackend& be, const HydraAdapter<EigenBackend>& adapter, MatrixView<float> y,
             HydraAdapter<EigenBackend>::Cache& cache, const float* x) {
#ifdef HYDRALORA_MUST_NOT_COMPILE
    adapter.forward(be, device_view(x, y.rows, adapter.config().in), y, cache);
#else
    adapter.forward(be, host_view(x, y.rows, adapter.config().in), y, cache);
#endif
}
