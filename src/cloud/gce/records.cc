#include "cloud/gce/records.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/time_text.h"
#include "gcs/admin_json.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr int64_t kLongestSeconds = 366LL * 24 * 3600;
constexpr uint64_t kMaxIntentBytes = 1 << 20;  // a real one has some 20 KiB

Error Damaged(const std::string& key, const std::string& what) {
  return base::DataLoss("the record of a machine, object '" + key + "': " + what);
}

std::optional<std::chrono::seconds> SecondsOf(const std::string& text) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > kLongestSeconds) return {};
  return std::chrono::seconds(seconds);
}

}  // namespace

std::string EncodeIntent(const Intent& intent) {
  Json json = {{"format", kFormat},
               {"name", intent.name},
               {"project", intent.project},
               {"zone", intent.zone},
               {"request_id", intent.request_id},
               {"body", intent.body},
               {"machine_type", intent.machine_type},
               {"gpus", intent.gpus},
               {"provisioning", intent.provisioning},
               {"asked", base::FormatRfc3339(intent.asked, 3)},
               {"lifetime_s", intent.lifetime.count()},
               {"places", intent.places},
               {"is_up", intent.is_up}};
  if (intent.max_usd_per_hour) json["max_usd_per_hour"] = *intent.max_usd_per_hour;
  if (intent.usd_per_hour) json["usd_per_hour"] = *intent.usd_per_hour;
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<Intent> DecodeIntent(std::string_view text, const std::string& key) {
  const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
  if (!json.is_object()) return Damaged(key, "is not a JSON object");
  if (json.value("format", Json()) != Json(kFormat)) return Damaged(key, "is of another format than 1");
  Intent intent{.name = gcs::TextOf(json, "name"),
                .project = gcs::TextOf(json, "project"),
                .zone = gcs::TextOf(json, "zone"),
                .request_id = gcs::TextOf(json, "request_id"),
                .body = gcs::TextOf(json, "body"),
                .machine_type = gcs::TextOf(json, "machine_type"),
                .gpus = gcs::TextOf(json, "gpus"),
                .provisioning = gcs::TextOf(json, "provisioning")};
  for (const auto& [field, value] :
       {std::pair("name", &intent.name), std::pair("project", &intent.project), std::pair("zone", &intent.zone),
        std::pair("request_id", &intent.request_id), std::pair("body", &intent.body)}) {
    if (value->empty()) return Damaged(key, std::string("field '") + field + "' is missing");
  }
  const auto asked = base::ParseRfc3339(gcs::TextOf(json, "asked"));
  if (!asked) return Damaged(key, "field 'asked' is no time");
  intent.asked = *asked;
  const Json lifetime = json.value("lifetime_s", Json());
  if (!lifetime.is_number_integer() || lifetime < 0 || lifetime > kLongestSeconds) {
    return Damaged(key, "field 'lifetime_s' is no number of seconds");
  }
  intent.lifetime = std::chrono::seconds(lifetime.get<int64_t>());
  intent.is_up = json.value("is_up", Json()) == Json(true);
  if (const Json price = json.value("usd_per_hour", Json()); price.is_number()) {
    intent.usd_per_hour = price.get<double>();
  }
  if (const Json limit = json.value("max_usd_per_hour", Json()); limit.is_number()) {
    intent.max_usd_per_hour = limit.get<double>();
  }
  for (const Json& place : json.value("places", Json::array())) {
    if (!place.is_string()) return Damaged(key, "field 'places' is no list of texts");
    intent.places.push_back(place.get<std::string>());
  }
  return intent;
}

Result<std::optional<KeptIntent>> Records::Find(const std::string& name, const CallContext& context) const {
  const std::string key = IntentKey(name);
  SEAMOUNT_TRY_ASSIGN(const auto read,
                      bucket_->Read(key, {.range = store::ByteRange{.length = kMaxIntentBytes}}, context));
  if (!read) return std::optional<KeptIntent>();
  SEAMOUNT_TRY_ASSIGN(Intent intent, DecodeIntent(read->data.view(), key));
  if (intent.name != name) return Damaged(key, "is of another machine, '" + intent.name + "'");
  return std::optional(KeptIntent{.intent = std::move(intent), .generation = read->info.generation});
}

Result<std::vector<KeptIntent>> Records::List(const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(*bucket_, {.prefix = kFolder}, context));
  std::vector<KeptIntent> all;
  for (const store::ObjectInfo& object : page.objects) {
    constexpr std::string_view kEnd = ".json";
    if (!object.key.ends_with(kEnd)) continue;
    const std::string name = object.key.substr(kFolder.size(), object.key.size() - kFolder.size() - kEnd.size());
    SEAMOUNT_TRY_ASSIGN(auto kept, Find(name, context));
    if (kept) all.push_back(*std::move(kept));  // else it was taken away meanwhile
  }
  return all;
}

Result<KeptIntent> Records::Write(const Intent& intent, const store::Generation& replaced,
                                  const CallContext& context) const {
  const std::string text = EncodeIntent(intent);
  SEAMOUNT_TRY_ASSIGN(const auto written,
                      bucket_->Write(IntentKey(intent.name), store::BytesSource(std::string_view(text)),
                                     {.if_generation = replaced, .content_type = "application/json"}, context));
  return KeptIntent{.intent = intent, .generation = written.generation};
}

Result<void> Records::Remove(const KeptIntent& kept, const CallContext& context) const {
  SEAMOUNT_TRY(bucket_->Delete(LeaseKey(kept.intent.name), {}, context));
  SEAMOUNT_TRY(bucket_->Delete(IntentKey(kept.intent.name), {.if_generation = kept.generation}, context));
  return {};
}

Result<void> Records::RenewLease(const std::string& name, std::chrono::seconds length,
                                 const CallContext& context) const {
  SEAMOUNT_TRY(bucket_->Write(LeaseKey(name), store::BytesSource(std::string_view()),
                              {.content_type = "text/plain", .metadata = {{"seconds", std::to_string(length.count())}}},
                              context));
  return {};
}

Result<std::optional<Lease>> Records::FindLease(const std::string& name, const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto info, bucket_->Stat(LeaseKey(name), context));
  if (!info) return std::optional<Lease>();
  const auto seconds = info->metadata.find("seconds");
  const auto length = seconds == info->metadata.end() ? std::nullopt : SecondsOf(seconds->second);
  if (!length) return Damaged(LeaseKey(name), "its metadata 'seconds' is no number of seconds");
  return std::optional(Lease{.length = *length, .renewed = info->updated});
}

}  // namespace seamount::cloud::gce
