// A machine as Google has it, and the labels by which ours are known.
#pragma once

#include <string>

#include "base/clock.h"

namespace seamount::cloud::gce {

struct Instance {
  std::string id;  // Google's number of it: another one of the same name has another
  std::string name, zone;
  std::string machine_type;
  std::string status;  // PROVISIONING, STAGING, RUNNING, STOPPING, TERMINATED, …
  std::string bucket;  // its label of that name
  base::SystemTime created;

  // Whether only its disk is paid for.
  bool is_stopped() const { return status == "TERMINATED" || status == "STOPPED" || status == "SUSPENDED"; }
};

inline constexpr char kLabel[] = "seamount";  // of every machine that this product makes, with the value "vm"
inline constexpr char kLabelValue[] = "vm";
inline constexpr char kBucketLabel[] = "seamount-bucket";
// A bucket's name as labels can hold it.
std::string LabelOf(const std::string& bucket);

}  // namespace seamount::cloud::gce
