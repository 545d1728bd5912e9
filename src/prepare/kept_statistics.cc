#include "prepare/kept_statistics.h"

#include <cstring>

#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"
#include "prepare/parallel.h"
#include "zarr/array.h"

namespace seamount::prepare {
namespace {

using nd::Elements;

// Null for what is not there or not readable as an array: then it is made again.
Result<std::unique_ptr<zarr::Array>> OpenKept(std::shared_ptr<Store> store, const std::string& name,
                                              const CallContext& context) {
  auto array = zarr::Array::Open(std::move(store), name, context);
  if (array) return array;
  switch (array.error().code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kDataLoss:
    case ErrorCode::kInvalidArgument: return std::unique_ptr<zarr::Array>();
    default: return array.error();
  }
}

}  // namespace

Result<std::optional<ArrayStatistics>> ReadStatistics(const Plan& plan, size_t array, std::shared_ptr<Store> store,
                                                      exec::ThreadPool& pool, exec::ByteBudget& budget,
                                                      const CallContext& context) {
  const DataArray& planned = plan.arrays[array];
  std::optional<ArrayStatistics> none;
  ArrayStatistics out;
  if (planned.standardize) {
    SEAMOUNT_TRY_ASSIGN(const auto kept, OpenKept(store, planned.name, context));
    if (kept == nullptr) return none;
    const ArrayRemarks remarks = ParseRemarks(kept->metadata().attributes_json);
    if (!remarks.mean || !remarks.std) return none;
    out.moments = Moments{*remarks.mean, *remarks.std};
  }
  if (planned.anomaly) {
    SEAMOUNT_TRY_ASSIGN(const auto kept, OpenKept(store, ClimatologyName(planned), context));
    const zarr::ArrayMetadata expected = ClimatologyMetadata(planned, *plan.basis);
    if (kept == nullptr || kept->metadata().shape != expected.shape ||
        kept->metadata().data_type != expected.data_type) {
      return none;
    }
    Climatology& climatology = out.climatology.emplace();
    const uint64_t count = Elements(expected.shape);
    climatology.points = count / plan.basis->terms;
    SEAMOUNT_TRY_ASSIGN(climatology.lease,
                        Book(budget, count * sizeof(double), "the climatology of '" + planned.name + "'"));
    std::vector<std::byte> stored(count * nd::SizeOf(expected.data_type));
    const nd::Box all{nd::Index(expected.shape.size(), 0), expected.shape};
    if (auto read = kept->ReadRegion(all, stored, &pool, context); !read) {
      if (read.error().code() == ErrorCode::kDataLoss) return none;
      return read.error();
    }
    climatology.coefficients.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
      float narrow = 0;
      if (expected.data_type == nd::DataType::kFloat32) {
        std::memcpy(&narrow, stored.data() + i * sizeof narrow, sizeof narrow);
        climatology.coefficients[i] = static_cast<double>(narrow);
      } else {
        std::memcpy(&climatology.coefficients[i], stored.data() + i * sizeof(double), sizeof(double));
      }
    }
  }
  return std::optional<ArrayStatistics>(std::move(out));
}

}  // namespace seamount::prepare
