// Faults on request, for tests of clients: the retry-test API of Google's storage-testbench
// (https://github.com/googleapis/storage-testbench#retry-test-api), there only where the server was started for tests.
// POST /retry_test tells for each operation what goes wrong with its next calls; a call that names the test in its
// header x-retry-test-id takes the next of them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::server {

struct Fault {
  enum class Kind {
    kStatus,        // return-503: instead of doing anything
    kStatusInBody,  // return-503-after-256K: when so much of an upload has come
    kReset,         // return-reset-connection: instead of an answer
    kBrokenStream,  // return-broken-stream, -after-256K: when so much of the answer was sent
    kBrokenFinal,   // return-broken-stream-final-chunk-after-8B: the same, of the answer that ends an upload
    kStall,         // stall-for-10s-after-256K: in an upload's or an answer's body
  };
  Kind kind = Kind::kStatus;
  int status = 0;
  uint64_t after_bytes = 0;
  base::Duration stall{0};
};

// InvalidArgument for an instruction that is not one of the above.
Result<Fault> ParseFault(std::string_view instruction);

// Thread-safe.
class FaultTests {
 public:
  // The test's JSON, with its id.
  Result<std::string> Create(std::string_view json);
  // Its JSON, with what is left of it; nullopt where there is no such test.
  std::optional<std::string> Describe(const std::string& id) const;
  bool Delete(const std::string& id);

  // What is to go wrong with the next call of `operation`, if anything. It stays the next until it is taken.
  std::optional<Fault> Next(const std::string& id, std::string_view operation) const;
  void Take(const std::string& id, std::string_view operation);

 private:
  using Instructions = std::map<std::string, std::deque<std::string>, std::less<>>;
  static std::string Json(const std::string& id, const Instructions& instructions);

  mutable std::mutex mutex_;
  std::map<std::string, Instructions> tests_;
};

}  // namespace seamount::server
