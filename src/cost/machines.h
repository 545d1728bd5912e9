// The machines that Compute Engine offers and that are of use here: what they have, and how they come by their GPUs.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seamount::cost {

struct Gpu {
  std::string_view name;         // "l4": what people say
  std::string_view accelerator;  // "nvidia-l4": what Compute Engine calls it
  std::string_view quota;        // its metric: NVIDIA_L4_GPUS; of spot and flex-start, PREEMPTIBLE_ before it
  int memory_gib;
};

struct Machine {
  std::string_view type;    // "g2-standard-8"
  std::string_view family;  // "g2"
  int vcpus;
  double memory_gib;
  std::string_view gpu;   // Gpu::name; empty: none
  int gpus;               // so many of it: part of the machine, or (of the family n1) attached to it
  bool preemptible_only;  // not offered at the standard price: spot or flex-start
  bool attaches() const { return !gpu.empty() && family == "n1"; }
};

std::span<const Gpu> Gpus();
std::span<const Machine> Machines();

// InvalidArgument names those there are.
Result<Gpu> FindGpu(std::string_view name);
// "l4", "l4:2", "a100-80gb:8", "none". The smallest machine that has exactly those GPUs; `type`, unless empty, names
// another one, which has to have them.
Result<Machine> FindMachine(std::string_view gpus, std::string_view type);

}  // namespace seamount::cost
