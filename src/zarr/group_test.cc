#include "zarr/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::zarr {
namespace {

using testing::HasSubstr;

ArrayMetadata Small(int format) {
  ArrayMetadata metadata;
  metadata.format = format;
  metadata.shape = metadata.chunk_shape = {4};
  return metadata;
}

class GroupTest : public testing::TestWithParam<int> {
 protected:
  std::shared_ptr<Store> store_ = store::MakeMemoryStore();
  std::string Document(const std::string& key) const {
    const auto read = store_->Read(key, {}, {});
    return read && *read ? std::string((*read)->data.view()) : "";
  }
};

TEST_P(GroupTest, CreatedGroupsAreOpenedAndListed) {
  ASSERT_TRUE(CreateGroup(*store_, "a", {.format = GetParam(), .attributes_json = R"({"t":1})"}, false, {}));
  ASSERT_TRUE(CreateGroup(*store_, "a/sub", {.format = GetParam()}, false, {}));
  ASSERT_TRUE(Array::Create(store_, "a/x", Small(GetParam()), false, {}));
  ASSERT_TRUE(store_->Write("a/stray/file", store::BytesSource("?"), {}, {}));
  const auto group = OpenGroup(*store_, "a", {});
  ASSERT_TRUE(group) << group.error().ToString();
  EXPECT_EQ(group->format, GetParam());
  EXPECT_EQ(group->attributes_json, R"({"t":1})");
  const auto members = ListMembers(*store_, "a", {});
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 2U);
  EXPECT_EQ((*members)[0].name, "sub");
  EXPECT_EQ((*members)[0].kind, NodeKind::kGroup);
  EXPECT_EQ((*members)[1].name, "x");
  EXPECT_EQ((*members)[1].kind, NodeKind::kArray);
}

TEST_P(GroupTest, ConsolidatedMetadataHoldsEverythingBelow) {
  ASSERT_TRUE(CreateGroup(*store_, "", {.format = GetParam()}, false, {}));
  ASSERT_TRUE(CreateGroup(*store_, "g", {.format = GetParam()}, false, {}));
  ASSERT_TRUE(Array::Create(store_, "g/x", Small(GetParam()), false, {}));
  ASSERT_TRUE(ConsolidateMetadata(*store_, "", {}));
  const std::string document = Document(GetParam() == 3 ? "zarr.json" : ".zmetadata");
  EXPECT_THAT(document, HasSubstr(GetParam() == 3 ? "\"g/x\"" : "\"g/x/.zarray\""));
  ASSERT_TRUE(ConsolidateMetadata(*store_, "", {}));  // and again, from its own result
  EXPECT_EQ(Document(GetParam() == 3 ? "zarr.json" : ".zmetadata"), document);
}

TEST_P(GroupTest, NothingIsReplacedUnlessAsked) {
  ASSERT_TRUE(CreateGroup(*store_, "a", {.format = GetParam()}, false, {}));
  const GroupMetadata other{.format = 5 - GetParam()};
  EXPECT_EQ(CreateGroup(*store_, "a", other, false, {}).error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(Array::Create(store_, "a", Small(3), false, {}).error().code(), ErrorCode::kPreconditionFailed);
  ASSERT_TRUE(CreateGroup(*store_, "a", other, true, {}));
  EXPECT_EQ(OpenGroup(*store_, "a", {})->format, other.format);
}

TEST_P(GroupTest, OneIsNotTheOther) {
  ASSERT_TRUE(CreateGroup(*store_, "g", {.format = GetParam()}, false, {}));
  ASSERT_TRUE(Array::Create(store_, "x", Small(GetParam()), false, {}));
  EXPECT_FALSE(Array::Open(store_, "g", {}));
  EXPECT_THAT(OpenGroup(*store_, "x", {}).error().message(), HasSubstr("an array, not a group"));
  EXPECT_EQ(OpenGroup(*store_, "nowhere", {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Array::Open(store_, "nowhere", {}).error().code(), ErrorCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Formats, GroupTest, testing::Values(2, 3));

}  // namespace
}  // namespace seamount::zarr
