// What Google asks for, in US dollars before tax: one dated table, in prices.cc. A price that is not in it is not
// guessed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cost/machines.h"

namespace seamount::cost {

// When the table was put together, by hand and from public catalogues. It was not held against Google's own list.
inline constexpr char kPricesOf[] = "2026-11-28";

// An amount as people write it, with two places and without a sign for dollars.
std::string DollarText(double usd);

// How a machine is had: at the list price, for as long as one likes; cheap, and taken away at any time; or after a wait
// of unknown length, for a week at most.
enum class Provisioning { kStandard, kSpot, kFlexStart };

// "standard", "spot", "flex-start".
std::string_view NameOf(Provisioning provisioning);

// Of a running machine with its GPUs, without its disk. Spot prices change daily; flex-start is given at the standard
// price, which it is at most. Nothing where the table has no price of that GPU or region.
std::optional<double> MachinePerHour(const Machine& machine, std::string_view region, Provisioning provisioning);

// Of a balanced persistent disk.
std::optional<double> DiskPerHour(double gib, std::string_view region);

// Per GiB that is read from a bucket by a machine: within a region nothing. `location` is a bucket's: a region, or US,
// EU, ASIA, or a pair (NAM4, EUR4, ASIA1). Case does not matter. Nothing for an unknown place.
std::optional<double> EgressPerGib(std::string_view location, std::string_view region);

// Per GiB to anywhere outside Google (a notebook elsewhere, a laptop), for the first ten TiB of a month.
inline constexpr double kInternetPerGib = 0.12;

struct StorageClass {
  std::string_view name;
  double per_gib_month;      // in a US region
  double per_10k_writes;     // class A: writing, listing
  double per_10k_reads;      // class B: reading
  double per_gib_retrieved;  // on top of egress
  int least_days;            // that are paid also when it is deleted earlier
};
std::span<const StorageClass> StorageClasses();
Result<StorageClass> FindStorageClass(std::string_view name);
// How much dearer storage and machines are in a region than in the cheapest ones. Nothing for an unknown region.
std::optional<double> RegionFactor(std::string_view region);
// The regions of the table.
std::span<const std::string_view> Regions();

}  // namespace seamount::cost
