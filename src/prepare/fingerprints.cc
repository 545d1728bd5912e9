#include "prepare/fingerprints.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"
#include "prepare/pipeline.h"

namespace seamount::prepare {
namespace {

// Changes whenever the bytes made from the same recipe and source would change.
constexpr const char* kFingerprintVersion = "seamount prepare 2";

std::string FileText(const source::FileIdentity& file) {
  return std::filesystem::path(file.path).filename().string() + "|" + std::to_string(file.size_bytes) + "|" +
         std::to_string(file.modified_ns) + file.generation + "\n";
}

std::string IndexText(const nd::Index& index) {
  std::string text;
  for (const uint64_t i : index) text += std::to_string(i) + ",";
  return text + ";";
}

}  // namespace

std::string Fingerprint(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base::HexEncode(std::as_bytes(std::span(digest)).first(16));
}

std::string Fingerprints::OfEncoding(const DataArray& array) const {
  const zarr::ArrayMetadata& m = array.metadata;
  std::string text = std::string(kFingerprintVersion) + "\n" + array.name + "\n" +
                     std::string(nd::NameOf(m.data_type)) + "\n" + std::to_string(m.format) + "\n" +
                     IndexText(m.chunk_shape) + (m.shard_shape ? IndexText(*m.shard_shape) : "") + "\n";
  for (const zarr::CodecSpec& codec : m.codecs) text += codec.name + codec.configuration_json + "\n";
  return Fingerprint(text);
}

// The attributes that decide what the stored numbers mean; units, names and histories change no value.
std::string Fingerprints::InputsText(const DataArray& array) const {
  std::string text = array.as_stored ? "as stored\n" : "decoded\n";
  for (const size_t input : array.inputs) {
    const source::Variable& variable = facts_.variables[input];
    std::vector<cf::Attribute> meaning;
    for (const cf::Attribute& attribute : variable.attributes) {
      if (IsPacking(attribute.name)) meaning.push_back(attribute);
    }
    text += variable.name + " " + std::string(nd::NameOf(variable.type)) + AttributesJson(meaning) + "\n";
    // Joined files may have been decoded already, each by attributes of its own.
    const bool limited = !facts_.files.front().join_dimension.empty() ||
                         std::any_of(meaning.begin(), meaning.end(),
                                     [](const auto& attribute) { return attribute.name.starts_with("valid_"); });
    if (limited && facts_.reading.valid_range == cf::ValidRange::kIgnore) text += "valid_range is ignored\n";
  }
  return text;
}

// Which elements of which files an output region is made of, counted from each file's own start, so that files joined
// before or after change nothing.
std::string Fingerprints::SourceText(const DataArray& array, const nd::Box& region) const {
  std::string text;
  size_t d = 0;
  bool along = false;
  for (const std::string& name : array.source_dimensions) {
    const PlannedDimension& dimension = plan_.selection.Find(name);
    const uint64_t origin = dimension.dropped ? 0 : region.origin[d];
    const uint64_t extent = dimension.dropped ? 1 : region.shape[d];
    if (!dimension.dropped) ++d;
    const bool joined = std::any_of(facts_.files.begin(), facts_.files.end(),
                                    [&](const source::FileIdentity& file) { return file.join_dimension == name; });
    along = along || joined;
    text += name + ":";
    uint64_t at = 0;
    for (const IndexRun& run : dimension.runs) {
      const uint64_t from = std::max(origin, at);
      const uint64_t to = std::min(origin + extent, at + run.count);
      const uint64_t start = run.start + from - at;
      at += run.count;
      if (from >= to) continue;
      const uint64_t stop = start + to - from;
      if (!joined) text += std::to_string(start) + "+" + std::to_string(to - from) + ",";
      for (const source::FileIdentity& file : facts_.files) {
        const uint64_t file_stop = file.join_start + file.join_count;
        if (file.join_dimension != name || start >= file_stop || stop <= file.join_start) continue;
        const uint64_t first = std::max(start, file.join_start) - file.join_start;
        const uint64_t last = std::min(stop, file_stop) - file.join_start;
        text += FileText(file) + std::to_string(first) + "+" + std::to_string(last - first) + ",";
      }
    }
    text += "\n";
  }
  // What does not lie along the joined dimension may come from any of the files.
  for (const source::FileIdentity& file : facts_.files) {
    if (!along) text += FileText(file);
  }
  return text;
}

// The split's steps of the whole field, with what decides in which order they are added up.
std::string Fingerprints::StatisticsText(size_t array, const SplitRange& over) const {
  const DataArray& planned = plan_.arrays[array];
  nd::Box box{nd::Index(planned.metadata.shape.size(), 0), planned.metadata.shape};
  if (planned.time) {
    box.origin[*planned.time] = over.start;
    box.shape[*planned.time] = over.stop - over.start;
  }
  std::string text = std::string(kFingerprintVersion) + "\n" + planned.name + "\n" +
                     std::string(nd::NameOf(planned.metadata.data_type)) + "\n" + IndexText(box.shape) +
                     IndexText(planned.source_chunk) + InputsText(planned) + SourceText(planned, box);
  for (const std::string& name : planned.source_dimensions) {
    if (!plan_.selection.Find(name).joins.empty()) text += "cut where files begin\n";
  }
  return text;
}

Result<std::string> Fingerprints::OfClimatology(size_t array) const {
  std::string text = StatisticsText(array, plan_.anomaly_over) + "terms " + std::to_string(plan_.basis->terms) + " " +
                     plan_.basis->dimension + " " + std::to_string(static_cast<int>(plan_.selection.time->calendar)) +
                     ":";
  for (uint64_t t = plan_.anomaly_over.start; t < plan_.anomaly_over.stop; ++t) {
    text += std::to_string(plan_.selection.time->moments[t]) + ",";
  }
  SEAMOUNT_TRY_ASSIGN(const auto steps, MakeSteps(plan_, array, nullptr, /*before_anomaly=*/true));
  for (const auto& step : steps) text += step->Fingerprint({});
  return Fingerprint(text);
}

Result<std::string> Fingerprints::OfStatistics(size_t array) const {
  const DataArray& planned = plan_.arrays[array];
  std::string text = "statistics " + planned.climatology_fingerprint + "\n";
  if (planned.standardize) {
    text += StatisticsText(array, plan_.standardize_over);
    nd::Box box{nd::Index(planned.metadata.shape.size(), 0), planned.metadata.shape};
    if (planned.time) {
      box.origin[*planned.time] = plan_.standardize_over.start;
      box.shape[*planned.time] = plan_.standardize_over.stop - plan_.standardize_over.start;
    }
    SEAMOUNT_TRY_ASSIGN(const auto steps, MakeSteps(plan_, array, nullptr, /*before_anomaly=*/false));
    for (const auto& step : steps) text += step->Fingerprint(box);
  }
  return Fingerprint(text);
}

std::string Fingerprints::OfTask(const DataArray& array, const std::vector<std::unique_ptr<Step>>& steps,
                                 const nd::Box& region) const {
  std::string text =
      array.fingerprint + "\n" + IndexText(region.origin) + IndexText(region.shape) + "\n" + InputsText(array);
  nd::Box needed = region;
  for (size_t i = steps.size(); i-- > 0;) {
    text += steps[i]->Fingerprint(needed);
    needed = steps[i]->InputRegion(needed);
  }
  return Fingerprint(text + SourceText(array, needed));
}

std::string Fingerprints::OfPlan() const {
  std::string text =
      std::string(kFingerprintVersion) + std::to_string(plan_.format) + AttributesJson(facts_.attributes);
  for (const DataArray& array : plan_.arrays) {
    text += array.name + array.fingerprint + array.statistics_fingerprint + IndexText(array.metadata.shape) +
            array.metadata.attributes_json + "\n";
  }
  for (const SmallArray& small : plan_.coordinates) {
    const std::string_view values(reinterpret_cast<const char*>(small.values.data()), small.values.size());
    text += small.name + std::string(nd::NameOf(small.metadata.data_type)) + IndexText(small.metadata.shape) +
            small.metadata.attributes_json + Fingerprint(values) + "\n";
  }
  for (const SplitRange& split : plan_.selection.splits) {
    text += split.name + IndexText({split.start, split.stop});
  }
  if (plan_.selection.time) {
    text += plan_.selection.time->dimension;
    for (const Stretch& segment : plan_.selection.time->segments) text += IndexText({segment.start, segment.stop});
  }
  text += plan_.anomaly_over.name + "\n" + plan_.standardize_over.name + "\n";  // they stand in attributes
  std::string tasks;                                                            // chained, since there may be millions
  for (const Task& task : plan_.tasks) tasks = Fingerprint(tasks + task.fingerprint);
  return Fingerprint(text + tasks);
}

}  // namespace seamount::prepare
