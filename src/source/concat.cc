#include "source/concat.h"

#include <algorithm>

#include "base/text.h"
#include "cf/attribute.h"
#include "cf/axis.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "source/open.h"

namespace seamount::source {
namespace {

class ConcatDataset final : public Dataset {
 public:
  ConcatDataset(std::vector<std::unique_ptr<Dataset>> parts, std::string along)
      : parts_(std::move(parts)), along_(std::move(along)) {}

  // Checks that the parts fit together, and works out the whole. Called once, before anything else.
  Result<void> Join();

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return parts_.front()->attributes(); }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override;

 private:
  Result<void> Match(const Dataset& part, size_t variable) const;

  const std::vector<std::unique_ptr<Dataset>> parts_;
  const std::string along_;
  std::vector<uint64_t> starts_;  // of each part along the dimension
  std::vector<FileIdentity> files_;
  std::vector<Dimension> dimensions_;
  std::vector<Variable> variables_;
};

constexpr uint64_t kMaxGridBytes = 16 << 20;  // a coordinate with more is none

// Attributes that decide what the stored numbers mean: they must agree, or values would silently change their meaning.
constexpr std::array<const char*, 10> kMeaning = {"units",       "calendar",      "scale_factor", "add_offset",
                                                  "_FillValue",  "missing_value", "valid_min",    "valid_max",
                                                  "valid_range", "_Unsigned"};

Result<void> ConcatDataset::Match(const Dataset& part, size_t variable) const {
  const Variable& first = variables_[variable];
  const std::string& file = part.files().front().path;
  const auto differs = [&](const std::string& what) {
    return base::InvalidArgument("joining " + file + ": variable '" + first.name + "' has " + what + " than in " +
                                 files_.front().path);
  };
  SEAMOUNT_TRY_ASSIGN(const size_t index, FindVariable(part, first.name));
  const Variable& other = part.variables()[index];
  if (other.type != first.type) return differs("another type");
  if (other.dimensions != first.dimensions) return differs("other dimensions");
  for (size_t d = 0; d < first.shape.size(); ++d) {
    if (first.dimensions[d] != along_ && other.shape[d] != first.shape[d]) {
      return differs("another size along '" + first.dimensions[d] + "'");
    }
  }
  for (const char* name : kMeaning) {
    const cf::Attribute* a = first.FindAttribute(name);
    const cf::Attribute* b = other.FindAttribute(name);
    const bool same = (a == nullptr) == (b == nullptr) && (a == nullptr || cf::SameValue(*a, *b));
    if (!same) return differs(std::string("another attribute '") + name + "'");
  }
  // Fields on different grids must not be taken for one.
  const bool grid = first.dimensions.size() == 1 && first.dimensions[0] == first.name && first.name != along_;
  const uint64_t bytes = nd::Elements(first.shape) * nd::SizeOf(first.type);
  if (!grid || !first.unreadable.empty() || bytes > kMaxGridBytes) return {};
  std::vector<std::byte> a(bytes);
  std::vector<std::byte> b(bytes);
  SEAMOUNT_TRY(parts_.front()->ReadBox(variable, {{0}, first.shape}, a));
  SEAMOUNT_TRY(part.ReadBox(index, {{0}, first.shape}, b));
  if (a != b) return differs("other values");
  return {};
}

Result<void> ConcatDataset::Join() {
  variables_ = parts_.front()->variables();
  dimensions_ = parts_.front()->dimensions();
  uint64_t total = 0;
  for (const auto& part : parts_) {
    const Dimension* dimension = FindDimension(*part, along_);
    if (dimension == nullptr) {
      return base::InvalidArgument("joining " + part->files().front().path + ": it has no dimension '" + along_ + "'");
    }
    FileIdentity identity = part->files().front();
    identity.join_dimension = along_;
    identity.join_start = total;
    identity.join_count = dimension->size;
    files_.push_back(std::move(identity));
    starts_.push_back(total);
    total += dimension->size;
  }
  for (size_t p = 1; p < parts_.size(); ++p) {
    for (size_t v = 0; v < variables_.size(); ++v) SEAMOUNT_TRY(Match(*parts_[p], v));
  }
  for (Dimension& dimension : dimensions_) {
    if (dimension.name == along_) dimension.size = total;
  }
  for (Variable& variable : variables_) {
    if (const auto d = variable.DimensionIndex(along_)) variable.shape[*d] = total;
  }
  return {};
}

Result<void> ConcatDataset::ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const {
  const Variable& v = variables_[variable];
  SEAMOUNT_TRY(CheckBox(v, box, into.size(), files_.front().path));
  const auto axis = v.DimensionIndex(along_);
  const auto read = [&](size_t part, const nd::Box& inner, std::span<std::byte> out) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const size_t index, FindVariable(*parts_[part], v.name));
    return parts_[part]->ReadBox(index, inner, out);
  };
  if (!axis) return read(0, box, into);
  std::vector<std::byte> piece;
  for (size_t p = 0; p < parts_.size(); ++p) {
    const uint64_t end = p + 1 < parts_.size() ? starts_[p + 1] : v.shape[*axis];
    const uint64_t from = std::max(box.origin[*axis], starts_[p]);
    const uint64_t to = std::min(box.origin[*axis] + box.shape[*axis], end);
    if (from >= to) continue;
    nd::Box inner = box;
    inner.origin[*axis] = from - starts_[p];
    inner.shape[*axis] = to - from;
    if (inner.shape == box.shape) return read(p, inner, into);
    piece.resize(nd::Elements(inner.shape) * nd::SizeOf(v.type));
    SEAMOUNT_TRY(read(p, inner, piece));
    nd::Box part = box;
    part.origin[*axis] = from;
    part.shape[*axis] = to - from;
    nd::CopyBox(part, part, piece, box, into, nd::SizeOf(v.type));
  }
  return {};
}

std::string JoinDimension(const Dataset& first) {
  for (const Dimension& dimension : first.dimensions()) {
    const auto coordinate = VariableIndex(first, dimension.name);
    if (coordinate && cf::AxisOf(dimension.name, first.variables()[*coordinate].attributes) == cf::Axis::kTime)
      return dimension.name;
  }
  for (const Dimension& dimension : first.dimensions()) {
    if (dimension.unlimited) return dimension.name;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenMany(const std::vector<std::string>& paths, const std::string& along) {
  if (paths.empty()) return base::InvalidArgument("no source file is named");
  std::vector<std::unique_ptr<Dataset>> parts;
  for (const std::string& path : paths) {
    SEAMOUNT_TRY_ASSIGN(auto part, Open(path));
    parts.push_back(std::move(part));
  }
  if (parts.size() == 1) return std::move(parts.front());
  const std::string dimension = along.empty() ? JoinDimension(*parts.front()) : along;
  if (dimension.empty()) {
    return base::InvalidArgument("joining " + paths[1] + " to " + paths[0] +
                                 ": there is no time or unlimited dimension to join them along");
  }
  auto joined = std::make_unique<ConcatDataset>(std::move(parts), dimension);
  SEAMOUNT_TRY(joined->Join());
  return std::unique_ptr<Dataset>(std::move(joined));
}

}  // namespace seamount::source
