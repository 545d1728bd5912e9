#include "prepare/fingerprints.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "nd/data_type.h"
#include "prepare/anomaly_step.h"
#include "prepare/attributes.h"
#include "prepare/node.h"
#include "prepare/source_text.h"

namespace seamount::prepare {
namespace {

// Changes whenever the bytes made from the same recipe and source would change.
constexpr const char* kFingerprintVersion = "seamount prepare 2";

std::string IndexText(const nd::Index& index) {
  std::string text;
  for (const uint64_t i : index) text += std::to_string(i) + ",";
  return text + ";";
}

// The whole field in each stretch of a split's steps; at once where there is no time.
std::vector<nd::Box> BoxesOf(const DataArray& array, const SplitRange& over) {
  std::vector<nd::Box> boxes;
  for (const Stretch& stretch : over.stretches()) {
    nd::Box& box = boxes.emplace_back(nd::Box{nd::Index(array.metadata.shape.size(), 0), array.metadata.shape});
    if (!array.time) break;
    box.origin[*array.time] = stretch.start;
    box.shape[*array.time] = stretch.stop - stretch.start;
  }
  return boxes;
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
  if (array.pack) text += "pack " + NumberText(array.pack->low) + " " + NumberText(array.pack->high) + "\n";
  return Fingerprint(text);
}

std::string Fingerprints::InputText(const DataArray& array) const {
  if (facts_.MadeOf(array.input) != nullptr) return "made\n";
  return (array.as_stored ? "as stored\n" : "decoded\n") + MeaningText(facts_, array.input);
}

std::string Fingerprints::SourceText(const DataArray& array, const nd::Box& region) const {
  const PlacedRuns runs = RunsOf(plan_.selection, array.source_dimensions, region);
  const auto made = facts_.MadeOf(array.input);
  if (made == nullptr) return PartsText(facts_, array.input, runs);
  std::string text;
  ForEachBox(runs, [&](const nd::Box& box, const nd::Index&) { text += made->Fingerprint(box); });
  return text;
}

// The split's steps of the whole field, with what decides in which order they are added up.
std::string Fingerprints::StatisticsText(size_t array, const SplitRange& over) const {
  const DataArray& planned = plan_.arrays[array];
  std::string shapes;
  std::string source;
  for (const nd::Box& box : BoxesOf(planned, over)) {
    shapes += IndexText(box.shape);
    source += SourceText(planned, box);
  }
  std::string text = std::string(kFingerprintVersion) + "\n" + planned.name + "\n" +
                     std::string(nd::NameOf(planned.metadata.data_type)) + "\n" + shapes +
                     IndexText(planned.source_chunk) + InputText(planned) + source;
  for (const std::string& name : planned.source_dimensions) {
    if (!plan_.selection.Find(name).joins.empty()) text += "cut where files begin\n";
  }
  return text;
}

std::string Fingerprints::OfClimatology(size_t array) const {
  std::string text = StatisticsText(array, plan_.anomaly_over) + "terms " + std::to_string(plan_.basis->terms) + " " +
                     plan_.basis->dimension + " " + std::to_string(static_cast<int>(plan_.selection.time->calendar)) +
                     ":";
  for (const Stretch& stretch : plan_.anomaly_over.stretches()) {
    for (uint64_t t = stretch.start; t < stretch.stop; ++t) {
      text += std::to_string(plan_.selection.time->moments[t]) + ",";
    }
  }
  if (plan_.basis->window > 1) text += "window " + std::to_string(plan_.basis->window);
  return Fingerprint(text);
}

std::string Fingerprints::OfStatistics(size_t array) const {
  const DataArray& planned = plan_.arrays[array];
  std::string text = "statistics " + planned.climatology_fingerprint + "\n";
  if (planned.standardize) {
    text += StatisticsText(array, plan_.standardize_over);
    if (planned.quantiles) {
      text += "quantiles " + NumberText(planned.quantiles->first) + " " + NumberText(planned.quantiles->second) + "\n";
    }
    for (const nd::Box& box : BoxesOf(planned, plan_.standardize_over)) {
      if (planned.anomaly) text += AnomalyStep(plan_, planned, nullptr).Fingerprint(box);
    }
  }
  return Fingerprint(text);
}

std::string Fingerprints::OfTask(const DataArray& array, const nd::Box& region) const {
  std::string text =
      array.fingerprint + "\n" + IndexText(region.origin) + IndexText(region.shape) + "\n" + InputText(array);
  if (array.anomaly) text += AnomalyStep(plan_, array, nullptr).Fingerprint(region);
  return Fingerprint(text + SourceText(array, region));
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
    text += split.name;
    for (const Stretch& stretch : split.stretches()) text += IndexText({stretch.start, stretch.stop});
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
