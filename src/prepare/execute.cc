#include "prepare/execute.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "nd/box.h"
#include "prepare/attributes.h"
#include "prepare/climatology.h"
#include "prepare/equal_stays.h"
#include "prepare/kept_statistics.h"
#include "prepare/missing_report.h"
#include "prepare/output.h"
#include "prepare/region_writer.h"
#include "prepare/statistics.h"
#include "source/local_file.h"

namespace seamount::prepare {
namespace {

using nd::Index;

// What is still written after a stop was asked for: the record of what is done.
constexpr auto kLastWords = std::chrono::seconds(10);

class Run {
 public:
  Run(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset, std::shared_ptr<Store> store,
      const ExecuteOptions& options)
      : plan_(plan),
        facts_(facts),
        dataset_(dataset),
        store_(std::move(store)),
        options_(options),
        pool_(options.threads),
        budget_(options.memory_bytes) {}

  Result<Report> Go(const CallContext& context);

 private:
  Result<void> KeepStatistics(const Output& output, const CallContext& context);
  StatisticsInputs Inputs(exec::Progress& progress);
  std::vector<MissingShare> Missing(Output& output) const;
  Result<void> TakeOthers(exec::Progress& progress, const CallContext& context);
  Result<void> CreateArrays(Output& output, const CallContext& context);
  Result<void> CreateSmall(const std::string& name, const zarr::ArrayMetadata& metadata,
                           std::span<const std::byte> values, const CallContext& context);
  uint64_t ProgressBytes(const std::vector<size_t>& tasks) const;

  const Plan& plan_;
  const SourceFacts& facts_;
  const source::Dataset& dataset_;
  const std::shared_ptr<Store> store_;
  std::shared_ptr<Store> small_store_;  // the same, for documents and small arrays
  const ExecuteOptions options_;
  exec::ThreadPool pool_;
  exec::ByteBudget budget_;
  std::vector<ArrayStatistics> statistics_;
  std::vector<bool> kept_;  // statistics that an earlier run took
  std::vector<std::unique_ptr<zarr::Array>> arrays_;
  std::vector<std::unique_ptr<zarr::Array>> small_;  // coordinates and climatologies
};

Result<void> Run::KeepStatistics(const Output& output, const CallContext& context) {
  statistics_.resize(plan_.arrays.size());
  kept_.assign(plan_.arrays.size(), false);
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    const std::string& fingerprint = plan_.arrays[a].statistics_fingerprint;
    if (fingerprint.empty() || !output.IsDone(fingerprint)) continue;
    SEAMOUNT_TRY_ASSIGN(auto kept, ReadStatistics(plan_, a, store_, pool_, budget_, context));
    if (!kept) continue;
    statistics_[a] = *std::move(kept);
    kept_[a] = true;
  }
  return {};
}

StatisticsInputs Run::Inputs(exec::Progress& progress) {
  return {plan_, facts_, dataset_, pool_, budget_, progress, options_.spill_directory, options_.keep_sums_after};
}

std::vector<MissingShare> Run::Missing(Output& output) const {
  const std::optional<MissingByTask> missing = output.Missing();
  return missing ? MissingOf(plan_, *missing) : std::vector<MissingShare>();
}

Result<void> Run::TakeOthers(exec::Progress& progress, const CallContext& context) {
  const StatisticsInputs in = Inputs(progress);
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    if (kept_[a]) continue;
    SEAMOUNT_TRY_ASSIGN(statistics_[a], TakeStatistics(in, a, context));
  }
  return {};
}

// Arrays of a few chunks that are at hand as a whole.
Result<void> Run::CreateSmall(const std::string& name, const zarr::ArrayMetadata& metadata,
                              std::span<const std::byte> values, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto array, zarr::Array::Create(small_store_, name, metadata, true, context));
  small_.push_back(std::move(array));
  if (values.empty()) return {};
  const nd::Box all{Index(metadata.shape.size(), 0), metadata.shape};
  return small_.back()->WriteRegion(all, values, &pool_, context);
}

Result<void> Run::CreateArrays(Output& output, const CallContext& context) {
  small_store_ = output.replacing() ? std::make_shared<EqualStays>(store_) : store_;
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    const DataArray& array = plan_.arrays[a];
    ArrayRemarks remarks{.pack = array.pack};
    if (statistics_[a].moments) {
      remarks.mean = statistics_[a].moments->mean;
      remarks.std = statistics_[a].moments->std;
      remarks.quantiles = array.quantiles;
    }
    if (array.anomaly) {
      remarks.climatology = ClimatologyName(array);
      remarks.climatology_kind = plan_.basis->dimension;
      remarks.over = plan_.anomaly_over.name;
      const zarr::ArrayMetadata metadata = ClimatologyMetadata(array, *plan_.basis);
      const auto values = CoefficientBytes(*statistics_[a].climatology, metadata.data_type);
      SEAMOUNT_TRY(CreateSmall(remarks.climatology, metadata, values, context));
    }
    zarr::ArrayMetadata metadata = array.metadata;
    metadata.attributes_json = WithRemarks(metadata.attributes_json, remarks);
    SEAMOUNT_TRY_ASSIGN(auto created,
                        zarr::Array::Create(small_store_, array.name, std::move(metadata), true, context));
    arrays_.push_back(std::move(created));
    if (!array.statistics_fingerprint.empty()) SEAMOUNT_TRY(output.MarkDone(array.statistics_fingerprint, context));
  }
  for (const SmallArray& small : plan_.coordinates) {
    SEAMOUNT_TRY(CreateSmall(small.name, small.metadata, small.values, context));
  }
  return output.Save(context);
}

// Regions that are spilled are counted twice, as they are handled.
uint64_t Run::ProgressBytes(const std::vector<size_t>& tasks) const {
  std::map<size_t, std::vector<size_t>> by_array;
  for (const size_t t : tasks) by_array[plan_.tasks[t].array].push_back(t);
  uint64_t bytes = 0;
  for (const auto& [array, own] : by_array) {
    const uint64_t times = WantsSpill(plan_, facts_, own) ? 2 : 1;
    for (const size_t t : own) bytes += times * plan_.tasks[t].bytes;
  }
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    if (!kept_[a]) bytes += StatisticsBytes(plan_, a);
  }
  return bytes;
}

// Whether the same command may fare better another time.
bool Continues(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNotFound:
    case ErrorCode::kInternal: return true;
    case ErrorCode::kPreconditionFailed:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kDataLoss: return false;
  }
  return false;
}

Result<Report> Run::Go(const CallContext& context) {
  const auto start = std::chrono::steady_clock::now();
  Report report;
  report.regions = plan_.tasks.size();
  SEAMOUNT_TRY_ASSIGN(const auto output, Output::Open(store_, plan_, options_.overwrite, context));
  report.changes = output->changes();
  if (output->complete()) {
    report.up_to_date = true;
    report.missing = Missing(*output);
    report.regions_kept = report.regions;
    return report;
  }
  std::vector<size_t> tasks;
  for (size_t t = 0; t < plan_.tasks.size(); ++t) {
    if (output->IsDone(plan_.tasks[t].fingerprint)) continue;
    tasks.push_back(t);
    report.decoded_bytes += plan_.tasks[t].bytes;
  }
  report.regions_kept = report.regions - tasks.size();
  SEAMOUNT_TRY(KeepStatistics(*output, context));
  report.statistics_kept = static_cast<size_t>(std::count(kept_.begin(), kept_.end(), true));
  exec::Progress progress("preparing", ProgressBytes(tasks), true, options_.show_progress);
  SEAMOUNT_TRY(TakeOthers(progress, context));  // before anything is touched: a bad recipe or source leaves no trace
  const auto write = [&]() -> Result<void> {
    SEAMOUNT_TRY(output->Begin(context));
    SEAMOUNT_TRY(CreateArrays(*output, context));
    for (size_t a = 0; a < plan_.arrays.size(); ++a) {
      if (!plan_.arrays[a].statistics_fingerprint.empty()) ForgetSums(Inputs(progress), a);
    }
    RegionWriter writer({plan_, facts_, dataset_, statistics_, arrays_, store_, *output, pool_, budget_, progress,
                         options_.spill_directory});
    SEAMOUNT_TRY(writer.Write(tasks, context));
    report.written_bytes = writer.written_bytes();
    report.equal_bytes = writer.equal_bytes();
    report.spilled_bytes = writer.spilled_bytes();
    report.missing = Missing(*output);
    for (const source::FileIdentity& file : facts_.files) SEAMOUNT_TRY(source::CheckUnchanged(file));
    SEAMOUNT_TRY(dataset_.CheckUnchanged());
    const std::string attributes = WithMissing(plan_.group_attributes_json, plan_, report.missing);
    return output->Finish({plan_.format, attributes}, pool_, context);
  };
  if (auto written = write(); !written) {
    const Error& error = written.error();
    if (!Continues(error.code())) return error;
    // What is done should be known to the next run; that this may fail too is no news.
    [[maybe_unused]] const auto saved = output->Save({.deadline = std::chrono::steady_clock::now() + kLastWords});
    return Error(error.code(), error.message() + "; running the same command again continues where it stopped");
  }
  report.peak_memory_bytes = budget_.peak();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

Result<Report> Execute(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                       std::shared_ptr<Store> store, const ExecuteOptions& options, const CallContext& context) {
  return Run(plan, facts, dataset, std::move(store), options).Go(context);
}

}  // namespace seamount::prepare
