#include "prepare/output.h"

#include <algorithm>
#include <array>

#include "exec/for_each.h"
#include "prepare/climatology.h"
#include "prepare/parallel.h"

namespace seamount::prepare {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRecordInterval = std::chrono::seconds(1);  // at most so much work is done again after a kill
constexpr int kRecordShare = 20;  // and at most a twentieth of the time goes into writing the record
constexpr std::array<const char*, 4> kGroupKeys = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"};

std::vector<OwnedArray> ArraysOf(const Plan& plan) {
  std::vector<OwnedArray> arrays;
  for (const DataArray& array : plan.arrays) {
    arrays.push_back(OwnedOf(array.name, array.metadata));
    if (array.anomaly) {
      arrays.push_back(OwnedOf(ClimatologyName(array), ClimatologyMetadata(array, *plan.basis)));
    }
  }
  for (const SmallArray& small : plan.coordinates) arrays.push_back(OwnedOf(small.name, small.metadata));
  return arrays;
}

bool Contains(const std::vector<OwnedArray>& arrays, const OwnedArray& array) {
  return std::find(arrays.begin(), arrays.end(), array) != arrays.end();
}

bool Names(const std::vector<OwnedArray>& arrays, const std::string& name) {
  return std::any_of(arrays.begin(), arrays.end(), [&](const OwnedArray& array) { return array.name == name; });
}

bool Owns(const std::vector<OwnedArray>& arrays, const std::string& key) {
  return std::any_of(arrays.begin(), arrays.end(), [&](const OwnedArray& array) { return array.Owns(key); });
}

}  // namespace

Result<std::optional<Record>> RecordAt(Store& store, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto stored, store.Read(kRecordKey, {}, context));
  if (!stored) return std::optional<Record>();
  auto record = ParseRecord(stored->data.view());
  return record ? std::optional(*std::move(record)) : std::optional<Record>();
}

Result<void> Output::CheckEmpty(const CallContext& context) const {
  for (const char* key : {"zarr.json", ".zgroup", ".zarray"}) {
    SEAMOUNT_TRY_ASSIGN(const auto found, store_->Stat(key, context));
    if (!found) continue;
    return base::PreconditionFailed(std::string("the output holds Zarr that no 'seamount prepare' has made (") + key +
                                    "), and what others made is never overwritten: choose an empty place");
  }
  SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store_->List({.max_results = 1}, context));
  if (page.objects.empty() && page.prefixes.empty()) return {};
  return base::PreconditionFailed("the output holds objects that are no Zarr group (" +
                                  (page.objects.empty() ? page.prefixes[0] : page.objects[0].key) +
                                  " and perhaps more): choose an empty place");
}

Result<void> Output::CheckFree(const Record& before, const CallContext& context) const {
  for (const OwnedArray& array : record_.arrays) {
    if (Names(before.arrays, array.name) || Names(before.replaced, array.name)) continue;
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page,
                        store_->List({.prefix = array.name + "/", .max_results = 1}, context));
    if (page.objects.empty()) continue;
    return base::PreconditionFailed("'" + page.objects[0].key + "' lies where the array '" + array.name +
                                    "' would be written, and no prepare has made it: move it away");
  }
  return {};
}

Result<std::unique_ptr<Output>> Output::Open(std::shared_ptr<Store> store, const Plan& plan, bool overwrite,
                                             const CallContext& context) {
  auto out = std::unique_ptr<Output>(new Output(store));
  out->record_.plan = plan.fingerprint;
  out->record_.minibatch = plan.minibatch;
  out->record_.arrays = ArraysOf(plan);
  SEAMOUNT_TRY_ASSIGN(const auto stored, store->Read(kRecordKey, {}, context));
  if (!stored) {
    SEAMOUNT_TRY(out->CheckEmpty(context));
    out->changes_ = ChangesOf(plan, {}, {});
    return out;
  }
  out->generation_ = stored->info.generation;
  auto parsed = ParseRecord(stored->data.view());
  if (!parsed) {
    return base::PreconditionFailed(std::string("the record ") + kRecordKey +
                                    " in the output does not say what may be replaced (" + parsed.error().message() +
                                    "): choose another place, or delete this one");
  }
  Record before = *std::move(parsed);
  for (const char* key : kGroupKeys) {
    SEAMOUNT_TRY_ASSIGN(const auto found, store->Stat(key, context));
    if (found) out->group_keys_.emplace_back(key);
  }
  SEAMOUNT_TRY(out->CheckFree(before, context));
  out->changes_ = ChangesOf(plan, LyingThere(before), before.done);
  if (before.plan == plan.fingerprint) {
    out->complete_ = before.complete && !out->group_keys_.empty();
    out->record_.replaced = std::move(before.replaced);
    out->done_before_ = std::move(before.done);
    out->record_.missing = std::move(before.missing);
    out->record_.counted = before.counted || out->done_before_.empty();
    return out;
  }
  if (!overwrite) {
    return base::PreconditionFailed(
        std::string(
            before.complete
                ? "the output exists already, made by another recipe or from a source that has changed since"
                : "the output holds an unfinished run of another recipe or of a source that has changed since") +
        ": --overwrite replaces it");
  }
  out->record_.replaced = std::move(before.replaced);
  for (OwnedArray& array : before.arrays) {
    if (!Contains(out->record_.replaced, array)) out->record_.replaced.push_back(std::move(array));
  }
  for (const Task& task : plan.tasks) {
    if (!before.done.contains(task.fingerprint)) continue;
    out->done_before_.insert(task.fingerprint);
    out->record_.counted = before.counted;
    const auto missing = before.missing.find(task.fingerprint);
    if (missing != before.missing.end()) out->record_.missing.insert(*missing);
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
  auto written = store_->Write(
      kRecordKey, store::BytesSource(text),
      {.if_generation = generation_, .content_type = "application/json", .headers = {.cache_control = "no-cache"}},
      context);
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

std::optional<MissingByTask> Output::Missing() {
  std::scoped_lock lock(mutex_);
  return record_.counted ? std::optional(record_.missing) : std::nullopt;
}

Result<void> Output::MarkDone(const std::string& fingerprint, const CallContext& context,
                              const RegionMissing& missing) {
  {
    std::scoped_lock lock(mutex_);
    record_.done.insert(fingerprint);
    if (missing.missing > 0) record_.missing[fingerprint] = missing;
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

Result<void> Output::DeleteReplaced(exec::ThreadPool& pool, const CallContext& context) {
  std::vector<std::string> left;
  for (const OwnedArray& old : record_.replaced) {
    if (Contains(record_.arrays, old)) continue;
    SEAMOUNT_TRY_ASSIGN(const store::ListPage page, store::ListAll(*store_, {.prefix = old.name + "/"}, context));
    for (const store::ObjectInfo& object : page.objects) {
      if (old.Owns(object.key) && !Owns(record_.arrays, object.key)) left.push_back(object.key);
    }
  }
  return exec::ForEachItem(pool, static_cast<size_t>(pool.threads()), left.size(), context,
                           [&](size_t i, size_t, const CallContext& inner) -> Result<void> {
                             SEAMOUNT_TRY(store_->Delete(left[i], {}, inner));
                             return {};
                           });
}

Result<void> Output::Finish(const zarr::GroupMetadata& group, exec::ThreadPool& pool, const CallContext& context) {
  SEAMOUNT_TRY(DeleteReplaced(pool, context));
  SEAMOUNT_TRY(zarr::CreateGroup(*store_, "", group, true, context));
  SEAMOUNT_TRY(zarr::ConsolidateMetadata(*store_, "", context));
  {
    std::scoped_lock lock(mutex_);
    record_.complete = true;
    record_.replaced.clear();
  }
  return WriteRecord(context);
}

}  // namespace seamount::prepare
