#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/json_depth.h"
#include "base/result.h"
#include "base/text.h"
#include "base/time_text.h"
#include "base/utf8.h"

namespace seamount::base {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("odd");
  return n / 2;
}

Result<int> Quarter(int n) {
  SEAMOUNT_TRY_ASSIGN(const int half, Half(n));
  SEAMOUNT_TRY_ASSIGN(const int quarter, Half(half));
  return quarter;
}

TEST(ResultTest, TryPassesValuesAndErrors) {
  EXPECT_EQ(*Quarter(8), 2);
  const auto failed = Quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failed.error().Wrap("halving 6").ToString(), "InvalidArgument: halving 6: odd");
}

TEST(JsonDepthTest, CountsBracketsOutsideOfStrings) {
  EXPECT_FALSE(NestsDeeper(R"({"a":[1,{"b":2}]})", 3));
  EXPECT_TRUE(NestsDeeper(R"({"a":[1,{"b":2}]})", 2));
  EXPECT_FALSE(NestsDeeper(R"(["[[[[", "\"[[[[", "\\"])", 1));
  EXPECT_TRUE(NestsDeeper(R"(["\\", [1]])", 1));
  EXPECT_FALSE(NestsDeeper("[][][]", 1));
  EXPECT_FALSE(NestsDeeper("\"\\", 1));
}

TEST(TimeTextTest, Rfc3339AndHttp) {
  const auto time = ParseRfc3339("2026-01-31T14:00:00.5+02:00");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatRfc3339(*time, 9), "2026-01-31T12:00:00.500000000Z");
  EXPECT_EQ(FormatRfc3339(*time, 0), "2026-01-31T12:00:00Z");
  EXPECT_EQ(ParseRfc3339(FormatRfc3339(*time, 3)), time);
  EXPECT_EQ(HttpDate(*time), "Sat, 31 Jan 2026 12:00:00 GMT");
  EXPECT_EQ(ParseHttpDate("Sat, 31 Jan 2026 12:00:00 GMT"), ParseRfc3339("2026-01-31T12:00:00Z"));
  for (const char* none : {"", "Sat, 31 Jan 2026", "Sat, 31 Jan 2026 12:00:00 GMT+1", "2026-01-31T12:00:00Z"}) {
    EXPECT_FALSE(ParseHttpDate(none)) << none;
  }
  EXPECT_EQ(HttpDate(*ParseRfc3339("1969-12-31T23:59:59.9Z")), "Wed, 31 Dec 1969 23:59:59 GMT");
  for (const char* bad : {"", "2026-01-31", "2026-02-30T00:00:00Z", "1600-01-01T00:00:00Z"})
    EXPECT_FALSE(ParseRfc3339(bad));
}

TEST(Utf8Test, WellFormedOnly) {
  for (const char* good : {"", "a", "\x7F", "ü", "€", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(IsUtf8(good)) << good;
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "a\xFFz"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(ChecksumTest, KnownAnswers) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283u);  // RFC 3720's check value
  EXPECT_EQ(Crc32c({}), 0u);
  EXPECT_EQ(Crc32cToBase64(Crc32c(AsBytes("hello"))), "mnG7TA==");  // as gsutil hash prints it
  EXPECT_EQ(*Crc32cFromBase64("mnG7TA=="), Crc32c(AsBytes("hello")));
}

// A bit-at-a-time implementation of the definition.
uint32_t NaiveCrc32c(std::span<const std::byte> data) {
  uint32_t crc = ~0u;
  for (const std::byte b : data) {
    crc ^= std::to_integer<uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = (crc & 1) ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

TEST(ChecksumTest, AgreesWithTheDefinitionWholeContinuedAndCombined) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const size_t size : {1, 7, 8, 63, 1000, 24576, 24577, 100'000}) {
    Buffer buffer(size);
    for (auto& b : buffer.span()) b = static_cast<std::byte>(random());
    const Bytes data(std::move(buffer));
    const size_t cut = random() % size;
    const auto head = data.Slice(0, cut).span();
    const auto tail = data.Slice(cut, size - cut).span();
    const uint32_t expected = NaiveCrc32c(data.span());
    EXPECT_EQ(Crc32c(data.span()), expected) << size;
    EXPECT_EQ(Crc32c(tail, Crc32c(head)), expected) << size << " cut at " << cut;
    EXPECT_EQ(Crc32cCombine(Crc32c(head), Crc32c(tail), tail.size()), expected) << size << " cut at " << cut;
  }
}

TEST(EncodingTest, Base64) {
  EXPECT_EQ(Base64Encode(AsBytes("fo")), "Zm8=");
  EXPECT_EQ(Base64UrlEncode(AsBytes("\xfb\xff")), "-_8");
  const auto decoded = Base64Decode("-_8=");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->size(), 2u);
  EXPECT_FALSE(Base64Decode("a"));
  EXPECT_FALSE(Base64Decode("ab c"));
}

TEST(EncodingTest, Percent) {
  EXPECT_EQ(PercentEncode("a/b c~é"), "a%2Fb%20c~%C3%A9");
  EXPECT_EQ(*PercentDecode("a%2Fb%20c~%C3%A9"), "a/b c~é");
  EXPECT_FALSE(PercentDecode("%2"));
  EXPECT_FALSE(PercentDecode("%zz"));
}

TEST(TextTest, Sizes) {
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(*ParseBytes("1.5 GiB"), 3ULL << 29);
  EXPECT_EQ(*ParseBytes("64k"), 65536u);
  EXPECT_EQ(*ParseBytes("512"), 512u);
  EXPECT_EQ(FormatBytes((1ULL << 20) - 1), "1.0 MiB");
  EXPECT_EQ(*ParseBytes("7B"), 7u);
  for (const char* bad : {"", "x", "-1", "5q", "5I", "5 GiBB", "1e30", "nan"}) EXPECT_FALSE(ParseBytes(bad)) << bad;
}

TEST(TextTest, Durations) {
  using std::chrono::microseconds;
  EXPECT_EQ(FormatDuration(microseconds(999'400)), "999 ms");
  EXPECT_EQ(FormatDuration(microseconds(999'900)), "1.0 s");
  EXPECT_EQ(FormatDuration(microseconds(59'970'000)), "1m0s");
  EXPECT_EQ(FormatDuration(std::chrono::minutes(75)), "1h15m");
}

TEST(TextTest, PrintableTextHasOneLineAndNoEscapeSequence) {
  EXPECT_EQ(Printable("a\nb\033[31mc\x7f"), "a\\x0ab\\x1b[31mc\\x7f");
  EXPECT_EQ(Printable("größe \\ x"), "größe \\ x");
}

TEST(TextTest, NearestName) {
  const std::vector<std::string> names = {"uwnd", "vwnd", "time"};
  EXPECT_EQ(NearestName("uwind", names), "uwnd");
  EXPECT_EQ(NearestName("temperature", names), std::nullopt);
  EXPECT_EQ(NameHint("temperature", names), ", there are: uwnd, vwnd, time");
}

TEST(BytesTest, SlicesShareTheBlock) {
  const Bytes whole = Bytes::Copy("abcdef");
  const Bytes part = whole.Slice(2, 3);
  EXPECT_EQ(part.view(), "cde");
  EXPECT_EQ(part.data(), whole.data() + 2);
}

TEST(BytesTest, AMovedFromBufferIsEmpty) {
  Buffer from(8);
  const Buffer to = std::move(from);
  EXPECT_EQ(to.size(), 8u);
  EXPECT_EQ(from.size(), 0u);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(from.data(), nullptr);
}

TEST(FakeClockTest, SleepingMovesIt) {
  FakeClock clock;
  const auto before = clock.Now();
  EXPECT_TRUE(clock.SleepFor(std::chrono::seconds(5), {}));
  EXPECT_EQ(clock.Now() - before, std::chrono::seconds(5));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.SleepFor(std::chrono::seconds(5), stop.get_token()));
}

}  // namespace
}  // namespace seamount::base
