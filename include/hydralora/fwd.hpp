// Names of the library without their definitions, for headers of yours that only pass things through. Default template
// arguments stand with the definitions; spell all arguments of what you declare with this header.
#pragma once

#include <cstdint>

namespace hydralora {

using Index = std::int64_t;

struct host;
struct device;
struct Shape;
struct Seed;
struct RandomKey;
template <class T, class Space>
struct MatrixView;
template <class B, class T>
class Buffer;

template <class T>
class BasicEigenBackend;
using EigenBackend = BasicEigenBackend<float>;

template <class Param, class Compute, class Accum>
struct Precision;
template <class System, class Numbers>
class ThrustBackend;
struct CppSystem;
struct OmpSystem;
class CudaSystem;
class CudaGraph;
using CudaBackend = ThrustBackend<CudaSystem, Precision<float, float, float>>;

template <class Rank, class Heads>
struct BasicAdapterConfig;
using AdapterConfig = BasicAdapterConfig<Index, Index>;
template <class M>
struct AdapterParams;

struct AdamW;
struct Sgd;

struct LlamaConfig;
struct LlamaAdapterConfig;
template <class M>
struct LlamaWeights;
template <class M>
struct LlamaAdapters;

}  // namespace hydralora
