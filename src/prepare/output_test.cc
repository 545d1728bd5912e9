// What may be replaced and deleted, and what readers see meanwhile.
#include "prepare/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "prepare/execute.h"
#include "prepare/testing/fake_dataset.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace seamount::prepare {
namespace {

using ::testing::HasSubstr;

Result<Report> Prepare(const std::string& yaml, const source::Dataset& dataset, const std::shared_ptr<Store>& store,
                       bool overwrite = false) {
  SEAMOUNT_TRY_ASSIGN(const Planned planned, PlannedOf(yaml, dataset));
  return Execute(planned.plan, planned.made.facts, planned.made.of(dataset), store,
                 {.overwrite = overwrite, .threads = 1, .show_progress = false}, {});
}

std::map<std::string, std::string> Contents(Store& store) {
  std::map<std::string, std::string> out;
  const auto page = store::ListAll(store, {}, {});
  for (const auto& object : page->objects) out[object.key] = (*store.Read(object.key, {}, {}))->data.view();
  return out;
}

void Put(Store& store, const std::string& key) { ASSERT_TRUE(store.Write(key, store::BytesSource(key), {}, {})); }

constexpr const char* kBoth = "variables: [u]\nderive: {w: u + 1}\nchunks: {time: 6}\n";

TEST(Output, OverwritingDeletesNothingThatNoPrepareHasWritten) {
  const FakeDataset dataset(Season);
  for (const char* format : {"", "format: 2\n"}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(std::string(kBoth) + format, dataset, store));
    const char* const foreign[] = {"model.npz",         "w/notes.txt", "u/c/6/0/0.bak", "u/99.0.0",
                                   "other/zarr.json.x", "w/c/0/0/0/x", "checkpoints/1", ".hidden"};
    for (const char* key : foreign) Put(*store, key);
    const auto again = Prepare("variables: [u]\nchunks: {time: 9}\ncodec: none\n", dataset, store, true);
    ASSERT_TRUE(again) << again.error().ToString();
    auto contents = Contents(*store);
    for (const char* key : foreign) {
      EXPECT_EQ(contents[key], key) << "not ours, and gone";
      contents.erase(key);
    }
    const std::shared_ptr<Store> fresh = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare("variables: [u]\nchunks: {time: 9}\ncodec: none\n", dataset, fresh));
    EXPECT_EQ(contents, Contents(*fresh)) << "all that was ours is gone";
  }
}

TEST(Output, DocumentsAreNotKeptByCaches) {
  const FakeDataset dataset(Season);
  for (const char* format : {"", "format: 2\n"}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(std::string(kBoth) + format, dataset, store));
    const auto page = store::ListAll(*store, {}, {});
    for (const auto& object : page->objects) {
      const bool document = object.key == kRecordKey || object.key.ends_with("zarr.json") ||
                            object.key.find("/.z") != std::string::npos || object.key.starts_with(".z");
      EXPECT_EQ(object.headers.cache_control, document ? "no-cache" : "") << object.key;
    }
  }
}

TEST(Output, WhatOthersMadeIsNeverOverwritten) {
  const FakeDataset dataset(Season);
  for (const char* key : {"zarr.json", ".zgroup", ".zarray", "thesis.tex"}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    Put(*store, key);
    const auto report = Prepare(kBoth, dataset, store, true);
    ASSERT_FALSE(report) << key;
    EXPECT_EQ(report.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_THAT(report.error().message(), HasSubstr(key));
    EXPECT_EQ(Contents(*store).size(), 1);
  }
}

TEST(Output, AnArrayIsNotWrittenOverWhatOthersLaidThere) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare("variables: [u]\n", dataset, store));
  Put(*store, "w/zarr.json");
  const auto before = Contents(*store);
  const auto report = Prepare(kBoth, dataset, store, true);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message(), HasSubstr("'w/zarr.json' lies where the array 'w' would be written"));
  EXPECT_EQ(Contents(*store), before);
}

TEST(Output, ARecordThatCannotBeReadAllowsNothing) {
  const FakeDataset dataset(Season);
  for (const char* record :
       {"", "{}", R"({"seamount_prepare":1,"plan":"x","complete":true,"replacing":false,"done":[]})"}) {
    const std::shared_ptr<Store> store = store::MakeMemoryStore();
    ASSERT_TRUE(Prepare(kBoth, dataset, store));
    ASSERT_TRUE(store->Write(kRecordKey, store::BytesSource(record), {}, {}));
    const auto before = Contents(*store);
    const auto report = Prepare("variables: [u]\n", dataset, store, true);
    ASSERT_FALSE(report) << record;
    EXPECT_EQ(report.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_EQ(Contents(*store), before);
  }
}

TEST(Output, HalfOfOneIsRefusedByReadersAndAWholeOneNamesItsContent) {
  const FakeDataset dataset(Season);
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  ASSERT_TRUE(Prepare(kBoth, dataset, store));
  const auto first = zarr::OpenWholeGroup(*store, "", {});
  ASSERT_TRUE(first && *first);
  std::atomic<int> reads = 0;
  FakeDataset* self = nullptr;
  FakeDataset failing([&](uint64_t t, uint64_t y, uint64_t x) {
    if (++reads > 150) self->fail_reads = true;
    return Season(t, y, x);
  });
  self = &failing;
  const std::string other = "variables: [u]\nchunks: {time: 4}\n";
  ASSERT_FALSE(Prepare(other, failing, store, true));
  const auto half = zarr::OpenWholeGroup(*store, "", {});
  ASSERT_FALSE(half) << "old and new chunks lie there";
  EXPECT_THAT(half.error().message(), HasSubstr("half-written"));
  ASSERT_TRUE(Prepare(other, dataset, store));
  const auto second = zarr::OpenWholeGroup(*store, "", {});
  ASSERT_TRUE(second && *second);
  EXPECT_NE((*second)->generation, (*first)->generation);
  EXPECT_NE((*second)->attributes_json, (*first)->attributes_json);
  EXPECT_THAT((*second)->attributes_json, HasSubstr("\"id\":\""));
}

}  // namespace
}  // namespace seamount::prepare
