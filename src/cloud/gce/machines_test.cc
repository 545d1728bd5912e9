// Starting and ending, over a Google of a few lines; tests/test_gce.py does the same over a strict one.
#include "cloud/gce/machines.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "auth/token_sources.h"
#include "net/url.h"
#include "store/memory/memory_store.h"

namespace seamount::cloud::gce {
namespace {

using Json = nlohmann::json;

// Zones with L4, some of which have none left; every operation has ended when it is answered.
class SmallGoogle final : public net::HttpClient {
 public:
  std::set<std::string> sold_out;
  std::set<std::string> zones = {"us-central1-a", "us-central1-c", "europe-west4-a"};
  std::map<std::string, std::string> machines;  // zone/name → the requestId that made it
  std::vector<std::string> inserts;             // zone and requestId of each
  std::function<void(const std::string& method, const std::string& path)> before = [](auto&&...) {};
  std::string refuse_insert;  // reason and HTTP status 403
  int breaks = 0;             // so many inserts take effect and are not answered

  Result<net::HttpResponse> Send(const net::HttpRequest& request, const CallContext&) override {
    const auto url = net::ParseUrl(request.url).value();
    const std::string path = url.path.substr(std::string("/compute/v1/projects/lab").size());
    before(request.method, path);
    if (path.empty()) return Answer(Json::object());
    if (path == "/regions") return Answer(Json::object());
    if (path == "/aggregated/acceleratorTypes") return Answer(Accelerators());
    if (path == "/aggregated/instances") return Answer(Json::object());
    const std::string zone = path.substr(7, path.find('/', 7) - 7);
    if (request.method == "POST") return Insert(request, zone, url.query);
    const std::string name = zone + "/" + path.substr(path.find_last_of('/') + 1);
    if (!machines.contains(name)) return Answer(Json::object(), 404);
    if (request.method == "DELETE") machines.erase(name);
    return Answer({{"status", request.method == "DELETE" ? "DONE" : "RUNNING"}});
  }

 private:
  static net::HttpResponse Answer(const Json& json, int status = 200) {
    return {.status = status, .headers = {}, .body = Bytes::Copy(json.dump())};
  }
  Json Accelerators() const {
    Json items = Json::object();
    for (const std::string& zone : zones) {
      items["zones/" + zone] = {{"acceleratorTypes", Json::array({{{"name", "nvidia-l4"}}})}};
    }
    return {{"items", items}};
  }
  Result<net::HttpResponse> Insert(const net::HttpRequest& request, const std::string& zone, const std::string& query) {
    inserts.push_back(zone + " " + query);
    if (!refuse_insert.empty()) {
      return Answer({{"error", {{"message", "no"}, {"errors", Json::array({{{"reason", refuse_insert}}})}}}}, 403);
    }
    if (sold_out.contains(zone)) {
      const Json error = {{"code", "ZONE_RESOURCE_POOL_EXHAUSTED"}, {"message", "none"}};
      return Answer({{"status", "DONE"}, {"error", {{"errors", Json::array({error})}}}});
    }
    std::string body(request.body->size, '\0');
    EXPECT_TRUE(request.body->read_at(0, std::as_writable_bytes(std::span(body))));
    machines[zone + "/" + Json::parse(body)["name"].get<std::string>()] = query;
    if (breaks > 0) {
      --breaks;
      return base::Unavailable("connection reset");
    }
    return Answer({{"status", "DONE"}});
  }
};

class MachinesTest : public ::testing::Test {
 protected:
  MachinesTest()
      : machines_(ComputeApi::Make("https://compute.googleapis.com/compute/v1", "lab", google_,
                                   auth::MakeBearerSigner(auth::MakeStaticTokenSource(auth::Secret("t"))), clock_)
                      .value(),
                  Records(bucket_), "lab-bucket") {}

  UpRequest Request(const std::string& name = "train") const {
    UpRequest request{.name = name, .wish = {.machine = cost::FindMachine("l4", "").value()}};
    request.plan.lifetime = std::chrono::hours(12);
    request.plan.lease = std::chrono::hours(2);
    return request;
  }
  Result<Intent> Up(const UpRequest& request) {
    return machines_.Up(request, [this](const std::string& text) { said_ += text + "\n"; }, {});
  }
  std::vector<std::string> Running() const {
    std::vector<std::string> names;
    for (const auto& [name, id] : google_->machines) names.push_back(name);
    return names;
  }
  bool HasRecord(const std::string& name) { return Records(bucket_).Find(name, {})->has_value(); }

  base::FakeClock clock_;
  std::shared_ptr<SmallGoogle> google_ = std::make_shared<SmallGoogle>();
  std::shared_ptr<Store> bucket_ = store::MakeMemoryStore();
  std::string said_;
  Machines machines_;
};

using Names = std::vector<std::string>;

TEST_F(MachinesTest, TheRecordIsThereBeforeGoogleIsAsked) {
  bool asked_without = false;
  google_->before = [&](const std::string& method, const std::string&) {
    asked_without = asked_without || (method == "POST" && !HasRecord("train"));
  };
  const auto up = Up(Request());
  ASSERT_TRUE(up) << up.error().message();
  EXPECT_TRUE(up->is_up);
  EXPECT_FALSE(asked_without);
  EXPECT_EQ(Running(), Names{"us-central1-a/seamount-train"});
  EXPECT_EQ(Up(Request()).error().code(), ErrorCode::kPreconditionFailed);
  ASSERT_TRUE(machines_.Down("train", {}));
  EXPECT_TRUE(google_->machines.empty());
  EXPECT_FALSE(HasRecord("train"));
  EXPECT_EQ(machines_.Down("train", {}).error().code(), ErrorCode::kNotFound);
}

TEST_F(MachinesTest, WhereNoneIsLeftTheNextZoneIsTried) {
  google_->sold_out = {"us-central1-a", "us-central1-c"};
  ASSERT_TRUE(Up(Request()));
  EXPECT_EQ(Running(), Names{"europe-west4-a/seamount-train"});
  EXPECT_NE(said_.find("us-central1-a: none left"), std::string::npos) << said_;
}

TEST_F(MachinesTest, NoRoomAnywhereLeavesNothingAndSaysWhyForEachZone) {
  google_->sold_out = google_->zones;
  const auto up = Up(Request());
  EXPECT_EQ(up.error().code(), ErrorCode::kResourceExhausted);
  for (const std::string& zone : google_->zones) EXPECT_NE(said_.find(zone), std::string::npos);
  EXPECT_FALSE(HasRecord("train"));
}

TEST_F(MachinesTest, ItWaitsForRoomAsLongAsItWasTold) {
  google_->sold_out = google_->zones;
  UpRequest request = Request();
  request.wait = std::chrono::hours(2);
  const base::SteadyTime begun = clock_.Now();
  google_->before = [&](const std::string&, const std::string&) {
    if (clock_.Now() - begun > std::chrono::minutes(90)) google_->sold_out.clear();
  };
  ASSERT_TRUE(Up(request));
  EXPECT_EQ(google_->machines.size(), 1U);
  ASSERT_TRUE(machines_.Down("train", {}));
  google_->before = [](auto&&...) {};
  google_->sold_out = google_->zones;
  const base::SteadyTime again = clock_.Now();
  EXPECT_EQ(Up(request).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_GE(clock_.Now() - again, request.wait);
}

TEST_F(MachinesTest, AnAnswerThatWasLostMakesNoSecondMachine) {
  google_->breaks = 1;
  ASSERT_TRUE(Up(Request()));
  ASSERT_EQ(google_->inserts.size(), 2U);
  EXPECT_EQ(google_->inserts[0], google_->inserts[1]) << "the same request, with the same requestId";
}

TEST_F(MachinesTest, WhatBrokeOffIsFinishedByTheSameCommandOnly) {
  google_->breaks = 100;
  const auto broken = Up(Request());
  EXPECT_EQ(broken.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(HasRecord("train"));
  google_->breaks = 0;
  UpRequest other = Request();
  other.wish.provisioning = cost::Provisioning::kSpot;
  EXPECT_EQ(Up(other).error().code(), ErrorCode::kPreconditionFailed);
  other = Request();
  other.wish.max_usd_per_hour = 0.01;
  EXPECT_EQ(Up(other).error().code(), ErrorCode::kPreconditionFailed);
  ASSERT_TRUE(Up(Request()));
  EXPECT_EQ(std::set<std::string>(google_->inserts.begin(), google_->inserts.end()).size(), 1U);
  EXPECT_EQ(google_->machines.size(), 1U);
}

TEST_F(MachinesTest, WhatBrokeOffIsEndedByDown) {
  google_->breaks = 100;
  EXPECT_FALSE(Up(Request()));
  ASSERT_TRUE(machines_.Down("train", {}));
  EXPECT_TRUE(google_->machines.empty());
  EXPECT_FALSE(HasRecord("train"));
}

TEST_F(MachinesTest, AMachineThatEndedGivesItsNameBack) {
  ASSERT_TRUE(Up(Request()));
  google_->machines.clear();  // its lifetime was over
  EXPECT_EQ(machines_.List({})->front().state, "ended");
  ASSERT_TRUE(Up(Request()));
  EXPECT_EQ(google_->machines.size(), 1U);
  EXPECT_NE(google_->inserts[0], google_->inserts[1]) << "another machine, another requestId";
}

TEST_F(MachinesTest, OneThatWasTakenAwayHasASuccessorLikeItForWhatIsLeftOfItsTime) {
  UpRequest request = Request();
  request.wish.provisioning = cost::Provisioning::kSpot;
  request.wish.max_usd_per_hour = 2;
  request.plan.image = "projects/p/global/images/family/f";
  request.plan.network = "global/networks/lab";
  request.plan.service_account = "a@lab";
  request.plan.idle = std::chrono::minutes(7);
  request.plan.disk_gib = 70;
  request.plan.secure_boot = false;
  const auto first = Up(request);
  ASSERT_TRUE(first) << first.error().message();
  const auto again = [&] { return machines_.Again("train", "US", [](const std::string&) {}, {}); };
  EXPECT_EQ(again().error().code(), ErrorCode::kPreconditionFailed) << "it is there";
  google_->machines.clear();
  clock_.Advance(std::chrono::hours(2));
  const auto second = again();
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_NE(second->zone, first->zone);
  EXPECT_EQ(second->lifetime, std::chrono::hours(10));
  EXPECT_EQ(second->max_usd_per_hour, 2);
  Json before = Json::parse(first->body), after = Json::parse(second->body);
  EXPECT_EQ(after["scheduling"]["maxRunDuration"]["seconds"], "36000");
  for (Json* body : {&before, &after}) {
    (*body)["scheduling"].erase("maxRunDuration");
    body->erase("machineType");  // these name the zone
    (*body)["disks"][0]["initializeParams"].erase("diskType");
  }
  EXPECT_EQ(before, after);
  google_->machines.clear();
  google_->zones = {"us-central1-a"};
  google_->sold_out.clear();
  ASSERT_TRUE(again()) << "where there is no other zone, the same one";
  google_->machines.clear();
  clock_.Advance(std::chrono::hours(10));
  EXPECT_EQ(again().error().code(), ErrorCode::kPreconditionFailed) << "its lifetime is over";
}

TEST_F(MachinesTest, WhatIsRefusedForGoodIsNotTriedElsewhere) {
  google_->refuse_insert = "forbidden";
  EXPECT_EQ(Up(Request()).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(google_->inserts.size(), 1U);
  EXPECT_FALSE(HasRecord("train"));
}

TEST_F(MachinesTest, APriceLimitStopsTheStart) {
  UpRequest request = Request();
  request.wish.max_usd_per_hour = 0.10;
  const auto up = Up(request);
  EXPECT_EQ(up.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(said_.find("above the limit of $0.10/h"), std::string::npos) << said_;
  EXPECT_TRUE(google_->inserts.empty());
}

TEST_F(MachinesTest, SmallH100MachinesAreNotHadAtTheStandardPrice) {
  UpRequest request = Request();
  request.wish.machine = cost::FindMachine("h100", "").value();
  EXPECT_EQ(Up(request).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(google_->inserts.empty());
}

}  // namespace
}  // namespace seamount::cloud::gce
