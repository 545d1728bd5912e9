#include "net/admission.h"

#include <gtest/gtest.h>

#include <string>

namespace seamount::net {
namespace {

base::SteadyTime At(int seconds) { return base::SteadyTime(std::chrono::seconds(seconds)); }

using Ids = std::vector<uint64_t>;

TEST(AdmissionTest, WithinTheLimitsNobodyLeaves) {
  const Admission admission = Admit({{1, "a", Standing::kStranger, At(1)}}, {.connections = 3, .strangers = 2});
  EXPECT_TRUE(admission.admitted);
  EXPECT_EQ(admission.closed, Ids());
}

TEST(AdmissionTest, OfTooManyStrangersTheLongestOfTheAddressWithMostLeaves) {
  std::vector<Connected> there = {{1, "alone", Standing::kStranger, At(1)},
                                  {2, "many", Standing::kStranger, At(5)},
                                  {3, "many", Standing::kStranger, At(4)},
                                  {4, "known", Standing::kBusy, At(0)},
                                  {5, "known", Standing::kIdle, At(0)}};
  EXPECT_EQ(Admit(there, {.connections = 100, .strangers = 3}).closed, Ids({3}));
  there[2].standing = Standing::kGuest;  // no stranger any more
  EXPECT_EQ(Admit(there, {.connections = 100, .strangers = 3}).closed, Ids());
}

TEST(AdmissionTest, WhereAllIsFullStrangersLeaveThenIdleThenGuests) {
  std::vector<Connected> there = {{1, "a", Standing::kBusy, At(1)},
                                  {2, "a", Standing::kGuest, At(1)},
                                  {3, "a", Standing::kIdle, At(3)},
                                  {4, "a", Standing::kIdle, At(2)},
                                  {5, "a", Standing::kStranger, At(9)}};
  for (const uint64_t leaves : {5, 4, 3, 2}) {
    const AdmissionLimits limits{.connections = there.size(), .strangers = 64};
    const Admission admission = Admit(there, limits);
    EXPECT_TRUE(admission.admitted);
    ASSERT_EQ(admission.closed, Ids({leaves}));
    std::erase_if(there, [&](const Connected& one) { return one.id == leaves; });
  }
  const Admission admission = Admit(there, {.connections = 1, .strangers = 64});
  EXPECT_FALSE(admission.admitted);
  EXPECT_EQ(admission.closed, Ids());
}

}  // namespace
}  // namespace seamount::net
