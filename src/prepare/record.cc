#include "prepare/record.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"

namespace seamount::prepare {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 2;

// A number as chunk keys have it, below `end`: no sign, no leading zero.
std::optional<uint64_t> IndexBelow(std::string_view text, uint64_t end) {
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && rest == text.data() + text.size();
  if (!whole || value >= end || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return value;
}

std::optional<uint64_t> PlaceInGrid(std::string_view key, char separator, const std::vector<uint64_t>& objects) {
  uint64_t place = 0;
  for (size_t d = 0; d < objects.size(); ++d) {
    const size_t end = d + 1 < objects.size() ? key.find(separator) : key.size();
    if (end == std::string_view::npos) return std::nullopt;
    const auto index = IndexBelow(key.substr(0, end), objects[d]);
    if (!index) return std::nullopt;
    place = place * objects[d] + *index;
    key.remove_prefix(std::min(end + 1, key.size()));
  }
  return place;
}

// The key within the array's folder; empty: not there.
std::string_view Within(std::string_view key, const std::string& name) {
  if (!key.starts_with(name) || key.size() <= name.size() || key[name.size()] != '/') return {};
  return key.substr(name.size() + 1);
}

Json ArraysJson(const std::vector<OwnedArray>& arrays) {
  Json out = Json::array();
  for (const OwnedArray& array : arrays) {
    Json item = {{"name", array.name},
                 {"format", array.format},
                 {"separator", std::string(1, array.separator)},
                 {"objects", array.objects},
                 {"chunk", array.chunk}};
    if (array.shard) item["shard"] = *array.shard;
    out.push_back(std::move(item));
  }
  return out;
}

bool ReadSizes(const Json& json, std::vector<uint64_t>& out) {
  if (!json.is_array()) return false;
  for (const Json& size : json) {
    if (!size.is_number_unsigned()) return false;
    out.push_back(size.get<uint64_t>());
  }
  return true;
}

bool ReadArrays(const Json& json, std::vector<OwnedArray>& out) {
  if (!json.is_array()) return false;
  for (const Json& item : json) {
    if (!item.is_object()) return false;
    const Json name = item.value("name", Json());
    const Json format = item.value("format", Json());
    const Json separator = item.value("separator", Json());
    if (!name.is_string() || name.get_ref<const std::string&>().empty() || (format != Json(2) && format != Json(3)) ||
        (separator != Json("/") && separator != Json("."))) {
      return false;
    }
    OwnedArray array{name.get<std::string>(), format.get<int>(), separator.get_ref<const std::string&>()[0]};
    if (!ReadSizes(item.value("objects", Json()), array.objects)) return false;
    if (!ReadSizes(item.value("chunk", Json()), array.chunk)) return false;
    if (item.contains("shard") && !ReadSizes(item["shard"], array.shard.emplace())) return false;
    out.push_back(std::move(array));
  }
  return true;
}

Json StretchesJson(const std::vector<Stretch>& stretches) {
  Json out = Json::array();
  for (const Stretch& stretch : stretches) {
    out.push_back(stretch.start);
    out.push_back(stretch.stop);
  }
  return out;
}

bool ReadStretches(const Json& json, std::vector<Stretch>& out) {
  std::vector<uint64_t> ends;
  if (!ReadSizes(json, ends) || ends.size() % 2 != 0) return false;
  for (size_t i = 0; i < ends.size(); i += 2) out.push_back({ends[i], ends[i + 1]});
  return true;
}

// {fingerprint: [how many, [start, stop, …] of steps, of levels]}
Json MissingJson(const MissingByTask& missing) {
  Json out = Json::object();
  for (const auto& [task, here] : missing) {
    out[task] = {here.missing, StretchesJson(here.steps), StretchesJson(here.levels)};
  }
  return out;
}

bool ReadMissing(const Json& json, MissingByTask& out) {
  if (!json.is_object()) return false;
  for (const auto& [task, item] : json.items()) {
    if (!item.is_array() || item.size() != 3 || !item[0].is_number_unsigned()) return false;
    RegionMissing& here = out[task];
    here.missing = item[0].get<uint64_t>();
    if (!ReadStretches(item[1], here.steps) || !ReadStretches(item[2], here.levels)) return false;
  }
  return true;
}

}  // namespace

uint64_t OwnedArray::Objects() const {
  uint64_t count = 1;
  for (const uint64_t along : objects) count *= along;
  return count;
}

std::optional<uint64_t> OwnedArray::ObjectOf(std::string_view key) const {
  key = Within(key, name);
  if (format == 3) {
    if (objects.empty()) return key == "c" ? std::optional<uint64_t>(0) : std::nullopt;
    if (!key.starts_with("c/")) return std::nullopt;
    return PlaceInGrid(key.substr(2), separator, objects);
  }
  if (objects.empty()) return key == "0" ? std::optional<uint64_t>(0) : std::nullopt;
  return PlaceInGrid(key, separator, objects);
}

bool OwnedArray::Owns(std::string_view key) const {
  const std::string_view within = Within(key, name);
  if (format == 3 ? within == "zarr.json" : within == ".zarray" || within == ".zattrs") return true;
  return ObjectOf(key).has_value();
}

OwnedArray OwnedOf(const std::string& name, const zarr::ArrayMetadata& metadata) {
  OwnedArray out{name, metadata.format, metadata.separator, {}, metadata.chunk_shape, metadata.shard_shape};
  const auto& unit = metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape;
  for (size_t d = 0; d < metadata.shape.size(); ++d) {
    out.objects.push_back((metadata.shape[d] + unit[d] - 1) / unit[d]);
  }
  return out;
}

std::string RecordJson(const Record& record) {
  Json json = {{"seamount_prepare", kVersion},
               {"plan", record.plan},
               {"minibatch", record.minibatch},
               {"complete", record.complete},
               {"arrays", ArraysJson(record.arrays)},
               {"replaced", ArraysJson(record.replaced)},
               {"done", record.done}};
  if (record.counted) json["missing"] = MissingJson(record.missing);
  return json.dump(0, ' ', false, Json::error_handler_t::replace);
}

Result<Record> ParseRecord(std::string_view text) {
  const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
  const auto fail = [] { return base::DataLoss("it is not a record of seamount prepare"); };
  if (!json.is_object() || !json.contains("seamount_prepare")) return fail();
  if (json["seamount_prepare"] != Json(kVersion)) {
    return base::InvalidArgument("it was written by another version of seamount");
  }
  const Json plan = json.value("plan", Json());
  const Json complete = json.value("complete", Json());
  const Json done = json.value("done", Json());
  if (!plan.is_string() || !complete.is_boolean() || !done.is_array()) return fail();
  const Json minibatch = json.value("minibatch", Json(""));
  if (!minibatch.is_string()) return fail();
  Record record;
  record.plan = plan.get<std::string>();
  record.minibatch = minibatch.get<std::string>();
  record.complete = complete.get<bool>();
  if (!ReadArrays(json.value("arrays", Json()), record.arrays)) return fail();
  if (!ReadArrays(json.value("replaced", Json()), record.replaced)) return fail();
  for (const Json& item : done) {
    if (!item.is_string()) return fail();
    record.done.insert(item.get<std::string>());
  }
  record.counted = json.contains("missing");
  if (record.counted && !ReadMissing(json["missing"], record.missing)) return fail();
  return record;
}

}  // namespace seamount::prepare
