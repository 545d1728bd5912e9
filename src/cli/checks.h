// What `seamount doctor` looks at. A check does not fail; it finds.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/command.h"
#include "net/http_client.h"

namespace seamount::cli {

enum class Finding { kOk, kWarning, kFailure };

struct Check {
  std::string name;
  Finding finding = Finding::kOk;
  std::string detail;  // what was found
  std::string advice;  // what to do; empty when ok
};

// Hears each check as it ends, since a network may take its time.
using Hear = std::function<void(const Check&)>;

// This machine: FUSE, rights, what machines need, room for a cache, Python.
void CheckMachine(const std::string& cache_dir, const Hear& hear);
// The way to storage: key, endpoint, clock, credentials, and with a URL each right on its bucket. `may_write` lets it
// write an object of a few bytes, overwrite it, and delete it. What cannot work after a failure is not tried.
void CheckStorage(const StoreFlags& flags, const std::string& url, bool may_write, const Hear& hear,
                  const CallContext& context);

// What the account of a key may do beyond reading (and writing, if it may) that bucket, and, at Google, whether this
// machine lies near the bucket. What its server does not tell is left out.
void CheckExcess(const StoreFlags& flags, const std::string& url, bool may_write, std::shared_ptr<net::HttpClient> http,
                 const Hear& hear, const CallContext& context);

}  // namespace seamount::cli
