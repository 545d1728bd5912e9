#include "stores/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace seamount::stores {
namespace {

using testing::HasSubstr;

TEST(ParseStoreUrlTest, TakesStoresAndSaysWhatIsWrong) {
  const auto url = ParseStoreUrl("gs://winds/a/b/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->bucket, "winds");
  EXPECT_EQ(url->path, "a/b");
  EXPECT_EQ(ParseStoreUrl("gs://winds")->path, "");
  EXPECT_EQ(ParseStoreUrl("file:///data/raw/")->path, "/data/raw");
  EXPECT_EQ(ParseStoreUrl("memory://")->scheme, "memory");
  for (const char* bad : {"winds", "s3://winds", "gs://", "gs:///x", "file://data", "gs://b/\n", ""}) {
    const auto parsed = ParseStoreUrl(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_THAT(ParseStoreUrl("winds").error().message(), HasSubstr("gs://bucket"));
}

TEST(EndpointOfTest, FlagThenEmulatorThenGoogle) {
  unsetenv("STORAGE_EMULATOR_HOST");
  EXPECT_EQ(EndpointOf({}), "https://storage.googleapis.com");
  setenv("STORAGE_EMULATOR_HOST", "lab:9000", 1);
  EXPECT_EQ(EndpointOf({}), "http://lab:9000");
  setenv("STORAGE_EMULATOR_HOST", "https://lab:9000", 1);
  EXPECT_EQ(EndpointOf({}), "https://lab:9000");
  EXPECT_EQ(EndpointOf({.endpoint = "http://other:1"}), "http://other:1");
  EXPECT_EQ(EndpointOf({.endpoint = "other:1"}), "http://other:1");
  unsetenv("STORAGE_EMULATOR_HOST");
}

}  // namespace
}  // namespace seamount::stores
