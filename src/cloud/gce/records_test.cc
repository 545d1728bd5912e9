// Records of machines: what is written reads back, nothing is overwritten unseen, damage is told.
#include "cloud/gce/records.h"

#include <gtest/gtest.h>

#include "store/memory/memory_store.h"

namespace seamount::cloud::gce {
namespace {

Intent IntentOf(const std::string& name) {
  return {.name = name,
          .project = "lab",
          .zone = "us-central1-a",
          .request_id = "0b7b7a4e-0000-4000-8000-000000000001",
          .body = R"({"name":"seamount-)" + name + R"("})",
          .machine_type = "g2-standard-4",
          .gpus = "l4:1",
          .provisioning = "spot",
          .usd_per_hour = 0.31,
          .asked = base::SystemTime(std::chrono::seconds(1'800'000'000)),
          .lifetime = std::chrono::hours(12)};
}

TEST(RecordsTest, WhatIsWrittenReadsBack) {
  Records records(store::MakeMemoryStore());
  const Intent intent = IntentOf("train");
  ASSERT_TRUE(records.Write(intent, store::kAbsent, {}));
  const auto found = records.Find("train", {});
  ASSERT_TRUE(found && *found) << found.error().message();
  EXPECT_EQ(EncodeIntent((*found)->intent), EncodeIntent(intent));
  EXPECT_EQ((*found)->intent.asked, intent.asked);
  EXPECT_EQ((*found)->intent.instance(), "seamount-train");
  EXPECT_FALSE(*records.Find("other", {}));
}

TEST(RecordsTest, NobodyOverwritesWhatHeHasNotSeen) {
  Records records(store::MakeMemoryStore());
  const auto first = records.Write(IntentOf("train"), store::kAbsent, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(records.Write(IntentOf("train"), store::kAbsent, {}).error().code(), ErrorCode::kPreconditionFailed);
  const auto second = records.Write(IntentOf("train"), first->generation, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(records.Write(IntentOf("train"), first->generation, {}).error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_FALSE(records.Remove(*first, {})) << "another request's record was taken away";
  EXPECT_TRUE(records.Remove(*second, {}));
  EXPECT_FALSE(*records.Find("train", {}));
}

TEST(RecordsTest, ALeaseBeginsWhenTheBucketHasIt) {
  Records records(store::MakeMemoryStore());
  ASSERT_TRUE(records.Write(IntentOf("train"), store::kAbsent, {}));
  EXPECT_FALSE(*records.FindLease("train", {}));
  ASSERT_TRUE(records.RenewLease("train", std::chrono::hours(2), {}));
  const auto lease = records.FindLease("train", {});
  ASSERT_TRUE(lease && *lease);
  EXPECT_EQ((*lease)->length, std::chrono::hours(2));
  EXPECT_EQ((*lease)->ends(), (*lease)->renewed + std::chrono::hours(2));
  EXPECT_EQ(records.List({})->size(), 1U) << "a lease is no record";
}

TEST(RecordsTest, DamageIsTold) {
  const std::string good = EncodeIntent(IntentOf("train"));
  const auto without = [&](const std::string& field) {
    std::string text = good;
    text.replace(text.find("\"" + field + "\""), field.size() + 2, "\"x\"");
    return text;
  };
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(100000, '['), without("name"), without("zone"),
        without("body"), without("request_id"), without("asked"), without("lifetime_s"), without("format")}) {
    const auto decoded = DecodeIntent(bad, "key");
    ASSERT_FALSE(decoded) << bad.substr(0, 200);
    EXPECT_EQ(decoded.error().code(), ErrorCode::kDataLoss);
    EXPECT_NE(decoded.error().message().find("'key'"), std::string::npos);
  }
  const auto bucket = std::shared_ptr<Store>(store::MakeMemoryStore());
  Records records(bucket);
  ASSERT_TRUE(bucket->Write(Records::IntentKey("other"), store::BytesSource(good), {}, {}));
  EXPECT_EQ(records.Find("other", {}).error().code(), ErrorCode::kDataLoss) << "a record under another's name";
}

}  // namespace
}  // namespace seamount::cloud::gce
