#include "vfs/attributes.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "vfs/names.h"

namespace seamount::vfs {
namespace {

TEST(Attributes, ReadWhatOtherToolsWrite) {
  const KeptAttributes kept = ParseMetadata({{"gcsfuse_mtime", "2026-01-02T03:04:05.123456789Z"},
                                             {"goog-reserved-file-mtime", "12"},
                                             {"goog-reserved-posix-mode", "755"},
                                             {"goog-reserved-posix-uid", "1000"},
                                             {"gcsfuse_symlink_target", "../x"}});
  ASSERT_TRUE(kept.mtime);
  EXPECT_EQ(std::chrono::duration_cast<std::chrono::nanoseconds>(kept.mtime->time_since_epoch()).count(),
            1767323045123456789);
  EXPECT_EQ(kept.permissions, 0755U);
  EXPECT_EQ(kept.uid, 1000U);
  EXPECT_EQ(kept.symlink_target, "../x");
  EXPECT_EQ(ParseMetadata({{"goog-reserved-file-mtime", "12"}}).mtime, base::SystemTime(std::chrono::seconds(12)));
}

TEST(Attributes, SurviveARoundTripAndLeaveOtherMetadata) {
  Metadata metadata = {{"author", "somebody"}};
  const KeptAttributes kept{
      .mtime = base::SystemTime(std::chrono::nanoseconds(-1'500'000'000)), .permissions = 0640, .gid = 7};
  PutMetadata(kept, metadata);
  EXPECT_EQ(metadata["author"], "somebody");
  EXPECT_EQ(metadata["goog-reserved-posix-mode"], "640");
  const KeptAttributes again = ParseMetadata(metadata);
  EXPECT_EQ(again.mtime, kept.mtime);
  EXPECT_EQ(again.permissions, kept.permissions);
  EXPECT_EQ(again.gid, kept.gid);
  EXPECT_FALSE(again.uid);
}

TEST(Attributes, PipesSocketsAndDevicesSurviveARoundTrip) {
  for (const Special& special :
       {Special{Kind::kFifo, {}}, Special{Kind::kSocket, {}}, Special{Kind::kBlockDevice, {8, 4'000'000}},
        Special{Kind::kCharacterDevice, {1, 3}}}) {
    Metadata metadata;
    PutMetadata({.atime = base::SystemTime(std::chrono::seconds(-7)), .special = special}, metadata);
    EXPECT_EQ(ParseMetadata(metadata).special, special) << metadata["seamount_special"];
    EXPECT_EQ(ParseMetadata(metadata).atime, base::SystemTime(std::chrono::seconds(-7)));
    EXPECT_EQ(KindOf(ParseMetadata(metadata)), special.kind);
  }
  EXPECT_EQ(KindOf({}), Kind::kFile);
  for (const char* text :
       {"", "fifo 1:2", "block", "block 8", "block 8:", "block:8 1", "char -1:3", "door", "block 8:0x"}) {
    EXPECT_FALSE(ParseMetadata({{"seamount_special", text}}).special) << text;
  }
}

TEST(Attributes, UnreadableValuesAreAsIfAbsent) {
  for (const char* text :
       {"", "x", "2026", "2026-01-02T03:04:05", "9999-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05.-12Z"}) {
    EXPECT_FALSE(ParseMetadata({{"gcsfuse_mtime", text}}).mtime) << text;
  }
  EXPECT_FALSE(ParseMetadata({{"goog-reserved-posix-mode", "9"}}).permissions);
  EXPECT_FALSE(ParseMetadata({{"goog-reserved-file-mtime", "99999999999999"}}).mtime);
}

TEST(Names, NewNamesMustBeKeys) {
  const auto error = [](std::string_view name) {
    const auto checked = CheckNewName(name);
    return checked ? 0 : checked.error().error;
  };
  EXPECT_EQ(error("größe ✓.nc"), 0);
  EXPECT_EQ(error("a\nb"), EINVAL);
  EXPECT_EQ(error("a\n"), EINVAL);
  EXPECT_EQ(error("\xff"), EILSEQ);
  EXPECT_EQ(error("\xc0\xaf"), EILSEQ);      // overlong
  EXPECT_EQ(error("\xed\xa0\x80"), EILSEQ);  // a surrogate
  EXPECT_EQ(error("caf\xc3"), EILSEQ);       // cut short
  EXPECT_EQ(error(std::string(256, 'a')), ENAMETOOLONG);
  EXPECT_EQ(error(".."), EINVAL);
}

}  // namespace
}  // namespace seamount::vfs
