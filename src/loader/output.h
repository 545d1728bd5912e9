// What a batch is made of: output slots, each a tensor of its own with its variables and leads, and where each field of
// a sample lies in the one piece of memory that a batch is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "zarr/metadata.h"

namespace seamount::loader {

// What becomes of missing values, which are NaN after decoding.
struct MissingPolicy {
  std::optional<double> fill;  // they get this instead, and a mask beside the slot says where they were
  // What becomes of a sample that has one: it stays, it is left out of its batch, or it is an error.
  enum class Sample { kKeep, kSkip, kRefuse };
  Sample sample = Sample::kKeep;
};

// One tensor: (sample, lead, variable, field…), dense.
struct OutputSlot {
  std::string name;
  std::vector<uint32_t> variables;  // numbers of the dataset's
  std::vector<int64_t> leads;
  // Where the slot's group has other steps than the first one: of each lead, the position in it for each of the
  // first's. The leads are microseconds then.
  std::vector<std::shared_ptr<const std::vector<uint32_t>>> positions;
  std::vector<uint64_t> field_shape;
  nd::DataType dtype = nd::DataType::kFloat32;
  bool bfloat16 = false;  // of the two kinds of 16 bits
  MissingPolicy missing;

  bool floating() const {
    return dtype == nd::DataType::kFloat16 || dtype == nd::DataType::kFloat32 || dtype == nd::DataType::kFloat64;
  }
  uint64_t field_elements() const;
  uint64_t sample_elements() const { return leads.size() * variables.size() * field_elements(); }
};

// A field of a variable, at `lead` from the sample, goes to this place of this slot.
struct Destination {
  int64_t lead = 0;
  uint32_t slot = 0;
  uint32_t lead_number = 0;
  uint32_t place = 0;  // among the slot's variables
  bool operator==(const Destination&) const = default;
};
// All places where the fields of a variable go.
std::vector<Destination> DestinationsOf(uint32_t variable, const std::vector<OutputSlot>& slots);

// Where the slots lie in a batch's memory. Each, and each mask, begins at a cache line.
class BatchLayout {
 public:
  BatchLayout() = default;
  // InvalidArgument where that cannot be addressed.
  static Result<BatchLayout> Make(const std::vector<OutputSlot>& slots, uint64_t batch_size);

  uint64_t bytes() const { return bytes_; }
  uint64_t data_offset(uint32_t slot) const { return slots_[slot].data; }  // in bytes
  // One byte for each element, 1 where it was missing; nullopt for a slot without `fill`.
  std::optional<uint64_t> mask_offset(uint32_t slot) const { return slots_[slot].mask; }
  // The field's first element, within its slot.
  uint64_t ElementOf(uint64_t sample, const Destination& destination) const;

 private:
  struct Place {
    uint64_t data = 0;
    std::optional<uint64_t> mask;
    uint64_t variables = 0;
    uint64_t field_elements = 0;
    uint64_t sample_elements = 0;
  };
  std::vector<Place> slots_;
  uint64_t bytes_ = 0;
};

}  // namespace seamount::loader
