// Machines at Google, from the first wish to their end, so that none is ever forgotten: the record is written before
// Google is asked (records.h), a request that may have gone through is sent again word for word with its requestId, and
// each machine is born with three ends that need nobody: Google deletes it after its lifetime, it ends itself when its
// lease in the bucket is over, and when nobody uses it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cloud/gce/compute_api.h"
#include "cloud/gce/instance_json.h"
#include "cloud/gce/placement.h"
#include "cloud/gce/records.h"

namespace seamount::cloud::gce {

struct UpRequest {
  std::string name;  // as CheckMachineName has it
  Wish wish;
  MachinePlan plan;              // what the wish and the name do not say
  std::chrono::seconds wait{0};  // for so long it is tried again where there is no room
};

struct MachineRow {
  std::string name, zone, machine_type;
  std::string state;  // "creating", "running", …; "stopped": its disk is still paid; "ended": only its record is left
  std::string bucket;  // as labels hold it; where it has no record here
  std::optional<double> usd_per_hour;
  base::SystemTime started;
  std::optional<base::SystemTime> ends;        // at the latest
  std::optional<base::SystemTime> lease_ends;  // unless it is extended
  // Nobody looks after it: it has no record, or outlived its lease, or is stopped and its disk is still there.
  bool is_orphan = false;
};

// Thread-safe. Two that start one name at the same time start one machine.
class Machines {
 public:
  // Hears what is done, in words.
  using Said = std::function<void(const std::string&)>;

  // `bucket`: the name of the one that `records` lie in.
  Machines(std::shared_ptr<ComputeApi> api, Records records, std::string bucket)
      : api_(std::move(api)), records_(std::move(records)), bucket_(std::move(bucket)) {}

  // Up when it returns. PreconditionFailed where one of that name runs. ResourceExhausted, with why each zone was
  // passed over, where there is no room or quota; InvalidArgument where the price limit leaves nothing. Where an error
  // leaves it open whether there is a machine, its record stays, and the same call finishes it.
  Result<Intent> Up(const UpRequest& request, const Said& said, const CallContext& context);
  // Up again, after Google took it away: a machine like it for what is left of its lifetime, in another zone where
  // there is one. Tries for as long as that where there is no room. PreconditionFailed where it is there, or its
  // lifetime is over.
  Result<Intent> Again(const std::string& name, const std::string& bucket_location, const Said& said,
                       const CallContext& context);
  // Gone, with its disk and its record, when it returns. NotFound: there is neither.
  Result<void> Down(const std::string& name, const CallContext& context);
  // Every machine of the project that this product has made, and every record of this bucket.
  Result<std::vector<MachineRow>> List(const CallContext& context);
  // The lease begins anew. NotFound: there is no such machine.
  Result<MachineRow> Extend(const std::string& name, std::chrono::seconds lease, const CallContext& context);
  Result<Intent> Find(const std::string& name, const CallContext& context) const;
  // As Google has it now; nothing: it is gone.
  Result<std::optional<Instance>> Look(const Intent& intent, const CallContext& context) const {
    return api_->Find(intent.zone, intent.instance(), context);
  }
  Result<bool> WasPreempted(const Intent& intent, const std::string& instance_id, const CallContext& context) const {
    return api_->WasPreempted(intent.zone, instance_id, context);
  }
  Result<ComputeApi::Output> Console(const std::string& name, uint64_t start, const CallContext& context) const;

 private:
  struct Start;
  Result<KeptIntent> FindKept(const std::string& name, const CallContext& context) const;
  Result<void> Settle(Start& start, const KeptIntent& kept, const CallContext& context);
  Result<void> Try(Start& start, const Candidate& candidate, const CallContext& context);
  Result<void> Attempt(Start& start, const CallContext& context);
  Result<void> GiveUp(Start& start, const Error& why, const CallContext& context);
  MachineRow RowOf(const Intent& intent, const std::optional<Instance>& instance,
                   const std::optional<Lease>& lease) const;

  const std::shared_ptr<ComputeApi> api_;
  const Records records_;
  const std::string bucket_;
};

}  // namespace seamount::cloud::gce
