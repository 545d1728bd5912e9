#include "server/list_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace seamount::server {
namespace {

using Json = nlohmann::json;

Listing Page() {
  Listing listing;
  ObjectRow row;
  row.name = "a \"b\"\\\n\x01 ü\U0001f40b";
  row.generation = 7;
  row.size = 5;
  row.crc32c = 0;
  row.content_type = "text/plain";
  row.fields = {{"cacheControl", "no-store"}, {"storageClass", "NEARLINE"}};
  row.metadata = {{"k\"", "v\t"}, {"broken", "\xff!"}};
  listing.objects.push_back(row);
  row.name = "plain";
  row.fields.clear();
  row.metadata.clear();
  listing.objects.push_back(row);
  listing.prefixes = {"d/\x02"};
  listing.next_page_token = "next";
  return listing;
}

Json Read(std::string_view fields) {
  return Json::parse(ListJson(Page(), ListFields::Parse(fields), "winds", "http://lab"));
}

TEST(ListJsonTest, WritesWhatAnotherReaderReads) {
  const Json page = Read("");
  const Json& first = page["items"][0];
  EXPECT_EQ(first["name"], Page().objects[0].name);
  EXPECT_EQ(first["metadata"], (Json{{"k\"", "v\t"}, {"broken", "\ufffd!"}}));
  EXPECT_EQ(first["cacheControl"], "no-store");
  EXPECT_EQ(first["storageClass"], "NEARLINE");
  EXPECT_EQ(first["size"], "5");
  EXPECT_EQ(first["crc32c"], "AAAAAA==");
  EXPECT_EQ(page["items"][1]["storageClass"], "STANDARD");
  EXPECT_FALSE(page["items"][1].contains("metadata"));
  EXPECT_EQ(page["prefixes"], Json({"d/\x02"}));
  EXPECT_EQ(page["nextPageToken"], "next");
}

TEST(ListJsonTest, FieldsAreWhatWasAskedFor) {
  for (const char* fields : {"items(name,size)", "items/name,items/size", "items(size,name),kind"}) {
    const Json page = Read(fields);
    for (const Json& item : page["items"]) {
      EXPECT_EQ(item.size(), 2u) << fields << ": " << item;
      EXPECT_TRUE(item.contains("name") && item.contains("size")) << fields;
    }
    EXPECT_FALSE(page.contains("prefixes")) << fields;
    EXPECT_EQ(page["nextPageToken"], "next") << fields;  // or the rest would be taken for nothing
  }
  EXPECT_EQ(Read("items/metadata/k")["items"][0].size(), 1u);
  EXPECT_EQ(Read("items/metadata/k")["items"][0]["metadata"].size(), 2u);
  EXPECT_FALSE(Read("prefixes,nextPageToken").contains("items"));
  for (const char* fields : {"*", "items,prefixes", "items(*),prefixes", "items(name),items,prefixes"})
    EXPECT_EQ(Read(fields), Read("")) << fields;
  for (const char* odd : {"items(", "items)", "((((", "items(name", ",,,", "items(),prefixes", "items/"})
    (void)Read(odd);
}

}  // namespace
}  // namespace seamount::server
