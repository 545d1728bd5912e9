#include "source/grib/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace seamount::source::grib {
namespace {

using ::testing::HasSubstr;

std::string Number(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Section2(int number, size_t body) {
  return Number(body + 5, 4) + Number(number, 1) + std::string(body, 'x');
}

std::string Message2(const std::string& sections) {
  return "GRIB" + Number(0, 3) + Number(2, 1) + Number(16 + sections.size() + 4, 8) + sections + "7777";
}

std::string Message1(size_t bitmap, size_t data, uint64_t length_field = 0) {
  std::string product = Number(28, 3) + std::string(4, 'p') + Number(0x80 | (bitmap > 0 ? 0x40 : 0), 1);
  product.resize(28, 'p');
  std::string body = product + Number(32, 3) + std::string(29, 'g');
  if (bitmap > 0) body += Number(bitmap, 3) + std::string(bitmap - 3, 'b');
  body += Number(length_field > 0 ? 20 : data, 3) + std::string(data - 3, 'd');
  return "GRIB" + Number(length_field > 0 ? length_field : 8 + body.size() + 4, 3) + Number(1, 1) + body + "7777";
}

std::string Text(const Message& message) {
  std::string text = std::to_string(message.offset) + "+" + std::to_string(message.bytes) + ":";
  for (const auto& [begin, end] : message.headers) text += " " + std::to_string(begin) + "-" + std::to_string(end);
  return text;
}

std::string Next(const std::string& file, uint64_t at = 0) {
  const auto message = NextMessage(store::BytesSource(file), at);
  return message ? Text(*message) : message.error().message();
}

TEST(GribScanTest, HeadersAreAllButBitmapAndValues) {
  const std::string one = Message2(Section2(1, 16) + Section2(3, 67) + Section2(4, 29) + Section2(5, 16) +
                                   Section2(6, 50'001) + Section2(7, 100'000));
  EXPECT_EQ(Next(one), "0+150179: 0-170 50170-50175");
  const std::string two = Message2(Section2(1, 16) + Section2(6, 1) + Section2(7, 300) + Section2(4, 29) +
                                   Section2(6, 1) + Section2(7, 300));
  EXPECT_EQ(Next(two), "0+697: 0-48 348-393") << "two fields in one message";
  EXPECT_EQ(Next(Message1(0, 500)), "0+572: 0-84");
  EXPECT_EQ(Next(Message1(5000, 500)), "0+5572: 0-74 5068-5084");
}

TEST(GribScanTest, MessagesFollowWithOrWithoutSomethingBetween) {
  const std::string message = Message2(Section2(7, 10));
  const std::string file = message + message + std::string(200'000, ' ') + message + "tail";
  EXPECT_EQ(Next(file, 0), "0+35: 0-21");
  EXPECT_EQ(Next(file, 35), "35+35: 0-21");
  EXPECT_EQ(Next(file, 70), "200070+35: 0-21");
  EXPECT_EQ(Next(file, 200'105), "200109+0:") << "none";
}

// Three bytes hold 8 MiB: beyond that ECMWF counts in 120 bytes, and the last section's length tells the rest.
TEST(GribScanTest, LargeMessagesOfEdition1) {
  constexpr size_t kData = (1 << 23) + 1004 - 20;
  const std::string file = Message1(0, kData, 0x800000 | (kData + 84) / 120);
  const uint64_t bytes = (kData + 84) / 120 * 120 - 20 + 4;
  std::string whole = file.substr(0, bytes - 4) + "7777";
  EXPECT_EQ(Next(whole + "after"), "0+" + std::to_string(bytes) + ": 0-84");
}

TEST(GribScanTest, WhatIsCutShortOrMakesNoSenseIsNamed) {
  const std::string good = Message2(Section2(1, 16) + Section2(7, 100));
  for (size_t left = 8; left < good.size(); ++left) {
    EXPECT_THAT(Next("ab" + good.substr(0, left)), HasSubstr("the GRIB message at byte 2 of")) << left;
  }
  std::string wrong = good;
  wrong.replace(16, 4, Number(5000, 4));
  EXPECT_THAT(Next(wrong), HasSubstr("has a section that does not fit"));
  wrong = good;
  wrong[wrong.size() - 1] = '8';
  EXPECT_THAT(Next(wrong), HasSubstr("does not end where its length says"));
  wrong = good;
  wrong[7] = 3;
  EXPECT_THAT(Next(wrong), HasSubstr("is of edition 3, expected 1 or 2"));
  wrong.replace(16, 4, Number(0, 4));
  wrong[7] = 2;
  EXPECT_THAT(Next(wrong), HasSubstr("has a section that does not fit")) << "a section of no bytes ends nowhere";
}

}  // namespace
}  // namespace seamount::source::grib
