#include "prepare/uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "store/memory/memory_store.h"

namespace seamount::prepare {
namespace {

Bytes Text(std::string_view text) { return Bytes::Copy(std::as_bytes(std::span(text))); }

TEST(Uploads, ABatchIsDoneWhenAllOfItIsStored) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  Uploads uploads(store, 10, {});  // room for two at a time
  std::atomic<int> done = 0;
  for (int b = 0; b < 20; ++b) {
    const auto batch = uploads.Start([&, b]() -> Result<void> {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(*store->Stat(std::to_string(b) + "/" + std::to_string(i), {})) << "done before it was stored";
      }
      ++done;
      return {};
    });
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(uploads.Send(batch, std::to_string(b) + "/" + std::to_string(i), Text("12345")));
    }
    Uploads::End(*batch);
  }
  const auto half = uploads.Start([&]() -> Result<void> {
    ADD_FAILURE() << "not all of it was sent";
    return {};
  });
  ASSERT_TRUE(uploads.Send(half, "half", Text("x")));
  ASSERT_TRUE(uploads.Finish());
  EXPECT_EQ(done, 20);
}

TEST(Uploads, AnErrorNamesTheObjectAndStopsTheRest) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  Uploads uploads(store, 1 << 20, {});
  {
    const auto batch = uploads.Start([]() -> Result<void> {
      ADD_FAILURE() << "one of it failed";
      return {};
    });
    // Whether sending says it already is a matter of who is faster; Finish does.
    [[maybe_unused]] const auto sent = uploads.Send(batch, "..", Text("x"));
    Uploads::End(*batch);
  }
  const auto finished = uploads.Finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(finished.error().message()), ::testing::HasSubstr("writing .."));
}

TEST(Uploads, AStopEndsWaiting) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  std::stop_source stop;
  Uploads uploads(store, 1, {.stop = stop.get_token()});
  const auto batch = uploads.Start([]() -> Result<void> { return {}; });
  stop.request_stop();
  const auto sent = uploads.Send(batch, "a", Text("12"));
  const auto finished = uploads.Finish();
  EXPECT_TRUE(!sent || !finished) << "what was stopped is not taken for stored";
}

}  // namespace
}  // namespace seamount::prepare
