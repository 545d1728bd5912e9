#include "cost/machines.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace seamount::cost {
namespace {

constexpr std::array<Gpu, 5> kGpus = {{
    {"t4", "nvidia-tesla-t4", "NVIDIA_T4_GPUS", 16},
    {"l4", "nvidia-l4", "NVIDIA_L4_GPUS", 24},
    {"a100", "nvidia-tesla-a100", "NVIDIA_A100_GPUS", 40},
    {"a100-80gb", "nvidia-a100-80gb", "NVIDIA_A100_80GB_GPUS", 80},
    {"h100", "nvidia-h100-80gb", "NVIDIA_H100_GPUS", 80},
}};

// Smaller ones first, so that the first which fits is the smallest.
constexpr std::array<Machine, 32> kMachines = {{
    {"e2-standard-2", "e2", 2, 8, "", 0, false},
    {"e2-standard-4", "e2", 4, 16, "", 0, false},
    {"e2-standard-8", "e2", 8, 32, "", 0, false},
    {"e2-standard-16", "e2", 16, 64, "", 0, false},
    {"n1-standard-4", "n1", 4, 15, "t4", 1, false},
    {"n1-standard-8", "n1", 8, 30, "t4", 1, false},
    {"n1-highmem-8", "n1", 8, 52, "t4", 1, false},
    {"n1-standard-8", "n1", 8, 30, "t4", 2, false},
    {"n1-standard-16", "n1", 16, 60, "t4", 2, false},
    {"n1-standard-16", "n1", 16, 60, "t4", 4, false},
    {"n1-standard-32", "n1", 32, 120, "t4", 4, false},
    {"g2-standard-4", "g2", 4, 16, "l4", 1, false},
    {"g2-standard-8", "g2", 8, 32, "l4", 1, false},
    {"g2-standard-12", "g2", 12, 48, "l4", 1, false},
    {"g2-standard-16", "g2", 16, 64, "l4", 1, false},
    {"g2-standard-32", "g2", 32, 128, "l4", 1, false},
    {"g2-standard-24", "g2", 24, 96, "l4", 2, false},
    {"g2-standard-48", "g2", 48, 192, "l4", 4, false},
    {"g2-standard-96", "g2", 96, 384, "l4", 8, false},
    {"a2-highgpu-1g", "a2", 12, 85, "a100", 1, false},
    {"a2-highgpu-2g", "a2", 24, 170, "a100", 2, false},
    {"a2-highgpu-4g", "a2", 48, 340, "a100", 4, false},
    {"a2-highgpu-8g", "a2", 96, 680, "a100", 8, false},
    {"a2-megagpu-16g", "a2", 96, 1360, "a100", 16, false},
    {"a2-ultragpu-1g", "a2", 12, 170, "a100-80gb", 1, false},
    {"a2-ultragpu-2g", "a2", 24, 340, "a100-80gb", 2, false},
    {"a2-ultragpu-4g", "a2", 48, 680, "a100-80gb", 4, false},
    {"a2-ultragpu-8g", "a2", 96, 1360, "a100-80gb", 8, false},
    {"a3-highgpu-1g", "a3", 26, 234, "h100", 1, true},
    {"a3-highgpu-2g", "a3", 52, 468, "h100", 2, true},
    {"a3-highgpu-4g", "a3", 104, 936, "h100", 4, true},
    {"a3-highgpu-8g", "a3", 208, 1872, "h100", 8, false},
}};

struct Wanted {
  std::string_view gpu;  // empty: none
  int count = 0;
};

Result<Wanted> ParseWanted(std::string_view text) {
  if (text.empty() || text == "none") return Wanted{};
  const size_t colon = text.find(':');
  Wanted wanted{.gpu = text.substr(0, colon), .count = 1};
  SEAMOUNT_TRY(FindGpu(wanted.gpu));
  if (colon == std::string_view::npos) return wanted;
  const std::string_view count = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), wanted.count);
  if (error != std::errc() || end != count.data() + count.size() || wanted.count < 1) {
    return base::InvalidArgument("GPUs '" + std::string(text) + "': expected a name and how many, such as l4:2");
  }
  return wanted;
}

}  // namespace

std::span<const Gpu> Gpus() { return kGpus; }
std::span<const Machine> Machines() { return kMachines; }

Result<Gpu> FindGpu(std::string_view name) {
  const auto found = std::find_if(kGpus.begin(), kGpus.end(), [&](const Gpu& gpu) { return gpu.name == name; });
  if (found != kGpus.end()) return *found;
  std::vector<std::string> names;
  for (const Gpu& gpu : kGpus) names.emplace_back(gpu.name);
  return base::InvalidArgument("there is no GPU '" + std::string(name) + "'" + base::NameHint(name, names));
}

Result<Machine> FindMachine(std::string_view gpus, std::string_view type) {
  SEAMOUNT_TRY_ASSIGN(const Wanted wanted, ParseWanted(gpus));
  std::vector<std::string> fitting;
  for (const Machine& machine : kMachines) {
    if (machine.gpu != wanted.gpu || machine.gpus != wanted.count) continue;
    if (type.empty() || machine.type == type) return machine;
    fitting.emplace_back(machine.type);
  }
  const std::string what = wanted.count == 0 ? "no GPU" : std::to_string(wanted.count) + " " + std::string(wanted.gpu);
  if (!fitting.empty()) {
    return base::InvalidArgument("machine type '" + std::string(type) + "' with " + what +
                                 ": not known here, there are " + base::Join(fitting, ", "));
  }
  std::vector<std::string> counts;
  for (const Machine& machine : kMachines) {
    const std::string count = std::to_string(machine.gpus);
    if (machine.gpu == wanted.gpu && std::find(counts.begin(), counts.end(), count) == counts.end()) {
      counts.push_back(count);
    }
  }
  return base::InvalidArgument("there is no machine with " + what + ": there are such with " +
                               base::Join(counts, ", "));
}

}  // namespace seamount::cost
