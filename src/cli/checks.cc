#include "cli/checks.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "base/text.h"
#include "cli/python.h"

namespace seamount::cli {
namespace {

namespace fs = std::filesystem;

Check CheckFuse() {
  Check check{.name = "mounting"};
  const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  const int error = errno;
  if (fd >= 0) {
    close(fd);
    check.detail = "/dev/fuse opens";
    return check;
  }
  check.finding = Finding::kFailure;
  check.detail = std::string("/dev/fuse: ") + std::strerror(error);
  check.advice = error == ENOENT ? "load it (modprobe fuse); in a container, start that with --device /dev/fuse"
                                 : "run as root; in a container, start that with --privileged";
  return check;
}

Check CheckRights() {
  if (geteuid() == 0) return {.name = "rights", .detail = "root: mount and vm work"};
  return {.name = "rights",
          .finding = Finding::kWarning,
          .detail = "not root",
          .advice = "mount needs fusermount3 (apt-get install fuse3), vm needs sudo"};
}

Check CheckOverlay() {
  std::ifstream file("/proc/filesystems");
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with("overlay")) return {.name = "machines", .detail = "overlayfs is there"};
  }
  return {.name = "machines",
          .finding = Finding::kWarning,
          .detail = "this kernel has no overlayfs",
          .advice = "only `seamount vm` needs it: modprobe overlay"};
}

Check CheckCacheSpace(const std::string& cache_dir) {
  constexpr uint64_t kLittle = 1ULL << 30;
  fs::path at = cache_dir;
  std::error_code error;
  while (!at.empty() && at != at.root_path() && !fs::exists(at, error)) at = at.parent_path();
  struct statvfs space;
  Check check{.name = "cache"};
  if (statvfs(at.c_str(), &space) != 0) {
    check.finding = Finding::kFailure;
    check.detail = at.string() + ": " + std::strerror(errno);
    check.advice = "name another folder with --cache-dir";
    return check;
  }
  const uint64_t free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  check.detail = base::FormatBytes(free) + " free for " + cache_dir;
  if (access(at.c_str(), W_OK) != 0) {
    check.finding = Finding::kFailure;
    check.detail = at.string() + " cannot be written: " + std::strerror(errno);
    check.advice = "name another folder with --cache-dir";
  } else if (free < kLittle) {
    check.finding = Finding::kWarning;
    check.advice = "make room, or name another folder with --cache-dir";
  }
  return check;
}

// The exit code of a program with its output thrown away; -1 when it cannot be started.
int ExitOf(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  std::vector<char*> arguments, variables;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Check CheckPython() {
  const Python python = FindPython();
  if (ExitOf({python.program, "-c", "import seamount"}, EnvironmentFor(python)) == 0) {
    return {.name = "python", .detail = python.program + " imports seamount"};
  }
  return {.name = "python",
          .finding = Finding::kWarning,
          .detail = python.program + " does not import seamount",
          .advice = "pip install seamount, or name another Python with SEAMOUNT_PYTHON; only the loader needs it"};
}

Check Found(std::string name, const Error& error, std::string advice) {
  return {
      .name = std::move(name), .finding = Finding::kFailure, .detail = error.message(), .advice = std::move(advice)};
}

Check CheckClock(const net::HttpResponse& response) {
  Check check{.name = "clock"};
  std::tm server = {};
  const auto date = response.headers.Get("date");
  if (!date || strptime(std::string(*date).c_str(), "%a, %d %b %Y %H:%M:%S", &server) == nullptr) {
    check.detail = "the server tells no time";
    return check;
  }
  const int64_t skew = std::time(nullptr) - timegm(&server);
  check.detail = std::to_string(skew) + " s from the server's";
  constexpr int64_t kTolerated = 60, kRefused = 300;  // tokens are refused when signed five minutes off
  if (std::abs(skew) <= kTolerated) return check;
  check.finding = std::abs(skew) > kRefused ? Finding::kFailure : Finding::kWarning;
  check.advice = "set this machine's clock (timedatectl set-ntp true): signed requests expire";
  return check;
}

Check CheckKeyFile(const std::string& path) {
  const auto key = auth::LoadServiceAccountKey(path);
  if (!key) return Found("key", key.error(), "make a new one with `seamount setup`, and chmod 600");
  return {.name = "key", .detail = path + " is of " + key->client_email};
}

Check CheckCredentials(const StoreFlags& flags, const std::string& endpoint, net::HttpClient& http,
                       const CallContext& context) {
  const auto source =
      auth::FindCredentials({.key_file = flags.key, .anonymous = flags.anonymous, .endpoint = endpoint}, http);
  if (!source) return Found("credentials", source.error(), "name a key with --key, or use --anonymous");
  const auto token = (*source)->GetToken(endpoint, {}, context);
  if (!token) return Found("credentials", token.error(), "the account may be gone or revoked: `seamount setup` again");
  return {.name = "credentials", .detail = (*source)->Describe() + " works"};
}

std::string ProbeKey() {
  std::random_device random;
  return ".seamount-doctor-" + std::to_string(random()) + std::to_string(random());
}

void CheckBucket(const StoreFlags& flags, const std::string& url, bool may_write, const CallContext& context,
                 std::vector<Check>& checks) {
  const auto store = OpenFromFlags(url, flags);
  if (!store) {
    checks.push_back(Found("bucket", store.error(), "correct the URL: gs://bucket[/prefix]"));
    return;
  }
  const auto listed = (*store)->List({.max_results = 1}, context);
  if (!listed) {
    checks.push_back(Found("bucket", listed.error(), "ask for the right to read, or make it with `seamount setup`"));
    return;
  }
  checks.push_back({.name = "bucket", .detail = url + " can be listed"});
  if (!may_write) return;
  const std::string key = ProbeKey();
  constexpr char kContent[] = "seamount doctor";
  const auto written =
      (*store)->Write(key, store::BytesSource(std::string_view(kContent)), {.if_generation = store::kAbsent}, context);
  if (!written) {
    const bool refused = written.error().code() == ErrorCode::kPermissionDenied;
    checks.push_back({.name = "writing",
                      .finding = refused ? Finding::kWarning : Finding::kFailure,
                      .detail = written.error().message(),
                      .advice = refused ? "fine for reading only; otherwise ask for the right to create objects" : ""});
    return;
  }
  const auto read = (*store)->Read(key, {}, context);
  const auto deleted = (*store)->Delete(key, {}, context);
  if (!read || !*read || (*read)->data.view() != kContent) {
    const std::string why = read ? "an object reads back differently" : read.error().message();
    checks.push_back({.name = "writing", .finding = Finding::kFailure, .detail = why, .advice = "report it"});
  } else if (!deleted) {
    checks.push_back({.name = "writing",
                      .finding = Finding::kWarning,
                      .detail = "cannot delete " + key + ": " + deleted.error().message(),
                      .advice = "a mount renames and overwrites, which needs the right to delete"});
  } else {
    checks.push_back({.name = "writing", .detail = "an object was written, read and deleted"});
  }
}

}  // namespace

std::vector<Check> CheckMachine(const std::string& cache_dir) {
  return {CheckFuse(), CheckRights(), CheckOverlay(), CheckCacheSpace(cache_dir), CheckPython()};
}

std::vector<Check> CheckStorage(const StoreFlags& flags, const std::string& url, bool may_write,
                                const CallContext& context) {
  std::vector<Check> checks;
  if (!flags.key.empty()) {
    checks.push_back(CheckKeyFile(flags.key));
    if (checks.back().finding == Finding::kFailure) return checks;
  }
  const std::string endpoint = gcs::EndpointOf(ConfigFromFlags(flags));
  const auto http = net::MakeCurlHttpClient();
  const auto answered = http->Send({.url = endpoint + "/"}, context);
  if (!answered) {
    checks.push_back(Found("endpoint", answered.error(), "check address, network and proxy (HTTPS_PROXY)"));
    return checks;
  }
  checks.push_back({.name = "endpoint", .detail = endpoint + " answers"});
  checks.push_back(CheckClock(*answered));
  checks.push_back(CheckCredentials(flags, endpoint, *http, context));
  if (!url.empty() && checks.back().finding != Finding::kFailure) CheckBucket(flags, url, may_write, context, checks);
  return checks;
}

}  // namespace seamount::cli
