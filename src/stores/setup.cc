#include "stores/setup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/admin.h"
#include "stores/open_store.h"

namespace seamount::stores {
namespace {

// Rights and keys that Google just gave out work everywhere after about a minute.
constexpr auto kPropagation = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::seconds(2);

// The key's file, made before the key: a key that cannot be written down must not be made. Removed again unless kept.
class NewKeyFile {
 public:
  static Result<NewKeyFile> Make(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return base::InvalidArgument("key file '" + path + "': " + std::strerror(errno));
    return NewKeyFile(path, fd);
  }
  NewKeyFile(NewKeyFile&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  NewKeyFile& operator=(NewKeyFile&&) = delete;
  ~NewKeyFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    if (!kept_) ::unlink(path_.c_str());
  }
  Result<void> Write(const auth::Secret& content) {
    std::string_view left = content.Reveal();
    while (!left.empty()) {
      const ssize_t n = ::write(fd_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed();
      left.remove_prefix(static_cast<size_t>(n));
    }
    if (::fsync(fd_) != 0) return Failed();
    kept_ = true;
    return {};
  }

 private:
  NewKeyFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Error Failed() const {
    std::string message = "writing key file '" + path_ + "': " + std::strerror(errno);
    return errno == ENOSPC ? base::ResourceExhausted(std::move(message)) : base::InvalidArgument(std::move(message));
  }
  std::string path_;
  int fd_;
  bool kept_ = false;
};

Result<std::string> ProjectOf(const SetupOptions& options) {
  if (!options.project.empty()) return options.project;
  if (!options.admin_key_file.empty()) {
    SEAMOUNT_TRY_ASSIGN(const auto key, auth::LoadServiceAccountKey(options.admin_key_file));
    if (!key.project_id.empty()) return key.project_id;
  }
  return base::InvalidArgument("setup: which project the bucket belongs to is not known (--project)");
}

// Writes, reads and deletes an object with the new key alone.
Result<void> ProbeOnce(const SetupOptions& options, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenStore("gs://" + options.bucket,
                                                  {.endpoint = options.endpoint, .key_file = options.key_file}));
  std::random_device random;
  const std::string key = "seamount-setup-probe-" + std::to_string(random()) + std::to_string(random());
  const std::string content = "written by seamount setup to see that the key works; may be deleted";
  SEAMOUNT_TRY_ASSIGN(const auto written, store->Write(key, store::BytesSource(content), {}, context));
  auto read = store->Read(key, {}, context);
  auto deleted = store->Delete(key, {.if_generation = written.generation}, context);
  if (!read) return std::move(read).error();
  if (!*read || (*read)->data.view() != content)
    return base::DataLoss("object '" + key + "' does not read back as it was written");
  if (!deleted) return std::move(deleted).error();
  return {};
}

Result<void> Probe(const SetupOptions& options, bool all_new, const CallContext& context) {
  base::Clock& clock = base::RealClock();
  const base::SteadyTime give_up = clock.Now() + kPropagation;
  while (true) {
    const auto probed = ProbeOnce(options, context);
    if (probed) return {};
    const bool may_pass =
        probed.error().code() == ErrorCode::kPermissionDenied || probed.error().code() == ErrorCode::kUnauthenticated;
    const bool google = EndpointOf({.endpoint = options.endpoint}).find(".googleapis.com") != std::string::npos;
    if (!may_pass || !all_new || !google || clock.Now() >= give_up)
      return probed.error().Wrap("trying the key '" + options.key_file + "' on bucket '" + options.bucket + "'");
    if (!clock.SleepFor(kPause, context.stop)) return base::Cancelled("setup: stop was requested");
  }
}

// The account that the key file of an earlier run belongs to, or nothing where there is no such file.
Result<std::string> AccountOfPresentKey(const std::string& key_file) {
  struct stat info {};
  if (::lstat(key_file.c_str(), &info) != 0) return std::string();
  auto key = auth::LoadServiceAccountKey(key_file);
  if (!key) return key.error().Wrap("--key: the file exists and is not a usable key (remove it, or name another)");
  return key->client_email;
}

Result<void> WriteNewKey(gcs::AdminClient& admin, const std::string& email, const std::string& path,
                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(NewKeyFile file, NewKeyFile::Make(path));
  SEAMOUNT_TRY_ASSIGN(const auto key, admin.CreateKey(email, context));
  auto written = file.Write(key.file);
  // Nobody has it, so nobody shall be able to use it.
  if (!written) (void)admin.DeleteKey(email, key.id, context);
  return written;
}

}  // namespace

std::string AccountIdOf(const std::string& bucket) {
  constexpr size_t kLongest = 30;
  std::string id = "sm-" + bucket;
  std::replace_if(
      id.begin(), id.end(), [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'); },
      '-');
  if (id == "sm-" + bucket && id.size() <= kLongest) return id;
  const uint32_t crc = base::Crc32c(base::AsBytes(bucket));
  const std::array<std::byte, 4> bytes = {std::byte(crc >> 24), std::byte(crc >> 16), std::byte(crc >> 8),
                                          std::byte(crc)};
  return id.substr(0, kLongest - 9) + "-" + base::HexEncode(bytes);
}

Result<SetupReport> SetUpBucket(const SetupOptions& options, std::shared_ptr<net::HttpClient> http,
                                const std::function<void(const std::string&)>& said, const CallContext& context) {
  if (options.key_file.empty()) return base::InvalidArgument("setup: where the key goes is not known (--key)");
  SEAMOUNT_TRY_ASSIGN(const std::string project, ProjectOf(options));
  SEAMOUNT_TRY_ASSIGN(const std::string present_email, AccountOfPresentKey(options.key_file));
  const std::string endpoint = EndpointOf({.endpoint = options.endpoint});
  SEAMOUNT_TRY_ASSIGN(std::shared_ptr<auth::TokenSource> tokens,
                      auth::FindCredentials({.key_file = options.admin_key_file, .endpoint = endpoint}, *http));
  SEAMOUNT_TRY_ASSIGN(const auto admin, gcs::AdminClient::Make(endpoint, project, http, std::move(tokens)));

  SetupReport report;
  SEAMOUNT_TRY_ASSIGN(report.bucket_created, admin->EnsureBucket(options.bucket, options.location, context));
  said("bucket gs://" + options.bucket + (report.bucket_created ? ": made" : ": exists already"));

  report.email = present_email;
  if (present_email.empty()) {
    const std::string id = options.account_id.empty() ? AccountIdOf(options.bucket) : options.account_id;
    SEAMOUNT_TRY_ASSIGN(const auto account, admin->EnsureAccount(id, "Seamount: bucket " + options.bucket, context));
    report.email = account.email;
    report.account_created = account.created;
    said("service account " + report.email + (account.created ? ": made" : ": exists already"));
  }
  SEAMOUNT_TRY_ASSIGN(report.role_granted, admin->GrantBucketRole(options.bucket, report.email, options.role, context));
  said(options.role + " on this bucket only" + (report.role_granted ? ": granted" : ": granted already"));

  if (present_email.empty()) {
    SEAMOUNT_TRY(WriteNewKey(*admin, report.email, options.key_file, context));
    report.key_created = true;
    said("key file " + options.key_file + ": written, mode 0600");
  } else {
    said("key file " + options.key_file + ": exists already, of " + present_email);
  }
  SEAMOUNT_TRY(Probe(options, report.role_granted || report.key_created, context));
  said("an object was written, read and deleted with this key: it works");
  return report;
}

}  // namespace seamount::stores
