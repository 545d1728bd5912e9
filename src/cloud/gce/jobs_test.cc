// Jobs in the bucket: what is written reads back, what a job says comes in order and whole, damage is told.
#include "cloud/gce/jobs.h"

#include <gtest/gtest.h>

#include "store/memory/memory_store.h"

namespace seamount::cloud::gce {
namespace {

Job JobOf(const std::string& id) {
  return {.id = id,
          .machine = "1000000000000000001",
          .argv = {"python3", "train.py", "--name", "a b\"c"},
          .environment = {{"EPOCHS", "20"}},
          .has_files = true,
          .restarts = true};
}

class JobsTest : public ::testing::Test {
 protected:
  void Put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(bucket_->Write(".seamount/jobs/train/j1/" + name, store::BytesSource(std::string_view(text)), {}, {}));
  }
  std::shared_ptr<Store> bucket_ = store::MakeMemoryStore();
  Jobs jobs_{bucket_};
};

TEST_F(JobsTest, WhatIsWrittenReadsBackAndNobodyOverwritesUnseen) {
  EXPECT_FALSE(*jobs_.Find("train", {}));
  const auto first = jobs_.Write("train", JobOf("j1"), store::kAbsent, {});
  ASSERT_TRUE(first);
  EXPECT_EQ((*jobs_.Find("train", {}))->job, JobOf("j1"));
  EXPECT_EQ(jobs_.Write("train", JobOf("j2"), store::kAbsent, {}).error().code(), ErrorCode::kPreconditionFailed);
  ASSERT_TRUE(jobs_.Write("train", JobOf("j2"), first->generation, {}));
  EXPECT_EQ((*jobs_.Find("train", {}))->job.id, "j2");
}

TEST_F(JobsTest, WhatAJobSaysComesInOrderAndItsEndLast) {
  EXPECT_EQ(jobs_.Read("train", "j1", 0, {})->pieces, 0U);
  Put("log/00000001", "one\n");
  Put("log/00000002", "two\n");
  const auto first = jobs_.Read("train", "j1", 0, {});
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(first->text, "one\ntwo\n");
  EXPECT_FALSE(first->exit_code);
  Put("log/00000003", "three\n");
  Put("end.json", R"({"exit_code": 7})");
  const auto second = jobs_.Read("train", "j1", first->pieces, {});
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->text, "three\n");
  EXPECT_EQ(second->exit_code, 7);
}

TEST_F(JobsTest, ALongLogComesInPartsAndItsEndWithTheLast) {
  const std::string piece(1 << 20, 'x');
  for (int i = 1; i <= 10; ++i) Put("log/000000" + std::string(i < 10 ? "0" : "") + std::to_string(i), piece);
  Put("end.json", R"({"exit_code": 0})");
  const auto first = jobs_.Read("train", "j1", 0, {});
  ASSERT_TRUE(first);
  EXPECT_LT(first->pieces, 10U);
  EXPECT_FALSE(first->exit_code);
  const auto second = jobs_.Read("train", "j1", first->pieces, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(first->text.size() + second->text.size(), 10 * piece.size());
  EXPECT_EQ(second->exit_code, 0);
}

TEST_F(JobsTest, DamageIsTold) {
  Put("log/00000002", "two");
  EXPECT_EQ(jobs_.Read("train", "j1", 0, {}).error().code(), ErrorCode::kDataLoss) << "the first piece is missing";
  EXPECT_EQ(jobs_.Read("train", "j1", 1, {})->text, "two");
  Put("end.json", "{}");
  EXPECT_EQ(jobs_.Read("train", "j1", 1, {}).error().code(), ErrorCode::kDataLoss);
  for (const char* text : {"", "[]", "{}", R"({"format":1,"id":"a","argv":[],"environment":{}})",
                           R"({"format":1,"id":"a/b","argv":["x"],"environment":{}})",
                           R"({"format":1,"id":"a","argv":["x"],"environment":{"A":1}})",
                           R"({"format":2,"id":"a","argv":["x"],"environment":{}})"}) {
    EXPECT_EQ(DecodeJob(text, "key").error().code(), ErrorCode::kDataLoss) << text;
  }
}

TEST_F(JobsTest, IdsAreNewAndSort) {
  const base::SystemTime now(std::chrono::seconds(1'800'000'000));
  EXPECT_NE(Jobs::NewId(now), Jobs::NewId(now));
  EXPECT_LT(Jobs::NewId(now), Jobs::NewId(now + std::chrono::seconds(1)));
  EXPECT_EQ(Jobs::NewId(now).find_first_of("/:"), std::string::npos);
}

}  // namespace
}  // namespace seamount::cloud::gce
