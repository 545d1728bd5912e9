// A file on a local disk for what does not fit in memory while it changes its shape. It has no name: whatever ends the
// process takes it away.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace seamount::prepare {

// Where temporary files go: `chosen`, or where that is empty $TMPDIR, or /var/tmp, since /tmp is memory on many
// machines.
std::string SpillDirectory(const std::string& chosen);

// Thread-safe; movable until shared.
class Spill {
 public:
  static Result<Spill> Make(const std::string& directory);

  // What may be written: half of the free space, so that others still find some.
  Result<uint64_t> Room() const;
  // ResourceExhausted when the disk is full, naming the directory and --spill.
  Result<void> Write(uint64_t offset, std::span<const std::byte> from) const;
  Result<void> Read(uint64_t offset, std::span<std::byte> into) const;

 private:
  Spill(base::Fd fd, std::string directory) : fd_(std::move(fd)), directory_(std::move(directory)) {}
  Error Failed(const char* what) const;
  base::Fd fd_;
  std::string directory_;
};

}  // namespace seamount::prepare
