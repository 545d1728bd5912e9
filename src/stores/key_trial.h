// The proof that a new key may do what it is for, and nothing beyond it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "gcs/roles.h"
#include "net/http_client.h"

namespace seamount::stores {

struct TrialOptions {
  std::string bucket;
  std::string endpoint;
  std::string key_file;
  gcs::Role role;
  // Until when a right that is missing may still come: Google's servers hear of new keys and rights within a minute.
  base::SteadyTime patience = base::SteadyTime::min();
};

// Asks which rights the key has, and does what these allow without leaving anything behind. PermissionDenied when a
// right of the role is missing, PreconditionFailed when there is one more. What was found, in words for a person.
Result<std::string> TryKey(const TrialOptions& options, std::shared_ptr<net::HttpClient> http,
                           const CallContext& context, base::Clock& clock = base::RealClock());

}  // namespace seamount::stores
