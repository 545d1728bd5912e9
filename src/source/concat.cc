#include "source/concat.h"

#include <algorithm>
#include <cmath>

#include "cf/axis.h"
#include "cf/decode.h"
#include "nd/copy.h"
#include "source/first_valid.h"
#include "source/join.h"
#include "source/open.h"

namespace seamount::source {
namespace {

class ConcatDataset final : public Dataset {
 public:
  ConcatDataset(std::vector<std::unique_ptr<Dataset>> files, Joined joined)
      : parts_(std::move(files)), joined_(std::move(joined)) {
    for (const JoinedVariable& joined_variable : joined_.variables) variables_.push_back(joined_variable.variable);
  }

  const std::vector<FileIdentity>& files() const override { return joined_.files; }
  const std::vector<Dimension>& dimensions() const override { return joined_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return parts_.front()->attributes(); }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override;
  Result<void> CheckUnchanged() const override {
    for (const auto& part : parts_) SEAMOUNT_TRY(part->CheckUnchanged());
    return {};
  }

 private:
  // `box` in the piece's file.
  Result<void> ReadPiece(const JoinedVariable& v, const Piece& piece, const nd::Box& box,
                         std::span<std::byte> into) const;

  const std::vector<std::unique_ptr<Dataset>> parts_;
  const Joined joined_;
  std::vector<Variable> variables_;
};

template <class Value>
Result<void> DecodePiece(std::span<const std::byte> stored, const JoinedVariable& v, const Piece& piece,
                         std::span<std::byte> into) {
  const std::span values(reinterpret_cast<Value*>(into.data()), into.size() / sizeof(Value));
  cf::Decode(stored, piece.packing, values);
  if (!piece.units || piece.units == v.units) return {};
  for (Value& value : values) {
    if (std::isnan(value)) continue;
    SEAMOUNT_TRY_ASSIGN(const cf::Moment moment, piece.units->ToMoment(value));
    value = static_cast<Value>(v.units->FromMoment(moment));
  }
  return {};
}

Result<void> ConcatDataset::ReadPiece(const JoinedVariable& v, const Piece& piece, const nd::Box& box,
                                      std::span<std::byte> into) const {
  const Dataset& file = *parts_[piece.file];
  if (!v.decoded) return file.ReadBox(piece.variable, box, into);
  std::vector<std::byte> stored(nd::Elements(box.shape) * nd::SizeOf(file.variables()[piece.variable].type));
  SEAMOUNT_TRY(file.ReadBox(piece.variable, box, stored));
  auto decoded = v.variable.type == nd::DataType::kFloat32 ? DecodePiece<float>(stored, v, piece, into)
                                                           : DecodePiece<double>(stored, v, piece, into);
  if (!decoded) return decoded.error().Wrap("reading variable '" + v.variable.name + "' of " + file.files()[0].path);
  return {};
}

Result<void> ConcatDataset::ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const {
  const JoinedVariable& v = joined_.variables[variable];
  SEAMOUNT_TRY(CheckBox(v.variable, box, into.size(), joined_.files.front().path));
  if (into.empty()) return {};
  if (!v.along) return ReadPiece(v, v.pieces.front(), box, into);
  const size_t axis = *v.variable.DimensionIndex(joined_.along);
  const uint64_t end = box.origin[axis] + box.shape[axis];
  auto step = std::upper_bound(joined_.steps.begin(), joined_.steps.end(), box.origin[axis],
                               [](uint64_t at, const JoinStep& s) { return at < s.start + s.count; });
  std::vector<std::byte> buffer;
  for (; step != joined_.steps.end() && step->start < end; ++step) {
    if (step->count == 0) continue;
    const Piece& piece = v.pieces[static_cast<size_t>(step - joined_.steps.begin())];
    nd::Box part = box;
    part.origin[axis] = std::max(box.origin[axis], step->start);
    part.shape[axis] = std::min(end, step->start + step->count) - part.origin[axis];
    nd::Box inner = part;
    inner.origin[axis] -= step->start;
    if (part == box) return ReadPiece(v, piece, inner, into);
    buffer.resize(nd::Elements(part.shape) * nd::SizeOf(v.variable.type));
    SEAMOUNT_TRY(ReadPiece(v, piece, inner, buffer));
    nd::CopyBox(part, part, buffer, box, into, nd::SizeOf(v.variable.type));
  }
  return {};
}

std::string JoinDimension(const Dataset& first) {
  for (const Dimension& dimension : first.dimensions()) {
    const auto coordinate = VariableIndex(first, dimension.name);
    if (!coordinate) continue;
    if (cf::AxisOf(dimension.name, first.variables()[*coordinate].attributes) == cf::Axis::kTime) return dimension.name;
  }
  for (const Dimension& dimension : first.dimensions()) {
    if (dimension.unlimited) return dimension.name;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenMany(const std::vector<std::string>& paths, const std::string& along,
                                          const cf::Options& options, Remote* remote, const std::string& first_valid,
                                          std::set<std::string>* dimensions) {
  if (paths.empty()) return base::InvalidArgument("no source file is named");
  SEAMOUNT_TRY_ASSIGN(auto parts, OpenEach(paths, remote));
  for (size_t i = 0; i < parts.size() && dimensions != nullptr; ++i) {
    for (const Dimension& one : parts[i]->dimensions()) dimensions->insert(one.name);
  }
  for (auto& part : parts) part = FirstValid(std::move(part), first_valid, options);
  std::string dimension = along;
  for (const auto& part : parts) {
    if (dimension.empty()) dimension = JoinDimension(*part);
  }
  const bool alone = parts.size() == 1 && (dimension.empty() || !CountsMonths(*parts.front()));
  if (alone) return std::move(parts.front());
  if (dimension.empty()) {
    return base::InvalidArgument("joining " + ForPeople(paths[1]) + " to " + ForPeople(paths[0]) +
                                 ": there is no time or unlimited dimension to join them along");
  }
  SEAMOUNT_TRY_ASSIGN(Joined joined, Join(parts, dimension, options));
  return std::unique_ptr<Dataset>(std::make_unique<ConcatDataset>(std::move(parts), std::move(joined)));
}

}  // namespace seamount::source
