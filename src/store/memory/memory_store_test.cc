#include "store/memory/memory_store.h"

#include <gtest/gtest.h>

#include "store/testing/conformance.h"

namespace seamount::store {
namespace {

const int kConformance = JoinConformance("MemoryStore", [] { return MakeMemoryStore(); });

TEST(CheckKeyTest, SaysWhatIsWrong) {
  EXPECT_TRUE(CheckKey("grün/日本語/🌊"));
  EXPECT_GT(kConformance, 0);
  const auto bad = CheckKey("x\xff");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message().find("UTF-8"), std::string::npos) << bad.error().message();
}

}  // namespace
}  // namespace seamount::store
