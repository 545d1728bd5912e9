#include "prepare/describe.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/climatology.h"
#include "prepare/node.h"
#include "prepare/slabs.h"
#include "prepare/source_text.h"
#include "prepare/statistics.h"

namespace seamount::prepare {
namespace {

using Json = nlohmann::ordered_json;

// Decoded bytes that one thread brings from deflate to blosc in a second, and from decoding to a sum: bench/runs.
constexpr double kConvertedPerSecond = 150e6;
constexpr double kSummedPerSecond = 300e6;
constexpr double kReadPerSecond = 500e6;     // of a local disk
constexpr double kSpilledPerSecond = 500e6;  // of all threads, written and read again

uint64_t BytesOf(const Plan& plan, size_t array) {
  const zarr::ArrayMetadata& m = plan.arrays[array].metadata;
  return nd::Elements(m.shape) * nd::SizeOf(m.data_type);
}

// Decoded bytes of the source's chunks that hold what is taken of a variable which is stored.
double TouchedBytes(const Plan& plan, const source::Variable& variable) {
  double elements = 1;
  for (size_t d = 0; d < variable.shape.size(); ++d) {
    const PlannedDimension& dimension = plan.selection.Find(variable.dimensions[d]);
    const uint64_t chunk = variable.chunk_shape.empty() ? 1 : std::max<uint64_t>(1, variable.chunk_shape[d]);
    uint64_t along = 0;
    for (const IndexRun& run : dimension.runs) {
      if (run.count > 0) along += ((run.start + run.count - 1) / chunk - run.start / chunk + 1) * chunk;
    }
    elements *= static_cast<double>(std::min(along, variable.shape[d]));
  }
  return elements * static_cast<double>(nd::SizeOf(variable.type));
}

// Likewise of one that is made, for each of the regions.
double MadeBytes(const Plan& plan, const Node& made, const DataArray& array, const std::vector<nd::Box>& regions) {
  double bytes = 0;
  for (const nd::Box& region : regions) {
    ForEachBox(RunsOf(plan.selection, array.source_dimensions, region),
               [&](const nd::Box& box, const nd::Index&) { bytes += made.TouchedBytes(box); });
  }
  return bytes;
}

// What is read of the source for an array, decoded: once, and for all of its regions.
struct Reading {
  double once = 0;
  double all = 0;
};

Reading ReadingOf(const Plan& plan, const SourceFacts& facts, size_t array) {
  const DataArray& planned = plan.arrays[array];
  const std::vector<size_t> tasks = TasksOf(plan, array);
  const bool spills = WantsSpill(plan, facts, tasks);
  if (const auto made = facts.MadeOf(planned.input)) {
    const double once = MadeBytes(plan, *made, planned, {nd::Whole(planned.metadata.shape)});
    std::vector<nd::Box> regions;
    for (const size_t t : tasks) regions.push_back(plan.tasks[t].region);
    return {once, spills ? once : MadeBytes(plan, *made, planned, regions)};
  }
  const double once = TouchedBytes(plan, facts.variables[planned.input]);
  return {once, spills ? once : once * std::max(1.0, Decodings(plan, facts, tasks))};
}

// Where an array's values come from, and how often they are read.
std::string DescribeReading(const Plan& plan, const SourceFacts& facts, size_t array) {
  std::string out = "  from ";
  const source::Variable& variable = facts.variables[plan.arrays[array].input];
  if (const auto made = facts.MadeOf(plan.arrays[array].input)) {
    out += made->From();
  } else {
    out += "'" + variable.name + "'";
  }
  for (size_t d = 0; d < variable.chunk_shape.size(); ++d) {
    out += (d == 0 ? " in chunks of (" : ", ") + std::to_string(variable.chunk_shape[d]);
  }
  if (!variable.chunk_shape.empty()) out += ")" + (variable.filters.empty() ? "" : ", " + variable.filters);
  const std::vector<size_t> tasks = TasksOf(plan, array);
  if (tasks.empty()) return out + "\n";
  if (WantsSpill(plan, facts, tasks)) {
    return out + ": they lie across those wanted and are read once, through a spill file of " +
           base::FormatBytes(BytesOf(plan, array)) + "\n";
  }
  const Reading reading = ReadingOf(plan, facts, array);
  const double times = reading.once > 0 ? reading.all / reading.once : 1;
  if (times < 1.05) return out + ": every part is read once\n";
  const std::string text = std::to_string(times);
  return out + ": every chunk is read " + text.substr(0, text.find('.') + 2) + " times on average\n";
}

// Stored bytes that will be read: the share of what the files hold, decoded, that lies in chunks which are touched.
double ReadBytes(const Plan& plan, const SourceFacts& facts) {
  double stored = 0;
  double all = 0;
  double touched = 0;
  for (const source::FileIdentity& file : facts.files) stored += static_cast<double>(file.size_bytes);
  for (const source::Variable& variable : facts.stored) {
    all += static_cast<double>(nd::Elements(variable.shape) * nd::SizeOf(variable.type));
  }
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    const Reading reading = ReadingOf(plan, facts, a);
    const double once = static_cast<double>(std::max<uint64_t>(1, BytesOf(plan, a)));
    touched += reading.all + reading.once * static_cast<double>(StatisticsBytes(plan, a)) / once;
  }
  return all > 0 ? touched * std::min(1.0, stored / all) : 0;
}

std::string DescribeScaling(const DataArray& array) {
  if (!array.quantiles) return "mean and std";
  const auto [low, high] = *array.quantiles;
  if (low == 0 && high == 1) return "minimum and maximum, which become 0 and 1,";
  return "the quantiles " + NumberText(low) + " and " + NumberText(high) + ", which become 0 and 1,";
}

std::string DescribeWork(const Plan& plan, const SourceFacts& facts, int threads) {
  const double read = ReadBytes(plan, facts);
  double seconds = read / kReadPerSecond;
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    const auto bytes = static_cast<double>(BytesOf(plan, a));
    const std::vector<size_t> tasks = TasksOf(plan, a);
    const bool spills = WantsSpill(plan, facts, tasks);
    seconds += bytes * (spills ? 1 : std::max(1.0, Decodings(plan, facts, tasks))) / kConvertedPerSecond / threads;
    if (spills) seconds += bytes / kSpilledPerSecond;
    seconds += static_cast<double>(StatisticsBytes(plan, a)) / kSummedPerSecond / threads;
  }
  const auto took = std::chrono::nanoseconds(static_cast<int64_t>(std::min(seconds, 1e9) * 1e9));
  return std::to_string(facts.files.size()) + (facts.files.size() == 1 ? " file, about " : " files, about ") +
         base::FormatBytes(static_cast<uint64_t>(read)) + " to read, " + std::to_string(plan.tasks.size()) +
         " regions with " + base::FormatBytes(plan.output_bytes) + " before compression to write: at least " +
         base::FormatDuration(took) + " of work for " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads") + ", more where disk or network are slower than that\n";
}

}  // namespace

std::string DescribePlan(const Plan& plan, const SourceFacts& facts, int threads) {
  std::string out;
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    const DataArray& array = plan.arrays[a];
    const zarr::ArrayMetadata& m = array.metadata;
    out += array.name + ": " + std::string(nd::NameOf(m.data_type));
    for (size_t d = 0; d < m.shape.size(); ++d) {
      out += (d == 0 ? " (" : ", ") + m.dimension_names[d] + " " + std::to_string(m.shape[d]) + " in " +
             std::to_string(m.chunk_shape[d]);
      if (m.shard_shape) out += " (shards of " + std::to_string((*m.shard_shape)[d]) + ")";
    }
    out += m.shape.empty() ? "\n" : ")\n";
    out += "  chunks: " + array.reason + "\n" + DescribeReading(plan, facts, a);
    if (array.anomaly) {
      out += "  anomaly from '" + ClimatologyName(array) + "', taken over '" + plan.anomaly_over.name + "'\n";
    }
    if (array.standardize) {
      out += "  " + DescribeScaling(array) + " over '" + plan.standardize_over.name + "' as attributes\n";
    }
  }
  for (const SmallArray& small : plan.coordinates) {
    out += small.name + ": " + std::string(nd::NameOf(small.metadata.data_type)) + ", " +
           std::to_string(nd::Elements(small.metadata.shape)) + " values\n";
  }
  for (const SplitRange& split : plan.selection.splits) {
    out += "split " + split.name + ": steps";
    const char* before = " ";
    for (const Stretch& stretch : split.stretches()) {
      out += before + std::to_string(stretch.start) + " to " + std::to_string(stretch.stop - 1);
      before = ", ";
    }
    out += "\n";
  }
  if (plan.selection.time && plan.selection.time->segments.size() > 1) {
    out += std::to_string(plan.selection.time->segments.size() - 1) + " gaps in time, noted as 'seamount.segments'\n";
  }
  out += DescribeWork(plan, facts, threads);
  for (const std::string& note : plan.notes) out += "note: " + note + "\n";
  return out;
}

namespace {

Json JsonOf(const Changes& changes) {
  return {{"kept", changes.kept},
          {"rewritten", changes.rewritten},
          {"added", changes.added},
          {"removed", changes.removed},
          {"bytes_kept", changes.bytes_kept},
          {"bytes_rewritten", changes.bytes_rewritten},
          {"bytes_added", changes.bytes_added}};
}

}  // namespace

std::string ChangesJson(const Changes& changes) { return JsonOf(changes).dump(); }

std::string PlanJson(const Plan& plan, const SourceFacts& facts, const Changes& changes) {
  Json arrays = Json::array();
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    const DataArray& array = plan.arrays[a];
    Json entry = {{"name", array.name},
                  {"dimensions", array.metadata.dimension_names},
                  {"shape", array.metadata.shape},
                  {"dtype", std::string(nd::NameOf(array.metadata.data_type))},
                  {"chunks", array.metadata.chunk_shape},
                  {"reason", array.reason},
                  {"spilled", WantsSpill(plan, facts, TasksOf(plan, a))},
                  {"anomaly", array.anomaly},
                  {"standardize", array.standardize}};
    if (array.metadata.shard_shape) entry["shards"] = *array.metadata.shard_shape;
    arrays.push_back(std::move(entry));
  }
  Json coordinates = Json::array();
  for (const SmallArray& array : plan.coordinates) coordinates.push_back(array.name);
  Json splits = Json::object();
  for (const SplitRange& split : plan.selection.splits) {
    if (split.some.empty()) splits[split.name] = {split.start, split.stop};
    for (const Stretch& stretch : split.some) splits[split.name].push_back({stretch.start, stretch.stop});
  }
  const Json json = {{"arrays", std::move(arrays)}, {"coordinates", std::move(coordinates)},
                     {"splits", std::move(splits)}, {"tasks", plan.tasks.size()},
                     {"bytes", plan.output_bytes},  {"fingerprint", plan.fingerprint},
                     {"changes", JsonOf(changes)},  {"notes", plan.notes}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seamount::prepare
