// Progress of long work: a bar on a terminal, a line every few seconds elsewhere, nothing for work under two seconds.
// For programs that draw it themselves: lines of JSON, {"progress": LABEL, "done": N, "total": N}.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace seamount::exec {

// Thread-safe: workers call Add. Draws on stderr from its own thread, so Add costs an atomic addition.
class Progress {
 public:
  // total 0 means unknown. unit_bytes: amounts are bytes, shown with a rate.
  Progress(std::string label, uint64_t total, bool unit_bytes, bool enabled = true);
  ~Progress();  // clears or completes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Add(uint64_t amount);
  // Of the whole process, from the next Progress on.
  static void UseJsonLines();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seamount::exec
