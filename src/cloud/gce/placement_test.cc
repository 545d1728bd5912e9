// Where a machine is tried, and what is said of the other zones: tables of cases.
#include "cloud/gce/placement.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace seamount::cloud::gce {
namespace {

Wish WishFor(const char* gpus, cost::Provisioning provisioning = cost::Provisioning::kStandard) {
  return {.machine = cost::FindMachine(gpus, "").value(), .provisioning = provisioning};
}

// L4 in two zones of Iowa, one of the Netherlands and one of Singapore; one zone without, one of an unknown region.
Facts FactsOfL4() {
  Facts facts;
  for (const char* zone : {"us-central1-a", "us-central1-c", "europe-west4-a", "asia-southeast1-b", "mars-north1-a"}) {
    facts.zones[zone] = {"nvidia-l4"};
  }
  facts.zones["us-east1-b"] = {"nvidia-tesla-t4"};
  for (const char* region : {"us-central1", "us-east1", "europe-west4", "asia-southeast1"}) {
    facts.quotas[region] = {{"NVIDIA_L4_GPUS", {8, 0}}, {"PREEMPTIBLE_NVIDIA_L4_GPUS", {8, 0}}, {"CPUS", {72, 0}}};
  }
  facts.gpus_all_regions = Quota{8, 0};
  return facts;
}

std::vector<std::string> ZonesOf(const Placement& placement) {
  std::vector<std::string> zones;
  for (const Candidate& candidate : placement.candidates) zones.push_back(candidate.zone);
  return zones;
}

std::string ReasonOf(const Placement& placement, const std::string& zone) {
  const auto found = std::find_if(placement.passed_over.begin(), placement.passed_over.end(),
                                  [&](const PassedOver& entry) { return entry.zone == zone; });
  return found == placement.passed_over.end() ? "(not passed over)" : found->reason;
}

using Zones = std::vector<std::string>;

TEST(PlacementTest, EveryZoneIsACandidateOrHasAReason) {
  const Facts facts = FactsOfL4();
  const Placement placement = Place(WishFor("l4"), facts);
  EXPECT_EQ(placement.candidates.size() + placement.passed_over.size(), facts.zones.size());
  EXPECT_EQ(ReasonOf(placement, "us-east1-b"), "has no l4");
  EXPECT_NE(ReasonOf(placement, "mars-north1-a").find("no price is known"), std::string::npos);
}

TEST(PlacementTest, TheCheapestIsFirst) {
  EXPECT_EQ(ZonesOf(Place(WishFor("l4"), FactsOfL4())),
            (Zones{"us-central1-a", "us-central1-c", "europe-west4-a", "asia-southeast1-b"}));
}

TEST(PlacementTest, ReadingFromAfarCounts) {
  Wish wish = WishFor("l4");
  wish.bucket_location = "EUROPE-WEST4";  // ten GiB from Iowa cost 50 cents
  EXPECT_EQ(ZonesOf(Place(wish, FactsOfL4())).front(), "europe-west4-a");
  EXPECT_EQ(Place(wish, FactsOfL4()).candidates.front().egress_per_gib, 0.0);
  wish.bucket_location = "US";
  EXPECT_EQ(ZonesOf(Place(wish, FactsOfL4())).front(), "us-central1-a");
}

TEST(PlacementTest, ZonesThatGoogleNamedComeFirst) {
  Facts facts = FactsOfL4();
  facts.have_room = {"asia-southeast1-b"};
  EXPECT_EQ(ZonesOf(Place(WishFor("l4"), facts)).front(), "asia-southeast1-b");
}

TEST(PlacementTest, WhatFailedIsNotTriedAgain) {
  Facts facts = FactsOfL4();
  facts.failed["us-central1-a"] = "none left (stock-out)";
  facts.have_room = {"us-central1-a"};
  const Placement placement = Place(WishFor("l4"), facts);
  EXPECT_EQ(ZonesOf(placement).front(), "us-central1-c");
  EXPECT_EQ(ReasonOf(placement, "us-central1-a"), "none left (stock-out)");
}

TEST(PlacementTest, OnlyThePlacesThatWereNamed) {
  Wish wish = WishFor("l4");
  wish.places = {"europe-west4", "us-central1-c"};
  EXPECT_EQ(ZonesOf(Place(wish, FactsOfL4())), (Zones{"us-central1-c", "europe-west4-a"}));
  EXPECT_TRUE(Place(wish, FactsOfL4()).passed_over.empty());
  wish.places = {"mars-north1"};
  EXPECT_EQ(ZonesOf(Place(wish, FactsOfL4())), Zones{"mars-north1-a"}) << "who names a place takes its price";
}

TEST(PlacementTest, NothingAboveThePriceLimit) {
  Wish wish = WishFor("l4");
  wish.max_usd_per_hour = 0.75;
  const Placement placement = Place(wish, FactsOfL4());
  EXPECT_EQ(ZonesOf(placement), (Zones{"us-central1-a", "us-central1-c"}));
  EXPECT_EQ(ReasonOf(placement, "europe-west4-a"), "$0.78/h is above the limit of $0.75/h");
  wish.max_usd_per_hour = 0.1;
  EXPECT_TRUE(Place(wish, FactsOfL4()).candidates.empty());
  wish.places = {"mars-north1"};
  EXPECT_EQ(ReasonOf(Place(wish, FactsOfL4()), "mars-north1-a"), "no price is known there");
  wish = WishFor("l4", cost::Provisioning::kSpot);
  wish.max_usd_per_hour = 0.5;
  EXPECT_FALSE(Place(wish, FactsOfL4()).candidates.empty());
}

struct QuotaCase {
  const char* gpus;
  cost::Provisioning provisioning;
  const char* metric;
  Quota quota;
  bool refused;
};

TEST(PlacementTest, QuotaIsLookedAtBeforeAnythingIsAsked) {
  using enum cost::Provisioning;
  const std::vector<QuotaCase> cases = {
      {"l4", kStandard, "NVIDIA_L4_GPUS", {0, 0}, true},
      {"l4", kStandard, "NVIDIA_L4_GPUS", {1, 0}, false},
      {"l4", kStandard, "NVIDIA_L4_GPUS", {1, 1}, true},
      {"l4:2", kStandard, "NVIDIA_L4_GPUS", {1, 0}, true},
      {"l4", kSpot, "NVIDIA_L4_GPUS", {0, 0}, false},
      {"l4", kSpot, "PREEMPTIBLE_NVIDIA_L4_GPUS", {0, 0}, true},
      {"l4", kFlexStart, "PREEMPTIBLE_NVIDIA_L4_GPUS", {0, 0}, true},
      {"none", kStandard, "NVIDIA_L4_GPUS", {0, 0}, false},
      {"none", kStandard, "CPUS", {1, 0}, true},
      {"l4", kStandard, "CPUS", {0, 0}, false},  // of the family g2, which has its own
  };
  for (const QuotaCase& c : cases) {
    Facts facts = FactsOfL4();
    facts.quotas["us-central1"][c.metric] = c.quota;
    const Placement placement = Place(WishFor(c.gpus, c.provisioning), facts);
    const std::string reason = ReasonOf(placement, "us-central1-a");
    EXPECT_EQ(reason.find(std::string("quota ") + c.metric + " in us-central1") == 0, c.refused)
        << c.gpus << " " << cost::NameOf(c.provisioning) << " " << c.metric << ": " << reason;
    EXPECT_EQ(ReasonOf(placement, "europe-west4-a"), "(not passed over)") << "another region has its own quota";
  }
}

TEST(PlacementTest, TheQuotaOfTheProjectHoldsEverywhere) {
  Facts facts = FactsOfL4();
  facts.gpus_all_regions = Quota{0, 0};
  EXPECT_TRUE(Place(WishFor("l4"), facts).candidates.empty());
  EXPECT_EQ(ReasonOf(Place(WishFor("l4"), facts), "us-central1-a"),
            "quota GPUS_ALL_REGIONS of the project: 0 of 0 in use, 1 more needed");
  EXPECT_FALSE(Place(WishFor("none"), facts).candidates.empty());
  facts.gpus_all_regions.reset();
  EXPECT_FALSE(Place(WishFor("l4"), facts).candidates.empty()) << "what is not known is asked";
}

TEST(PlacementTest, TheTraceSaysEachReasonOnce) {
  Facts facts = FactsOfL4();
  facts.gpus_all_regions = Quota{0, 0};
  const std::string trace = TraceOf(Place(WishFor("l4"), facts));
  EXPECT_NE(trace.find("us-central1-a, us-central1-c: quota GPUS_ALL_REGIONS"), std::string::npos) << trace;
}

}  // namespace
}  // namespace seamount::cloud::gce
