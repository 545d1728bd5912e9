#include "zarr/codecs/json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "zarr/codecs/codec_spec.h"

namespace seamount::zarr {
namespace {

// Puts quotes around NaN, Infinity and -Infinity outside strings.
std::string QuoteNonFinite(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < text.size()) out += text[++i];
      if (c == '"') in_string = false;
      continue;
    }
    in_string = c == '"';
    bool quoted = false;
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
      if (text.substr(i, word.size()) != word) continue;
      out.append("\"").append(word).append("\"");
      i += word.size() - 1;
      quoted = true;
      break;
    }
    if (!quoted) out += c;
  }
  return out;
}

Json ParseWithin(std::string_view text, bool* too_deep) {
  const auto watch_depth = [too_deep](int depth, Json::parse_event_t, Json&) {
    *too_deep = *too_deep || depth > kMaxJsonDepth;
    return !*too_deep;
  };
  return Json::parse(text, watch_depth, /*allow_exceptions=*/false);
}

Error BadMember(const char* name, const char* expected) {
  return base::DataLoss("\"" + std::string(name) + "\" is missing or not " + expected);
}

}  // namespace

Result<Json> ParseJsonObject(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return base::DataLoss("a metadata document of " + base::FormatBytes(text.size()) + " (at most " +
                          base::FormatBytes(kMaxDocumentBytes) + ")");
  }
  bool too_deep = false;
  Json json = ParseWithin(text, &too_deep);
  if (json.is_discarded() && !too_deep) json = ParseWithin(QuoteNonFinite(text), &too_deep);
  if (too_deep) return base::DataLoss("JSON nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
  if (json.is_discarded()) return base::DataLoss("not valid JSON");
  if (!json.is_object()) return base::DataLoss("not a JSON object");
  return json;
}

std::string DumpJson(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string DumpPrettyJson(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

Result<const Json*> Member(const Json& object, const char* name) {
  if (!object.is_object()) return base::DataLoss("an object with \"" + std::string(name) + "\" expected");
  const auto found = object.find(name);
  if (found == object.end()) return base::DataLoss("\"" + std::string(name) + "\" is missing");
  return &*found;
}

Result<std::string> StringMember(const Json& object, const char* name) {
  SEAMOUNT_TRY_ASSIGN(const Json* member, Member(object, name));
  if (!member->is_string()) return BadMember(name, "a string");
  return member->get<std::string>();
}

Result<std::vector<uint64_t>> SizesMember(const Json& object, const char* name) {
  SEAMOUNT_TRY_ASSIGN(const Json* member, Member(object, name));
  if (!member->is_array()) return BadMember(name, "a list of sizes");
  if (member->size() > kMaxDimensions) {
    return base::DataLoss("\"" + std::string(name) + "\" has " + std::to_string(member->size()) +
                          " dimensions (at most " + std::to_string(kMaxDimensions) + ")");
  }
  std::vector<uint64_t> sizes;
  for (const Json& size : *member) {
    constexpr uint64_t kMaxSize = uint64_t{1} << 62;  // so that sums of two never overflow
    if (!size.is_number_unsigned() || size.get<uint64_t>() > kMaxSize) return BadMember(name, "a list of sizes");
    sizes.push_back(size.get<uint64_t>());
  }
  return sizes;
}

Result<int> IntMemberOr(const Json& object, const char* name, int fallback, int min, int max) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  const bool huge = found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(max);
  if (found->is_number_integer() && !huge) {
    const auto value = found->get<int64_t>();
    if (value >= min && value <= max) return static_cast<int>(value);
  }
  return base::DataLoss("\"" + std::string(name) + "\" is " + DumpJson(*found).substr(0, 64) + " (an integer between " +
                        std::to_string(min) + " and " + std::to_string(max) + " expected)");
}

Result<int> EncoderMemberOr(const Json& object, const char* name, int fallback, int min, int max) {
  constexpr int kAny = std::numeric_limits<int>::max();
  SEAMOUNT_TRY_ASSIGN(const int value, IntMemberOr(object, name, fallback, -kAny, kAny));
  return std::clamp(value, min, max);
}

Result<bool> BoolMemberOr(const Json& object, const char* name, bool fallback) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  if (!found->is_boolean()) return BadMember(name, "true or false");
  return found->get<bool>();
}

}  // namespace seamount::zarr
