// A file on a local disk for what does not fit in memory while it changes its shape: filled slab by slab, then read.
//
// It says what it is to hold and which slabs are in it, so that a run that was killed goes on with it: a header, the
// tasks whose stretches follow one another, a mark for each slab, the content. It lies in the folder of what is kept
// (kept_folder.h) under the fingerprint of what it follows from and of the boot of the machine: whether the kernel
// wrote what it was given before the machine went down, nobody knows. Where another run has it open, or no such folder
// is to be had, it has no name, and whatever ends the process takes it away.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace seamount::prepare {

// Movable until shared; then what is const is thread-safe.
class Spill {
 public:
  // What a killed run left, or an empty file. `directory` as for SpillDirectory. `slabs`: how many fill it.
  static Result<Spill> Open(const std::string& directory, const std::string& fingerprint, uint64_t slabs);
  // Removes what a killed run left, unless another has it open.
  static void Forget(const std::string& directory, const std::string& fingerprint);

  // Empty: it is to begin.
  const std::vector<uint64_t>& tasks() const { return tasks_; }
  // Empties it. What is written from now on is of these tasks.
  Result<void> Begin(std::vector<uint64_t> tasks);
  // Whether the slab was in it when it was opened.
  bool Has(uint64_t slab) const { return marks_[slab] == kMarked; }
  // To be called after the slab's last Write.
  Result<void> Mark(uint64_t slab) const;
  // The folder in which it stays when the run ends; empty: it has no name.
  std::string kept_in() const;
  void Remove() const;

  // What may be written after Begin: half of the space that is then free, so that others still find some.
  Result<uint64_t> Room() const;
  // ResourceExhausted when the disk is full, naming the directory and --spill.
  Result<void> Write(uint64_t offset, std::span<const std::byte> from) const;
  Result<void> Read(uint64_t offset, std::span<std::byte> into) const;

 private:
  static constexpr std::byte kMarked{1};

  Spill(base::Fd fd, std::string directory, uint64_t slabs)
      : fd_(std::move(fd)), directory_(std::move(directory)), marks_(slabs) {}
  static Result<Spill> MakeNameless(const std::string& directory, uint64_t slabs);
  bool ReadHeader();
  uint64_t MarksStart() const;
  uint64_t ContentStart() const;
  Result<void> WriteAt(uint64_t at, std::span<const std::byte> from) const;
  Result<void> ReadAt(uint64_t at, std::span<std::byte> into) const;
  Error Failed(const char* what) const;

  base::Fd fd_;
  std::string directory_;
  std::string path_;  // empty: no name
  std::vector<uint64_t> tasks_;
  std::vector<std::byte> marks_;  // by slab
};

}  // namespace seamount::prepare
