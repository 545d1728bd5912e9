// What a loader is asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loader/group.h"
#include "loader/notes.h"
#include "loader/order.h"
#include "loader/output.h"
#include "loader/patches.h"
#include "loader/samples.h"

namespace seamount::loader {

// One tensor of a batch. Its variables have the same field; one without the sample dimension is the same at every lead.
struct SlotOptions {
  std::string name;
  std::vector<std::string> variables;
  std::vector<int64_t> leads = {0};             // positions relative to the sample
  std::vector<int64_t> durations = {};          // the same in microseconds: for groups of other steps than the first's
  uint32_t group = 0;                           // number among the loader's
  nd::DataType dtype = nd::DataType::kFloat32;  // or kFloat64, kFloat16; or an integer that keeps what is stored
  bool bfloat16 = false;                        // with kFloat16: the one with float32's range
  uint64_t patch_scale = 1;  // positions for each of the patches', on a finer grid; 0: the whole field
  MissingPolicy missing;
  bool normalize = true;                               // by each variable's attribute; its absence is an error
  std::map<std::string, Normalization> normalization;  // instead of the attribute, for the variables named
};

struct LoaderOptions {
  // The usual two slots, "inputs" and "targets" (the latter where there are such leads), of the same variables; or
  // `slots`, of which each is as it likes.
  std::vector<std::string> variables = {};
  std::vector<int64_t> inputs = {0};
  std::vector<int64_t> targets = {};
  std::vector<SlotOptions> slots = {};
  std::string sample_dim = {};  // empty: the one that the group notes, or "time"
  uint64_t batch_size = 16;
  bool drop_last = false;
  Shuffle shuffle = Shuffle::kGlobal;
  uint64_t seed = 0;
  // Half-open, along the sample dimension, apart from each other. A window lies inside one of them wholly. Empty: all.
  std::vector<Interval> select = {};
  // Only samples at these positions: ascending, none overlapping. Their windows may reach beyond. nullopt: all.
  std::optional<std::vector<Interval>> where = {};
  PatchOptions patches = {};
  bool across_gaps = false;  // whether windows may reach over the gaps that groups note
  bool normalize = true;     // of inputs and targets, as the next two; slots have their own
  std::map<std::string, Normalization> normalization = {};
  MissingPolicy missing = {};
  MissingChunks missing_chunks = MissingChunks::kByRecord;
  int threads = 0;                              // that decode and copy; 0: one for each core
  uint64_t memory_bytes = uint64_t{256} << 20;  // batches, chunks, fetches and plans together
  uint64_t rank = 0;
  uint64_t world = 1;
  std::string shown_as = {};  // to this user's `seamount top` (live.h), without secrets; empty: not shown
};

// The slots that are asked for, the usual two written out.
std::vector<SlotOptions> SlotsOf(const LoaderOptions& options);

// InvalidArgument names the option that is out of its range.
Result<void> CheckOptions(const LoaderOptions& options, const std::vector<SlotOptions>& slots, size_t groups);

}  // namespace seamount::loader
