// The conformance suite of Store: the contract in store/store.h as tests. A driver or decorator joins it from its test
// with one declaration at namespace scope:
//
//   const int kConformance = JoinConformance("MemoryStore", [] { return MakeMemoryStore(); });
//
// which registers one gtest case per promise, named MemoryStore.<Promise>.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace seamount::store {

// Makes a fresh, empty store. What it needs to live (a temporary directory, a server) is owned through the pointer.
using StoreFactory = std::function<std::shared_ptr<Store>()>;

// Where an implementation documents that it promises less, or costs more.
struct ConformanceTraits {
  // A Read at a generation that has been overwritten may hand out the old content instead of PreconditionFailed, as
  // the cache does. What it never may do is hand out other bytes.
  bool serves_old_generations = false;
  // Answers get lost on the way, and the store retries: a conditional write whose answer was lost and which another
  // writer has since overwritten reports PreconditionFailed though it took effect, and an unguarded Compose onto one of
  // its own sources is not retried.
  bool loses_answers = false;
  // Longest key taken; only a prefix makes it shorter.
  size_t max_key_bytes = 1024;
  // Operations of the random test; lowered where each one is slow.
  int random_operations = 2000;
};

// Returns the number of cases registered.
int JoinConformance(const std::string& suite, StoreFactory factory, ConformanceTraits traits = {});

// A seed for a random test: SEAMOUNT_TEST_SEED when set, otherwise another one each time. Print it with the failure.
uint64_t TestSeed();

}  // namespace seamount::store
