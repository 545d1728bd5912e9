// What Google and the bucket say of machines: taken apart whatever it is, and a record that was read is written the
// same.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json_depth.h"
#include "cloud/gce/failure.h"
#include "cloud/gce/instance_json.h"
#include "cloud/gce/jobs.h"
#include "cloud/gce/records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)cloud::gce::FailureOfAnswer(400, text);
  if (const auto intent = cloud::gce::DecodeIntent(text, "key")) {
    const std::string once = cloud::gce::EncodeIntent(*intent);
    const auto again = cloud::gce::DecodeIntent(once, "key");
    if (!again || cloud::gce::EncodeIntent(*again) != once) std::abort();
  }
  if (const auto job = cloud::gce::DecodeJob(text, "key")) {
    const auto again = cloud::gce::DecodeJob(cloud::gce::EncodeJob(*job), "key");
    if (!again || !(*again == *job)) std::abort();
  }
  (void)cloud::gce::PlanOfBody(std::string(text));
  if (base::NestsDeeper(text)) return 0;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  (void)cloud::gce::FailureOfOperation(json);
  cloud::gce::Facts facts;
  cloud::gce::ReadZones(json, facts);
  cloud::gce::ReadRegions(json, facts);
  cloud::gce::ReadProject(json, facts);
  std::vector<cloud::gce::Instance> instances;
  cloud::gce::ReadInstances(json, instances);
  (void)cloud::gce::ReadInstance(json);
  return 0;
}
