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
#include "loader/patches.h"
#include "loader/variable.h"
#include "loader/window.h"

namespace seamount::loader {

struct Dataset {
  std::vector<Variable> variables;
  Patches patches;
  std::vector<Window> windows;  // of each variable
  ChunkNumbers chunks;
  std::vector<OutputSlot> slots;
  std::vector<std::vector<Destination>> destinations;  // of each variable
  BatchLayout layout;

  nd::Index IndexOf(const ChunkNumbers::Place& place) const;  // of a chunk in its variable's grid
  uint64_t length() const;                                    // of the sample dimension, in the first group
  std::vector<int64_t> Leads() const;                         // of what is not static, and has the first group's steps
};

// Each slot names its variables by their numbers; its field_shape is filled in. InvalidArgument unless all variables
// but the static ones, of which there must be one, have as many positions along the sample dimension, and those of a
// slot the same field; and unless all have as many positions along a dimension of the patches, times their patch_scale.
Result<Dataset> MakeDataset(std::vector<Variable> variables, std::vector<OutputSlot> slots, uint64_t batch_size,
                            const std::string& sample_dim, const PatchOptions& patches = {});

}  // namespace seamount::loader
