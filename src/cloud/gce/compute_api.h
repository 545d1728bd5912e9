// The calls of Compute Engine that machines take, over REST. Each waits for what it began.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/request_signer.h"
#include "base/clock.h"
#include "base/result.h"
#include "cloud/gce/failure.h"
#include "cloud/gce/instance.h"
#include "cloud/gce/placement.h"
#include "gcs/service_client.h"
#include "net/http_client.h"

namespace seamount::cloud::gce {

// Thread-safe. Transient failures are tried again for about a minute: all that changes something carries a requestId,
// by which Google knows a request that it has had. Errors name what was asked.
class ComputeApi {
 public:
  // `endpoint`: https://compute.googleapis.com/compute/v1. `http` has to allow for answers that take two minutes.
  static Result<std::unique_ptr<ComputeApi>> Make(const std::string& endpoint, const std::string& project,
                                                  std::shared_ptr<net::HttpClient> http,
                                                  std::shared_ptr<auth::RequestSigner> signer,
                                                  base::Clock& clock = base::RealClock());

  const std::string& project() const { return project_; }
  base::Clock& clock() const { return clock_; }

  // Zones with their accelerators, and quotas. What the caller may not read is left out: Google will say at the start.
  Result<Facts> ReadFacts(const CallContext& context) const;

  // Makes an instance and waits until it is there; nothing: it is. An Unavailable error leaves it open whether it will
  // be: the same call, with the same request_id and body, finds out.
  Result<std::optional<Failure>> Create(const std::string& zone, const std::string& body, const std::string& request_id,
                                        const CallContext& context) const;
  // Gone when it returns; false: it was not there.
  Result<bool> Delete(const std::string& zone, const std::string& name, const std::string& request_id,
                      const CallContext& context) const;
  Result<std::optional<Instance>> Find(const std::string& zone, const std::string& name,
                                       const CallContext& context) const;
  // All machines of the project that this product has made, by zone and name. A new one may be missing for a while.
  Result<std::vector<Instance>> List(const CallContext& context) const;

  // Whether Google took this one away for others (and not its lifetime, its own programs, or somebody who deleted it).
  // Google remembers for two weeks.
  Result<bool> WasPreempted(const std::string& zone, const std::string& instance_id, const CallContext& context) const;

  struct Output {
    std::string text;
    uint64_t next = 0;  // where what comes later begins
  };
  // What the machine's console has said from `start` on.
  Result<Output> SerialOutput(const std::string& zone, const std::string& name, uint64_t start,
                              const CallContext& context) const;

 private:
  ComputeApi(std::string project, std::unique_ptr<gcs::ServiceClient> client, base::Clock& clock)
      : project_(std::move(project)), client_(std::move(client)), clock_(clock) {}
  std::string ZonePath(const std::string& zone) const;
  // Any answer but a transient one.
  Result<net::HttpResponse> Send(const std::string& method, const std::string& path, const net::QueryParameters& query,
                                 const std::string& body, const std::string& what, const CallContext& context) const;
  Result<std::optional<Failure>> WaitFor(const std::string& zone, net::HttpResponse begun, const std::string& what,
                                         const CallContext& context) const;
  Result<void> ReadQuotas(Facts& facts, const CallContext& context) const;

  const std::string project_;
  const std::unique_ptr<gcs::ServiceClient> client_;
  base::Clock& clock_;
};

}  // namespace seamount::cloud::gce
