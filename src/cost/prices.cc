#include "cost/prices.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <vector>

#include "base/text.h"

namespace seamount::cost {
namespace {

// Where a region is, for what leaves it.
enum class Continent { kNorthAmerica, kEurope, kAsia, kSouthAmerica, kOceania, kMiddleEast };

struct Region {
  std::string_view name;
  Continent continent;
  double factor;  // of vCPUs, memory and storage, against us-central1
};
constexpr std::array<Region, 22> kRegions = {{
    {"us-central1", Continent::kNorthAmerica, 1.0},
    {"us-east1", Continent::kNorthAmerica, 1.0},
    {"us-west1", Continent::kNorthAmerica, 1.0},
    {"us-east5", Continent::kNorthAmerica, 1.0},
    {"us-east4", Continent::kNorthAmerica, 1.126},
    {"us-west4", Continent::kNorthAmerica, 1.126},
    {"us-west2", Continent::kNorthAmerica, 1.201},
    {"us-west3", Continent::kNorthAmerica, 1.201},
    {"northamerica-northeast1", Continent::kNorthAmerica, 1.101},
    {"europe-west1", Continent::kEurope, 1.1},
    {"europe-west4", Continent::kEurope, 1.101},
    {"europe-central2", Continent::kEurope, 1.289},
    {"europe-west2", Continent::kEurope, 1.289},
    {"europe-west3", Continent::kEurope, 1.289},
    {"europe-west6", Continent::kEurope, 1.4},
    {"asia-east1", Continent::kAsia, 1.158},
    {"asia-northeast1", Continent::kAsia, 1.283},
    {"asia-south1", Continent::kAsia, 1.201},
    {"asia-southeast1", Continent::kAsia, 1.234},
    {"australia-southeast1", Continent::kOceania, 1.419},
    {"southamerica-east1", Continent::kSouthAmerica, 1.588},
    {"me-west1", Continent::kMiddleEast, 1.1},
}};

// Per hour in us-central1, and the part of it that spot costs. Local disks that come with a2-ultragpu and a3 are less
// than a fiftieth of the machine and not counted.
struct Family {
  std::string_view name;
  double per_vcpu, per_gib, spot;
};
constexpr std::array<Family, 5> kFamilies = {{
    {"e2", 0.021811, 0.002923, 0.40},
    {"n1", 0.031611, 0.004237, 0.25},
    {"g2", 0.024988, 0.002927, 0.40},
    {"a2", 0.031611, 0.004237, 0.50},
    {"a3", 0.029277, 0.0018006, 0.31},
}};

struct GpuPrice {
  std::string_view gpu, region;
  double standard, spot;
};
constexpr std::array<GpuPrice, 59> kGpuPrices = {{
    {"t4", "us-central1", 0.35, 0.175},
    {"t4", "us-east1", 0.35, 0.175},
    {"t4", "us-west1", 0.35, 0.175},
    {"t4", "us-east4", 0.37, 0.1644},
    {"t4", "us-west2", 0.42074, 0.164},
    {"t4", "us-west3", 0.42074, 0.1195},
    {"t4", "us-west4", 0.37, 0.1258},
    {"t4", "northamerica-northeast1", 0.38538, 0.1868},
    {"t4", "europe-central2", 0.41, 0.164},
    {"t4", "europe-west1", 0.35, 0.14},
    {"t4", "europe-west2", 0.399, 0.1181},
    {"t4", "europe-west3", 0.41, 0.164},
    {"t4", "europe-west4", 0.3675, 0.175},
    {"t4", "asia-east1", 0.35, 0.1383},
    {"t4", "asia-northeast1", 0.37, 0.1311},
    {"t4", "asia-south1", 0.41, 0.1701},
    {"t4", "asia-southeast1", 0.37, 0.1645},
    {"t4", "australia-southeast1", 0.44, 0.1746},
    {"t4", "southamerica-east1", 0.48, 0.2329},
    {"t4", "me-west1", 0.385, 0.1093},
    {"l4", "us-central1", 0.56004, 0.2231},
    {"l4", "us-east1", 0.56004, 0.2231},
    {"l4", "us-west1", 0.56004, 0.2231},
    {"l4", "us-east4", 0.63077, 0.2233},
    {"l4", "us-west4", 0.63077, 0.2103},
    {"l4", "northamerica-northeast1", 0.61666, 0.2521},
    {"l4", "europe-west1", 0.61666, 0.2406},
    {"l4", "europe-west2", 0.72157, 0.2847},
    {"l4", "europe-west3", 0.72157, 0.3201},
    {"l4", "europe-west4", 0.61666, 0.2438},
    {"l4", "europe-west6", 0.78344, 0.1982},
    {"l4", "asia-east1", 0.64847, 0.2311},
    {"l4", "asia-northeast1", 0.7192, 0.3564},
    {"l4", "asia-south1", 0.67260, 0.2321},
    {"l4", "asia-southeast1", 0.69092, 0.2478},
    {"a100", "us-central1", 2.93391, 1.4341},
    {"a100", "us-east1", 2.93391, 1.4341},
    {"a100", "us-west1", 2.93391, 1.4341},
    {"a100", "us-west3", 3.43686, 1.5648},
    {"a100", "us-west4", 3.10156, 1.2406},
    {"a100", "europe-west4", 3.2273, 1.1691},
    {"a100", "me-west1", 3.2273, 1.058},
    {"a100", "asia-northeast1", 3.41171, 1.2307},
    {"a100", "asia-southeast1", 3.41171, 1.4261},
    {"a100-80gb", "us-central1", 3.92869, 1.964},
    {"a100-80gb", "us-east4", 4.4242, 1.7697},
    {"a100-80gb", "us-east5", 4.4242, 1.3356},
    {"a100-80gb", "europe-west4", 4.3216, 2.1626},
    {"a100-80gb", "asia-southeast1", 4.84607, 1.823},
    {"h100", "us-central1", 9.79655, 2.9926},
    {"h100", "us-west1", 9.79655, 2.9926},
    {"h100", "us-east4", 9.79655, 2.2356},
    {"h100", "us-east5", 11.03385, 2.4081},
    {"h100", "us-west4", 11.03385, 2.5227},
    {"h100", "europe-west1", 10.78698, 2.467},
    {"h100", "europe-west3", 11.55993, 2.6437},
    {"h100", "europe-west4", 12.73552, 2.9112},
    {"h100", "asia-east1", 11.34343, 2.8412},
    {"h100", "asia-northeast1", 12.58073, 3.5578},
}};

constexpr double kDiskPerGibMonth = 0.10;
constexpr double kHoursPerMonth = 730;

constexpr std::array<StorageClass, 4> kStorageClasses = {{
    {"standard", 0.020, 0.05, 0.004, 0.0, 0},
    {"nearline", 0.010, 0.10, 0.01, 0.01, 30},
    {"coldline", 0.004, 0.10, 0.05, 0.02, 90},
    {"archive", 0.0012, 0.50, 0.50, 0.05, 365},
}};

// What leaves one continent for another, or a region for another of the same continent.
constexpr double kWithinNorthAmerica = 0.02, kWithinEurope = 0.02, kWithinOther = 0.08, kBetweenNorthAtlantic = 0.05,
                 kBetweenOther = 0.08, kSouthAmerica = 0.14, kOceania = 0.10;

const Region* FindRegion(std::string_view name) {
  const auto found = std::find_if(kRegions.begin(), kRegions.end(), [&](const Region& r) { return r.name == name; });
  return found == kRegions.end() ? nullptr : found;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::optional<Continent> ContinentOf(const std::string& location) {
  if (location == "us" || location == "nam4") return Continent::kNorthAmerica;
  if (location == "eu" || location == "eur4" || location == "eur5" || location == "eur7" || location == "eur8") {
    return Continent::kEurope;
  }
  if (location == "asia" || location == "asia1") return Continent::kAsia;
  const Region* region = FindRegion(location);
  if (region == nullptr) return std::nullopt;
  return region->continent;
}

double Within(Continent continent) {
  if (continent == Continent::kNorthAmerica) return kWithinNorthAmerica;
  return continent == Continent::kEurope ? kWithinEurope : kWithinOther;
}

double Between(Continent a, Continent b) {
  const auto either = [&](Continent continent) { return a == continent || b == continent; };
  if (either(Continent::kSouthAmerica)) return kSouthAmerica;
  if (either(Continent::kOceania)) return kOceania;
  return either(Continent::kNorthAmerica) && either(Continent::kEurope) ? kBetweenNorthAtlantic : kBetweenOther;
}

}  // namespace

std::string DollarText(double usd) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", usd);
  return text.data();
}

std::string_view NameOf(Provisioning provisioning) {
  switch (provisioning) {
    case Provisioning::kStandard: return "standard";
    case Provisioning::kSpot: return "spot";
    case Provisioning::kFlexStart: return "flex-start";
  }
  return "";
}

std::optional<double> MachinePerHour(const Machine& machine, std::string_view region, Provisioning provisioning) {
  const Region* where = FindRegion(region);
  const auto family = std::find_if(kFamilies.begin(), kFamilies.end(),
                                   [&](const Family& entry) { return entry.name == machine.family; });
  if (where == nullptr || family == kFamilies.end()) return std::nullopt;
  const bool spot = provisioning == Provisioning::kSpot;
  double price = (machine.vcpus * family->per_vcpu + machine.memory_gib * family->per_gib) * where->factor;
  if (spot) price *= family->spot;
  if (machine.gpu.empty()) return price;
  const auto gpu = std::find_if(kGpuPrices.begin(), kGpuPrices.end(), [&](const GpuPrice& entry) {
    return entry.gpu == machine.gpu && entry.region == region;
  });
  if (gpu == kGpuPrices.end()) return std::nullopt;
  return price + machine.gpus * (spot ? gpu->spot : gpu->standard);
}

std::optional<double> DiskPerHour(double gib, std::string_view region) {
  const Region* where = FindRegion(region);
  if (where == nullptr) return std::nullopt;
  return gib * kDiskPerGibMonth * where->factor / kHoursPerMonth;
}

std::optional<double> EgressPerGib(std::string_view location, std::string_view region) {
  const std::string from = Lower(location), to = Lower(region);
  const auto a = ContinentOf(from), b = ContinentOf(to);
  if (!a || !b) return std::nullopt;
  if (from == to) return 0.0;
  return *a == *b ? Within(*a) : Between(*a, *b);
}

std::span<const StorageClass> StorageClasses() { return kStorageClasses; }

Result<StorageClass> FindStorageClass(std::string_view name) {
  const std::string lower = Lower(name);
  std::vector<std::string> names;
  for (const StorageClass& entry : kStorageClasses) {
    if (entry.name == lower) return entry;
    names.emplace_back(entry.name);
  }
  return base::InvalidArgument("there is no storage class '" + std::string(name) + "'" + base::NameHint(name, names));
}

std::optional<double> RegionFactor(std::string_view region) {
  const Region* where = FindRegion(region);
  if (where == nullptr) return std::nullopt;
  return where->factor;
}

std::span<const std::string_view> Regions() {
  static const auto names = [] {
    std::array<std::string_view, kRegions.size()> all;
    std::transform(kRegions.begin(), kRegions.end(), all.begin(), [](const Region& region) { return region.name; });
    return all;
  }();
  return names;
}

}  // namespace seamount::cost
