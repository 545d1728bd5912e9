#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "nd/data_type.h"
#include "source/dataset.h"
#include "source/hdf5/filters.h"
#include "source/netcdf/classic.h"
#include "source/open.h"
#include "source/testing/bytes_file.h"

namespace seamount::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes the classic format, big-endian, as little of it as the tests need.
struct ClassicWriter {
  std::string bytes = std::string("CDF\1", 4);
  void U32(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  }
  void Name(const std::string& name) {
    U32(static_cast<uint32_t>(name.size()));
    bytes += name + std::string((4 - name.size() % 4) % 4, '\0');
  }
};

// One record dimension, one int16 record variable "v" of three values a record: records of six bytes, not padded.
std::string LoneRecordFile(uint32_t records, const std::string& after_names = "") {
  ClassicWriter out;
  out.U32(records);
  out.U32(10), out.U32(2), out.Name("t" + after_names), out.U32(0), out.Name("x"), out.U32(3);
  out.U32(0), out.U32(0);
  out.U32(11), out.U32(1), out.Name("v" + after_names), out.U32(2), out.U32(0), out.U32(1), out.U32(0), out.U32(0);
  out.U32(3), out.U32(8);
  out.U32(static_cast<uint32_t>(out.bytes.size() + 4));
  for (uint32_t r = 0; r < 2; ++r) {
    for (uint32_t x = 0; x < 3; ++x) out.bytes += std::string{'\0', static_cast<char>(r * 3 + x)};
  }
  return out.bytes;
}

Result<std::unique_ptr<Dataset>> OpenBytes(const std::string& bytes) {
  return netcdf::OpenClassic(std::make_shared<BytesFile>(bytes, "test.nc"));
}

TEST(Classic, LoneRecordVariableIsNotPadded) {
  for (const uint32_t count : {2U, 0xFFFFFFFFU}) {  // counted, and streamed: found from the file's size
    auto dataset = OpenBytes(LoneRecordFile(count));
    ASSERT_TRUE(dataset) << dataset.error().ToString();
    EXPECT_THAT((*dataset)->variables()[0].shape, ElementsAre(2, 3));
    std::vector<int16_t> values(4);
    ASSERT_TRUE((*dataset)->ReadBox(0, {{0, 1}, {2, 2}}, std::as_writable_bytes(std::span(values))));
    EXPECT_THAT(values, ElementsAre(1, 2, 4, 5));
  }
}

TEST(Classic, ZerosBehindANameAreNotOfIt) {
  const auto dataset = OpenBytes(LoneRecordFile(2, std::string("\0\0", 2)));
  ASSERT_TRUE(dataset) << dataset.error().ToString();
  EXPECT_EQ((*dataset)->dimensions()[0].name, "t");
  EXPECT_EQ((*dataset)->variables()[0].name, "v");
  EXPECT_EQ((*dataset)->variables()[0].dimensions[0], "t");
}

TEST(Classic, TruncatedFileNamesVariableAndSizes) {
  std::string bytes = LoneRecordFile(2);
  const std::string whole = std::to_string(bytes.size());
  bytes.pop_back();
  const auto dataset = OpenBytes(bytes);
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(dataset.error().message(), HasSubstr("test.nc"));
  EXPECT_THAT(dataset.error().message(), HasSubstr("'v' ends at byte " + whole));
  EXPECT_THAT(dataset.error().message(), HasSubstr(std::to_string(bytes.size()) + " bytes"));
}

TEST(Classic, EveryPrefixOfAHeaderIsAnErrorNotACrash) {
  const std::string bytes = LoneRecordFile(2);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(OpenBytes(bytes.substr(0, size))) << size;
}

TEST(Dataset, BoxesAreChecked) {
  auto dataset = OpenBytes(LoneRecordFile(2));
  ASSERT_TRUE(dataset);
  std::vector<std::byte> into(8);
  EXPECT_FALSE((*dataset)->ReadBox(0, {{1, 1}, {2, 2}}, into));
  EXPECT_FALSE((*dataset)->ReadBox(0, {{0, 0}, {1, 3}}, into));
  EXPECT_FALSE((*dataset)->ReadBox(0, {{0}, {1}}, into));
  const auto missing = FindVariable(**dataset, "w");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("did you mean 'v'?"));
}

TEST(Open, TellsWhatAFileIsNot) {
  const auto path = std::filesystem::temp_directory_path() / ("seamount_source_test_" + std::to_string(::getpid()));
  std::ofstream(path) << "neither this nor that";
  const auto opened = Open(path.string());
  std::filesystem::remove(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
  const auto absent = Open(path.string());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
}

TEST(Filters, FletcherNoticesAFlippedBit) {
  std::vector<std::byte> data(101);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
  const uint32_t sum = hdf5::Fletcher32(data);
  std::vector<std::byte> stored = data;
  for (int shift = 0; shift < 32; shift += 8) stored.push_back(static_cast<std::byte>(sum >> shift));
  const hdf5::Filter filter{hdf5::FilterKind::kFletcher32, 1, "fletcher32"};
  hdf5::FilterScratch scratch;
  std::vector<std::byte> out(data.size());
  ASSERT_TRUE(hdf5::Unfilter({&filter, 1}, 0, stored, out, scratch));
  EXPECT_EQ(out, data);
  stored[50] ^= std::byte{4};
  EXPECT_EQ(hdf5::Unfilter({&filter, 1}, 0, stored, out, scratch).error().code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(hdf5::Unfilter({&filter, 1}, 1, data, std::span(out).first(50), scratch)) << "too long";
}

}  // namespace
}  // namespace seamount::source
