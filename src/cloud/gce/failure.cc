#include "cloud/gce/failure.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/text.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxMessageBytes = 600;

std::string TextOf(const Json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& PartOf(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::string OneLine(std::string text) { return base::Printable(text.substr(0, kMaxMessageBytes)); }

// "Quota 'NVIDIA_L4_GPUS' exceeded.  Limit: 0.0 in region us-central1." – "globally" for the project's.
void ReadQuotaMessage(Failure& failure) {
  const std::string& text = failure.message;
  const auto after = [&](const std::string& words) {
    const size_t at = text.find(words);
    return at == std::string::npos ? std::string::npos : at + words.size();
  };
  if (const size_t at = after("Quota '"); at != std::string::npos && failure.metric.empty()) {
    failure.metric = text.substr(at, text.find('\'', at) - at);
  }
  if (const size_t at = after("Limit: "); at != std::string::npos && !failure.limit) {
    failure.limit = std::strtod(text.c_str() + at, nullptr);
  }
  if (const size_t at = after("in region "); at != std::string::npos && failure.region.empty()) {
    failure.region = text.substr(at, text.find_first_of(". ", at) - at);
  }
}

void ReadQuotaInfo(const Json& info, Failure& failure) {
  const std::string metric = TextOf(info, "metricName");  // "compute.googleapis.com/nvidia_l4_gpus"
  if (metric.empty()) return;
  failure.metric = metric.substr(metric.find_last_of('/') + 1);
  std::transform(failure.metric.begin(), failure.metric.end(), failure.metric.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  const Json& limit = PartOf(info, "limit");
  if (limit.is_number()) failure.limit = limit.get<double>();
  const std::string region = TextOf(PartOf(info, "dimensions"), "region");
  failure.region = region == "global" ? "" : region;
}

void ReadDetails(const Json& details, Failure& failure) {
  if (!details.is_array()) return;
  for (const Json& detail : details) {
    ReadQuotaInfo(PartOf(detail, "quotaInfo"), failure);
    const std::string zones = TextOf(PartOf(PartOf(detail, "errorInfo"), "metadatas"), "zonesAvailable");
    for (const std::string& zone : base::Split(zones, ',')) {
      if (!zone.empty()) failure.zones_with_room.push_back(zone);
    }
  }
}

bool IsStockOut(std::string_view code) {
  return code.find("RESOURCE_POOL_EXHAUSTED") != std::string_view::npos ||
         code.find("STOCKOUT") != std::string_view::npos || code == "resourcePoolExhausted" ||
         code == "insufficientCapacity";
}

// By an operation's code, or by the reason of an answer: Google uses both for the same things.
FailureKind KindOf(std::string_view code, int status) {
  if (IsStockOut(code)) return FailureKind::kStockOut;
  if (code == "QUOTA_EXCEEDED" || code == "quotaExceeded") return FailureKind::kQuota;
  if (code == "RESOURCE_NOT_READY" || code == "resourceNotReady") return FailureKind::kStillStopping;
  if (code == "RESOURCE_ALREADY_EXISTS" || code == "alreadyExists") return FailureKind::kNameTaken;
  if (code == "PERMISSIONS_ERROR" || code == "forbidden" || code == "accessNotConfigured") {
    return FailureKind::kPermission;
  }
  if (code == "rateLimitExceeded" || code == "userRateLimitExceeded" || code == "backendError" ||
      code == "INTERNAL_ERROR" || code == "internalError") {
    return FailureKind::kTransient;
  }
  if (status == 401 || status == 403) return FailureKind::kPermission;
  return status == 408 || status == 429 || status >= 500 ? FailureKind::kTransient : FailureKind::kInvalid;
}

}  // namespace

std::optional<Failure> FailureOfOperation(const Json& operation) {
  const Json& errors = PartOf(PartOf(operation, "error"), "errors");
  if (!errors.is_array() || errors.empty()) return std::nullopt;
  const Json& first = errors.front();
  Failure failure{.kind = KindOf(TextOf(first, "code"), 0), .message = OneLine(TextOf(first, "message"))};
  if (failure.message.empty()) failure.message = OneLine(TextOf(first, "code"));
  ReadDetails(PartOf(first, "errorDetails"), failure);
  if (failure.kind == FailureKind::kQuota) ReadQuotaMessage(failure);
  return failure;
}

Failure FailureOfAnswer(int status, std::string_view body) {
  const Json parsed = base::NestsDeeper(body) ? Json() : Json::parse(body, nullptr, false);
  const Json& error = PartOf(parsed, "error");
  const Json& errors = PartOf(error, "errors");
  const std::string reason = errors.is_array() && !errors.empty() ? TextOf(errors.front(), "reason") : "";
  Failure failure{.kind = KindOf(reason, status), .message = OneLine(TextOf(error, "message"))};
  if (failure.message.empty()) failure.message = "HTTP " + std::to_string(status);
  if (failure.kind == FailureKind::kQuota) ReadQuotaMessage(failure);
  return failure;
}

Error ErrorOf(const Failure& failure, const std::string& what) {
  const std::string said = what + ": " + failure.message;
  switch (failure.kind) {
    case FailureKind::kQuota:
      return base::ResourceExhausted(said + " (ask for more: console.cloud.google.com/iam-admin/quotas" +
                                     (failure.metric.empty() ? "" : ", metric " + failure.metric) +
                                     (failure.region.empty() ? "" : " in " + failure.region) + ")");
    case FailureKind::kStockOut: return base::ResourceExhausted(said);
    case FailureKind::kPermission: return base::PermissionDenied(said);
    case FailureKind::kStillStopping: return base::Unavailable(said + " (try again in a minute)");
    case FailureKind::kNameTaken: return base::PreconditionFailed(said);
    case FailureKind::kInvalid: return base::InvalidArgument(said);
    case FailureKind::kTransient: return base::Unavailable(said);
  }
  return base::Internal(said);
}

}  // namespace seamount::cloud::gce
