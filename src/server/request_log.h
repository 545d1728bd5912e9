// The server's request log: one line for each request, written by a thread of its own, so that no request waits for the
// disk or the terminal that the log goes to.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::server {

struct RequestEntry {
  std::string peer;
  std::string account;  // who asked; empty: nobody known
  std::string method;
  std::string path;  // without the query, which may hold a session's id
  int status = 0;
  uint64_t bytes = 0;  // of the answer's body
  std::string reason;  // why it was refused
  base::Duration took{0};
  base::SystemTime when;  // set by Add
};

enum class LogFormat { kText, kJson };

// "2026-01-31T12:00:00.000Z info 192.0.2.7 winds@lab.iam.seamount GET /winds/x 200 12 B 3 ms", or one JSON object.
std::string FormatEntry(const RequestEntry& entry, LogFormat format);

// Thread-safe.
class RequestLog {
 public:
  // `file` empty: standard error. Made, mode 0600, where missing, appended to where it is there.
  static Result<std::unique_ptr<RequestLog>> Open(const std::string& file, LogFormat format);
  ~RequestLog();  // writes what is left

  // Never waits: where the log cannot keep up, lines are dropped, and how many is said in it.
  void Add(RequestEntry entry);
  // Goes on in a file of the same name: after the old one was moved away.
  Result<void> Reopen();

 private:
  RequestLog(std::string file, LogFormat format, int fd);
  void Run();
  void Write(const std::string& text);

  const std::string file_;
  const LogFormat format_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int fd_;
  bool ending_ = false;
  uint64_t dropped_ = 0;
  std::deque<RequestEntry> waiting_;
  std::thread writer_;
};

}  // namespace seamount::server
