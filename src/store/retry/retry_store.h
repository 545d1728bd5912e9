// Retries transient errors, and only where a second try cannot do harm.
//
// How it works: only Unavailable is retried, with exponential backoff and full jitter, until the budget or the caller's
// deadline has passed; the last try is made when it has, so that a server that comes back in time is always met. The
// budget runs from the first failure: a long upload that goes well takes as long as it takes, and an attempt that hangs
// is ended below, by the transport's own watch for stalls. While nobody has ever answered (a wrong address, a server
// that was not started), the budget is first_contact. A Read whose bytes do not match their checksum (DataLoss) is read
// again twice: they may have been damaged on the way.
//
// Reads, listings, patches and unguarded writes of the same bytes are idempotent. A guarded call whose answer was lost
// may have succeeded, and its retry then fails against its own success. So each guarded Write, Copy and Compose leaves
// a nonce in the object's metadata (kNonceKey; hidden from who reads through this store): after a failure that leaves
// the outcome in doubt (base::ErrorDetail), a PreconditionFailed is checked by looking at the object, and if it bears
// this call's nonce, the call succeeded. Two writers of the same bytes are told apart; what cannot be known is whether
// this call's object was there for a while before somebody overwrote it: that is PreconditionFailed.
// - An unguarded Delete that finds nothing after a failure in doubt reports true: what was to go is gone.
// - An unguarded Compose onto one of its own sources might append twice: it is retried only where nothing can have been
//   done.
// - A guarded Copy without new metadata looks at its source first, for the metadata to which the nonce is added, and is
//   PreconditionFailed where the source is replaced meanwhile.
// - A Move keeps the object's metadata, so it bears no nonce: after a failure in doubt it has succeeded when the source
//   is gone and the destination is what the source was.
#pragma once

#include <memory>
#include <string_view>

#include "base/clock.h"
#include "store/retry/backoff.h"
#include "store/store.h"

namespace seamount::store {

inline constexpr std::string_view kNonceKey = "seamount-nonce";

struct RetryOptions {
  base::Duration budget = std::chrono::seconds(60);        // of one call, from its first failure on
  base::Duration first_contact = std::chrono::seconds(3);  // the same, until somebody has answered for the first time
  BackoffOptions backoff;
  base::Clock* clock = &base::RealClock();
};

// Thread-safe. Every retry is logged (info).
std::shared_ptr<Store> MakeRetryStore(std::shared_ptr<Store> inner, const RetryOptions& options = {});

}  // namespace seamount::store
