// What a loader reads and what it makes of it: the variables, their windows and chunks, and the outputs they go to. It
// stays the same from epoch to epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "loader/chunk_numbers.h"
#include "loader/output.h"
#include "loader/variable.h"
#include "loader/window.h"

namespace seamount::loader {

struct Dataset {
  std::vector<Variable> variables;
  std::vector<Window> windows;  // of each variable
  ChunkNumbers chunks;
  std::vector<OutputSlot> slots;
  std::vector<std::vector<Destination>> destinations;  // of each variable
  BatchLayout layout;

  nd::Index IndexOf(const ChunkNumbers::Place& place) const;   // of a chunk in its variable's grid
  std::vector<int64_t> Leads() const;                          // of all slots, in their order
  std::vector<std::vector<int64_t>> LeadsOfVariables() const;  // of each variable, its destinations'
};

// InvalidArgument unless the variables can be stacked: as many positions along the sample dimension, and the same
// field. Every slot takes all of them; its field_shape is filled in.
Result<Dataset> MakeDataset(std::vector<Variable> variables, std::vector<OutputSlot> slots, uint64_t batch_size,
                            const std::string& sample_dim);

}  // namespace seamount::loader
