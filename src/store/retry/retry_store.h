// Retries transient errors, and only where a second try cannot do harm.
//
// How it works: only Unavailable is retried, with exponential backoff and full jitter, until the budget or the caller's
// deadline has passed. The budget runs from the first failure: a long upload that goes well takes as long as it takes,
// and an attempt that hangs is ended below, by the transport's own watch for stalls. A Read whose bytes do not match
// their checksum (DataLoss) is read again twice: they may have been damaged on the way. Reads, listings and unguarded
// writes of the same bytes are idempotent. A guarded call whose answer was lost may have succeeded, and its retry then
// fails against its own success: so after an ambiguous failure a PreconditionFailed is checked by looking at the
// object. If it is what this call would have made (size, CRC32C, metadata), the call succeeded. Writers that must be
// told apart therefore write different bytes. If it is not, the answer is PreconditionFailed; the one thing that cannot
// be known then is whether this call's bytes were there for a while before somebody overwrote them.
// - An unguarded Delete that finds nothing after an ambiguous failure reports true: what was to go is gone.
// - An unguarded Compose onto one of its own sources is not retried: it might append twice.
// - A guarded Copy or Compose that overwrites one of its own sources looks at that source first, since its checksum
//   could not be had afterwards: one Stat more.
#pragma once

#include <memory>

#include "base/clock.h"
#include "store/retry/backoff.h"
#include "store/store.h"

namespace seamount::store {

struct RetryOptions {
  base::Duration budget = std::chrono::seconds(60);  // of one call, from its first failure on
  BackoffOptions backoff;
  base::Clock* clock = &base::RealClock();
};

// Thread-safe. Every retry is logged (info).
std::shared_ptr<Store> MakeRetryStore(std::shared_ptr<Store> inner, const RetryOptions& options = {});

}  // namespace seamount::store
