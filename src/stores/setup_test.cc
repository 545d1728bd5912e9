#include "stores/setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace seamount::stores {
namespace {

// Whatever buckets are called: another account for each role of each, in IAM's form.
TEST(AccountIdOf, KeepsBucketsAndRolesApart) {
  std::set<std::string> seen;
  size_t all = 0;
  for (const char* bucket :
       {"b11", "winds", "winds-reader", "winds_reader", "winds.reader", "sm-winds",
        "a-very-long-name-of-a-bucket-that-has-to-be-cut", "a-very-long-name-of-a-bucket-that-has-too"}) {
    for (const char* role : {"reader", "creator", "writer", "admin", "roles/storage.legacyBucketOwner"}) {
      const std::string id = AccountIdOf(bucket, *gcs::FindRole(role));
      EXPECT_THAT(id, ::testing::MatchesRegex("[a-z][a-z0-9-]*[a-z0-9]")) << bucket;
      EXPECT_GE(id.size(), 6U);
      EXPECT_LE(id.size(), 30U) << id;
      seen.insert(id);
      ++all;
    }
  }
  EXPECT_EQ(seen.size(), all);
  EXPECT_EQ(AccountIdOf("winds", *gcs::FindRole("writer")), "sm-winds");
}

}  // namespace
}  // namespace seamount::stores
