// Indexes as bytes, and kept in the user's cache folder.
#include "source/grib/index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "source/grib/index_file.h"
#include "source/testing/bytes_file.h"
#include "store/testing/temporary_folder.h"

namespace seamount::source::grib {
namespace {

namespace fs = std::filesystem;

Index Example() {
  Index index;
  index.grids.push_back({.id = "g",
                         .type = "regular_ll",
                         .dimensions = {"latitude", "longitude"},
                         .shape = {1, 2},
                         .latitudes = {50},
                         .longitudes = {0, 1}});
  index.fields.push_back({.offset = 7, .bytes = 100, .name = "t", .level = 500, .time = -5, .grid = "g"});
  return index;
}

TEST(GribIndexTest, ComesBackAndWhatCannotBeIsRefused) {
  const auto bytes = Serialize(Example());
  const auto back = ParseIndex(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->fields.at(0).time, -5);
  EXPECT_EQ(back->grids.at(0).longitudes.size(), 2u);
  EXPECT_EQ(Serialize(*back), bytes);
  for (size_t left = 0; left < bytes.size(); ++left) EXPECT_FALSE(ParseIndex(std::span(bytes).first(left))) << left;
  Index wrong = Example();
  wrong.fields[0].grid = "another";
  EXPECT_FALSE(ParseIndex(Serialize(wrong)));
  wrong = Example();
  wrong.fields[0].level = std::nan("");
  EXPECT_FALSE(ParseIndex(Serialize(wrong)));
  EXPECT_FALSE(ParseIndex(Serialize(Index{})));
  wrong = Example();
  wrong.grids[0].shape = {2, 2};
  EXPECT_FALSE(ParseIndex(Serialize(wrong))) << "fewer rows than its shape says";
}

class KeptIndexTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  }
  void TearDown() override {
    if (before_.empty()) {
      unsetenv("XDG_CACHE_HOME");
    } else {
      setenv("XDG_CACHE_HOME", before_.c_str(), 1);
    }
  }
  // How often the index was made to open a file of this content.
  int Made(const std::string& content) {
    const BytesFile file(content, "x.grib");
    const int before = made_;
    const auto index = KeptIndex(file, [&]() -> Result<Index> {
      ++made_;
      return Example();
    });
    EXPECT_TRUE(index && index->fields.size() == 1);
    return made_ - before;
  }
  fs::path Kept() const {
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/seamount/grib")) return entry.path();
    return {};
  }

  const store::TemporaryFolder folder_;
  std::string before_;
  int made_ = 0;
};

TEST_F(KeptIndexTest, IsMadeOnceForAContent) {
  EXPECT_EQ(Made("GRIB"), 1);
  EXPECT_EQ(Made("GRIB"), 0);
  EXPECT_EQ(Made("GRIB and more"), 1) << "it has changed";
  EXPECT_EQ(Made("GRIB and more"), 0);
  EXPECT_EQ(fs::status(Kept()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(KeptIndexTest, ABrokenOneIsMadeAnew) {
  EXPECT_EQ(Made("GRIB"), 1);
  const auto size = fs::file_size(Kept());
  for (uintmax_t at = 0; at < size; at += 7) {
    std::fstream file(Kept(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.close();
    EXPECT_EQ(Made("GRIB"), 1) << at;
  }
  fs::resize_file(Kept(), size / 2);
  EXPECT_EQ(Made("GRIB"), 1);
  fs::permissions(Kept(), fs::perms::all);
  EXPECT_EQ(Made("GRIB"), 1) << "anybody could have written it";
  EXPECT_EQ(Made("GRIB"), 0);
}

TEST_F(KeptIndexTest, WhereNothingCanBeKeptNothingIs) {
  setenv("XDG_CACHE_HOME", "/proc/no-such-folder", 1);
  EXPECT_EQ(Made("GRIB"), 1);
  EXPECT_EQ(Made("GRIB"), 1);
}

}  // namespace
}  // namespace seamount::source::grib
