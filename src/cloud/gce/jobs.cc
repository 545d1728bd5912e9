#include "cloud/gce/jobs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "base/json_depth.h"
#include "base/time_text.h"
#include "gcs/admin_json.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxJobBytes = 1 << 20;
constexpr uint64_t kMaxEndBytes = 1 << 10;
constexpr uint64_t kMaxPieceBytes = 2 << 20;  // a machine writes one MiB at most
constexpr uint64_t kMaxTextBytes = 8 << 20;   // read at a time
constexpr char kLog[] = "log/", kEnd[] = "end.json", kFiles[] = "files.tar.gz";

Error Damaged(const std::string& key, const std::string& what) {
  return base::DataLoss("a job of a machine, object '" + key + "': " + what);
}

std::string PieceName(uint64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%08llu", static_cast<unsigned long long>(number));
  return text.data();
}

std::optional<uint64_t> PieceNumber(const std::string& key) {
  const size_t begin = key.find_last_of('/') + 1;
  uint64_t number = 0;
  const char* end = key.data() + key.size();
  const auto [stopped, error] = std::from_chars(key.data() + begin, end, number);
  return error == std::errc() && stopped == end ? std::optional(number) : std::nullopt;
}

bool IsText(const Json& value) { return value.is_string(); }

}  // namespace

std::string EncodeJob(const Job& job) {
  const Json json = {{"format", kFormat},
                     {"id", job.id},
                     {"machine", job.machine},
                     {"argv", job.argv},
                     {"environment", job.environment},
                     {"has_files", job.has_files},
                     {"restarts", job.restarts}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<Job> DecodeJob(std::string_view text, const std::string& key) {
  const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
  if (!json.is_object()) return Damaged(key, "is not a JSON object");
  if (json.value("format", Json()) != Json(kFormat)) return Damaged(key, "is of another format than 1");
  Job job{.id = gcs::TextOf(json, "id"), .machine = gcs::TextOf(json, "machine")};
  if (job.id.empty() || job.id.find('/') != std::string::npos) return Damaged(key, "field 'id' is none");
  const Json argv = json.value("argv", Json()), environment = json.value("environment", Json());
  if (!argv.is_array() || argv.empty() || !std::all_of(argv.begin(), argv.end(), IsText)) {
    return Damaged(key, "field 'argv' is no list of texts");
  }
  if (!environment.is_object() || !std::all_of(environment.begin(), environment.end(), IsText)) {
    return Damaged(key, "field 'environment' is no object of texts");
  }
  job.argv = argv.get<std::vector<std::string>>();
  job.environment = environment.get<std::map<std::string, std::string>>();
  job.has_files = json.value("has_files", Json()) == Json(true);
  job.restarts = json.value("restarts", Json()) == Json(true);
  return job;
}

std::string Jobs::NewId(base::SystemTime now) {
  std::random_device random;
  std::array<char, 16> end{};
  std::snprintf(end.data(), end.size(), "%08x", static_cast<unsigned>(random()));
  std::string time = base::FormatRfc3339(now, 0);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return time + "-" + end.data();
}

Result<std::optional<KeptJob>> Jobs::Find(const std::string& machine, const CallContext& context) const {
  const std::string key = KeyOf(machine);
  SEAMOUNT_TRY_ASSIGN(const auto read,
                      bucket_->Read(key, {.range = store::ByteRange{.length = kMaxJobBytes}}, context));
  if (!read) return std::optional<KeptJob>();
  SEAMOUNT_TRY_ASSIGN(Job job, DecodeJob(read->data.view(), key));
  return std::optional(KeptJob{.job = std::move(job), .generation = read->info.generation});
}

Result<void> Jobs::WriteFiles(const std::string& machine, const std::string& id, const store::ByteSource& archive,
                              const CallContext& context) const {
  SEAMOUNT_TRY(bucket_->Write(FolderOf(machine, id) + kFiles, archive, {.content_type = "application/gzip"}, context));
  return {};
}

Result<KeptJob> Jobs::Write(const std::string& machine, const Job& job, const store::Generation& replaced,
                            const CallContext& context) const {
  const std::string text = EncodeJob(job);
  if (text.size() > kMaxJobBytes) return base::InvalidArgument("the command and its environment are above 1 MiB");
  SEAMOUNT_TRY_ASSIGN(const auto written,
                      bucket_->Write(KeyOf(machine), store::BytesSource(std::string_view(text)),
                                     {.if_generation = replaced, .content_type = "application/json"}, context));
  return KeptJob{.job = job, .generation = written.generation};
}

Result<JobProgress> Jobs::Read(const std::string& machine, const std::string& id, uint64_t pieces,
                               const CallContext& context) const {
  const std::string folder = FolderOf(machine, id);
  // Looked at first: what is listed after it was there is all that there will be.
  SEAMOUNT_TRY_ASSIGN(const auto end,
                      bucket_->Read(folder + kEnd, {.range = store::ByteRange{.length = kMaxEndBytes}}, context));
  JobProgress progress{.pieces = pieces};
  const std::string log = folder + kLog;
  SEAMOUNT_TRY_ASSIGN(const auto page,
                      store::ListAll(*bucket_, {.prefix = log, .start_offset = log + PieceName(pieces + 1)}, context));
  for (const store::ObjectInfo& piece : page.objects) {
    const auto number = PieceNumber(piece.key);
    if (!number || *number != progress.pieces + 1) {
      return Damaged(piece.key, "piece " + std::to_string(progress.pieces + 1) + " of what the job says is missing");
    }
    if (piece.size_bytes > kMaxPieceBytes) return Damaged(piece.key, "is larger than a machine writes them");
    SEAMOUNT_TRY_ASSIGN(const auto read, bucket_->Read(piece.key, {}, context));
    if (!read) return Damaged(piece.key, "is gone");
    progress.text += read->data.view();
    progress.pieces = *number;
    if (progress.text.size() >= kMaxTextBytes) break;
  }
  const bool all = page.objects.empty() || PieceNumber(page.objects.back().key) == progress.pieces;
  if (!end || !all) return progress;
  const std::string_view text = end->data.view();
  const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
  const Json code = json.is_object() ? json.value("exit_code", Json()) : Json();
  if (!code.is_number_integer() || code < 0 || code > 255) return Damaged(folder + kEnd, "has no exit code");
  progress.exit_code = code.get<int>();
  return progress;
}

Result<bool> Jobs::HasEnded(const std::string& machine, const std::string& id, const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto end, bucket_->Stat(FolderOf(machine, id) + kEnd, context));
  return end.has_value();
}

Result<void> Jobs::RemoveFiles(const std::string& machine, const std::string& id, const CallContext& context) const {
  SEAMOUNT_TRY(bucket_->Delete(FolderOf(machine, id) + kFiles, {}, context));
  return {};
}

}  // namespace seamount::cloud::gce
