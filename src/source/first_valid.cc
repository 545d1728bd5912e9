#include "source/first_valid.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "cf/decode.h"
#include "nd/data_type.h"

namespace seamount::source {
namespace {

constexpr uint64_t kAtOnceBytes =
    4 << 20;                             // of one place: a box is read in parts, since the other places lie beside it
constexpr size_t kDecodedAtOnce = 4096;  // values

// Takes from `next` what is missing in `into` and not there. Whether anything is missing still.
bool TakeMissing(std::span<const std::byte> next, const cf::Packing& packing, size_t element,
                 std::span<std::byte> into) {
  std::vector<double> here(kDecodedAtOnce);
  std::vector<double> there(kDecodedAtOnce);
  bool missing = false;
  const size_t all = into.size() / element;
  for (size_t first = 0; first < all; first += kDecodedAtOnce) {
    const size_t count = std::min(kDecodedAtOnce, all - first);
    cf::Decode(into.subspan(first * element, count * element), packing, std::span(here).first(count));
    if (std::none_of(here.begin(), here.begin() + static_cast<std::ptrdiff_t>(count),
                     [](double value) { return std::isnan(value); })) {
      continue;
    }
    if (next.empty()) return true;
    cf::Decode(next.subspan(first * element, count * element), packing, std::span(there).first(count));
    for (size_t i = 0; i < count; ++i) {
      if (!std::isnan(here[i])) continue;
      if (std::isnan(there[i])) {
        missing = true;
        continue;
      }
      std::memcpy(into.data() + (first + i) * element, next.data() + (first + i) * element, element);
    }
  }
  return missing;
}

class FirstValidDataset final : public Dataset {
 public:
  FirstValidDataset(std::unique_ptr<Dataset> dataset, const std::string& dimension, const cf::Options& reading)
      : dataset_(std::move(dataset)), dimensions_(dataset_->dimensions()) {
    std::erase_if(dimensions_, [&](const Dimension& one) { return one.name == dimension; });
    for (size_t v = 0; v < dataset_->variables().size(); ++v) Add(v, dimension, reading);
  }

  const std::vector<FileIdentity>& files() const override { return dataset_->files(); }
  const std::vector<Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return dataset_->attributes(); }
  Result<void> CheckUnchanged() const override { return dataset_->CheckUnchanged(); }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override {
    const Place& place = places_[variable];
    if (!place.along) return dataset_->ReadBox(place.variable, box, into);
    SEAMOUNT_TRY(CheckBox(variables_[variable], box, into.size(), files().front().path));
    return into.empty() ? Result<void>() : ReadParts(place, box, into);
  }

 private:
  struct Place {
    size_t variable = 0;          // of the data set
    std::optional<size_t> along;  // where its dimension is that is gone
    uint64_t count = 0;
    cf::Packing packing = {};
  };

  void Add(size_t index, const std::string& dimension, const cf::Options& reading) {
    Variable variable = dataset_->variables()[index];
    Place place{index, variable.DimensionIndex(dimension)};
    if (place.along) {
      if (variable.name == dimension) return;  // its coordinate
      const auto at = static_cast<std::ptrdiff_t>(*place.along);
      place.count = variable.shape[*place.along];
      variable.dimensions.erase(variable.dimensions.begin() + at);
      variable.shape.erase(variable.shape.begin() + at);
      if (!variable.chunk_shape.empty()) variable.chunk_shape.erase(variable.chunk_shape.begin() + at);
      if (variable.identity) {
        variable.identity = [whole = variable.identity, at, count = place.count](nd::Box box) {
          box.origin.insert(box.origin.begin() + at, 0);
          box.shape.insert(box.shape.begin() + at, count);
          return whole(box);
        };
      }
      auto packing = PackingOf(variable, reading);
      if (packing) place.packing = *packing;
      if (variable.unreadable.empty()) variable.unreadable = Trouble(variable, dimension, place, packing);
    }
    variables_.push_back(std::move(variable));
    places_.push_back(std::move(place));
  }

  static std::string Trouble(const Variable& variable, const std::string& dimension, const Place& place,
                             const Result<cf::Packing>& packing) {
    if (variable.type == nd::DataType::kChar)
      return "it holds text, of which none is missing along '" + dimension + "'";
    if (!packing) return packing.error().message();
    return place.count == 0 ? "there is no place along '" + dimension + "'" : "";
  }

  Result<void> ReadParts(const Place& place, const nd::Box& box, std::span<std::byte> into) const {
    if (into.size() > kAtOnceBytes) {
      // The dimensions before the one that is halved have an extent of one, so that each half is dense in `into`.
      const auto wide = std::find_if(box.shape.begin(), box.shape.end(), [](uint64_t extent) { return extent > 1; });
      const auto d = static_cast<size_t>(wide - box.shape.begin());
      nd::Box first = box;
      nd::Box second = box;
      first.shape[d] = box.shape[d] / 2;
      second.origin[d] += first.shape[d];
      second.shape[d] -= first.shape[d];
      const size_t bytes = into.size() / box.shape[d] * first.shape[d];
      SEAMOUNT_TRY(ReadParts(place, first, into.first(bytes)));
      return ReadParts(place, second, into.subspan(bytes));
    }
    nd::Box whole = box;
    const auto at = static_cast<std::ptrdiff_t>(*place.along);
    whole.origin.insert(whole.origin.begin() + at, 0);
    whole.shape.insert(whole.shape.begin() + at, 1);
    SEAMOUNT_TRY(dataset_->ReadBox(place.variable, whole, into));
    const size_t element = nd::SizeOf(dataset_->variables()[place.variable].type);
    bool missing = TakeMissing({}, place.packing, element, into);
    std::vector<std::byte> next(missing && place.count > 1 ? into.size() : 0);
    for (uint64_t i = 1; i < place.count && missing; ++i) {
      whole.origin[*place.along] = i;
      SEAMOUNT_TRY(dataset_->ReadBox(place.variable, whole, next));
      missing = TakeMissing(next, place.packing, element, into);
    }
    return {};
  }

  const std::unique_ptr<Dataset> dataset_;
  std::vector<Dimension> dimensions_;
  std::vector<Variable> variables_;
  std::vector<Place> places_;  // by variable
};

}  // namespace

std::unique_ptr<Dataset> FirstValid(std::unique_ptr<Dataset> dataset, const std::string& dimension,
                                    const cf::Options& reading) {
  if (FindDimension(*dataset, dimension) == nullptr) return dataset;
  return std::make_unique<FirstValidDataset>(std::move(dataset), dimension, reading);
}

}  // namespace seamount::source
