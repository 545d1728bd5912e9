#include "cloud/gce/placement.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>

#include "base/text.h"

namespace seamount::cloud::gce {
namespace {

// What a machine is taken to read from its bucket in the hour that zones are compared by.
constexpr double kGibPerHour = 10;

std::string Number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", value);
  return text.data();
}

bool IsWished(const Wish& wish, const std::string& zone) {
  const auto names = [&](const std::string& place) { return place == zone || place == RegionOf(zone); };
  return wish.places.empty() || std::any_of(wish.places.begin(), wish.places.end(), names);
}

// Why the quota does not suffice; empty where it does, or nothing is known of it: then Google will say.
std::string QuotaReason(const Wish& wish, const Facts& facts, const std::string& region) {
  const auto known = facts.quotas.find(region);
  for (const auto& [metric, needed] : QuotaNeeds(wish.machine, wish.provisioning)) {
    if (known == facts.quotas.end()) break;
    const auto quota = known->second.find(metric);
    if (quota == known->second.end() || quota->second.usage + needed <= quota->second.limit) continue;
    return "quota " + metric + " in " + region + ": " + Number(quota->second.usage) + " of " +
           Number(quota->second.limit) + " in use, " + std::to_string(needed) + " more needed";
  }
  const auto& all = facts.gpus_all_regions;
  if (all && all->usage + wish.machine.gpus > all->limit && wish.machine.gpus > 0) {
    return "quota GPUS_ALL_REGIONS of the project: " + Number(all->usage) + " of " + Number(all->limit) + " in use, " +
           std::to_string(wish.machine.gpus) + " more needed";
  }
  return "";
}

std::string PriceReason(const Wish& wish, const Candidate& candidate) {
  if (!candidate.usd_per_hour) {
    if (!wish.max_usd_per_hour && !wish.places.empty()) return "";  // whoever names the place takes its price
    return "no price is known there" + std::string(wish.max_usd_per_hour ? "" : " (name the place to go there anyway)");
  }
  if (!wish.max_usd_per_hour || *candidate.usd_per_hour <= *wish.max_usd_per_hour) return "";
  return "$" + cost::DollarText(*candidate.usd_per_hour) + "/h is above the limit of $" +
         cost::DollarText(*wish.max_usd_per_hour) + "/h";
}

std::string ReasonAgainst(const Wish& wish, const Facts& facts, const std::set<std::string>& accelerators,
                          const Candidate& candidate) {
  if (!wish.machine.gpu.empty()) {
    const auto gpu = cost::FindGpu(wish.machine.gpu);
    if (!gpu || !accelerators.contains(std::string(gpu->accelerator))) {
      return "has no " + std::string(wish.machine.gpu);
    }
  }
  if (const auto failed = facts.failed.find(candidate.zone); failed != facts.failed.end()) return failed->second;
  if (std::string reason = PriceReason(wish, candidate); !reason.empty()) return reason;
  return QuotaReason(wish, facts, candidate.region);
}

}  // namespace

std::string RegionOf(const std::string& zone) {
  const size_t dash = zone.rfind('-');
  return dash == std::string::npos ? zone : zone.substr(0, dash);
}

std::map<std::string, int> QuotaNeeds(const cost::Machine& machine, cost::Provisioning provisioning) {
  std::map<std::string, int> needs;
  // Families with GPUs of their own have quotas of vCPUs of their own, which come with those of the GPUs.
  if (machine.family == "n1" || machine.family == "e2") needs["CPUS"] = machine.vcpus;
  if (machine.gpu.empty()) return needs;
  const auto gpu = cost::FindGpu(machine.gpu);
  const bool preemptible = provisioning != cost::Provisioning::kStandard;
  if (gpu) needs[(preemptible ? "PREEMPTIBLE_" : "") + std::string(gpu->quota)] = machine.gpus;
  return needs;
}

Placement Place(const Wish& wish, const Facts& facts) {
  Placement placement;
  for (const auto& [zone, accelerators] : facts.zones) {
    if (!IsWished(wish, zone)) continue;
    const std::string region = RegionOf(zone);
    Candidate candidate{.zone = zone,
                        .region = region,
                        .usd_per_hour = cost::MachinePerHour(wish.machine, region, wish.provisioning),
                        .egress_per_gib = cost::EgressPerGib(wish.bucket_location, region)};
    std::string reason = ReasonAgainst(wish, facts, accelerators, candidate);
    if (reason.empty()) {
      placement.candidates.push_back(std::move(candidate));
    } else {
      placement.passed_over.push_back({.zone = zone, .reason = std::move(reason)});
    }
  }
  const auto rank = [&](const Candidate& candidate) {
    constexpr double kDearest = 1e6;  // what is not known comes last
    const double price = candidate.usd_per_hour.value_or(kDearest);
    return std::tuple(candidate.zone == wish.last, !facts.have_room.contains(candidate.zone),
                      price + kGibPerHour * candidate.egress_per_gib.value_or(0), candidate.zone);
  };
  std::sort(placement.candidates.begin(), placement.candidates.end(),
            [&](const Candidate& a, const Candidate& b) { return rank(a) < rank(b); });
  return placement;
}

std::string TraceOf(const Placement& placement) {
  std::string text;
  for (auto entry = placement.passed_over.begin(); entry != placement.passed_over.end();) {
    std::string zones = entry->zone;
    auto next = entry + 1;
    for (; next != placement.passed_over.end() && next->reason == entry->reason; ++next) zones += ", " + next->zone;
    text += "  " + zones + ": " + entry->reason + "\n";
    entry = next;
  }
  return text;
}

}  // namespace seamount::cloud::gce
