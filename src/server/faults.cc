#include "server/faults.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_depth.h"
#include "gcs/wire.h"
#include "server/blob_store.h"

namespace seamount::server {
namespace {

constexpr size_t kMaxTests = 1000;
constexpr uint64_t kLongestStallS = 60;
// As the testbench has it where the instruction names no number: the stream breaks after a few bytes.
constexpr uint64_t kFewBytes = 4;

// "256K" → 262144, "8B" → 8.
std::optional<uint64_t> BytesOf(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const uint64_t unit = text.back() == 'K' ? 1024 : text.back() == 'B' ? 1 : 0;
  const auto count = gcs::ParseUint(text.substr(0, text.size() - 1));
  if (unit == 0 || !count || *count > (uint64_t{1} << 40)) return std::nullopt;
  return *count * unit;
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<Fault> FaultOf(std::string_view text) {
  if (text == "return-reset-connection") return Fault{.kind = Fault::Kind::kReset};
  if (text == "return-broken-stream") return Fault{.kind = Fault::Kind::kBrokenStream, .after_bytes = kFewBytes};
  Fault fault;
  std::string_view bytes = text;
  const size_t after = text.find("-after-");
  if (TakePrefix(text, "return-broken-stream-final-chunk-after-")) {
    fault.kind = Fault::Kind::kBrokenFinal;
  } else if (TakePrefix(text, "return-broken-stream-after-")) {
    fault.kind = Fault::Kind::kBrokenStream;
  } else if (TakePrefix(text, "stall-for-")) {
    const auto seconds = gcs::ParseUint(text.substr(0, text.find('s')));
    if (!seconds || *seconds > kLongestStallS) return std::nullopt;
    fault = {.kind = Fault::Kind::kStall, .stall = std::chrono::seconds(*seconds)};
  } else if (TakePrefix(text, "return-")) {
    const auto status = gcs::ParseUint(text.substr(0, text.find('-')));
    if (!status || *status < 300 || *status > 599) return std::nullopt;
    fault = {.kind = after == std::string_view::npos ? Fault::Kind::kStatus : Fault::Kind::kStatusInBody,
             .status = static_cast<int>(*status)};
    if (fault.kind == Fault::Kind::kStatus) return text.size() == 3 ? std::optional(fault) : std::nullopt;
  } else {
    return std::nullopt;
  }
  if (after == std::string_view::npos) return std::nullopt;
  const auto count = BytesOf(bytes.substr(after + std::string_view("-after-").size()));
  if (!count) return std::nullopt;
  fault.after_bytes = *count;
  return fault;
}

}  // namespace

Result<Fault> ParseFault(std::string_view instruction) {
  if (const auto fault = FaultOf(instruction)) return *fault;
  return base::InvalidArgument("retry test: instruction '" + std::string(instruction) +
                               "' (expected return-503, return-503-after-256K, return-reset-connection, "
                               "return-broken-stream[-after-256K], return-broken-stream-final-chunk-after-8B or "
                               "stall-for-10s-after-256K)");
}

Result<std::string> FaultTests::Create(std::string_view text) {
  if (base::NestsDeeper(text)) return base::InvalidArgument("retry test: nested deeper than 64 levels");
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto given = json.is_object() ? json.find("instructions") : json.end();
  if (!json.is_object() || given == json.end() || !given->is_object())
    return base::InvalidArgument("retry test: expected {\"instructions\": {OPERATION: [INSTRUCTION, …]}}");
  Instructions instructions;
  for (const auto& [operation, list] : given->items()) {
    if (!list.is_array()) return base::InvalidArgument("retry test: '" + operation + "' is not an array");
    for (const auto& instruction : list) {
      if (!instruction.is_string()) return base::InvalidArgument("retry test: an instruction is not a string");
      SEAMOUNT_TRY(ParseFault(instruction.get<std::string>()));
      instructions[operation].push_back(instruction.get<std::string>());
    }
  }
  std::lock_guard lock(mutex_);
  if (tests_.size() >= kMaxTests) return base::ResourceExhausted("retry test: delete some of the 1000 that there are");
  const std::string id = RandomId();
  return Json(id, tests_[id] = std::move(instructions));
}

std::string FaultTests::Json(const std::string& id, const Instructions& instructions) {
  nlohmann::json json = {{"id", id}, {"instructions", nlohmann::json::object()}, {"transport", "HTTP"}};
  for (const auto& [operation, list] : instructions) json["instructions"][operation] = list;
  json["completed"] = std::ranges::all_of(instructions, [](const auto& entry) { return entry.second.empty(); });
  return json.dump();
}

std::optional<std::string> FaultTests::Describe(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto test = tests_.find(id);
  return test == tests_.end() ? std::nullopt : std::optional(Json(id, test->second));
}

bool FaultTests::Delete(const std::string& id) {
  std::lock_guard lock(mutex_);
  return tests_.erase(id) > 0;
}

std::optional<Fault> FaultTests::Next(const std::string& id, std::string_view operation) const {
  std::lock_guard lock(mutex_);
  const auto test = tests_.find(id);
  if (test == tests_.end()) return std::nullopt;
  const auto list = test->second.find(operation);
  if (list == test->second.end() || list->second.empty()) return std::nullopt;
  return FaultOf(list->second.front());
}

void FaultTests::Take(const std::string& id, std::string_view operation) {
  std::lock_guard lock(mutex_);
  const auto test = tests_.find(id);
  if (test == tests_.end()) return;
  const auto list = test->second.find(operation);
  if (list != test->second.end() && !list->second.empty()) list->second.pop_front();
}

}  // namespace seamount::server
