// Within prepare: what values depend on, of a source, as texts for fingerprints; and what decoding them takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nd/box.h"
#include "prepare/facts.h"

namespace seamount::prepare {

// Places from .. from + count - 1 of a dimension; `at` where they come to lie in what they are read for.
struct PlacedRun {
  uint64_t from = 0;
  uint64_t count = 0;
  uint64_t at = 0;
};
using PlacedRuns = std::vector<std::vector<PlacedRun>>;  // for each dimension

// The attributes that decide what the variable's stored numbers mean; units, names and histories change no value.
std::string MeaningText(const SourceFacts& facts, size_t variable);
// Which elements of which files these are, counted from each file's own start, so that files joined before or after
// change nothing, nor do those that hold other variables.
std::string PartsText(const SourceFacts& facts, size_t variable, const PlacedRuns& runs);
std::string PartsText(const SourceFacts& facts, size_t variable, const nd::Box& box);
// "850", "0.25": without zeros that say nothing, for people.
std::string PlainNumber(double value);
// So that equal texts are equal numbers.
std::string NumberText(double value);
// What reading any box of it takes beside the box: a chunk as stored, and up to two stages of its decoding.
uint64_t DecodingBytes(const source::Variable& variable);

}  // namespace seamount::prepare
