#include "prepare/source_text.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "nd/data_type.h"
#include "prepare/attributes.h"

namespace seamount::prepare {
namespace {

std::string FileText(const source::FileIdentity& file) {
  return std::filesystem::path(file.path).filename().string() + "|" + std::to_string(file.size_bytes) + "|" +
         std::to_string(file.modified_ns) + file.generation + "\n";
}

std::vector<const source::FileIdentity*> FilesOf(const SourceFacts& facts, size_t variable) {
  std::vector<const source::FileIdentity*> files;
  for (const uint32_t file : facts.variables[variable].files) files.push_back(&facts.files[file]);
  if (!files.empty()) return files;
  for (const source::FileIdentity& file : facts.files) files.push_back(&file);
  return files;
}

// Those that hold a part of the runs along the dimension that joins them.
std::set<const source::FileIdentity*> FilesTouched(const std::vector<const source::FileIdentity*>& files,
                                                   const std::vector<std::string>& dimensions, const PlacedRuns& runs) {
  std::set<const source::FileIdentity*> touched;
  for (size_t d = 0; d < dimensions.size(); ++d) {
    for (const PlacedRun& run : runs[d]) {
      for (const source::FileIdentity* file : files) {
        const bool meets = run.from < file->join_start + file->join_count && file->join_start < run.from + run.count;
        if (file->join_dimension == dimensions[d] && meets) touched.insert(file);
      }
    }
  }
  return touched;
}

// Every combination of runs, by what the source knows of that box.
std::string IdentityText(const source::Variable& variable, const PlacedRuns& runs) {
  std::string text;
  std::vector<size_t> at(runs.size(), 0);
  for (bool more = std::none_of(runs.begin(), runs.end(), [](const auto& one) { return one.empty(); }); more;) {
    nd::Box box;
    for (size_t d = 0; d < runs.size(); ++d) {
      box.origin.push_back(runs[d][at[d]].from);
      box.shape.push_back(runs[d][at[d]].count);
      text += std::to_string(box.origin[d]) + "+" + std::to_string(box.shape[d]) + ",";
    }
    text += variable.identity(box) + "\n";
    more = false;
    for (size_t d = runs.size(); d-- > 0 && !more;) {
      more = ++at[d] < runs[d].size();
      if (!more) at[d] = 0;
    }
  }
  return text;
}

}  // namespace

std::string PlainNumber(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string NumberText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string MeaningText(const SourceFacts& facts, size_t index) {
  const source::Variable& variable = facts.variables[index];
  std::vector<cf::Attribute> meaning;
  for (const cf::Attribute& attribute : variable.attributes) {
    if (IsPacking(attribute.name)) meaning.push_back(attribute);
  }
  std::string text = variable.name + " " + std::string(nd::NameOf(variable.type)) + AttributesJson(meaning) + "\n";
  // Joined files may have been decoded already, each by attributes of its own.
  const bool limited = !facts.files.front().join_dimension.empty() ||
                       std::any_of(meaning.begin(), meaning.end(),
                                   [](const auto& attribute) { return attribute.name.starts_with("valid_"); });
  if (limited && facts.reading.valid_range == cf::ValidRange::kIgnore) text += "valid_range is ignored\n";
  return text;
}

std::string PartsText(const SourceFacts& facts, size_t variable, const PlacedRuns& runs) {
  if (facts.variables[variable].identity) return IdentityText(facts.variables[variable], runs);
  const std::vector<std::string>& dimensions = facts.variables[variable].dimensions;
  const std::vector<const source::FileIdentity*> files = FilesOf(facts, variable);
  // What lies in one file is told as it is where there is no other.
  const std::set<const source::FileIdentity*> touched = FilesTouched(files, dimensions, runs);
  const bool alone = touched.size() == 1;
  std::string text;
  bool along = false;
  for (size_t d = 0; d < dimensions.size(); ++d) {
    const std::string& name = dimensions[d];
    const bool joined = std::any_of(files.begin(), files.end(),
                                    [&](const source::FileIdentity* file) { return file->join_dimension == name; });
    along = along || joined;
    text += name + ":";
    for (const PlacedRun& run : runs[d]) {
      const uint64_t stop = run.from + run.count;
      if (!joined) text += std::to_string(run.from) + "+" + std::to_string(run.count) + ",";
      for (const source::FileIdentity* file : files) {
        const uint64_t file_stop = file->join_start + file->join_count;
        if (file->join_dimension != name || run.from >= file_stop || stop <= file->join_start) continue;
        const uint64_t first = std::max(run.from, file->join_start) - file->join_start;
        const uint64_t last = std::min(stop, file_stop) - file->join_start;
        text += (alone ? "" : FileText(*file)) + std::to_string(first) + "+" + std::to_string(last - first) + ",";
      }
    }
    text += "\n";
  }
  // What does not lie along the joined dimension may come from any of them.
  for (const source::FileIdentity* file : files) {
    if (!along || (alone && touched.contains(file))) text += FileText(*file);
  }
  return text;
}

std::string PartsText(const SourceFacts& facts, size_t variable, const nd::Box& box) {
  PlacedRuns runs;
  for (size_t d = 0; d < box.shape.size(); ++d) runs.push_back({{box.origin[d], box.shape[d], 0}});
  return PartsText(facts, variable, runs);
}

uint64_t DecodingBytes(const source::Variable& variable) {
  if (variable.chunk_shape.empty()) return 0;
  return 3 * nd::Elements(variable.chunk_shape) * nd::SizeOf(variable.type);
}

}  // namespace seamount::prepare
