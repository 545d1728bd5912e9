// JSON as metadata documents need it: parsed within bounds, printed without throwing. Internal to this module.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::zarr {

using Json = nlohmann::json;

// Consolidated metadata of a large store is some megabytes; nothing honest comes near this.
inline constexpr size_t kMaxDocumentBytes = size_t{64} << 20;
// Printing recurses once per level.
inline constexpr int kMaxJsonDepth = 64;

// DataLoss when malformed, too large, too deep, or not an object. The bare words NaN, Infinity and -Infinity, which
// Python writes into attributes, are read as strings.
Result<Json> ParseJsonObject(std::string_view text);

std::string DumpJson(const Json& json);        // one line
std::string DumpPrettyJson(const Json& json);  // two spaces, as zarr-python writes

// Typed access that says which member was wrong. Absent members are DataLoss too.
Result<const Json*> Member(const Json& object, const char* name);
Result<std::string> StringMember(const Json& object, const char* name);
Result<std::vector<uint64_t>> SizesMember(const Json& object, const char* name);
// An integer within [min, max], or `fallback` where absent.
Result<int> IntMemberOr(const Json& object, const char* name, int fallback, int min, int max);
// A parameter that only an encoder looks at: what writers of other libraries could say is taken to the nearest value
// that ours knows, so that their chunks can be read.
Result<int> EncoderMemberOr(const Json& object, const char* name, int fallback, int min, int max);
Result<bool> BoolMemberOr(const Json& object, const char* name, bool fallback);

}  // namespace seamount::zarr
