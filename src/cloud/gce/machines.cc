#include "cloud/gce/machines.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "base/encoding.h"
#include "base/text.h"
#include "cloud/cloud.h"
#include "cloud/gce/jobs.h"

namespace seamount::cloud::gce {
namespace {

// For so long Google knows a requestId; a request that it has not had by then was never sent.
constexpr auto kRemembered = std::chrono::minutes(55);
// A request that was on its way when its sender was killed has arrived by then.
constexpr auto kArrived = std::chrono::minutes(2);
constexpr auto kSecondLook = std::chrono::seconds(2);
constexpr auto kBetweenRounds = std::chrono::seconds(60);
constexpr auto kShortestRun = std::chrono::seconds(30);  // that Google takes

// A random UUID (RFC 9562, version 4).
std::string NewRequestId() {
  std::random_device random;
  std::array<std::byte, 16> bytes;
  for (std::byte& byte : bytes) byte = std::byte(random() & 0xff);
  bytes[6] = (bytes[6] & std::byte(0x0f)) | std::byte(0x40);
  bytes[8] = (bytes[8] & std::byte(0x3f)) | std::byte(0x80);
  std::string text = base::HexEncode(bytes);
  for (const size_t at : {20, 16, 12, 8}) text.insert(at, "-");
  return text;
}

std::string PriceOf(const std::optional<double>& usd_per_hour) {
  return usd_per_hour ? "$" + cost::DollarText(*usd_per_hour) + "/h" : "its price is not known";
}

std::string StateOf(const Instance& instance) {
  if (instance.is_stopped()) return "stopped";
  if (instance.status == "RUNNING") return "running";
  if (instance.status == "STOPPING" || instance.status == "DEPROVISIONING") return "stopping";
  return "starting";
}

// What the person asked for the first time and asks now, as far as it makes another machine.
bool IsSameWish(const Intent& intent, const UpRequest& request) {
  const cost::Machine& machine = request.wish.machine;
  const auto& limit = request.wish.max_usd_per_hour;
  const bool fits_limit = !limit || (intent.usd_per_hour && *intent.usd_per_hour <= *limit);
  return intent.machine_type == machine.type && intent.provisioning == cost::NameOf(request.wish.provisioning) &&
         intent.lifetime == request.plan.lifetime && fits_limit;
}

// Whether it says that this zone does not have such a machine, rather than that the request is wrong.
bool SpeaksOfMachineType(const Failure& failure) {
  return failure.message.find("machineType") != std::string::npos ||
         failure.message.find("achine type") != std::string::npos;
}

// The zone is not tried again this time; quota that turned out to be missing counts for its whole region.
void Remember(const Failure& failure, const std::string& zone, Facts& facts) {
  facts.failed[zone] = failure.kind == FailureKind::kStockOut ? "none left (stock-out)" : failure.message;
  for (const std::string& other : failure.zones_with_room) facts.have_room.insert(other);
  if (failure.kind != FailureKind::kQuota || failure.metric.empty()) return;
  const double limit = failure.limit.value_or(0);
  if (failure.metric == "GPUS_ALL_REGIONS") {
    facts.gpus_all_regions = Quota{.limit = limit, .usage = limit};
  } else {
    facts.quotas[RegionOf(zone)][failure.metric] = {.limit = limit, .usage = limit};
  }
}

bool MayPass(const Facts& facts) {
  return std::any_of(facts.failed.begin(), facts.failed.end(),
                     [](const auto& failed) { return failed.second.find("stock-out") != std::string::npos; });
}

// Says why each zone was passed over; the error sums it up.
Error NothingFits(const UpRequest& request, const Facts& facts, const Placement& placement,
                  const Machines::Said& said) {
  const bool by_price =
      std::all_of(placement.passed_over.begin(), placement.passed_over.end(), [](const PassedOver& p) {
        return p.reason.find("above the limit") != std::string::npos || p.reason.starts_with("has no ") ||
               p.reason.starts_with("no price");
      });
  std::string what = "starting '" + request.name + "' (" + std::string(request.wish.machine.type) + ", " +
                     std::string(cost::NameOf(request.wish.provisioning)) + "): no zone can have it";
  if (facts.zones.empty() || placement.passed_over.empty()) {
    return base::InvalidArgument(what + ": there is no zone of these names");
  }
  std::string trace = "no zone fits:\n" + TraceOf(placement);
  trace.pop_back();
  said(trace);
  what += by_price ? " within the price limit" : ", as told above of each";
  return by_price ? base::InvalidArgument(what) : base::ResourceExhausted(what);
}

}  // namespace

// One call of Up: what is known so far, and the record that is there now.
struct Machines::Start {
  const UpRequest& request;
  const Said& said;
  Facts facts;
  std::optional<KeptIntent> kept;  // the one that the next one replaces
  bool is_up = false;
};

Result<KeptIntent> Machines::FindKept(const std::string& name, const CallContext& context) const {
  SEAMOUNT_TRY(CheckMachineName(name));
  SEAMOUNT_TRY_ASSIGN(auto kept, records_.Find(name, context));
  if (!kept) {
    return base::NotFound("bucket '" + bucket_ + "' knows no machine '" + name + "' (`seamount vm ls` shows all)");
  }
  return *std::move(kept);
}

Result<Intent> Machines::Find(const std::string& name, const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(KeptIntent kept, FindKept(name, context));
  return std::move(kept.intent);
}

Result<Intent> Machines::Up(const UpRequest& request, const Said& said, const CallContext& context) {
  SEAMOUNT_TRY(CheckMachineName(request.name));
  if (request.wish.machine.preemptible_only && request.wish.provisioning == cost::Provisioning::kStandard) {
    return base::InvalidArgument(std::string(request.wish.machine.type) +
                                 " is had as spot or flex-start only (--spot, --flex-start, or more GPUs)");
  }
  Start start{.request = request, .said = said, .facts = {}, .kept = std::nullopt};
  SEAMOUNT_TRY_ASSIGN(start.kept, records_.Find(request.name, context));
  SEAMOUNT_TRY_ASSIGN(start.facts, api_->ReadFacts(context));
  if (start.kept) SEAMOUNT_TRY(Settle(start, *start.kept, context));
  const base::SteadyTime give_up = api_->clock().Now() + request.wait;
  while (!start.is_up) {
    const Placement placement = Place(request.wish, start.facts);
    if (!placement.candidates.empty()) {
      SEAMOUNT_TRY(Try(start, placement.candidates.front(), context));
      continue;
    }
    const base::Duration left = give_up - api_->clock().Now();
    if (left <= base::Duration(0) || !MayPass(start.facts)) {
      const Error why = NothingFits(request, start.facts, placement, said);
      SEAMOUNT_TRY(GiveUp(start, why, context));
    }
    said("no room anywhere; trying again for " + base::FormatDuration(left));
    const base::Duration pause = std::min<base::Duration>(left, kBetweenRounds);
    if (!api_->clock().SleepFor(pause, context.stop)) return base::Cancelled("waiting for room: stop was requested");
    SEAMOUNT_TRY_ASSIGN(start.facts, api_->ReadFacts(context));
  }
  return start.kept->intent;
}

Result<Intent> Machines::Again(const std::string& name, const std::string& bucket_location, const Said& said,
                               const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const KeptIntent kept, FindKept(name, context));
  const Intent& intent = kept.intent;
  const auto left =
      std::chrono::duration_cast<std::chrono::seconds>(intent.asked + intent.lifetime - api_->clock().WallNow());
  if (left < kShortestRun) {
    return base::PreconditionFailed("the lifetime of machine '" + name + "' is over (`seamount vm up --lifetime`)");
  }
  UpRequest request{.name = name};
  SEAMOUNT_TRY_ASSIGN(request.plan, PlanOfBody(intent.body));
  SEAMOUNT_TRY_ASSIGN(request.wish.machine, cost::FindMachine(intent.gpus, intent.machine_type));
  for (const auto way : {cost::Provisioning::kStandard, cost::Provisioning::kSpot, cost::Provisioning::kFlexStart}) {
    if (cost::NameOf(way) == intent.provisioning) request.wish.provisioning = way;
  }
  request.wish.places = intent.places;
  request.wish.max_usd_per_hour = intent.max_usd_per_hour;
  request.wish.bucket_location = bucket_location;
  request.wish.last = intent.zone;
  // A start that broke off is finished as it was begun.
  request.plan.lifetime = intent.is_up ? left : intent.lifetime;
  request.wait = left;
  return Up(request, said, context);
}

// What became of the request of an earlier run. Leaves start.is_up false where a new one is to be made.
Result<void> Machines::Settle(Start& start, const KeptIntent& kept, const CallContext& context) {
  const Intent& intent = kept.intent;
  const std::string name = "machine '" + intent.name + "'";
  SEAMOUNT_TRY_ASSIGN(const auto instance, api_->Find(intent.zone, intent.instance(), context));
  if (instance) {
    const std::string state = StateOf(*instance);
    if (intent.is_up || state == "stopped" || state == "stopping") {
      return base::PreconditionFailed(name + " is there already, " + state + ", in " + intent.zone +
                                      " (`seamount vm down " + intent.name + "` ends it)");
    }
  }
  if (!instance && (intent.is_up || intent.asked + kRemembered < api_->clock().WallNow())) return {};  // it has ended
  if (!IsSameWish(intent, start.request)) {
    return base::PreconditionFailed(
        "an earlier start of " + name + " (" + intent.machine_type + ", " + intent.provisioning +
        ") broke off: finish it with the same flags, or end it with `" + "seamount vm down " + intent.name + "`");
  }
  start.said("an earlier start in " + intent.zone + " broke off: asking again what became of it");
  return Attempt(start, context);
}

// Writes the record of a request in that zone, then sends it.
Result<void> Machines::Try(Start& start, const Candidate& candidate, const CallContext& context) {
  const UpRequest& request = start.request;
  MachinePlan plan = request.plan;
  plan.name = Intent::InstanceNameOf(request.name);
  plan.machine = request.wish.machine;
  plan.provisioning = request.wish.provisioning;
  plan.bucket = bucket_;
  plan.lease_key = Records::LeaseKey(request.name);
  plan.job_key = Jobs::KeyOf(request.name);
  const cost::Machine& machine = request.wish.machine;
  Intent intent{.name = request.name,
                .project = api_->project(),
                .zone = candidate.zone,
                .request_id = NewRequestId(),
                .body = InstanceBody(plan, candidate.zone),
                .machine_type = std::string(machine.type),
                .gpus = machine.gpu.empty() ? "" : std::string(machine.gpu) + ":" + std::to_string(machine.gpus),
                .provisioning = std::string(cost::NameOf(request.wish.provisioning)),
                .usd_per_hour = candidate.usd_per_hour,
                .places = request.wish.places,
                .max_usd_per_hour = request.wish.max_usd_per_hour,
                .asked = api_->clock().WallNow(),
                .lifetime = request.plan.lifetime};
  start.said("trying " + candidate.zone + ", " + PriceOf(candidate.usd_per_hour));
  const store::Generation replaced = start.kept ? start.kept->generation : store::kAbsent;
  auto written = records_.Write(intent, replaced, context);
  if (!written) return written.error().Wrap("writing the record of machine '" + request.name + "'");
  start.kept = *std::move(written);
  return Attempt(start, context);
}

// Sends the request of the record, and writes down or remembers what came of it.
Result<void> Machines::Attempt(Start& start, const CallContext& context) {
  const Intent& intent = start.kept->intent;
  SEAMOUNT_TRY(records_.RenewLease(intent.name, start.request.plan.lease, context));
  const auto answer = api_->Create(intent.zone, intent.body, intent.request_id, context);
  if (!answer) {
    return answer.error().Wrap("whether machine '" + intent.name +
                               "' came up is not known: the same command finds out, `" + "seamount vm down " +
                               intent.name + "` ends it");
  }
  const std::optional<Failure>& failure = *answer;
  if (!failure) {
    Intent up = intent;
    up.is_up = true;
    SEAMOUNT_TRY_ASSIGN(start.kept, records_.Write(up, start.kept->generation, context));
    start.is_up = true;
    return {};
  }
  switch (failure->kind) {
    case FailureKind::kQuota:
    case FailureKind::kStockOut: break;
    case FailureKind::kInvalid:
      if (SpeaksOfMachineType(*failure)) break;
      [[fallthrough]];
    case FailureKind::kPermission:
    case FailureKind::kStillStopping:
    case FailureKind::kNameTaken:
    case FailureKind::kTransient:
      return GiveUp(start, ErrorOf(*failure, "starting '" + intent.name + "' in " + intent.zone), context);
  }
  Remember(*failure, intent.zone, start.facts);
  start.said(intent.zone + ": " + start.facts.failed[intent.zone]);
  return {};
}

// Google has refused for sure, so there is no machine and no record need stay.
Result<void> Machines::GiveUp(Start& start, const Error& why, const CallContext& context) {
  if (start.kept) SEAMOUNT_TRY(records_.Remove(*start.kept, context));
  return why;
}

Result<void> Machines::Down(const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY(CheckMachineName(name));
  SEAMOUNT_TRY_ASSIGN(const auto kept, records_.Find(name, context));
  const std::string instance = Intent::InstanceNameOf(name);
  if (kept) {
    const Intent& intent = kept->intent;
    SEAMOUNT_TRY_ASSIGN(bool deleted, api_->Delete(intent.zone, instance, NewRequestId(), context));
    if (!deleted && !intent.is_up && intent.asked + kArrived > api_->clock().WallNow()) {
      if (!api_->clock().SleepFor(kSecondLook, context.stop)) return base::Cancelled("stop was requested");
      SEAMOUNT_TRY(api_->Delete(intent.zone, instance, NewRequestId(), context));
    }
    return records_.Remove(*kept, context);
  }
  // Without a record, only what the label says is ours.
  SEAMOUNT_TRY_ASSIGN(const auto all, api_->List(context));
  bool found = false;
  for (const Instance& machine : all) {
    if (machine.name != instance) continue;
    if (machine.bucket != LabelOf(bucket_)) {
      return base::PreconditionFailed("machine '" + name + "' in " + machine.zone + " belongs to bucket '" +
                                      machine.bucket + "' (name that one with --bucket)");
    }
    found = true;
    SEAMOUNT_TRY(api_->Delete(machine.zone, instance, NewRequestId(), context));
  }
  if (found) return {};
  return base::NotFound("there is no machine '" + name + "' in project '" + api_->project() + "'");
}

MachineRow Machines::RowOf(const Intent& intent, const std::optional<Instance>& instance,
                           const std::optional<Lease>& lease) const {
  MachineRow row{.name = intent.name,
                 .zone = intent.zone,
                 .machine_type = intent.machine_type,
                 .state = instance       ? StateOf(*instance)
                          : intent.is_up ? "ended"
                                         : "creating",
                 .bucket = bucket_,
                 .usd_per_hour = intent.usd_per_hour,
                 .started = instance ? instance->created : intent.asked,
                 .ends = (instance ? instance->created : intent.asked) + intent.lifetime};
  if (lease) row.lease_ends = lease->ends();
  const bool outlived = lease && lease->ends() < api_->clock().WallNow();
  row.is_orphan = instance && (instance->is_stopped() || outlived || !lease);
  return row;
}

Result<std::vector<MachineRow>> Machines::List(const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto instances, api_->List(context));
  SEAMOUNT_TRY_ASSIGN(const auto kept, records_.List(context));
  std::vector<MachineRow> rows;
  for (const KeptIntent& entry : kept) {
    const Intent& intent = entry.intent;
    const auto listed = std::find_if(instances.begin(), instances.end(), [&](const Instance& instance) {
      return instance.zone == intent.zone && instance.name == intent.instance();
    });
    std::optional<Instance> instance;
    if (listed != instances.end()) {
      instance = *listed;
      instances.erase(listed);
    } else {
      // Lists lag behind; asked by name, Google knows.
      SEAMOUNT_TRY_ASSIGN(instance, api_->Find(intent.zone, intent.instance(), context));
    }
    SEAMOUNT_TRY_ASSIGN(const auto lease, records_.FindLease(intent.name, context));
    rows.push_back(RowOf(intent, instance, lease));
  }
  const std::string prefix = Intent::InstanceNameOf("");
  for (const Instance& instance : instances) {
    const bool ours = instance.bucket == LabelOf(bucket_);
    rows.push_back({.name = instance.name.starts_with(prefix) ? instance.name.substr(prefix.size()) : instance.name,
                    .zone = instance.zone,
                    .machine_type = instance.machine_type,
                    .state = StateOf(instance),
                    .bucket = instance.bucket,
                    .usd_per_hour = std::nullopt,
                    .started = instance.created,
                    .ends = std::nullopt,
                    .lease_ends = std::nullopt,
                    .is_orphan = ours});
  }
  return rows;
}

Result<MachineRow> Machines::Extend(const std::string& name, std::chrono::seconds lease, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const KeptIntent kept, FindKept(name, context));
  const Intent& intent = kept.intent;
  SEAMOUNT_TRY_ASSIGN(const auto instance, api_->Find(intent.zone, intent.instance(), context));
  if (!instance || instance->is_stopped()) {
    return base::NotFound("machine '" + name + "' has ended (`seamount vm down " + name + "` clears it away)");
  }
  SEAMOUNT_TRY(records_.RenewLease(name, lease, context));
  SEAMOUNT_TRY_ASSIGN(const auto renewed, records_.FindLease(name, context));
  return RowOf(intent, instance, renewed);
}

Result<ComputeApi::Output> Machines::Console(const std::string& name, uint64_t start,
                                             const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const KeptIntent kept, FindKept(name, context));
  return api_->SerialOutput(kept.intent.zone, kept.intent.instance(), start, context);
}

}  // namespace seamount::cloud::gce
