#include "source/grib/grib_dataset.h"

#include <limits>
#include <utility>

#include "nd/box.h"
#include "nd/copy.h"
#include "source/grib/cube.h"
#include "source/grib/index_file.h"
#include "source/grib/worker.h"

namespace seamount::source::grib {
namespace {

class GribDataset final : public Dataset {
 public:
  GribDataset(std::shared_ptr<const File> file, Index index)
      : file_(std::move(file)), files_{file_->identity()}, index_(std::move(index)), cube_(MakeCube(index_)) {
    for (const CubeVariable& v : cube_.variables) variables_.push_back(v.variable);
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return cube_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return cube_.attributes; }

  Result<void> ReadBox(size_t number, const nd::Box& box, std::span<std::byte> into) const override {
    const CubeVariable& v = cube_.variables[number];
    SEAMOUNT_TRY(CheckBox(v.variable, box, into.size(), files_.front().path));
    if (into.empty()) return {};
    if (v.fields.empty()) {
      nd::CopyBox(box, nd::Whole(v.variable.shape), v.values, box, into, nd::SizeOf(v.variable.type));
      return {};
    }
    if (auto read = ReadFields(v, box, into); !read) {
      return read.error().Wrap("reading variable '" + v.variable.name + "' of " + files_.front().path);
    }
    return {};
  }

 private:
  // Field after field: the box's part of each is dense in `into`.
  Result<void> ReadFields(const CubeVariable& v, const nd::Box& box, std::span<std::byte> into) const {
    const Grid& grid = index_.grids[v.grid];
    const auto outer = static_cast<ptrdiff_t>(box.shape.size() - grid.shape.size());
    const auto outer_of = [&](const nd::Index& index) { return nd::Index(index.begin(), index.begin() + outer); };
    const auto inner_of = [&](const nd::Index& index) { return nd::Index(index.begin() + outer, index.end()); };
    const nd::Box part{inner_of(box.origin), inner_of(box.shape)};
    const nd::Box whole = nd::Whole(grid.shape);
    const nd::Index outer_shape = outer_of(v.variable.shape);
    const size_t part_bytes = nd::Elements(part.shape) * sizeof(float);
    std::vector<float> values(nd::Elements(grid.shape));
    for (const nd::Index& at : nd::IndicesOf({outer_of(box.origin), outer_of(box.shape)})) {
      const size_t field = v.fields[nd::LinearIndex(at, outer_shape)];
      const auto target = into.first(part_bytes);
      if (field == kNoField) {
        constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
        nd::FillElements(std::as_bytes(std::span(&kNone, 1)), target);
      } else {
        SEAMOUNT_TRY(Unpack(*file_, index_.fields[field], values));
        CopyPart(grid, part, whole, values, target);
      }
      into = into.subspan(part_bytes);
    }
    return {};
  }

  static void CopyPart(const Grid& grid, const nd::Box& part, const nd::Box& whole, const std::vector<float>& values,
                       std::span<std::byte> target) {
    const auto bytes = std::as_bytes(std::span(values));
    if (!grid.columns_first) return nd::CopyBox(part, whole, bytes, part, target, sizeof(float));
    const uint64_t rows = grid.shape[0];
    const uint64_t begin = part.origin[1] * rows + part.origin[0];
    nd::CopyStrided(bytes.data() + begin * sizeof(float), std::vector<uint64_t>{sizeof(float), rows * sizeof(float)},
                    target.data(), nd::DenseStrides(part.shape, sizeof(float)), part.shape, sizeof(float));
  }

  const std::shared_ptr<const File> file_;
  const std::vector<FileIdentity> files_;
  const Index index_;
  const Cube cube_;
  std::vector<Variable> variables_;
};

}  // namespace

Result<std::unique_ptr<Dataset>> OpenGrib(std::shared_ptr<const File> file) {
  auto index = KeptIndex(*file, [&] { return MakeIndex(*file); });
  if (!index) return index.error().Wrap("reading " + file->identity().path);
  return std::unique_ptr<Dataset>(std::make_unique<GribDataset>(std::move(file), *std::move(index)));
}

}  // namespace seamount::source::grib
