// A library that reads files of strangers, in a process of its own.
//
// How it works: such libraries crash or loop on some damaged files, and few are thread-safe. So no call into one is
// made here: a child, forked when the first file is opened, answers one request at a time, as bytes (wire.h). It has
// limits on memory and on processor time for each request. A file that breaks one, or the library, costs the child: the
// caller gets DataLoss that says how it ended, and the next request starts another. What the library needs of a file it
// asks its parent for. The child ends when this process does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "source/file.h"

namespace seamount::source {

// In the child: fills the span from an offset of the request's file; false where that failed, and then the parent has
// the reason.
using Fetch = std::function<bool(uint64_t offset, std::span<std::byte> into)>;

// Runs in the child: the payload of the answer. Not called by several threads.
using Answerer = Result<std::vector<std::byte>> (*)(std::span<const std::byte> request, const Fetch& fetch);

// Thread-safe; requests wait for one another.
class Child {
 public:
  // library: its name, for people.
  Child(std::string library, Answerer answer) : library_(std::move(library)), answer_(answer) {}
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // An answer that is an error is that error; no answer is DataLoss.
  Result<std::vector<std::byte>> Call(std::span<const std::byte> request, const File& file);

 private:
  Result<void> Start();
  // Ends the child, if there is one, and says how it ended.
  std::string Bury();

  const std::string library_;
  const Answerer answer_;
  std::mutex mutex_;
  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace seamount::source
