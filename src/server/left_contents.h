// Contents that no row of the catalog names: what an older catalog, or a lost one, left.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::server {

struct LeftContent {
  enum class State {
    kWhole,     // its checksums fit
    kUnsealed,  // it has none: an older version's, or the beginning of an upload
    kDamaged,
  };
  std::string id;
  bool is_aside = false;  // in quarantine/, else in blobs/
  uint64_t size = 0;      // of the content; of a damaged one, as far as it tells
  base::SystemTime written;
  State state = State::kWhole;
  uint32_t crc32c = 0;  // unless it is damaged

  // "quarantine/ID: 1.5 MiB of 2026-01-31T12:00:00Z, whole"
  std::string Describe() const;
};

// Those in blobs/ and quarantine/ that are no write still under way in tmp/, oldest first. Reads each whole, and calls
// `step` before that. Changes nothing.
Result<std::vector<LeftContent>> FindLeftContents(const std::string& directory,
                                                  const std::function<bool(const std::string&)>& is_named,
                                                  const std::function<Result<void>()>& step);

}  // namespace seamount::server
