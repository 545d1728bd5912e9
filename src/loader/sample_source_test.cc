#include "loader/sample_source.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "loader/testing/fields.h"

namespace seamount::loader {
namespace {

class SampleSourceTest : public LoaderTest {
 protected:
  SampleSource Source(std::vector<OutputSlot> slots) {
    const auto group = Group::Open(store_, {}, {});
    std::vector<Variable> variables;
    for (const std::string name : {"u", "v"}) {
      auto variable = Variable::Open(*group, name, {.sample_dim = "time"}, {});
      variables.push_back(*std::move(variable));
    }
    for (OutputSlot& slot : slots) slot.variables = {0, 1};
    auto dataset = MakeDataset(std::move(variables), std::move(slots), 8, "time");
    EXPECT_TRUE(dataset) << dataset.error().message();
    return {std::make_shared<const Dataset>(*std::move(dataset)), SampleSet({{2, 20}, {30, 27}}), Shuffle::kGlobal};
  }
};

// What planning is told, chunks, and what filling is told, placements, are two views of the same windows.
TEST_F(SampleSourceTest, EachFieldLiesInTheChunksThatItsSampleNeeds) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const SampleSource source = Source({{.name = "inputs", .leads = {-2, 0}}, {.name = "targets", .leads = {3}}});
  ASSERT_EQ(source.count(), 47u);
  for (int round = 0; round < 50; ++round) {
    std::vector<uint32_t> numbers(1 + random() % 8);
    for (auto& number : numbers) number = static_cast<uint32_t>(random() % source.count());
    const std::vector<uint64_t> positions = source.PositionsOf(numbers);
    const Placements placements = source.PlacementsOf(numbers, {});
    std::vector<uint32_t> chunks;
    source.AppendChunks(numbers, {}, chunks);
    EXPECT_EQ(std::set<uint32_t>(chunks.begin(), chunks.end()).size(), chunks.size());
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> cells;  // of a variable's sample: in how many chunks it lies
    for (const uint32_t chunk : chunks) {
      const auto place = source.dataset().chunks.PlaceOf(chunk);
      const auto inside = source.In(place, placements);
      EXPECT_FALSE(inside.empty());
      for (const Placement& placement : inside) {
        const Destination& to = source.dataset().destinations[place.variable][placement.destination];
        EXPECT_EQ(placement.position, positions[placement.sample] + static_cast<uint64_t>(to.lead));
        EXPECT_EQ(placement.position / source.dataset().chunks.grids()[place.variable].chunk_samples, place.row);
        ++cells[{place.variable, placement.sample}];
      }
    }
    EXPECT_EQ(cells.size(), 2 * numbers.size());
    // Of three leads each; u's field lies in one chunk, v's in four.
    for (const auto& [sample, count] : cells) EXPECT_EQ(count, sample.first == 0 ? 3u : 12u);
    const Footprint footprint = source.FootprintOf(numbers.size());
    EXPECT_LE(chunks.size(), footprint.batch_chunks);
  }
}

}  // namespace
}  // namespace seamount::loader
