#include "server/request_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "gcs/wire.h"
#include "server/blob_store.h"

namespace seamount::server {
namespace {

// Some megabytes: seconds of the busiest server.
constexpr size_t kMaxWaiting = 20'000;

Result<int> OpenFile(const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FromErrno("opening the log file " + file, errno);
  return fd;
}

std::string Dropped(uint64_t count, LogFormat format) {
  if (format == LogFormat::kText)
    return "warning server: the log could not keep up: " + std::to_string(count) + " requests are not in it\n";
  return nlohmann::json{{"severity", "WARNING"}, {"dropped", count}}.dump() + "\n";
}

}  // namespace

std::string FormatEntry(const RequestEntry& entry, LogFormat format) {
  const std::string when = gcs::FormatTime(entry.when);
  if (format == LogFormat::kText) {
    return when + " info " + entry.peer + " " + (entry.account.empty() ? "-" : entry.account) + " " +
           base::Printable(entry.method + " " + entry.path) + " " + std::to_string(entry.status) + " " +
           base::FormatBytes(entry.bytes) + " " + base::FormatDuration(entry.took) +
           (entry.reason.empty() ? "" : " refused: " + base::Printable(entry.reason)) + "\n";
  }
  const double ms = std::chrono::duration<double, std::milli>(entry.took).count();
  nlohmann::json json = {{"time", when},
                         {"severity", "INFO"},
                         {"address", entry.peer},
                         {"account", entry.account},
                         {"method", entry.method},
                         {"path", entry.path},
                         {"status", entry.status},
                         {"bytes", entry.bytes},
                         {"ms", ms}};
  if (!entry.reason.empty()) json["reason"] = entry.reason;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<std::unique_ptr<RequestLog>> RequestLog::Open(const std::string& file, LogFormat format) {
  int fd = STDERR_FILENO;
  if (!file.empty()) {
    SEAMOUNT_TRY_ASSIGN(fd, OpenFile(file));
  }
  return std::unique_ptr<RequestLog>(new RequestLog(file, format, fd));
}

RequestLog::RequestLog(std::string file, LogFormat format, int fd)
    : file_(std::move(file)), format_(format), fd_(fd), writer_([this] { Run(); }) {}

RequestLog::~RequestLog() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  writer_.join();
  if (!file_.empty()) ::close(fd_);
}

void RequestLog::Add(RequestEntry entry) {
  entry.when = std::chrono::time_point_cast<base::SystemTime::duration>(std::chrono::system_clock::now());
  std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(entry));
  changed_.notify_one();
}

Result<void> RequestLog::Reopen() {
  if (file_.empty()) return {};
  SEAMOUNT_TRY_ASSIGN(const int fd, OpenFile(file_));
  std::lock_guard lock(mutex_);
  // The writer may be in the middle of a line: its descriptor stays the same and becomes the new file.
  ::dup3(fd, fd_, O_CLOEXEC);
  ::close(fd);
  return {};
}

void RequestLog::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto entries = std::exchange(waiting_, {});
    const uint64_t dropped = std::exchange(dropped_, 0);
    lock.unlock();
    std::string text;
    for (const RequestEntry& entry : entries) text += FormatEntry(entry, format_);
    if (dropped > 0) text += Dropped(dropped, format_);
    Write(text);
    lock.lock();
  }
}

// A log that cannot be written ends no server.
void RequestLog::Write(const std::string& text) { (void)WriteAll(fd_, base::AsBytes(text), "the log"); }

}  // namespace seamount::server
