// Names of the methods, which tables and claims use.
#pragma once

namespace compare::names {

inline constexpr const char *lora = "LoRA", *lora_plus = "LoRA, LoRA+", *split = "LoRA-Split, task known",
                            *released = "HydraLoRA, released", *component_start = "HydraLoRA, component start",
                            *context_start = "HydraLoRA, component start, context", *known = "HydraLoRA, task known",
                            *moe = "LoRAMoE", *uniform = "uniform gate", *ungated = "HydraLoRA without its gate";

}  // namespace compare::names
