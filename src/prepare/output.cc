#include "prepare/output.h"

#include <algorithm>
#include <array>

#include "prepare/execute.h"

namespace seamount::prepare {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRecordInterval = std::chrono::seconds(1);  // at most so much work is done again after a kill
constexpr int kRecordShare = 20;  // and at most a twentieth of the time goes into writing the record
constexpr std::array<const char*, 4> kGroupKeys = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"};

}  // namespace

Result<std::unique_ptr<Output>> Output::Open(std::shared_ptr<Store> store, const Plan& plan, bool overwrite,
                                             const CallContext& context) {
  auto out = std::unique_ptr<Output>(new Output(store));
  for (const char* key : kGroupKeys) {
    SEAMOUNT_TRY_ASSIGN(const auto found, store->Stat(key, context));
    if (found) out->group_keys_.emplace_back(key);
  }
  SEAMOUNT_TRY_ASSIGN(const auto array, store->Stat(".zarray", context));
  SEAMOUNT_TRY_ASSIGN(const auto stored, store->Read(kRecordKey, {}, context));
  Record before;
  if (stored) {
    out->generation_ = stored->info.generation;
    if (auto record = ParseRecord(stored->data.view())) before = *std::move(record);
  }
  out->record_.plan = plan.fingerprint;
  if (stored && before.plan == plan.fingerprint) {
    out->complete_ = before.complete && !out->group_keys_.empty();
    out->record_.replacing = before.replacing;
    out->done_before_ = std::move(before.done);
    return out;
  }
  const bool ours = stored || !out->group_keys_.empty() || array;
  if (!ours) {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store->List({.max_results = 1}, context));
    if (page.objects.empty() && page.prefixes.empty()) return out;
    return base::PreconditionFailed("the output holds objects that are no Zarr group (" +
                                    (page.objects.empty() ? page.prefixes[0] : page.objects[0].key) +
                                    " and perhaps more): choose an empty place");
  }
  if (!overwrite) {
    if (stored && !before.complete) {
      return base::PreconditionFailed(
          "the output holds an unfinished run of another recipe or of a source that has changed since: "
          "--overwrite replaces it");
    }
    return base::PreconditionFailed(
        "the output exists already" +
        std::string(stored ? ", made by another recipe or from a source that has changed since" : "") +
        ": --overwrite replaces it");
  }
  out->record_.replacing = true;
  for (const Task& task : plan.tasks) {
    if (before.done.contains(task.fingerprint)) out->done_before_.insert(task.fingerprint);
  }
  for (const DataArray& planned : plan.arrays) {
    const std::string& statistics = planned.statistics_fingerprint;
    if (before.done.contains(statistics)) out->done_before_.insert(statistics);
  }
  return out;
}

Result<void> Output::WriteRecord(const CallContext& context) {
  std::scoped_lock writing(write_mutex_);
  std::string text;
  {
    std::scoped_lock lock(mutex_);
    text = RecordJson(record_);
  }
  auto written = store_->Write(kRecordKey, store::BytesSource(text),
                               {.if_generation = generation_, .content_type = "application/json"}, context);
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) {
    return base::PreconditionFailed("another run is preparing into the same place (its record changed under this one)");
  }
  if (!written) return written.error().Wrap("writing the record of what is done");
  generation_ = written->generation;
  return {};
}

Result<void> Output::Begin(const CallContext& context) {
  {
    std::scoped_lock lock(mutex_);
    record_.done = done_before_;
    next_write_ = Clock::now() + kRecordInterval;
  }
  SEAMOUNT_TRY(WriteRecord(context));
  for (const std::string& key : group_keys_) SEAMOUNT_TRY(store_->Delete(key, {}, context));
  return {};
}

Result<void> Output::MarkDone(const std::string& fingerprint, const CallContext& context) {
  {
    std::scoped_lock lock(mutex_);
    record_.done.insert(fingerprint);
    if (Clock::now() < next_write_) return {};
    next_write_ = Clock::time_point::max();  // this thread writes, the others go on
  }
  const auto start = Clock::now();
  auto written = WriteRecord(context);
  std::scoped_lock lock(mutex_);
  const auto took = Clock::now() - start;
  next_write_ = Clock::now() + std::max<Clock::duration>(kRecordInterval, took * kRecordShare);
  return written;
}

Result<void> Output::Save(const CallContext& context) { return WriteRecord(context); }

Result<void> Output::Finish(const std::set<std::string>& keys, const zarr::GroupMetadata& group,
                            const CallContext& context) {
  if (record_.replacing) {
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store::ListAll(*store_, {}, context));
    for (const store::ObjectInfo& object : page.objects) {
      if (keys.contains(object.key) || object.key == kRecordKey) continue;
      SEAMOUNT_TRY(store_->Delete(object.key, {}, context));
    }
  }
  SEAMOUNT_TRY(zarr::CreateGroup(*store_, "", group, true, context));
  SEAMOUNT_TRY(zarr::ConsolidateMetadata(*store_, "", context));
  {
    std::scoped_lock lock(mutex_);
    record_.complete = true;
    record_.replacing = false;
  }
  return WriteRecord(context);
}

}  // namespace seamount::prepare
