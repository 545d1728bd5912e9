// Where bearer tokens come from: a service-account key, a metadata server, the user's own login, or nowhere.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::auth {

// A secret that does not print itself: no operator<<, and only Reveal() shows it, at the one place where it is sent.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

struct Token {
  Secret value;  // empty: send no Authorization header (anonymous)
  base::SystemTime expires;
};

// Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // A token for requests to `audience_url` (scheme://host of the request). Sources that cache hand out the cached token
  // until shortly before it expires; `rejected`, when not empty, is the token a server answered 401 to, and is never
  // handed out again.
  virtual Result<Token> GetToken(const std::string& audience_url, const Secret& rejected,
                                 const CallContext& context) = 0;
  // "key of train@winds.iam.seamount", "metadata server", "anonymous": for messages, without secrets.
  virtual std::string Describe() const = 0;
};

}  // namespace seamount::auth
