#include "prepare/fingerprints.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"

namespace seamount::prepare {
namespace {

// Changes whenever the bytes made from the same recipe and source would change.
constexpr const char* kFingerprintVersion = "seamount prepare 1";

std::string FileText(const source::FileIdentity& file) {
  return std::filesystem::path(file.path).filename().string() + "|" + std::to_string(file.size_bytes) + "|" +
         std::to_string(file.modified_ns) + "\n";
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

std::string Fingerprints::ArrayText(const DataArray& array) const {
  const zarr::ArrayMetadata& m = array.metadata;
  std::string text = std::string(kFingerprintVersion) + "\n" + array.name + "\n" + array.expression + "\n" +
                     std::string(nd::NameOf(m.data_type)) + "\n" + recipe_.codec + "\n" + std::to_string(m.format) +
                     "\n" + IndexText(m.chunk_shape) + (m.shard_shape ? IndexText(*m.shard_shape) : "") + "\n";
  for (const size_t input : array.inputs) {
    const source::Variable& variable = facts_.variables[input];
    text += variable.name + std::string(nd::NameOf(variable.type)) + AttributesJson(variable.attributes) + "\n";
  }
  for (const std::string& name : array.source_dimensions) {
    const PlannedDimension& dimension = plan_.selection.Find(name);
    if (dimension.dropped) text += name + "=" + std::to_string(dimension.runs[0].start) + "\n";
  }
  if (array.anomaly) {
    text += "anomaly " + std::to_string(recipe_.anomaly->harmonics) + " ";
    for (size_t t = plan_.anomaly_over.start; t < plan_.anomaly_over.stop; ++t) {
      text += std::to_string(plan_.selection.time->moments[t]) + ",";
    }
    for (const source::FileIdentity& file : facts_.files) text += FileText(file);
  }
  return text;
}

std::string Fingerprints::OfArray(const DataArray& array) const { return Fingerprint(ArrayText(array)); }

std::string Fingerprints::OfStatistics(const DataArray& array) const {
  std::string text = ArrayText(array) + IndexText(array.task_shape);
  for (const std::string& name : array.source_dimensions) {
    for (const IndexRun& run : plan_.selection.Find(name).runs) text += IndexText({run.start, run.count});
  }
  if (array.standardize) {
    text += "standardize " + std::to_string(plan_.standardize_over.start) + "+" +
            std::to_string(plan_.standardize_over.stop) + "\n";
  }
  for (const source::FileIdentity& file : facts_.files) text += FileText(file);
  return Fingerprint(text);
}

std::string Fingerprints::OfTask(const DataArray& array, const nd::Box& region) const {
  std::string text = array.fingerprint + "\n" + IndexText(region.origin) + IndexText(region.shape) + "\n";
  size_t d = 0;
  std::vector<std::pair<std::string, std::pair<uint64_t, uint64_t>>> touched;
  for (const std::string& name : array.source_dimensions) {
    const PlannedDimension& dimension = plan_.selection.Find(name);
    if (dimension.dropped) continue;
    uint64_t at = 0;
    for (const IndexRun& run : dimension.runs) {
      const uint64_t from = std::max(region.origin[d], at);
      const uint64_t to = std::min(region.origin[d] + region.shape[d], at + run.count);
      if (from < to) {
        const uint64_t start = run.start + from - at;
        text += name + ":" + std::to_string(start) + "+" + std::to_string(to - from) + "\n";
        touched.push_back({name, {start, start + to - from}});
      }
      at += run.count;
    }
    ++d;
  }
  for (const source::FileIdentity& file : facts_.files) {
    bool reads = file.join_dimension.empty();
    bool along = false;
    for (const auto& [name, range] : touched) {
      if (name != file.join_dimension) continue;
      along = true;
      reads = reads || (range.first < file.join_start + file.join_count && file.join_start < range.second);
    }
    if (reads || !along) text += FileText(file);
  }
  return Fingerprint(text);
}

std::string Fingerprints::OfPlan() const {
  std::string text = std::string(kFingerprintVersion) + SEAMOUNT_VERSION + recipe_.text + "\n";
  for (const source::FileIdentity& file : facts_.files) text += FileText(file);
  for (const DataArray& array : plan_.arrays) text += array.fingerprint + "\n";
  return Fingerprint(text);
}

}  // namespace seamount::prepare
