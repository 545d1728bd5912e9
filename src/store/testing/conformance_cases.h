// Within store/testing: the promises by chapter, and what their tests share.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "store/store.h"
#include "store/testing/conformance.h"

namespace seamount::store::conformance {

struct Case {
  const char* name;
  void (*run)(Store& store, const ConformanceTraits& traits);
};

std::span<const Case> ObjectCases();   // conformance_objects.cc: read, write, delete, conditions, keys
std::span<const Case> ServerCases();   // conformance_server.cc: copy, compose
std::span<const Case> ListingCases();  // conformance_listing.cc
std::span<const Case> RandomCases();   // conformance_random.cc: concurrency, random operations against a model

// Each of these fails the test and returns something harmless when the call errs.
ObjectInfo Put(Store& store, const std::string& key, std::string_view content, const WriteOptions& options = {});
std::optional<ReadResult> Get(Store& store, const std::string& key, const ReadOptions& options = {});
std::optional<ObjectInfo> StatOf(Store& store, const std::string& key);
std::string Content(Store& store, const std::string& key, const ReadOptions& options = {});  // "<absent>"
std::vector<std::string> Keys(const ListPage& page);
ListPage ListOf(Store& store, const ListOptions& options);  // over all pages

template <class T>
std::string CodeOf(const Result<T>& result) {
  return result ? "ok" : std::string(base::ErrorCodeName(result.error().code()));
}

}  // namespace seamount::store::conformance

#define EXPECT_CODE(expected, expression) EXPECT_EQ(CodeOf(expression), expected)
