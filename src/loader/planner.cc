#include "loader/planner.h"

#include <utility>

namespace seamount::loader {
namespace {

std::shared_ptr<const EpochPlan> PlanEpoch(const PlannerOptions& options, PlanStart start,
                                           const std::stop_token& stop) {
  auto plan = std::make_shared<EpochPlan>();
  start.batch = 0;
  plan->start = start;
  plan->order = options.source->OrderOf(start.seed, start.epoch, start.version, stop);
  BatchOptions batches = options.batches;
  batches.version = start.version;
  plan->batches = BatchSequence(options.source->count(), start.position, batches);
  return plan;
}

bool SameEpoch(const PlanStart& a, PlanStart b) {
  b.batch = a.batch;
  return a == b;
}

}  // namespace

std::vector<uint32_t> Stretch::NumbersOf(uint32_t batch) const { return SamplesOf(RangeOf(batch), epoch->order); }

PlanStart After(const Stretch& stretch) {
  PlanStart start = stretch.epoch->start;
  if (!stretch.schedule.last) {
    start.batch = stretch.schedule.first_batch + stretch.schedule.batches();
    return start;
  }
  ++start.epoch;
  start.position = 0;
  start.batch = 0;
  return start;
}

void Planner::Begin(const PlanStart& start, std::vector<uint32_t> held, const Stretch* before) {
  Drop();
  std::shared_ptr<const EpochPlan> epoch;
  if (before != nullptr && SameEpoch(before->epoch->start, start)) epoch = before->epoch;
  stop_ = std::stop_source();
  next_ = std::async(std::launch::async,
                     [this, start, held = std::move(held), epoch = std::move(epoch),
                      stop = stop_.get_token()]() mutable -> Result<Stretch> {
                       if (!epoch) epoch = PlanEpoch(options_, start, stop);
                       const ScheduleInput input{.source = options_.source.get(),
                                                 .order = epoch->order,
                                                 .epoch = {start.seed, start.epoch},
                                                 .batches = epoch->batches,
                                                 .limits = options_.retain,
                                                 .most_uses = options_.stretch_uses};
                       if (stop.stop_requested()) return base::Cancelled("planning was stopped");
                       SEAMOUNT_TRY_ASSIGN(auto schedule, MakeSchedule(input, start.batch, held, stop));
                       return Stretch{std::move(epoch), std::move(schedule)};
                     });
}

bool Planner::Wait(std::chrono::steady_clock::time_point deadline) {
  return next_.wait_until(deadline) == std::future_status::ready;
}

Result<Stretch> Planner::Take() { return next_.get(); }

void Planner::Drop() {
  stop_.request_stop();
  if (next_.valid()) next_.wait();
  next_ = {};
}

}  // namespace seamount::loader
