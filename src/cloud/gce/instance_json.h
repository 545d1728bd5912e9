// Compute Engine's resources as JSON: machines as they are asked for, and what is read of the answers. Reading takes
// anything: what is missing or of another kind is left out.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "cloud/gce/instance.h"
#include "cloud/gce/placement.h"

namespace seamount::cloud::gce {

// Everything that a machine is made of, but for where.
struct MachinePlan {
  std::string name;  // the instance's
  cost::Machine machine;
  cost::Provisioning provisioning = cost::Provisioning::kStandard;
  std::string image;            // projects/P/global/images/family/F
  uint64_t disk_gib = 100;      // of the boot disk
  std::string network;          // global/networks/default
  std::string service_account;  // attached; empty: none
  bool secure_boot = true;
  std::chrono::seconds lifetime{0};  // after which Google deletes it
  std::chrono::seconds idle{0};      // without use, after which it ends itself; 0: never for that
  std::string bucket;                // where its lease lies
  std::string lease_key;
  std::chrono::seconds lease{0};
  std::string job_key;  // where it looks for what to run; empty: nowhere
};

// The body of instances.insert. The machine has no public address; Google deletes it, and its disk with it, when its
// lifetime is over; it watches its lease and its use itself.
std::string InstanceBody(const MachinePlan& plan, const std::string& zone);
// What of a plan such a body says: all but the machine, its provisioning and its lifetime. DataLoss where it is none.
Result<MachinePlan> PlanOfBody(const std::string& body);

void ReadZones(const nlohmann::json& page, Facts& facts);
void ReadRegions(const nlohmann::json& page, Facts& facts);
void ReadProject(const nlohmann::json& resource, Facts& facts);
void ReadInstances(const nlohmann::json& page, std::vector<Instance>& instances);
Instance ReadInstance(const nlohmann::json& resource);

}  // namespace seamount::cloud::gce
