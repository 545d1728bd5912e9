// Machines and their prices, against published examples.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cost/advise.h"
#include "cost/estimate.h"
#include "cost/machines.h"
#include "cost/prices.h"

namespace seamount::cost {
namespace {

double PerHour(const char* gpus, const char* type, const char* region, Provisioning provisioning) {
  const auto machine = FindMachine(gpus, type);
  return machine ? MachinePerHour(*machine, region, provisioning).value_or(-1) : -2;
}

// What Google's price pages give for whole machines.
TEST(PricesTest, OfWholeMachinesAreThePublishedOnes) {
  constexpr double kNear = 0.01;
  EXPECT_NEAR(PerHour("none", "e2-standard-4", "us-central1", Provisioning::kStandard), 0.134, kNear);
  EXPECT_NEAR(PerHour("t4", "n1-standard-4", "us-central1", Provisioning::kStandard), 0.19 + 0.35, kNear);
  EXPECT_NEAR(PerHour("l4", "g2-standard-4", "us-central1", Provisioning::kStandard), 0.7068, kNear);
  EXPECT_NEAR(PerHour("l4", "g2-standard-8", "us-central1", Provisioning::kStandard), 0.8536, kNear);
  EXPECT_NEAR(PerHour("l4:2", "", "us-central1", Provisioning::kStandard), 2.0, kNear);
  EXPECT_NEAR(PerHour("a100", "", "us-central1", Provisioning::kStandard), 3.6734, kNear);
  EXPECT_NEAR(PerHour("a100-80gb", "", "us-central1", Provisioning::kStandard), 5.03, 2 * kNear);
  EXPECT_NEAR(PerHour("h100:8", "", "us-central1", Provisioning::kStandard), 87.83, 10 * kNear);
  EXPECT_NEAR(PerHour("l4", "", "us-central1", Provisioning::kFlexStart), 0.7068, kNear);
}

TEST(PricesTest, SpotIsCheaperEverywhereAndUnknownPlacesHaveNone) {
  int priced = 0;
  for (const Machine& machine : Machines()) {
    for (const std::string_view region : Regions()) {
      const auto standard = MachinePerHour(machine, region, Provisioning::kStandard);
      const auto spot = MachinePerHour(machine, region, Provisioning::kSpot);
      ASSERT_EQ(standard.has_value(), spot.has_value()) << machine.type << region;
      if (!standard) continue;
      ++priced;
      EXPECT_LT(*spot, *standard) << machine.type << " in " << region;
      EXPECT_GT(*spot, 0.0);
    }
    EXPECT_FALSE(MachinePerHour(machine, "mars-north1", Provisioning::kSpot)) << machine.type;
  }
  EXPECT_GT(priced, 200);
}

TEST(PricesTest, ReadingWithinARegionIsFree) {
  EXPECT_EQ(EgressPerGib("US-CENTRAL1", "us-central1"), 0.0);
  EXPECT_EQ(EgressPerGib("us-central1", "us-east1"), 0.02);
  EXPECT_EQ(EgressPerGib("US", "us-central1"), 0.02);
  EXPECT_EQ(EgressPerGib("EU", "us-central1"), 0.05);
  EXPECT_EQ(EgressPerGib("asia-east1", "asia-northeast1"), 0.08);
  EXPECT_EQ(EgressPerGib("europe-west4", "southamerica-east1"), 0.14);
  EXPECT_FALSE(EgressPerGib("europe-west4", "mars-north1"));
}

TEST(MachinesTest, TheSmallestThatFitsIsTaken) {
  EXPECT_EQ(FindMachine("l4", "")->type, "g2-standard-4");
  EXPECT_EQ(FindMachine("l4:8", "")->type, "g2-standard-96");
  EXPECT_EQ(FindMachine("t4:4", "")->type, "n1-standard-16");
  EXPECT_EQ(FindMachine("", "")->type, "e2-standard-2");
  EXPECT_EQ(FindMachine("l4", "g2-standard-16")->type, "g2-standard-16");
  EXPECT_TRUE(FindMachine("h100", "")->preemptible_only);
}

TEST(MachinesTest, WhatIsNotThereIsRefusedWithWhatIs) {
  const auto message = [](const char* gpus, const char* type) {
    const auto machine = FindMachine(gpus, type);
    return machine ? std::string("taken") : machine.error().message();
  };
  EXPECT_NE(message("k80", "").find("there are: t4, l4"), std::string::npos) << message("k80", "");
  EXPECT_NE(message("l4:3", "").find("1, 2, 4, 8"), std::string::npos) << message("l4:3", "");
  EXPECT_NE(message("l4:x", "").find("l4:2"), std::string::npos) << message("l4:x", "");
  EXPECT_NE(message("l4", "a2-highgpu-1g").find("g2-standard-8"), std::string::npos) << message("l4", "a2-highgpu-1g");
}

TEST(MachinesTest, EveryGpuIsKnownAndEachMachineIsListedOnce) {
  std::set<std::pair<std::string_view, int>> seen;
  for (const Machine& machine : Machines()) {
    EXPECT_TRUE(machine.gpu.empty() || FindGpu(machine.gpu)) << machine.type;
    EXPECT_TRUE(seen.emplace(machine.type, machine.gpus).second) << machine.type;
    EXPECT_TRUE(machine.type.starts_with(machine.family));
  }
}

double Month(const Usage& usage) {
  const auto lines = Estimate(usage);
  return lines ? TotalOf(*lines) : -1;
}

TEST(EstimateTest, AddsUpByHand) {
  constexpr double kNear = 1e-9;
  EXPECT_EQ(Month({}), 0);
  EXPECT_NEAR(Month({.stored_gib = 100}), 2.0, kNear);
  EXPECT_NEAR(Month({.location = "US", .stored_gib = 100}), 2.6, kNear);
  EXPECT_NEAR(Month({.storage_class = "coldline", .stored_gib = 100, .read_gib = 10}), 0.4 + 0.2, kNear);
  EXPECT_NEAR(Month({.writes = 20000, .reads = 1e6}), 0.1 + 0.4, kNear);
  EXPECT_NEAR(Month({.read_gib = 100, .reader = "internet"}), 12, kNear);
  EXPECT_NEAR(Month({.read_gib = 100, .reader = "europe-west4"}), 5, kNear);
  EXPECT_EQ(Month({.read_gib = 100}), 0) << "within a region";
  const Machine l4 = FindMachine("l4", "g2-standard-8").value();
  EXPECT_NEAR(Month({.machine = l4, .machine_hours = 10}), 8.536 + 0.137, 0.01);
  EXPECT_NEAR(Month({.read_gib = 100, .machine = l4, .machine_region = "us-east1"}), 2, kNear) << "by the machine";
}

TEST(EstimateTest, WhatHasNoPriceIsRefused) {
  for (const Usage& usage : {Usage{.location = "mars"}, Usage{.storage_class = "warm"}, Usage{.reader = "mars"},
                             Usage{.machine = FindMachine("h100", "").value(), .machine_region = "us-west2"}}) {
    EXPECT_EQ(Estimate(usage).error().code(), ErrorCode::kInvalidArgument);
  }
}

const WayCost& Find(const Advice& advice, Way way) {
  return *std::find_if(advice.ways.begin(), advice.ways.end(), [&](const WayCost& w) { return w.way == way; });
}

// On both sides of a break-even point the other way is the cheaper one.
TEST(AdviseTest, BreakEvenPointsAreWhereTheOrderTurns) {
  int found = 0;
  for (const double model : {0.5, 8.0}) {
    for (const double data : {1.0, 30.0, 300.0}) {
      for (const double worth : {1.0, 20.0, 100.0}) {
        const Situation s{.model_gib = model, .data_gib = data, .lab_mbit = 100, .hour_usd = worth};
        const auto advice = Advise(s);
        ASSERT_TRUE(advice) << advice.error().message();
        for (const auto& [a, b] : {std::pair(Way::kNotebook, Way::kBucket), std::pair(Way::kBucket, Way::kMachine),
                                   std::pair(Way::kLab, Way::kBucket)}) {
          const WayCost &one = Find(*advice, a), &other = Find(*advice, b);
          const auto cheaper = [&](double sessions, double hour) {
            return other.AllIn(sessions, hour) < one.AllIn(sessions, hour);
          };
          if (const auto from = SessionsFrom(one, other, worth); from && *from > 0) {
            EXPECT_FALSE(cheaper(*from * 0.99, worth));
            EXPECT_TRUE(cheaper(*from * 1.01, worth));
            ++found;
          } else {
            EXPECT_EQ(cheaper(1e6, worth), from.has_value());
          }
          if (const auto from = HourWorthFrom(one, other, 13); from && *from > 0) {
            EXPECT_FALSE(cheaper(13, *from * 0.99));
            EXPECT_TRUE(cheaper(13, *from * 1.01));
            ++found;
          }
        }
      }
    }
  }
  EXPECT_GT(found, 20);
}

TEST(AdviseTest, LittleDataNeedsNothing) {
  const auto advice = Advise({.model_gib = 0.1, .data_gib = 0.1, .gpus = "none", .hour_usd = 5});
  EXPECT_EQ(advice->ways.front().way, Way::kNotebook);
  EXPECT_EQ(advice->ways.front().Usd(10), 0);
}

TEST(AdviseTest, WhatDoesNotFitAFreeNotebookTakesAMachine) {
  for (const Situation& s :
       {Situation{.gpus = "a100"}, Situation{.model_gib = 40}, Situation{.hours_per_session = 20}}) {
    const auto advice = Advise(s);
    ASSERT_TRUE(advice);
    EXPECT_EQ(advice->ways.front().way, Way::kMachine);
    EXPECT_FALSE(Find(*advice, Way::kNotebook).impossible.empty());
    EXPECT_TRUE(advice->break_evens.empty());
  }
  EXPECT_FALSE(Advise({.sessions_per_week = 0}));
  EXPECT_FALSE(Advise({.location = "mars"}));
  EXPECT_FALSE(Advise({.free_gpu_chance = 2}));
}

}  // namespace
}  // namespace seamount::cost
