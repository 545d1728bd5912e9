// Machines and their prices, against published examples.
#include <gtest/gtest.h>

#include <set>

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

}  // namespace
}  // namespace seamount::cost
