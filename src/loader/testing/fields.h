// Variables of known numbers, a naive gather of batches from them, and the fixture that loads what was written.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/loader.h"
#include "store/memory/memory_store.h"
#include "store/store.h"

namespace seamount::loader {

// One variable: its numbers, and how they are stored.
struct Field {
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> chunk_shape;
  std::optional<std::vector<uint64_t>> shard_shape;
  std::string codecs = "blosc-lz4";
  std::vector<std::string> dims = {"time", "lat", "lon"};
  std::string attributes = R"({"seamount":{"normalize":{"mean":2.0,"std":4.0}}})";
  std::vector<float> values;
};

// Random multiples of an eighth: normalised by mean 2 and std 4 they are exact.
Field MakeField(const std::string& name, std::vector<uint64_t> shape, std::vector<uint64_t> chunk_shape, uint64_t seed);
void WriteField(const std::shared_ptr<Store>& store, const Field& field);

// What one batch should hold, gathered element by element.
std::vector<float> NaiveGather(const std::vector<Field>& fields, const std::vector<uint64_t>& index,
                               const std::vector<int64_t>& leads, bool normalize);

struct Epoch {
  std::vector<std::vector<uint64_t>> indices;
  std::vector<std::vector<float>> inputs;
  std::vector<std::vector<float>> targets;
  bool operator==(const Epoch&) const = default;
};

Epoch ReadEpoch(Loader& loader);
void ExpectEpoch(const Epoch& epoch, const std::vector<Field>& fields, const LoaderOptions& options);
Result<std::unique_ptr<Loader>> TryOpen(const std::shared_ptr<Store>& store, LoaderOptions options);
std::unique_ptr<Loader> OpenOrFail(const std::shared_ptr<Store>& store, LoaderOptions options);

// Two variables, u and v, of 60 times, in chunks of different shape.
class LoaderTest : public testing::Test {
 protected:
  void SetUp() override {
    fields_ = {MakeField("u", {60, 6, 10}, {4, 6, 10}, 1), MakeField("v", {60, 6, 10}, {5, 4, 7}, 2)};
    fields_[1].codecs = "zstd";
    for (const Field& field : fields_) WriteField(store_, field);
  }

  LoaderOptions Options() {
    return {.variables = {"u", "v"}, .inputs = {-2, 0}, .targets = {1, 3}, .batch_size = 7, .seed = 11, .threads = 2};
  }

  std::shared_ptr<Store> store_ = store::MakeMemoryStore();
  std::vector<Field> fields_;
};

}  // namespace seamount::loader
