#include "prepare/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seamount::prepare {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Record, RoundTripsAndRefusesOthers) {
  const OwnedArray u{"u", 3, '/', {4, 2}, {5, 6}, {{10, 6}}};
  const OwnedArray old{"old", 2, '.', {}};
  const auto record =
      ParseRecord(RecordJson({"plan", "inputs 0", true, {u}, {old}, {"a", "b"}, {{"a", {7, {{1, 3}}, {}}}}}));
  ASSERT_TRUE(record) << record.error().ToString();
  EXPECT_EQ(record->plan, "plan");
  EXPECT_EQ(record->minibatch, "inputs 0");
  EXPECT_TRUE(record->complete);
  EXPECT_THAT(record->arrays, ElementsAre(u));
  EXPECT_THAT(record->replaced, ElementsAre(old));
  EXPECT_THAT(record->done, ElementsAre("a", "b"));
  EXPECT_TRUE(record->counted);
  EXPECT_EQ(record->missing, (MissingByTask{{"a", {7, {{1, 3}}, {}}}}));
  for (
      const char* text :
      {"", "{}", "[]", R"({"seamount_prepare":2,"plan":1,"complete":true,"arrays":[],"replaced":[],"done":[]})",
       R"({"seamount_prepare":2,"plan":"p","complete":true,"arrays":[{"name":""}],"replaced":[],"done":[]})",
       R"({"seamount_prepare":2,"plan":"p","complete":true,"replaced":[],"done":[]})",
       R"({"seamount_prepare":2,"plan":"p","complete":true,"arrays":[],"replaced":[],"done":[],"missing":[]})",
       R"({"seamount_prepare":2,"plan":"p","complete":true,"arrays":[],"replaced":[],"done":[],"missing":{"a":[1,[2],[]]}})"}) {
    const auto parsed = ParseRecord(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kDataLoss) << text;
  }
  const auto uncounted =
      ParseRecord(R"({"seamount_prepare":2,"plan":"p","complete":true,"arrays":[],"replaced":[],"done":["a"]})");
  ASSERT_TRUE(uncounted);
  EXPECT_FALSE(uncounted->counted);
  EXPECT_THAT(RecordJson(*uncounted), ::testing::Not(HasSubstr("missing")));
  const auto older = ParseRecord(R"({"seamount_prepare":1,"plan":"p","complete":true,"replacing":false,"done":[]})");
  ASSERT_FALSE(older);
  EXPECT_THAT(older.error().message(), HasSubstr("another version"));
  EXPECT_FALSE(ParseRecord(std::string(1 << 20, '[')));
}

TEST(Record, AnArrayOwnsItsDocumentsAndItsGridAndNothingElse) {
  const OwnedArray v3{"u", 3, '/', {12, 2}};
  for (const char* key : {"u/zarr.json", "u/c/0/0", "u/c/11/1"}) EXPECT_TRUE(v3.Owns(key)) << key;
  for (const char* key :
       {"u",           "u/",          "u/c",          "u/c/",      "u/c/0",    "u/c/0/",
        "u/c/0/0/0",   "u/c/12/0",    "u/c/0/2",      "u/c/00/0",  "u/c/+1/0", "u/c/1e0/0",
        "u/notes.txt", "u/c/0/0.bak", "ub/zarr.json", "u/.zarray", "u/0.0",    "u/c/18446744073709551616/0",
        "zarr.json",   "model.npz"}) {
    EXPECT_FALSE(v3.Owns(key)) << key;
  }
  const OwnedArray v2{"u", 2, '.', {12, 2}};
  for (const char* key : {"u/.zarray", "u/.zattrs", "u/0.0", "u/11.1"}) EXPECT_TRUE(v2.Owns(key)) << key;
  for (const char* key : {"u/zarr.json", "u/0", "u/12.0", "u/0.0.0", "u/c/0/0", "u/.zgroup"}) {
    EXPECT_FALSE(v2.Owns(key)) << key;
  }
  EXPECT_TRUE((OwnedArray{"u", 2, '/', {12, 2}}.Owns("u/11/1")));
  EXPECT_FALSE((OwnedArray{"u", 2, '/', {12, 2}}.Owns("u/11.1")));
  EXPECT_TRUE((OwnedArray{"s", 3, '/', {}}.Owns("s/c")));
  EXPECT_TRUE((OwnedArray{"s", 2, '/', {}}.Owns("s/0")));
  EXPECT_FALSE((OwnedArray{"s", 2, '/', {}}.Owns("s/c")));
}

}  // namespace
}  // namespace seamount::prepare
