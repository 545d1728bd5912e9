#include "cost/estimate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <numeric>

#include "base/text.h"

namespace seamount::cost {
namespace {

std::string Number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string Known() {
  std::vector<std::string> names(Regions().begin(), Regions().end());
  return base::Join(names, ", ");
}

// Buckets over several regions cost a third more than one in a US region.
std::optional<double> StorageFactor(const std::string& location) {
  constexpr double kSeveralRegions = 1.3;
  if (const auto factor = RegionFactor(location)) return factor;
  if (EgressPerGib(location, "us-central1")) return kSeveralRegions;
  return std::nullopt;
}

Error NoPrice(const std::string& place) {
  return base::InvalidArgument("no price is known for '" + place + "' (there are: us, eu, asia, " + Known() + ")");
}

Result<void> AddStorage(const Usage& usage, std::vector<CostLine>& lines) {
  constexpr double kRequests = 10000;
  SEAMOUNT_TRY_ASSIGN(const StorageClass storage, FindStorageClass(usage.storage_class));
  const auto factor = StorageFactor(Lower(usage.location));
  if (!factor) return NoPrice(usage.location);
  const std::string name(storage.name);
  lines.push_back({Number(usage.stored_gib) + " GiB kept for a month, " + name + ", in " + usage.location,
                   usage.stored_gib * storage.per_gib_month * *factor});
  lines.push_back({Number(usage.writes) + " writes and listings", usage.writes / kRequests * storage.per_10k_writes});
  lines.push_back({Number(usage.reads) + " reads", usage.reads / kRequests * storage.per_10k_reads});
  lines.push_back({Number(usage.read_gib) + " GiB fetched from " + name, usage.read_gib * storage.per_gib_retrieved});
  return {};
}

Result<void> AddTraffic(const Usage& usage, std::vector<CostLine>& lines) {
  std::string reader = Lower(usage.reader);
  if (reader.empty()) reader = usage.machine_region;
  if (reader.empty()) reader = Lower(usage.location);
  const auto price = reader == kInternet ? std::optional(kInternetPerGib) : EgressPerGib(usage.location, reader);
  if (!price) return NoPrice(reader);
  lines.push_back({Number(usage.read_gib) + " GiB from " + usage.location + " to " + reader, usage.read_gib * *price});
  return {};
}

Result<void> AddMachine(const Usage& usage, std::vector<CostLine>& lines) {
  const std::string region = usage.machine_region.empty() ? Lower(usage.location) : usage.machine_region;
  const Machine& machine = *usage.machine;
  const auto price = MachinePerHour(machine, region, usage.provisioning);
  const auto disk = DiskPerHour(usage.disk_gib, region);
  const std::string type(machine.type);
  if (!price || !disk) {
    return base::InvalidArgument("no price is known for " + type +
                                 (machine.gpu.empty() ? "" : " with " + std::string(machine.gpu)) + " in '" + region +
                                 "' (name another with --region)");
  }
  const std::string gpus =
      machine.gpu.empty() ? "" : " with " + std::to_string(machine.gpus) + " " + std::string(machine.gpu);
  const std::string hours = Number(usage.machine_hours) + " h";
  lines.push_back({type + gpus + ", " + std::string(NameOf(usage.provisioning)) + ", in " + region + ", " + hours,
                   *price * usage.machine_hours});
  lines.push_back({"its disk of " + Number(usage.disk_gib) + " GiB, " + hours, *disk * usage.machine_hours});
  return {};
}

}  // namespace

Result<std::vector<CostLine>> Estimate(const Usage& usage) {
  std::vector<CostLine> lines;
  SEAMOUNT_TRY(AddStorage(usage, lines));
  SEAMOUNT_TRY(AddTraffic(usage, lines));
  if (usage.machine) SEAMOUNT_TRY(AddMachine(usage, lines));
  std::erase_if(lines, [](const CostLine& line) { return line.usd == 0; });
  return lines;
}

double TotalOf(const std::vector<CostLine>& lines) {
  return std::accumulate(lines.begin(), lines.end(), 0.0,
                         [](double sum, const CostLine& line) { return sum + line.usd; });
}

}  // namespace seamount::cost
