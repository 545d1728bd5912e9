#include "cloud/gce/compute_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "base/time_text.h"
#include "cloud/gce/instance_json.h"
#include "gcs/admin_json.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

// Between tries of what failed for the moment: 1, 2, 4, … seconds, a minute in all.
constexpr int kTries = 7;
constexpr std::chrono::milliseconds kFirstPause(500);

}  // namespace

Result<std::unique_ptr<ComputeApi>> ComputeApi::Make(const std::string& endpoint, const std::string& project,
                                                     std::shared_ptr<net::HttpClient> http,
                                                     std::shared_ptr<auth::RequestSigner> signer, base::Clock& clock) {
  if (project.empty()) return base::InvalidArgument("which project of Google's is not known (--project)");
  SEAMOUNT_TRY_ASSIGN(auto client, gcs::ServiceClient::Make(endpoint, "", std::move(http), std::move(signer), clock));
  return std::unique_ptr<ComputeApi>(new ComputeApi(project, std::move(client), clock));
}

std::string ComputeApi::ZonePath(const std::string& zone) const {
  return "/projects/" + project_ + "/zones/" + base::PercentEncode(zone);
}

Result<net::HttpResponse> ComputeApi::Send(const std::string& method, const std::string& path,
                                           const net::QueryParameters& query, const std::string& body,
                                           const std::string& what, const CallContext& context) const {
  const std::string url = client_->UrlOf(path, query);
  base::Duration pause = kFirstPause;
  for (int left = kTries;; --left, pause *= 2) {
    auto response = client_->Send(gcs::JsonRequest(method, url, body), context);
    std::optional<Error> passing;
    if (!response) {
      if (response.error().code() != ErrorCode::kUnavailable) return response.error().Wrap(what);
      passing = response.error().Wrap(what);
    } else if (response->status >= 400) {
      const Failure failure = FailureOfAnswer(response->status, response->body.view());
      if (failure.kind == FailureKind::kTransient) passing = ErrorOf(failure, what);
    }
    if (!passing) return response;
    if (left == 1 || clock_.Now() + pause >= context.deadline) return *passing;
    if (!clock_.SleepFor(pause, context.stop)) return base::Cancelled(what + ": stop was requested");
  }
}

Result<Facts> ComputeApi::ReadFacts(const CallContext& context) const {
  const std::string what = "asking which zones have GPUs";
  Facts facts;
  net::QueryParameters query;
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const auto response, Send("GET", "/projects/" + project_ + "/aggregated/acceleratorTypes",
                                                  query, "", what, context));
    if (response.status != 200) return ErrorOf(FailureOfAnswer(response.status, response.body.view()), what);
    SEAMOUNT_TRY_ASSIGN(const Json page, gcs::ObjectOf(response, what));
    ReadZones(page, facts);
    const std::string next = gcs::TextOf(page, "nextPageToken");
    if (next.empty()) break;
    query = {{"pageToken", next}};
  }
  SEAMOUNT_TRY(ReadQuotas(facts, context));
  return facts;
}

Result<void> ComputeApi::ReadQuotas(Facts& facts, const CallContext& context) const {
  const std::string what = "asking for quotas";
  SEAMOUNT_TRY_ASSIGN(const auto regions, Send("GET", "/projects/" + project_ + "/regions", {}, "", what, context));
  if (regions.status == 200) {
    SEAMOUNT_TRY_ASSIGN(const Json page, gcs::ObjectOf(regions, what));
    ReadRegions(page, facts);
  }
  SEAMOUNT_TRY_ASSIGN(const auto project, Send("GET", "/projects/" + project_, {}, "", what, context));
  if (project.status == 200) {
    SEAMOUNT_TRY_ASSIGN(const Json resource, gcs::ObjectOf(project, what));
    ReadProject(resource, facts);
  }
  return {};
}

Result<std::optional<Failure>> ComputeApi::WaitFor(const std::string& zone, net::HttpResponse begun,
                                                   const std::string& what, const CallContext& context) const {
  for (;;) {
    if (begun.status != 200) return std::optional(FailureOfAnswer(begun.status, begun.body.view()));
    SEAMOUNT_TRY_ASSIGN(const Json operation, gcs::ObjectOf(begun, what));
    if (gcs::TextOf(operation, "status") == "DONE") return FailureOfOperation(operation);
    const std::string name = gcs::TextOf(operation, "name");
    if (name.empty()) return base::Internal(what + ": the answer names no operation");
    // Answers when the operation has ended, or after two minutes.
    SEAMOUNT_TRY_ASSIGN(begun, Send("POST", ZonePath(zone) + "/operations/" + base::PercentEncode(name) + "/wait", {},
                                    "", what, context));
  }
}

Result<std::optional<Failure>> ComputeApi::Create(const std::string& zone, const std::string& body,
                                                  const std::string& request_id, const CallContext& context) const {
  const std::string what = "starting a machine in " + zone;
  SEAMOUNT_TRY_ASSIGN(auto begun,
                      Send("POST", ZonePath(zone) + "/instances", {{"requestId", request_id}}, body, what, context));
  return WaitFor(zone, std::move(begun), what, context);
}

Result<bool> ComputeApi::Delete(const std::string& zone, const std::string& name, const std::string& request_id,
                                const CallContext& context) const {
  const std::string what = "deleting machine '" + name + "' in " + zone;
  SEAMOUNT_TRY_ASSIGN(auto begun, Send("DELETE", ZonePath(zone) + "/instances/" + base::PercentEncode(name),
                                       {{"requestId", request_id}}, "", what, context));
  if (begun.status == 404) return false;
  SEAMOUNT_TRY_ASSIGN(const auto failure, WaitFor(zone, std::move(begun), what, context));
  if (failure) return ErrorOf(*failure, what);
  return true;
}

Result<std::optional<Instance>> ComputeApi::Find(const std::string& zone, const std::string& name,
                                                 const CallContext& context) const {
  const std::string what = "looking for machine '" + name + "' in " + zone;
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      Send("GET", ZonePath(zone) + "/instances/" + base::PercentEncode(name), {}, "", what, context));
  if (response.status == 404) return std::optional<Instance>();
  if (response.status != 200) return ErrorOf(FailureOfAnswer(response.status, response.body.view()), what);
  SEAMOUNT_TRY_ASSIGN(const Json resource, gcs::ObjectOf(response, what));
  return std::optional(ReadInstance(resource));
}

Result<std::vector<Instance>> ComputeApi::List(const CallContext& context) const {
  const std::string what = "listing machines of project '" + project_ + "'";
  std::vector<Instance> all;
  const std::string filter = std::string("labels.") + kLabel + "=" + kLabelValue;
  net::QueryParameters query = {{"filter", filter}};
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const auto response,
                        Send("GET", "/projects/" + project_ + "/aggregated/instances", query, "", what, context));
    if (response.status != 200) return ErrorOf(FailureOfAnswer(response.status, response.body.view()), what);
    SEAMOUNT_TRY_ASSIGN(const Json page, gcs::ObjectOf(response, what));
    // A list that leaves out what costs money is none.
    if (const auto missing = page.find("unreachables"); missing != page.end() && !missing->empty()) {
      return base::Unavailable(what + ": some zones do not answer (try again)");
    }
    ReadInstances(page, all);
    const std::string next = gcs::TextOf(page, "nextPageToken");
    if (next.empty()) break;
    query = {{"filter", filter}, {"pageToken", next}};
  }
  std::sort(all.begin(), all.end(),
            [](const Instance& a, const Instance& b) { return std::pair(a.zone, a.name) < std::pair(b.zone, b.name); });
  return all;
}

Result<bool> ComputeApi::WasPreempted(const std::string& zone, const std::string& instance_id,
                                      const CallContext& context) const {
  const std::string what = "asking whether a machine in " + zone + " was preempted";
  const std::string filter = "operationType=\"compute.instances.preempted\"";
  net::QueryParameters query = {{"filter", filter}};
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const auto response, Send("GET", ZonePath(zone) + "/operations", query, "", what, context));
    if (response.status != 200) return ErrorOf(FailureOfAnswer(response.status, response.body.view()), what);
    SEAMOUNT_TRY_ASSIGN(const Json page, gcs::ObjectOf(response, what));
    for (const Json& operation : page.value("items", Json::array())) {
      if (operation.is_object() && gcs::TextOf(operation, "targetId") == instance_id) return true;
    }
    const std::string next = gcs::TextOf(page, "nextPageToken");
    if (next.empty()) return false;
    query = {{"filter", filter}, {"pageToken", next}};
  }
}

Result<ComputeApi::Output> ComputeApi::SerialOutput(const std::string& zone, const std::string& name, uint64_t start,
                                                    const CallContext& context) const {
  const std::string what = "reading the console of machine '" + name + "'";
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      Send("GET", ZonePath(zone) + "/instances/" + base::PercentEncode(name) + "/serialPort",
                           {{"start", std::to_string(start)}}, "", what, context));
  if (response.status != 200) return ErrorOf(FailureOfAnswer(response.status, response.body.view()), what);
  SEAMOUNT_TRY_ASSIGN(const Json resource, gcs::ObjectOf(response, what));
  return Output{.text = gcs::TextOf(resource, "contents"),
                .next = std::strtoull(gcs::TextOf(resource, "next").c_str(), nullptr, 10)};
}

}  // namespace seamount::cloud::gce
