// What `seamount doctor` looks at. A check does not fail; it finds.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace seamount::cli {

enum class Finding { kOk, kWarning, kFailure };

struct Check {
  std::string name;
  Finding finding = Finding::kOk;
  std::string detail;  // what was found
  std::string advice;  // what to do; empty when ok
};

// This machine: FUSE, rights, machines, cache, Python.
std::vector<Check> CheckMachine(const std::string& cache_dir);
// The way to storage: endpoint, clock, credentials, and with a URL the rights on its bucket. `may_write` lets it write
// an object of a few bytes, and delete it.
std::vector<Check> CheckStorage(const StoreFlags& flags, const std::string& url, bool may_write,
                                const CallContext& context);

}  // namespace seamount::cli
