// Keeps the token of another source until shortly before it expires. However many threads ask, one request is under way
// at a time; while the old token is still good, the others are given that and do not wait.
#pragma once

#include <memory>

#include "auth/token_source.h"
#include "base/clock.h"

namespace seamount::auth {

// `inner` sees at most one call at a time. A failed early refresh is not reported while the old token is good, and is
// tried again after ten seconds; a failure without a good token is reported to all who waited for it.
std::unique_ptr<TokenSource> MakeCachingTokenSource(std::unique_ptr<TokenSource> inner, base::Clock& clock);

}  // namespace seamount::auth
