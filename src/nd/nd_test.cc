#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "nd/byte_order.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "nd/rectilinear_grid.h"
#include "nd/shuffle.h"

namespace seamount::nd {
namespace {

using ::testing::ElementsAre;

TEST(DataType, SignsChangeIntegersOnly) {
  EXPECT_EQ(Unsigned(DataType::kInt8), DataType::kUInt8);
  EXPECT_EQ(Signed(DataType::kUInt64), DataType::kInt64);
  EXPECT_EQ(Unsigned(DataType::kUInt16), DataType::kUInt16);
  for (const DataType type : {DataType::kBool, DataType::kFloat16, DataType::kFloat64, DataType::kChar}) {
    EXPECT_EQ(Unsigned(type), type);
    EXPECT_EQ(Signed(type), type);
    EXPECT_FALSE(IsInteger(type));
  }
  EXPECT_EQ(WordSizeOf(DataType::kComplex128), 8U);
}

TEST(Box, CellsTouchedAndTheirBoxes) {
  const Box box{{3, 0}, {6, 5}};
  const Box cells = CellsTouched(box, Index{4, 10});
  EXPECT_EQ(cells, (Box{{0, 0}, {3, 1}}));
  EXPECT_EQ(IndicesOf(cells).size(), 3U);
  EXPECT_EQ(Intersection(CellBox(Index{2, 0}, Index{4, 10}), box), (Box{{8, 0}, {1, 5}}));
  EXPECT_TRUE(IsEmpty(Intersection(CellBox(Index{3, 0}, Index{4, 10}), box)));
  EXPECT_THAT(GridShape(Index{9, 0}, Index{4, 10}), ElementsAre(3, 0));
}

TEST(RectilinearGrid, CellsTouchedAndTheirBoxes) {
  const std::vector<Edges> edges = {{{2, 3}, {1, 1}, {5, 2}}, {}};  // 0 2 4 6 7 12 17
  const RectilinearGrid grid(edges);
  EXPECT_THAT(grid.shape(), ElementsAre(6, 0));
  EXPECT_THAT(grid.end(), ElementsAre(17, 0));
  EXPECT_THAT(grid.largest(), ElementsAre(5, 1));
  const RectilinearGrid line(std::vector<Edges>{edges[0]});
  const uint64_t begins[] = {0, 2, 4, 6, 7, 12, 17};
  for (uint64_t from = 0; from < 17; ++from) {
    for (uint64_t to = from + 1; to <= 17; ++to) {
      const Box cells = line.CellsTouched({{from}, {to - from}});
      const uint64_t last = cells.origin[0] + cells.shape[0];
      EXPECT_TRUE(begins[cells.origin[0]] <= from && from < begins[cells.origin[0] + 1]);
      EXPECT_TRUE(begins[last - 1] < to && to <= begins[last]);
    }
  }
  for (uint64_t cell = 0; cell < 6; ++cell) {
    EXPECT_EQ(line.CellBox(Index{cell}), (Box{{begins[cell]}, {begins[cell + 1] - begins[cell]}}));
  }
  EXPECT_TRUE(IsEmpty(line.CellsTouched({{3}, {0}})));
}

TEST(Copy, FillsRepeatTheElement) {
  const uint16_t element = 0x0102;
  std::vector<uint16_t> into(7, 0);
  FillElements(std::as_bytes(std::span(&element, 1)), std::as_writable_bytes(std::span(into)));
  EXPECT_THAT(into, ::testing::Each(element));
  std::vector<uint16_t> grid(6, 0);
  FillBox({{1, 1}, {1, 2}}, std::as_bytes(std::span(&element, 1)), {{0, 0}, {2, 3}},
          std::as_writable_bytes(std::span(grid)));
  EXPECT_THAT(grid, ElementsAre(0, 0, 0, 0, element, element));
}

TEST(ByteOrder, SwapsEveryWord) {
  std::vector<uint16_t> words = {0x0102, 0x0304};
  SwapBytes(std::as_writable_bytes(std::span(words)), 2);
  EXPECT_THAT(words, ElementsAre(0x0201, 0x0403));
}

TEST(Shuffle, AgreesWithItsDefinitionAndReverses) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const size_t element : {0, 1, 2, 3, 4, 7, 8, 16, 255}) {
    const size_t step = std::max<size_t>(1, element);
    for (const size_t size : {size_t{0}, size_t{1}, step, 15 * step, 16 * step, 33 * step + 1, size_t{1000}}) {
      std::vector<std::byte> from(size), shuffled(size), back(size);
      for (std::byte& byte : from) byte = static_cast<std::byte>(random());
      Shuffle(from.data(), shuffled.data(), size, element);
      const size_t count = size / step;
      for (size_t i = 0; i < count; ++i) {
        for (size_t p = 0; p < step; ++p) ASSERT_EQ(shuffled[p * count + i], from[i * step + p]);
      }
      Unshuffle(shuffled.data(), back.data(), size, element);
      EXPECT_EQ(back, from) << element << " bytes an element, " << size;
    }
  }
}

TEST(CopyBox, AgreesWithElementwiseCopy) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n)(random); };
  for (int round = 0; round < 300; ++round) {
    const size_t rank = below(4);
    Index shape(rank), from_shape(rank), to_shape(rank), from_at(rank), to_at(rank);
    for (size_t d = 0; d < rank; ++d) {
      shape[d] = below(4);
      from_at[d] = below(2);
      to_at[d] = below(2);
      from_shape[d] = shape[d] + from_at[d] + below(1);
      to_shape[d] = shape[d] + to_at[d] + below(1);
    }
    std::vector<uint16_t> from(Elements(from_shape)), to(Elements(to_shape), 9999);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint16_t>(i);
    auto expected = to;
    for (uint64_t i = 0; i < Elements(shape); ++i) {
      uint64_t rest = i, f = 0, t = 0, f_step = 1, t_step = 1;
      for (size_t d = rank; d-- > 0;) {
        const uint64_t at = rest % shape[d];
        rest /= shape[d];
        f += (at + from_at[d]) * f_step;
        t += (at + to_at[d]) * t_step;
        f_step *= from_shape[d];
        t_step *= to_shape[d];
      }
      expected[t] = from[f];
    }
    // The part lies at `part`; each buffer's box begins so far before it.
    Box part{Index(rank, 10), shape}, from_box{part.origin, from_shape}, to_box{part.origin, to_shape};
    for (size_t d = 0; d < rank; ++d) {
      from_box.origin[d] -= from_at[d];
      to_box.origin[d] -= to_at[d];
    }
    CopyBox(part, from_box, std::as_bytes(std::span(from)), to_box, std::as_writable_bytes(std::span(to)), 2);
    ASSERT_EQ(to, expected);
  }
}

}  // namespace
}  // namespace seamount::nd
