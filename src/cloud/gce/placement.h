// Where at Google a machine is tried, and why not elsewhere: a pure function of what is wished and what is known.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cost/machines.h"
#include "cost/prices.h"

namespace seamount::cloud::gce {

struct Quota {
  double limit = 0;
  double usage = 0;
};

struct Wish {
  cost::Machine machine;
  cost::Provisioning provisioning = cost::Provisioning::kStandard;
  std::vector<std::string> places;         // regions or zones; empty: all of which a price is known
  std::string bucket_location;             // as the bucket has it; empty: not known
  std::optional<double> max_usd_per_hour;  // nothing dearer is tried, nor what has no known price
  std::string last;                        // a zone that is tried when there is no other
};

struct Facts {
  std::map<std::string, std::set<std::string>> zones;          // zone → the accelerators that it offers
  std::map<std::string, std::map<std::string, Quota>> quotas;  // region → metric → quota
  std::optional<Quota> gpus_all_regions;                       // of the project
  std::map<std::string, std::string> failed;                   // zone → what was said there, this time
  std::set<std::string> have_room;                             // zones that Google itself named as having capacity
};

struct Candidate {
  std::string zone, region;
  std::optional<double> usd_per_hour;
  std::optional<double> egress_per_gib;  // of what it reads from the bucket

  bool operator==(const Candidate&) const = default;
};

struct PassedOver {
  std::string zone;
  std::string reason;
};

struct Placement {
  std::vector<Candidate> candidates;    // the best first
  std::vector<PassedOver> passed_over;  // by zone: every other zone of the facts that lies in the places wished
};

// The zone that is wished last is last. Of the others, zones that were named as having room come first; then the
// cheapest in the first hour, in which ten GiB are read from the bucket; equals by name.
Placement Place(const Wish& wish, const Facts& facts);

// "us-central1-a" → "us-central1".
std::string RegionOf(const std::string& zone);
// What of a region's quotas the machine takes: metric → how much.
std::map<std::string, int> QuotaNeeds(const cost::Machine& machine, cost::Provisioning provisioning);
// One line for each zone that was passed over, those of a region with one reason together.
std::string TraceOf(const Placement& placement);

}  // namespace seamount::cloud::gce
