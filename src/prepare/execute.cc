#include "prepare/execute.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "prepare/output.h"
#include "prepare/region.h"
#include "prepare/statistics.h"
#include "source/copy_box.h"

namespace seamount::prepare {
namespace {

using source::Elements;
using source::Index;

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
  Result<void> Statistics(exec::Progress& progress, const CallContext& context);
  Result<void> CreateArrays(const CallContext& context);
  Result<void> CreateSmall(const std::string& name, const zarr::ArrayMetadata& metadata,
                           std::span<const std::byte> values, const CallContext& context);
  Result<void> CreateClimatology(size_t array, const CallContext& context);
  Result<void> Regions(Output& output, const std::vector<size_t>& tasks, exec::Progress& progress,
                       const CallContext& context);
  Result<void> Region(const Task& task, RegionReader& reader, const CallContext& context);
  Result<void> WriteUnit(zarr::Array& array, const Index& unit, std::span<const std::byte> elements,
                         const CallContext& context);
  uint64_t TaskMemory(const Task& task) const;
  std::set<std::string> Keys() const;

  const Plan& plan_;
  const SourceFacts& facts_;
  const source::Dataset& dataset_;
  const std::shared_ptr<Store> store_;
  const ExecuteOptions options_;
  exec::ThreadPool pool_;
  exec::ByteBudget budget_;
  std::vector<ArrayStatistics> statistics_;
  std::vector<std::unique_ptr<zarr::Array>> arrays_;
  std::vector<std::unique_ptr<zarr::Array>> small_;  // coordinates and climatologies
  std::atomic<uint64_t> written_bytes_ = 0;
};

Result<void> Run::Statistics(exec::Progress& progress, const CallContext& context) {
  const StatisticsInputs in{plan_, facts_, dataset_, pool_, budget_, progress};
  statistics_.resize(plan_.arrays.size());
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    SEAMOUNT_TRY_ASSIGN(statistics_[a], TakeStatistics(in, a, context));
  }
  return {};
}

// Arrays of a few chunks that are at hand as a whole.
Result<void> Run::CreateSmall(const std::string& name, const zarr::ArrayMetadata& metadata,
                              std::span<const std::byte> values, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto array, zarr::Array::Create(store_, name, metadata, true, context));
  small_.push_back(std::move(array));
  if (values.empty()) return {};
  const zarr::Box all{Index(metadata.shape.size(), 0), metadata.shape};
  return small_.back()->WriteRegion(all, values, &pool_, context);
}

Result<void> Run::CreateClimatology(size_t a, const CallContext& context) {
  const DataArray& array = plan_.arrays[a];
  const std::vector<double>& coefficients = statistics_[a].climatology->coefficients;
  zarr::ArrayMetadata metadata = ClimatologyMetadata(array, *plan_.basis);
  std::vector<std::byte> values(coefficients.size() * zarr::SizeOf(metadata.data_type));
  for (size_t i = 0; i < coefficients.size(); ++i) {
    const auto narrow = static_cast<float>(coefficients[i]);
    if (metadata.data_type == zarr::DataType::kFloat32) {
      std::memcpy(values.data() + i * sizeof narrow, &narrow, sizeof narrow);
    } else {
      std::memcpy(values.data() + i * sizeof(double), &coefficients[i], sizeof(double));
    }
  }
  return CreateSmall(ClimatologyName(array), metadata, values, context);
}

Result<void> Run::CreateArrays(const CallContext& context) {
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    const DataArray& array = plan_.arrays[a];
    ArrayRemarks remarks;
    if (statistics_[a].moments) {
      remarks.mean = statistics_[a].moments->mean;
      remarks.std = statistics_[a].moments->std;
    }
    if (array.anomaly) {
      remarks.climatology = ClimatologyName(array);
      remarks.climatology_kind = plan_.basis->dimension;
      remarks.over = plan_.anomaly_over.name;
      SEAMOUNT_TRY(CreateClimatology(a, context));
    }
    zarr::ArrayMetadata metadata = array.metadata;
    metadata.attributes_json = WithRemarks(metadata.attributes_json, remarks);
    SEAMOUNT_TRY_ASSIGN(auto created, zarr::Array::Create(store_, array.name, std::move(metadata), true, context));
    arrays_.push_back(std::move(created));
  }
  for (const SmallArray& small : plan_.coordinates) {
    SEAMOUNT_TRY(CreateSmall(small.name, small.metadata, small.values, context));
  }
  return {};
}

uint64_t Run::TaskMemory(const Task& task) const {
  const DataArray& array = plan_.arrays[task.array];
  const uint64_t unit = Elements(arrays_[task.array]->unit_shape()) * zarr::SizeOf(array.metadata.data_type);
  return task.bytes + 2 * unit +  // a unit being filled, and its encoding
         RegionReader::ScratchBytes(plan_, facts_, task.array, Elements(task.region.shape));
}

Result<void> Run::WriteUnit(zarr::Array& array, const Index& unit, std::span<const std::byte> elements,
                            const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const Bytes encoded, array.EncodeUnit(elements));
  const std::string key = array.UnitKey(unit);
  written_bytes_ += encoded.size();
  if (auto written = store_->Write(key, store::BytesSource(encoded), {}, context); !written) {
    return written.error().Wrap("writing " + key);
  }
  return {};
}

// A thread's memory, kept from task to task: fresh pages cost as much as decoding does.
std::span<std::byte> Reusable(size_t bytes, int slot) {
  thread_local std::vector<std::byte> buffers[2];
  if (buffers[slot].size() < bytes) buffers[slot].resize(bytes);
  return std::span(buffers[slot]).first(bytes);
}

Result<void> Run::Region(const Task& task, RegionReader& reader, const CallContext& context) {
  zarr::Array& array = *arrays_[task.array];
  const Index& unit_shape = array.unit_shape();
  const size_t element = zarr::SizeOf(array.metadata().data_type);
  const std::span<std::byte> region = Reusable(task.bytes, 0);
  SEAMOUNT_TRY(reader.Read(task.region, region));
  const size_t rank = unit_shape.size();
  Index unit(rank);
  Index first(rank);
  for (size_t d = 0; d < rank; ++d) first[d] = unit[d] = task.region.origin[d] / unit_shape[d];
  if (task.region.shape == unit_shape) return WriteUnit(array, unit, region, context);
  const size_t unit_bytes = Elements(unit_shape) * element;
  for (bool more = true; more;) {
    const std::span<std::byte> elements = Reusable(unit_bytes, 1);
    source::Box whole{unit, unit_shape};
    for (size_t d = 0; d < rank; ++d) whole.origin[d] *= unit_shape[d];
    source::Box overlap;
    source::Overlap(whole, {task.region.origin, task.region.shape}, &overlap);
    if (overlap.shape != unit_shape) array.Fill(elements);  // the edge of the array
    Index from(rank);
    Index to(rank);
    for (size_t d = 0; d < rank; ++d) {
      from[d] = overlap.origin[d] - task.region.origin[d];
      to[d] = overlap.origin[d] - whole.origin[d];
    }
    source::CopyBox({region.data(), task.region.shape, from}, {elements.data(), unit_shape, to}, overlap.shape,
                    element);
    SEAMOUNT_TRY(WriteUnit(array, unit, elements, context));
    more = false;
    for (size_t d = rank; d-- > 0 && !more;) {
      more = (++unit[d]) * unit_shape[d] < task.region.origin[d] + task.region.shape[d];
      if (!more) unit[d] = first[d];
    }
  }
  return {};
}

Result<void> Run::Regions(Output& output, const std::vector<size_t>& tasks, exec::Progress& progress,
                          const CallContext& context) {
  for (const size_t t : tasks) {
    const uint64_t bytes = TaskMemory(plan_.tasks[t]);
    if (bytes <= budget_.limit()) continue;
    return base::ResourceExhausted("one region of '" + plan_.arrays[plan_.tasks[t].array].name + "' needs " +
                                   base::FormatBytes(bytes) + " of memory, --memory allows " +
                                   base::FormatBytes(budget_.limit()) + ": allow more, or ask for smaller chunks");
  }
  std::stop_source failed;  // stops the others when one fails
  const std::stop_callback forward(context.stop, [&] { failed.request_stop(); });
  CallContext inner = context;
  inner.stop = failed.get_token();
  std::mutex mutex;
  std::optional<Error> failure;
  std::atomic<size_t> next = 0;
  const auto one = [&](size_t t, std::vector<std::unique_ptr<RegionReader>>& readers) -> Result<void> {
    const Task& task = plan_.tasks[t];
    SEAMOUNT_TRY_ASSIGN(const exec::ByteLease lease, budget_.Acquire(TaskMemory(task), inner));
    std::unique_ptr<RegionReader>& reader = readers[task.array];
    if (reader == nullptr) {
      const auto& climatology = statistics_[task.array].climatology;
      SEAMOUNT_TRY_ASSIGN(RegionReader made, RegionReader::Make(plan_, facts_, dataset_, task.array,
                                                                climatology ? &*climatology : nullptr));
      reader = std::make_unique<RegionReader>(std::move(made));
    }
    SEAMOUNT_TRY(Region(task, *reader, inner));
    progress.Add(task.bytes);
    return output.MarkDone(task.fingerprint, inner);
  };
  exec::ParallelFor(pool_, static_cast<size_t>(pool_.threads()), [&](size_t) {
    std::vector<std::unique_ptr<RegionReader>> readers(plan_.arrays.size());
    for (size_t i = next++; i < tasks.size() && !failed.stop_requested(); i = next++) {
      auto done = one(tasks[i], readers);
      if (done) continue;
      std::scoped_lock lock(mutex);
      if (!failure) failure = done.error();
      failed.request_stop();
    }
  });
  if (context.stop.stop_requested()) return base::Cancelled("stopped");
  if (failure) return *failure;
  return {};
}

// Every key that a complete output may have, to tell what is left over from what it replaces.
std::set<std::string> Run::Keys() const {
  std::set<std::string> keys;
  const auto add = [&](const zarr::Array& array) {
    const Index& unit = array.unit_shape();
    if (plan_.format == 3) {
      keys.insert(array.path() + "/zarr.json");
    } else {
      keys.insert({array.path() + "/.zarray", array.path() + "/.zattrs"});
    }
    Index at(unit.size(), 0);
    for (bool more = Elements(array.metadata().shape) > 0; more;) {
      keys.insert(array.UnitKey(at));
      more = false;
      for (size_t d = at.size(); d-- > 0 && !more;) {
        more = ++at[d] * unit[d] < array.metadata().shape[d];
        if (!more) at[d] = 0;
      }
    }
  };
  for (const auto& array : arrays_) add(*array);
  for (const auto& array : small_) add(*array);
  return keys;
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
  if (output->complete()) {
    report.up_to_date = true;
    report.regions_kept = report.regions;
    return report;
  }
  std::vector<size_t> tasks;
  uint64_t bytes = 0;
  for (size_t t = 0; t < plan_.tasks.size(); ++t) {
    if (output->IsDone(plan_.tasks[t].fingerprint)) continue;
    tasks.push_back(t);
    bytes += plan_.tasks[t].bytes;
  }
  report.regions_kept = report.regions - tasks.size();
  report.decoded_bytes = bytes;
  for (size_t a = 0; a < plan_.arrays.size(); ++a) bytes += StatisticsBytes(plan_, a);
  exec::Progress progress("preparing", bytes, true, options_.show_progress);
  SEAMOUNT_TRY(Statistics(progress, context));  // before anything is touched: a bad recipe or source leaves no trace
  const auto write = [&]() -> Result<void> {
    SEAMOUNT_TRY(output->Begin(context));
    SEAMOUNT_TRY(CreateArrays(context));
    SEAMOUNT_TRY(Regions(*output, tasks, progress, context));
    return output->Finish(output->replacing() ? Keys() : std::set<std::string>(),
                          {plan_.format, plan_.group_attributes_json}, context);
  };
  if (auto written = write(); !written) {
    const Error& error = written.error();
    if (!Continues(error.code())) return error;
    // What is done should be known to the next run; that this may fail too is no news.
    [[maybe_unused]] const auto saved = output->Save({.deadline = std::chrono::steady_clock::now() + kLastWords});
    return Error(error.code(), error.message() + "; running the same command again continues where it stopped");
  }
  report.written_bytes = written_bytes_;
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
