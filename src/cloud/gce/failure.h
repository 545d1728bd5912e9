// Why Google did not do it, in the classes that decide what to do next.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::cloud::gce {

enum class FailureKind {
  kQuota,          // the project may not have so many: another region, or a request for more
  kStockOut,       // the zone has none left: another zone, or later
  kPermission,     // who asks may not: nothing else will help
  kStillStopping,  // the machine of that name is on its way out: again in a while
  kNameTaken,      // a machine of that name is there
  kInvalid,        // the request is wrong, or asks for what is not offered
  kTransient,      // again
};

struct Failure {
  FailureKind kind = FailureKind::kTransient;
  std::string message;  // Google's words, on one line
  // Of kQuota, where it was told.
  std::string metric;  // "NVIDIA_L4_GPUS"
  std::string region;  // empty: of the project
  std::optional<double> limit;
  // Of kStockOut: where Google says that there is room.
  std::vector<std::string> zones_with_room;
};

// Of an operation's resource; nothing where it has succeeded (or has not ended).
std::optional<Failure> FailureOfOperation(const nlohmann::json& operation);
// Of an answer that is an error.
Failure FailureOfAnswer(int status, std::string_view body);
// For a person: "WHAT: the message", and what to do.
Error ErrorOf(const Failure& failure, const std::string& what);

}  // namespace seamount::cloud::gce
