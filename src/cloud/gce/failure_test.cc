// Refusals of Compute Engine, as it words them, in classes.
#include "cloud/gce/failure.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

Json Operation(const std::string& code, const std::string& message, Json details = Json::array()) {
  return {{"status", "DONE"},
          {"error", {{"errors", {{{"code", code}, {"message", message}, {"errorDetails", std::move(details)}}}}}}};
}

TEST(FailureTest, AnOperationThatSucceededHasNone) {
  EXPECT_FALSE(FailureOfOperation(Json{{"status", "DONE"}}));
  EXPECT_FALSE(FailureOfOperation(Json::array()));
  EXPECT_FALSE(FailureOfOperation(Json{{"error", {{"errors", Json::array()}}}}));
}

TEST(FailureTest, AStockOutNamesWhereThereIsRoom) {
  const Json details = {
      {{"help", Json::object()}},
      {{"errorInfo",
        {{"reason", "resource_availability"},
         {"metadatas", {{"zone", "us-central1-b"}, {"zonesAvailable", "us-central1-a,us-central1-f"}}}}}}};
  const auto failure = FailureOfOperation(
      Operation("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "The zone does not have enough resources", details));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, FailureKind::kStockOut);
  EXPECT_EQ(failure->zones_with_room, (std::vector<std::string>{"us-central1-a", "us-central1-f"}));
  EXPECT_EQ(FailureOfOperation(Operation("ZONE_RESOURCE_POOL_EXHAUSTED", ""))->kind, FailureKind::kStockOut);
  EXPECT_TRUE(FailureOfOperation(Operation("GPU_STOCKOUT", ""))->zones_with_room.empty());
}

TEST(FailureTest, QuotaIsReadFromDetailsOrWords) {
  const Json details = {{{"quotaInfo",
                          {{"metricName", "compute.googleapis.com/nvidia_l4_gpus"},
                           {"limit", 1.0},
                           {"dimensions", {{"region", "us-central1"}}}}}}};
  const auto told = FailureOfOperation(Operation("QUOTA_EXCEEDED", "Quota exceeded.", details));
  EXPECT_EQ(told->kind, FailureKind::kQuota);
  EXPECT_EQ(told->metric, "NVIDIA_L4_GPUS");
  EXPECT_EQ(told->region, "us-central1");
  EXPECT_EQ(told->limit, 1.0);
  const auto worded =
      FailureOfOperation(Operation("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-west1."));
  EXPECT_EQ(worded->metric, "CPUS");
  EXPECT_EQ(worded->region, "us-west1");
  EXPECT_EQ(worded->limit, 24.0);
  const auto global =
      FailureOfAnswer(403, R"({"error":{"code":403,"message":"Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.",
               "errors":[{"reason":"quotaExceeded"}]}})");
  EXPECT_EQ(global.kind, FailureKind::kQuota);
  EXPECT_EQ(global.metric, "GPUS_ALL_REGIONS");
  EXPECT_EQ(global.region, "");
  const Error error = ErrorOf(global, "starting 'train'");
  EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(error.message().find("metric GPUS_ALL_REGIONS"), std::string::npos) << error.message();
}

TEST(FailureTest, OtherRefusalsHaveTheirClass) {
  const auto kind = [](int status, const std::string& reason) {
    return FailureOfAnswer(status, R"({"error":{"message":"m","errors":[{"reason":")" + reason + R"("}]}})").kind;
  };
  EXPECT_EQ(kind(403, "forbidden"), FailureKind::kPermission);
  EXPECT_EQ(kind(403, "rateLimitExceeded"), FailureKind::kTransient);
  EXPECT_EQ(kind(409, "alreadyExists"), FailureKind::kNameTaken);
  EXPECT_EQ(kind(400, "resourceNotReady"), FailureKind::kStillStopping);
  EXPECT_EQ(kind(400, "invalid"), FailureKind::kInvalid);
  EXPECT_EQ(kind(503, ""), FailureKind::kTransient);
  EXPECT_EQ(FailureOfAnswer(502, "<html>").message, "HTTP 502");
  EXPECT_EQ(FailureOfAnswer(400, std::string(100000, '[')).kind, FailureKind::kInvalid);
}

TEST(FailureTest, NoMessageBreaksTheLine) {
  EXPECT_EQ(FailureOfOperation(Operation("INVALID_USAGE", "a\nb"))->message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace seamount::cloud::gce
