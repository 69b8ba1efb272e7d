// expected error: (could not convert|cannot convert|no viable conversion|no matching).*host
#include <hydralora/backend/compose/swiglu.hpp>
#include <hydralora/backend/planning_backend.hpp>

using namespace hydralora;

/// Stands for a backend on a GPU, so that no compiler for one is needed.
struct Gpu : PlanningBackend {
    using space = device;
};
static_assert(Backend<Gpu>);

void multiply(Gpu& be, float* memory) {
#ifdef HYDRALORA_MUST_NOT_COMPILE
    const auto x = host_view(memory, 2, 3);
#else
    const auto x = device_view(memory, 2, 3);
#endif
    ops::swiglu(be, x, x, x);
}
