#include "zarr/whole_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/memory/memory_store.h"

namespace seamount::zarr {
namespace {

TEST(WholeGroup, IsKnownByItsDocumentAndHalfOfOneByItsRecord) {
  for (const int format : {2, 3}) {
    const auto store = store::MakeMemoryStore();
    const auto nothing = OpenWholeGroup(*store, "g", {});
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(*nothing) << "an array without a group is no fault";
    ASSERT_TRUE(store->Write("g/.seamount-prepare.json", store::BytesSource("{}"), {}, {}));
    const auto half = OpenWholeGroup(*store, "g", {});
    ASSERT_FALSE(half);
    EXPECT_EQ(half.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_THAT(half.error().message(), ::testing::HasSubstr("'g' is half-written"));
    ASSERT_TRUE(CreateGroup(*store, "g", {format, R"({"seamount":{"id":"x"}})"}, false, {}));
    const auto whole = OpenWholeGroup(*store, "g", {});
    ASSERT_TRUE(whole && *whole);
    EXPECT_EQ((*whole)->format, format);
    EXPECT_EQ((*whole)->attributes_json, R"({"seamount":{"id":"x"}})");
    EXPECT_EQ(**GroupGeneration(*store, "g", format, {}), (*whole)->generation);
    ASSERT_TRUE(CreateGroup(*store, "g", {format, "{}"}, true, {}));
    EXPECT_NE(**GroupGeneration(*store, "g", format, {}), (*whole)->generation) << "another state";
    ASSERT_TRUE(store->Delete(format == 3 ? "g/zarr.json" : "g/.zgroup", {}, {}));
    EXPECT_FALSE(*GroupGeneration(*store, "g", format, {}));
    EXPECT_FALSE(OpenWholeGroup(*store, "g", {})) << "taken out of sight before it is changed";
  }
}

}  // namespace
}  // namespace seamount::zarr
