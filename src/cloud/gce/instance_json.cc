#include "cloud/gce/instance_json.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/time_text.h"
#include "cloud/gce/vm_scripts.h"
#include "gcs/admin_json.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

// Items of the metadata that the machine's own programs read (vm/).
constexpr char kBucketItem[] = "seamount-bucket", kLeaseKeyItem[] = "seamount-lease-key";
constexpr char kLeaseItem[] = "seamount-lease-seconds", kIdleItem[] = "seamount-idle-seconds";
constexpr char kJobKeyItem[] = "seamount-job-key";

std::string LastPart(const std::string& url) { return url.substr(url.find_last_of('/') + 1); }

const Json& PartOf(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

const char* ModelOf(cost::Provisioning provisioning) {
  switch (provisioning) {
    case cost::Provisioning::kStandard: return "STANDARD";
    case cost::Provisioning::kSpot: return "SPOT";
    case cost::Provisioning::kFlexStart: return "FLEX_START";
  }
  return "";
}

Json SchedulingOf(const MachinePlan& plan) {
  return {{"provisioningModel", ModelOf(plan.provisioning)},
          {"onHostMaintenance", "TERMINATE"},  // machines with GPUs do not migrate
          {"automaticRestart", false},
          {"maxRunDuration", {{"seconds", std::to_string(plan.lifetime.count())}}},
          {"instanceTerminationAction", "DELETE"}};
}

Json MetadataOf(const MachinePlan& plan) {
  const Json items = {
      {{"key", "enable-oslogin"}, {"value", "TRUE"}},
      {{"key", "startup-script"}, {"value", kStartupScript}},
      {{"key", "seamount-ending"}, {"value", kEndingScript}},
      {{"key", "seamount-lease-watch"}, {"value", kLeaseWatchScript}},
      {{"key", "seamount-idle-watch"}, {"value", kIdleWatchScript}},
      {{"key", "seamount-job-run"}, {"value", kJobRunScript}},
      {{"key", kBucketItem}, {"value", plan.bucket}},
      {{"key", kLeaseKeyItem}, {"value", plan.lease_key}},
      {{"key", kLeaseItem}, {"value", std::to_string(plan.lease.count())}},
      {{"key", kIdleItem}, {"value", std::to_string(plan.idle.count())}},
      {{"key", kJobKeyItem}, {"value", plan.job_key}},
  };
  return {{"items", items}};
}

void ReadQuotaList(const Json& list, std::map<std::string, Quota>& quotas) {
  if (!list.is_array()) return;
  for (const Json& entry : list) {
    const Json &limit = PartOf(entry, "limit"), &usage = PartOf(entry, "usage");
    if (!limit.is_number() || !usage.is_number()) continue;
    quotas[gcs::TextOf(entry, "metric")] = {.limit = limit.get<double>(), .usage = usage.get<double>()};
  }
}

}  // namespace

std::string LabelOf(const std::string& bucket) {
  constexpr size_t kLongestLabel = 63;
  std::string label = bucket.substr(0, kLongestLabel);
  std::replace(label.begin(), label.end(), '.', '_');
  return label;
}

std::string InstanceBody(const MachinePlan& plan, const std::string& zone) {
  const std::string here = "zones/" + zone + "/";
  const Json labels = {{kLabel, kLabelValue}, {kBucketLabel, LabelOf(plan.bucket)}};
  Json body = {
      {"name", plan.name},
      {"machineType", here + "machineTypes/" + std::string(plan.machine.type)},
      {"labels", labels},
      {"tags", {{"items", Json::array({"seamount"})}}},
      {"scheduling", SchedulingOf(plan)},
      {"shieldedInstanceConfig",
       {{"enableSecureBoot", plan.secure_boot}, {"enableVtpm", true}, {"enableIntegrityMonitoring", true}}},
      {"disks", Json::array({{{"boot", true},
                              {"autoDelete", true},
                              {"initializeParams",
                               {{"sourceImage", plan.image},
                                {"diskSizeGb", std::to_string(plan.disk_gib)},
                                {"diskType", here + "diskTypes/pd-balanced"},
                                {"labels", labels}}}}})},
      // Without an access configuration there is no public address: it is reached through IAP.
      {"networkInterfaces", Json::array({{{"network", plan.network}}})},
      {"metadata", MetadataOf(plan)},
  };
  if (plan.machine.attaches()) {
    const auto gpu = cost::FindGpu(plan.machine.gpu);
    if (gpu) {
      body["guestAccelerators"] =
          Json::array({{{"acceleratorType", here + "acceleratorTypes/" + std::string(gpu->accelerator)},
                        {"acceleratorCount", plan.machine.gpus}}});
    }
  }
  if (!plan.service_account.empty()) {
    body["serviceAccounts"] =
        Json::array({{{"email", plan.service_account},
                      {"scopes", Json::array({"https://www.googleapis.com/auth/cloud-platform"})}}});
  }
  if (plan.provisioning == cost::Provisioning::kFlexStart) {
    body["reservationAffinity"] = {{"consumeReservationType", "NO_RESERVATION"}};
  }
  return body.dump();
}

Result<MachinePlan> PlanOfBody(const std::string& body) {
  const Json json = base::NestsDeeper(body) ? Json() : Json::parse(body, nullptr, false);
  const auto first = [&](const char* list) -> const Json& {
    const Json& all = PartOf(json, list);
    return all.is_array() && !all.empty() ? all.front() : PartOf(Json(), "");
  };
  const Json& disk = PartOf(first("disks"), "initializeParams");
  std::map<std::string, std::string> items;
  if (const Json& all = PartOf(PartOf(json, "metadata"), "items"); all.is_array()) {
    for (const Json& item : all) items[gcs::TextOf(item, "key")] = gcs::TextOf(item, "value");
  }
  const auto number = [](const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); };
  MachinePlan plan{.name = gcs::TextOf(json.is_object() ? json : Json::object(), "name"),
                   .image = gcs::TextOf(disk, "sourceImage"),
                   .disk_gib = number(gcs::TextOf(disk, "diskSizeGb")),
                   .network = gcs::TextOf(first("networkInterfaces"), "network"),
                   .service_account = gcs::TextOf(first("serviceAccounts"), "email"),
                   .secure_boot = PartOf(PartOf(json, "shieldedInstanceConfig"), "enableSecureBoot") == Json(true),
                   .idle = std::chrono::seconds(number(items[kIdleItem])),
                   .bucket = items[kBucketItem],
                   .lease_key = items[kLeaseKeyItem],
                   .lease = std::chrono::seconds(number(items[kLeaseItem])),
                   .job_key = items[kJobKeyItem]};
  if (plan.image.empty() || plan.network.empty() || plan.disk_gib == 0 || plan.lease.count() == 0) {
    return base::DataLoss("the request of machine '" + plan.name + "' in its record is not whole");
  }
  return plan;
}

void ReadZones(const Json& page, Facts& facts) {
  const Json& items = PartOf(page, "items");
  if (!items.is_object()) return;
  for (const auto& [scope, list] : items.items()) {
    if (!scope.starts_with("zones/")) continue;
    auto& accelerators = facts.zones[LastPart(scope)];
    const Json& types = PartOf(list, "acceleratorTypes");
    if (!types.is_array()) continue;
    for (const Json& type : types) accelerators.insert(gcs::TextOf(type, "name"));
  }
}

void ReadRegions(const Json& page, Facts& facts) {
  const Json& items = PartOf(page, "items");
  if (!items.is_array()) return;
  for (const Json& region : items) ReadQuotaList(PartOf(region, "quotas"), facts.quotas[gcs::TextOf(region, "name")]);
}

void ReadProject(const Json& resource, Facts& facts) {
  std::map<std::string, Quota> quotas;
  ReadQuotaList(PartOf(resource, "quotas"), quotas);
  const auto all = quotas.find("GPUS_ALL_REGIONS");
  if (all != quotas.end()) facts.gpus_all_regions = all->second;
}

Instance ReadInstance(const Json& resource) {
  const auto created = base::ParseRfc3339(gcs::TextOf(resource, "creationTimestamp"));
  return {.id = gcs::TextOf(resource, "id"),
          .name = gcs::TextOf(resource, "name"),
          .zone = LastPart(gcs::TextOf(resource, "zone")),
          .machine_type = LastPart(gcs::TextOf(resource, "machineType")),
          .status = gcs::TextOf(resource, "status"),
          .bucket = gcs::TextOf(PartOf(resource, "labels"), kBucketLabel),
          .created = created.value_or(base::SystemTime())};
}

void ReadInstances(const Json& page, std::vector<Instance>& instances) {
  const Json& items = PartOf(page, "items");
  if (!items.is_object()) return;
  for (const auto& [scope, list] : items.items()) {
    const Json& found = PartOf(list, "instances");
    if (!found.is_array()) continue;
    for (const Json& resource : found) instances.push_back(ReadInstance(resource));
  }
}

}  // namespace seamount::cloud::gce
