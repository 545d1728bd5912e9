// What a bucket knows of machines: written before Google is asked for one, taken away after it is gone. So whatever
// breaks off in between, a machine that costs money has a record that names it.
//
// .seamount/vm/NAME.json    the intent: where, and the request itself, word for word, so that it can be sent again
// .seamount/vm/NAME.lease   empty; over so many seconds (metadata "seconds") after it was last written, by the bucket's
//                           clock. The machine watches it, and ends itself when it is over or gone.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace seamount::cloud::gce {

struct Intent {
  std::string name;  // of the machine, as people say it
  std::string project, zone;
  std::string request_id, body;  // of instances.insert
  std::string machine_type, gpus, provisioning;
  std::optional<double> usd_per_hour;
  std::vector<std::string> places;         // as Wish has them, for another one of its kind
  std::optional<double> max_usd_per_hour;  // the same
  base::SystemTime asked;                  // when this request was first sent
  std::chrono::seconds lifetime{0};        // after which Google ends it
  bool is_up = false;                      // Google has said that it is there

  // The name that Google knows it by.
  std::string instance() const { return InstanceNameOf(name); }
  static std::string InstanceNameOf(const std::string& name) { return "seamount-" + name; }
};

std::string EncodeIntent(const Intent& intent);
// DataLoss says what is wrong with the text; `key` is the object's.
Result<Intent> DecodeIntent(std::string_view text, const std::string& key);

struct KeptIntent {
  Intent intent;
  store::Generation generation;
};

struct Lease {
  std::chrono::seconds length{0};
  base::SystemTime renewed;
  base::SystemTime ends() const { return renewed + length; }
};

// Thread-safe, as the store is.
class Records {
 public:
  explicit Records(std::shared_ptr<Store> bucket) : bucket_(std::move(bucket)) {}
  static std::string IntentKey(const std::string& name) { return kFolder + name + ".json"; }
  static std::string LeaseKey(const std::string& name) { return kFolder + name + ".lease"; }

  Result<std::optional<KeptIntent>> Find(const std::string& name, const CallContext& context) const;
  // By name.
  Result<std::vector<KeptIntent>> List(const CallContext& context) const;
  // Durable when it returns. `replaced`: what is known to be there (kAbsent: nothing); PreconditionFailed where
  // somebody else has written meanwhile.
  Result<KeptIntent> Write(const Intent& intent, const store::Generation& replaced, const CallContext& context) const;
  // Takes both away, the lease first: a machine that should come up yet finds none and ends.
  Result<void> Remove(const KeptIntent& kept, const CallContext& context) const;

  Result<void> RenewLease(const std::string& name, std::chrono::seconds length, const CallContext& context) const;
  Result<std::optional<Lease>> FindLease(const std::string& name, const CallContext& context) const;

 private:
  static inline const std::string kFolder = ".seamount/vm/";
  std::shared_ptr<Store> bucket_;
};

}  // namespace seamount::cloud::gce
