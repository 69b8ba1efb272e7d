// expected error: (could not convert|cannot convert|no viable conversion|no matching function).*device
#include <hydralora/core/view.hpp>

float first(hydralora::MatrixView<const float, hydralora::host> x) { return x(0, 0); }

#ifdef HYDRALORA_MUST_NOT_COMPILE
float element(hydralora::MatrixView<float, hydralora::device> x) { return first(x); }
#else
float element(hydralora::MatrixView<float, hydralora::host> x) { return first(x); }
#endif
