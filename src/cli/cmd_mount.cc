// seamount mount, seamount umount.
//
// In the background (the default) the program forks before it makes any thread: the child opens the bucket, mounts, and
// tells the parent over a pipe when the mount answers; errors come on the terminal as if there were no child.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "fuse/mount_point.h"
#include "fuse/mount_record.h"
#include "fuse/session.h"
#include "store/byte_source.h"
#include "store/trace/trace_store.h"
#include "vfs/file_system.h"
#include "vfs/private_folder.h"
#include "vfs/reserved_keys.h"

namespace seamount::cli {
namespace {

struct MountOptions {
  StoreFlags store;
  std::string url;
  std::string directory;
  bool foreground = false;
  bool read_only = false;
  bool nonempty = false;
  bool allow_other = false;
  bool no_allow_other = false;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::string file_mode = "644";
  std::string dir_mode = "755";
  std::string cache_dir;
  std::string cache_size = "10GiB";
  std::string memory = "256MiB";
  std::string staging_dir;
  std::string stats_file;
  std::string log_file;
  double retry_deadline_s = 60;
  double ttl_s = 1;
};

// What a name takes that the kernel knows, about: it, what the store said of it, and its places in the tables.
constexpr uint64_t kBytesOfAName = 1300;

uint64_t ProcessPeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

std::string StatsJson(vfs::FileSystem& fs, const stores::OpenedStore& store) {
  const vfs::Stats& stats = fs.stats();
  const auto snapshot = [](const auto& trace) { return trace == nullptr ? store::TraceStats() : trace->Snapshot(); };
  const store::BlockCacheStats cache = store.cache == nullptr ? store::BlockCacheStats() : store.cache->Stats();
  const store::TraceStats sent = snapshot(store.requests != nullptr ? store.requests : store.calls);
  std::string json = "{\n";
  const auto put = [&](const char* name, uint64_t value, const char* end = ",\n") {
    json += std::string("  \"") + name + "\": " + std::to_string(value) + end;
  };
  put("reads", stats.reads);
  put("read_bytes", stats.read_bytes);
  put("read_waits", stats.read_waits);
  put("requests", sent.calls());
  put("request_errors", sent.errors());
  put("network_read_bytes", sent.of(store::CallKind::kRead).bytes);
  put("network_written_bytes", sent.of(store::CallKind::kWrite).bytes);
  put("cache_hits", cache.hits);
  put("cache_hit_bytes", cache.hit_bytes);
  put("cache_misses", cache.misses);
  put("cache_stored", cache.stored);
  put("cache_dropped", cache.dropped);
  put("cache_damaged", cache.damaged);
  put("cache_evicted", cache.evicted);
  put("fetches", stats.fetches);
  put("fetched_bytes", stats.fetched_bytes);
  put("ahead_unused_bytes", stats.ahead_unused_bytes);
  put("writes", stats.writes);
  put("written_bytes", stats.written_bytes);
  put("uploads", stats.uploads);
  put("uploaded_bytes", stats.uploaded_bytes);
  put("failed_uploads", stats.failed_uploads);
  put("known_names", fs.known_names());
  put("read_ahead_peak_bytes", fs.memory_peak_bytes());
  put("peak_memory_bytes", ProcessPeakBytes(), "\n}\n");
  return json;
}

// Writes the statistics every few seconds and once at the end; each time whole, by rename.
class StatsWriter {
 public:
  StatsWriter(vfs::FileSystem& fs, const stores::OpenedStore& store, std::string path)
      : fs_(fs), store_(store), path_(std::move(path)) {
    if (!path_.empty()) thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

 private:
  void Run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    do {
      Write();
      wake_.wait_for(lock, stop, std::chrono::seconds(3), [] { return false; });
    } while (!stop.stop_requested());
    Write();
  }
  void Write() {
    const std::string fresh = path_ + ".new";
    std::ofstream(fresh) << StatsJson(fs_, store_);
    std::rename(fresh.c_str(), path_.c_str());
  }

  vfs::FileSystem& fs_;
  const stores::OpenedStore& store_;
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

// Where written bytes wait for their upload: on the cache's disk if there is one.
std::string StagingFolder(const MountOptions& options) {
  if (!options.staging_dir.empty()) return options.staging_dir;
  if (!options.cache_dir.empty()) return options.cache_dir + "/staging";
  const char* tmp = std::getenv("TMPDIR");
  return std::string(tmp == nullptr || *tmp == '\0' ? "/tmp" : tmp) + "/seamount-" + std::to_string(geteuid());
}

// Memory that blocks give back must return to the system or be reused, whatever thread allocated it: two arenas, and
// blocks of read-ahead (1 to 4 MiB) from the heap instead of fresh zeroed mappings every time.
void TuneAllocator() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

Result<uint32_t> ParseMode(const char* flag, const std::string& text) {
  uint32_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error == std::errc() && end == text.data() + text.size() && mode <= 07777) return mode;
  return base::InvalidArgument(std::string(flag) + " " + text + ": expected an octal mode such as 644");
}

// One listing tells whether the bucket is there and may be read. Somebody waits for the answer, so it is not retried as
// long as a mount's requests are later.
Result<void> CheckBucket(Store& store, const std::string& url, CallContext context) {
  constexpr auto kPatience = std::chrono::seconds(10);
  context.deadline = std::min(context.deadline, base::RealClock().Now() + kPatience);
  const auto listed = store.List({.max_results = 1}, context);
  const size_t bucket_end = url.find('/', url.find("//") + 2);
  if (listed && listed->objects.empty() && bucket_end != std::string::npos && bucket_end + 1 < url.size()) {
    std::fprintf(stderr,
                 "seamount mount: there is nothing below '%s' yet: an empty folder is shown, and what is written "
                 "there goes to that prefix (an object cannot be mounted, only what lies below a prefix)\n",
                 url.c_str());
  }
  if (listed) return {};
  return listed.error().Wrap("opening " + url);
}

// Whether the key, or who has none, may change nothing: neither remove nor make an object. Tried on a name that nobody
// has.
bool MayOnlyRead(Store& store, const CallContext& context) {
  const std::string name = vfs::ReservedKeys().Next();
  const auto denied = [](const auto& result) {
    if (result) return false;
    const ErrorCode code = result.error().code();
    return code == ErrorCode::kPermissionDenied || code == ErrorCode::kUnauthenticated;  // the latter: without a key
  };
  if (!denied(store.Delete(name, {}, context))) return false;
  return denied(store.Write(name, store::BytesSource(Bytes()), {.if_generation = store::kAbsent}, context));
}

// Mounts, calls `ready` when the mount answers, and serves until it is unmounted or a signal comes.
Result<int> Serve(MountOptions options, const std::function<void()>& ready) {
  fuse::MountPointOptions point{.source = options.url,
                                .read_only = options.read_only,
                                .allow_other = options.allow_other || (geteuid() == 0 && !options.no_allow_other),
                                .nonempty = options.nonempty};
  SEAMOUNT_TRY_ASSIGN(const std::string path, fuse::CheckMountPoint(options.directory, point));
  SEAMOUNT_TRY_ASSIGN(const uint64_t memory, base::ParseBytes(options.memory));
  SEAMOUNT_TRY_ASSIGN(const uint64_t cache_bytes, base::ParseBytes(options.cache_size));
  SEAMOUNT_TRY_ASSIGN(const uint32_t file_mode, ParseMode("--file-mode", options.file_mode));
  SEAMOUNT_TRY_ASSIGN(const uint32_t dir_mode, ParseMode("--dir-mode", options.dir_mode));
  constexpr uint64_t kLeastMemory = 16 << 20;
  if (memory < kLeastMemory) return base::InvalidArgument("--memory " + options.memory + ": at least 16MiB is needed");

  TuneAllocator();
  const CallContext context = Interruptible();
  stores::StoreConfig config = ConfigFromFlags(options.store);
  config.retry_deadline = std::chrono::nanoseconds(static_cast<int64_t>(options.retry_deadline_s * 1e9));
  if (cache_bytes > 0) config.cache_dir = options.cache_dir;
  config.cache_bytes = cache_bytes;
  SEAMOUNT_TRY_ASSIGN(const auto store, stores::OpenStoreWithStats(options.url, config));
  SEAMOUNT_TRY(CheckBucket(*store.store, options.url, context));
  if (!options.read_only && MayOnlyRead(*store.store, context)) {
    std::fprintf(stderr, "seamount mount: only reading is permitted in '%s': mounted read-only\n", options.url.c_str());
    options.read_only = point.read_only = true;
  }
  const auto ttl = std::chrono::nanoseconds(static_cast<int64_t>(options.ttl_s * 1e9));
  SEAMOUNT_TRY_ASSIGN(const auto fs, vfs::FileSystem::Open(store.store, {.staging_dir = StagingFolder(options),
                                                                         .source = options.url,
                                                                         .memory_bytes = memory,
                                                                         .read_only = options.read_only,
                                                                         .uid = options.uid.value_or(getuid()),
                                                                         .gid = options.gid.value_or(getgid()),
                                                                         .file_permissions = file_mode,
                                                                         .directory_permissions = dir_mode,
                                                                         .attribute_ttl = ttl,
                                                                         .most_names = memory / 2 / kBytesOfAName}));
  SEAMOUNT_TRY_ASSIGN(const auto record, fuse::MountRecord::Create(path));
  SEAMOUNT_TRY_ASSIGN(const auto session,
                      fuse::Session::Start(*fs, path, {.mount_point = point, .attribute_ttl = ttl}));
  if (!session->Answers()) return base::Internal("'" + path + "' is mounted but does not answer");
  fuse::RaiseReadAhead(path);
  const StatsWriter stats(*fs, store, options.stats_file);
  ready();

  session->Wait(context);
  session->Stop();
  const auto committed = fs->CommitAll();
  if (committed) return kExitOk;
  record->Fail(committed.error().message);
  return base::Unavailable(committed.error().message);
}

// The child's side of the background: no terminal, no working directory, its log in a file.
void LeaveTerminal(int log) {
  setsid();
  if (chdir("/") != 0) { /* a folder that stays busy, nothing worse */
  }
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
  }
  dup2(log >= 0 ? log : null, STDERR_FILENO);
}

// A log that the user names is the user's own affair; the usual one is in a folder whose name others can guess.
Result<base::Fd> OpenLog(const MountOptions& options) {
  if (!options.log_file.empty()) {
    base::Fd log(open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (log.get() >= 0) return log;
    return base::InvalidArgument("--log-file '" + options.log_file + "': " + std::strerror(errno));
  }
  auto folder = vfs::OpenPrivateFolder(StagingFolder(options));
  if (!folder) {
    const int error = folder.error().error;
    if (error == EPERM || error == EACCES || error == EROFS) return base::PermissionDenied(folder.error().message);
    return base::InvalidArgument(folder.error().message + " (written bytes wait there: choose a folder with room)");
  }
  auto log = vfs::OpenPrivateLog(*folder, "mount.log");
  if (!log) return base::PermissionDenied("in '" + StagingFolder(options) + "': " + log.error().message);
  return *std::move(log);
}

Result<void> MakeAbsolute(std::string& path) {
  if (path.empty() || path.front() == '/') return {};
  char* here = getcwd(nullptr, 0);
  if (here == nullptr) return base::NotFound("the working directory is gone");
  path = std::string(here) + "/" + path;
  std::free(here);
  return {};
}

Result<int> ServeInBackground(MountOptions options) {
  for (std::string* path : {&options.directory, &options.cache_dir, &options.staging_dir, &options.stats_file,
                            &options.log_file, &options.store.key}) {
    SEAMOUNT_TRY(MakeAbsolute(*path));
  }
  SEAMOUNT_TRY_ASSIGN(const base::Fd log, OpenLog(options));
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return base::Internal("no pipe to the background process");
  const pid_t child = fork();
  if (child < 0) return base::ResourceExhausted("no background process: " + std::string(std::strerror(errno)));
  if (child == 0) {
    close(answer[0]);
    return Serve(options, [&] {
      LeaveTerminal(log.get());
      const char mounted = 1;
      if (write(answer[1], &mounted, 1) != 1) { /* the parent is gone; the mount is there all the same */
      }
      close(answer[1]);
    });
  }
  close(answer[1]);
  char mounted = 0;
  ssize_t got = 0;
  do got = read(answer[0], &mounted, 1);
  while (got < 0 && errno == EINTR);
  if (got == 1) return kExitOk;
  int status = 0;  // the child printed its error
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : kExitFailed;
}

Result<int> Unmount(const std::string& directory, bool lazy) {
  std::string path = directory;
  SEAMOUNT_TRY(MakeAbsolute(path));
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  path = fuse::RealPathOf(path);
  if (!fuse::IsMounted(path)) {
    return base::NotFound("'" + directory + "' is not a Seamount mount ('mount -t fuse.seamount' lists them)");
  }
  SEAMOUNT_TRY(fuse::Detach(path, lazy));
  if (lazy) return kExitOk;
  if (const auto message = fuse::WaitForMountEnd(path))
    return base::Unavailable("not everything was uploaded: " + *message);
  return kExitOk;
}

}  // namespace

void AddMountCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "mount", "Mount a bucket as a folder",
                                 "seamount mount gs://my-bucket ~/bucket\n"
                                 "seamount mount gs://my-bucket/models /mnt/models --cache-dir /var/cache/seamount "
                                 "--cache-size 50GiB");
  const auto options = std::make_shared<MountOptions>();
  command.add_option("url", options->url, "gs://bucket[/prefix], or file:///folder")->required();
  command.add_option("directory", options->directory, "An empty folder")->required();
  AddStoreFlags(command, options->store);
  command.add_flag("--foreground", options->foreground, "Stay in the foreground; Ctrl-C unmounts");
  command.add_flag("--read-only", options->read_only, "Refuse every change");
  command.add_option("--cache-dir", options->cache_dir, "Keep blocks of files on this disk; survives the mount");
  command.add_option("--cache-size", options->cache_size, "Most that the cache may take")->capture_default_str();
  command.add_option("--memory", options->memory, "Most that reading ahead may take; half as much again is for names")
      ->capture_default_str();
  command.add_option("--staging-dir", options->staging_dir,
                     "Where written bytes wait for their upload (default: in the cache folder, else in $TMPDIR)");
  command.add_option("--retry-deadline", options->retry_deadline_s, "Seconds to retry a failing request before EIO")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  command.add_option("--attribute-ttl", options->ttl_s, "Seconds that names and attributes are believed")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  command.add_option("--stats-file", options->stats_file, "Write statistics as JSON there, every few seconds");
  command.add_option("--log-file", options->log_file,
                     "Log of a background mount (default: mount.log in the staging folder)");
  command.add_flag("--nonempty", options->nonempty, "Mount even over a folder that holds something");
  CLI::Option* allow = command.add_flag("--allow-other", options->allow_other,
                                        "Let other users of this machine in, as far as owner and mode of each file "
                                        "allow (the default of root's mounts)");
  command
      .add_flag("--no-allow-other", options->no_allow_other, "Let in nobody but you (the default of others' mounts)")
      ->excludes(allow);
  command.add_option("--uid", options->uid, "Who owns what names no owner in the bucket (default: you)");
  command.add_option("--gid", options->gid, "The group of what names none in the bucket (default: yours)");
  command.add_option("--file-mode", options->file_mode, "Mode of files that have none in the bucket")
      ->capture_default_str();
  command.add_option("--dir-mode", options->dir_mode, "Mode of folders that have none in the bucket")
      ->capture_default_str();
  OnChosen(command, chosen, [options]() -> Result<int> {
    if (options->foreground)
      return Serve(*options, [&] {
        std::printf("%s mounted on %s; Ctrl-C unmounts\n", options->url.c_str(), options->directory.c_str());
        std::fflush(stdout);
      });
    return ServeInBackground(*options);
  });
}

void AddUmountCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "umount", "Unmount, after everything written is uploaded",
                                 "seamount umount ~/bucket\nseamount umount --lazy ~/bucket");
  struct Options {
    std::string directory;
    bool lazy = false;
  };
  const auto options = std::make_shared<Options>();
  command.add_option("directory", options->directory, "The mounted folder")->required();
  command.add_flag("--lazy", options->lazy, "Take it out of the tree at once, in use or not, and do not wait");
  OnChosen(command, chosen, [options] { return Unmount(options->directory, options->lazy); });
}

}  // namespace seamount::cli
