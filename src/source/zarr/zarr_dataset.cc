#include "source/zarr/zarr_dataset.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/text.h"
#include "cf/attribute.h"
#include "cf/decode.h"
#include "zarr/array.h"
#include "zarr/required_objects.h"
#include "zarr/tree.h"
#include "zarr/whole_group.h"

namespace seamount::source::zarr_group {
namespace {

class Hash {  // FNV-1a
 public:
  Hash& Add(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 1099511628211U;
    return *this;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 14695981039346656037U;
};

constexpr size_t kMaxKnownObjects = 4 << 20;  // 16 bytes each

// The content of a group, as far as a listing tells it.
struct Content {
  uint64_t bytes = 0;
  Hash hash;                                           // of names and generations
  std::vector<std::pair<uint64_t, uint64_t>> objects;  // hashes of both, for each, in order; empty: too many, or none

  uint64_t Of(const std::string& key) const {  // 0: it is not there
    const auto found =
        std::lower_bound(objects.begin(), objects.end(), std::pair(Hash().Add(key).value(), uint64_t{0}));
    return found == objects.end() || found->first != Hash().Add(key).value() ? 0 : found->second;
  }
};

// nullopt where the store cannot list, or may not.
Result<std::optional<Content>> ListContent(const Place& place) {
  Content content;
  uint64_t count = 0;
  store::ListOptions options{.prefix = place.path.empty() ? "" : place.path + "/"};
  do {
    auto page = place.store->List(options, {.stop = place.stop});
    if (!page) {
      const ErrorCode code = page.error().code();
      const bool unable = code == ErrorCode::kInvalidArgument || code == ErrorCode::kPermissionDenied;
      return unable ? Result<std::optional<Content>>(std::nullopt) : page.error();
    }
    for (const store::ObjectInfo& object : page->objects) {
      content.bytes += object.size_bytes;
      content.hash.Add(object.key + "|" + object.generation.text() + "|");
      if (++count > kMaxKnownObjects) continue;
      content.objects.emplace_back(Hash().Add(object.key).value(), Hash().Add(object.generation.text()).value());
    }
    options.page_token = page->next_page_token;
  } while (!options.page_token.empty());
  if (count > kMaxKnownObjects) content.objects.clear();
  std::sort(content.objects.begin(), content.objects.end());
  return std::optional(std::move(content));
}

std::string GroupOf(const std::string& name) { return name.substr(0, name.rfind('/') + 1); }  // "" or with '/'

std::optional<double> FillOf(const zarr::ArrayMetadata& metadata) {
  if (metadata.format != 2 || metadata.fill_value_null || metadata.fill_value.empty()) return std::nullopt;
  double value = 0;
  cf::Packing plain;
  plain.type = metadata.data_type;
  cf::Decode(metadata.fill_value.span(), plain, std::span(&value, 1));
  return value;
}

class Tables {
 public:
  explicit Tables(const zarr::Tree& tree) {
    for (const zarr::TreeArray& array : tree.arrays) {
      const auto& names = array.metadata.dimension_names;
      const std::string last = array.path.substr(GroupOf(array.path).size());
      if (names.size() == 1 && names[0] == last) coordinates_[array.path] = array.metadata.shape[0];
    }
  }

  Variable Put(const zarr::TreeArray& array) {
    Variable v;
    v.name = array.path.empty() ? "array" : array.path;
    v.unreadable = array.trouble;
    if (!v.unreadable.empty()) return v;
    const zarr::ArrayMetadata& metadata = array.metadata;
    v.shape = metadata.shape;
    v.chunk_shape = metadata.chunk_shape;
    v.type = metadata.data_type;
    for (const zarr::CodecSpec& codec : metadata.codecs) {
      if (codec.name != "bytes") v.filters += (v.filters.empty() ? "" : ", ") + codec.name;
    }
    if (!nd::IsInteger(v.type) && v.type != nd::DataType::kFloat32 && v.type != nd::DataType::kFloat64) {
      v.unreadable = "its type, " + NameOf(zarr::ElementTypeOf(metadata)) + ", is not a plain number";
      v.type = nd::DataType::kOther;
    } else {
      v.fill = FillOf(metadata);
    }
    if (auto attributes = cf::AttributesFromJson(metadata.attributes_json)) {
      v.attributes = *std::move(attributes);
    } else {
      v.unreadable = "its attributes: " + attributes.error().message();
    }
    for (size_t d = 0; d < v.shape.size(); ++d) AddDimension(metadata, d, v);
    return v;
  }

  std::vector<Dimension> TakeDimensions() { return std::move(dimensions_); }

 private:
  void AddDimension(const zarr::ArrayMetadata& metadata, size_t d, Variable& v) {
    const uint64_t size = v.shape[d];
    std::string name = d < metadata.dimension_names.size() ? metadata.dimension_names[d] : "";
    if (name.empty()) {
      const std::string anonymous = "phony_dim_" + std::to_string(size);
      name = anonymous;
      for (int n = 2; v.DimensionIndex(name); ++n) name = anonymous + "_" + std::to_string(n);
    } else {
      name = Belonging(v.name, name);
      if (v.DimensionIndex(name)) v.unreadable = "its dimension '" + name + "' stands twice";
    }
    v.dimensions.push_back(name);
    const auto known = std::find_if(dimensions_.begin(), dimensions_.end(),
                                    [&](const Dimension& dimension) { return dimension.name == name; });
    if (known == dimensions_.end()) {
      const auto coordinate = coordinates_.find(name);
      dimensions_.push_back({name, coordinate == coordinates_.end() ? size : coordinate->second, false});
      if (dimensions_.back().size == size) return;
    } else if (known->size == size) {
      return;
    }
    v.unreadable = "it has " + std::to_string(size) + " along '" + name + "', where others have " +
                   std::to_string(known == dimensions_.end() ? dimensions_.back().size : known->size);
  }

  // The dimension's name with that of the group it belongs to.
  std::string Belonging(const std::string& array, const std::string& name) const {
    std::string group = GroupOf(array);
    std::string own = group + name;
    for (;;) {
      if (coordinates_.contains(group + name)) return group + name;
      if (group.empty()) return own;
      group.pop_back();
      group = GroupOf(group);
    }
  }

  std::map<std::string, uint64_t> coordinates_;  // with their sizes
  std::vector<Dimension> dimensions_;
};

Result<Content> ContentOf(const Place& place, const zarr::Tree& tree) {
  SEAMOUNT_TRY_ASSIGN(auto listed, ListContent(place));
  if (listed) return *std::move(listed);
  Content content;
  content.hash.Add(tree.generation);
  for (const zarr::TreeArray& array : tree.arrays) {
    const auto& m = array.metadata;
    if (array.trouble.empty()) content.bytes += nd::Elements(m.shape) * nd::SizeOf(m.data_type);
  }
  return content;
}

FileIdentity IdentityOf(const Place& place, const Content& content) {
  FileIdentity identity;
  identity.path = place.address;
  identity.size_bytes = content.bytes;
  identity.generation = std::to_string(content.hash.value());
  return identity;
}

class ZarrDataset final : public Dataset {
 public:
  ZarrDataset(Place place, Content content, const zarr::Tree& tree, std::vector<cf::Attribute> attributes)
      : place_(std::move(place)),
        content_(std::move(content)),
        files_{IdentityOf(place_, content_)},
        attributes_(std::move(attributes)) {
    Tables tables(tree);
    for (const zarr::TreeArray& array : tree.arrays) {
      variables_.push_back(tables.Put(array));
      paths_.push_back(array.path);
      if (content_.objects.empty()) continue;
      variables_.back().identity = [this, index = paths_.size() - 1](const nd::Box& box) {
        return PartIdentity(index, box);
      };
    }
    dimensions_ = tables.TakeDimensions();
    arrays_.resize(variables_.size());
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return attributes_; }

  Result<void> ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const override {
    const Variable& v = variables_[index];
    SEAMOUNT_TRY(CheckBox(v, box, into.size(), files_.front().path));
    if (into.empty()) return {};
    SEAMOUNT_TRY_ASSIGN(const auto array, ArrayOf(index));
    if (auto read = array->ReadRegion(box, into, place_.pool.get(), {.stop = place_.stop}); !read) {
      return read.error().Wrap("reading variable '" + v.name + "' of " + place_.address);
    }
    return {};
  }

  Result<void> CheckUnchanged() const override;

 private:
  Result<std::shared_ptr<zarr::Array>> ArrayOf(size_t index) const {
    const std::scoped_lock lock(mutex_);
    if (arrays_[index] != nullptr) return arrays_[index];
    std::string path = place_.path;
    if (!paths_[index].empty()) path += (path.empty() ? "" : "/") + paths_[index];
    const auto objects = std::make_shared<zarr::RequiredObjects>(place_.store);
    SEAMOUNT_TRY_ASSIGN(auto array, zarr::Array::Open(objects, path, {.stop = place_.stop}));
    if (zarr::HasEveryObject(array->metadata().attributes_json)) objects->Require();
    const zarr::ArrayMetadata& now = array->metadata();
    const bool same = now.shape == variables_[index].shape && now.data_type == variables_[index].type;
    if (!same)
      return base::DataLoss(place_.address + " changed while it was read, or its consolidated metadata are old");
    arrays_[index] = std::move(array);
    return arrays_[index];
  }

  // The chunks (or shards) that the box touches, and how they are encoded: what was appended changes neither.
  std::string PartIdentity(size_t index, const nd::Box& box) const {
    const auto array = ArrayOf(index);
    if (!array) return files_.front().generation;
    const zarr::ArrayMetadata& m = (*array)->metadata();
    Hash hash;
    hash.Add(NameOf(zarr::ElementTypeOf(m)))
        .Add({reinterpret_cast<const char*>(m.fill_value.span().data()), m.fill_value.size()});
    for (const zarr::CodecSpec& codec : m.codecs) hash.Add(codec.name).Add(codec.configuration_json);
    const auto add_sizes = [&](const nd::Index& sizes) {
      for (const uint64_t size : sizes) hash.Add(std::to_string(size) + ",");
    };
    const bool regular = !(*array)->rectilinear();
    if (regular || m.shard_shape) add_sizes(m.chunk_shape);
    for (const nd::Index& unit : nd::IndicesOf((*array)->UnitsTouched(box))) {
      const std::string key = (*array)->UnitKey(unit);
      if (!regular) {
        const nd::Box extent = (*array)->UnitBox(unit);
        add_sizes(extent.origin);
        add_sizes(extent.shape);
      }
      hash.Add(key).Add(std::to_string(content_.Of(key)));
    }
    return std::to_string(hash.value());
  }

  const Place place_;
  const Content content_;
  const std::vector<FileIdentity> files_;
  const std::vector<cf::Attribute> attributes_;
  std::vector<Dimension> dimensions_;
  std::vector<Variable> variables_;
  std::vector<std::string> paths_;  // of the arrays, within the group
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<zarr::Array>> arrays_;  // null until they are read
};

Result<void> ZarrDataset::CheckUnchanged() const {
  SEAMOUNT_TRY_ASSIGN(const zarr::Tree tree, zarr::ReadTree(*place_.store, place_.path, {.stop = place_.stop}));
  SEAMOUNT_TRY_ASSIGN(const Content now, ContentOf(place_, tree));
  if (now.hash.value() == content_.hash.value()) return {};
  return base::DataLoss(place_.address + " changed while it was read: run it again when nobody writes to it");
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenZarr(Place place) {
  auto tree = zarr::ReadTree(*place.store, place.path, {.stop = place.stop});
  if (!tree) return tree.error().Wrap("reading " + place.address);
  auto attributes = cf::AttributesFromJson(tree->attributes_json);
  if (!attributes) return attributes.error().Wrap("reading " + place.address);
  auto content = ContentOf(place, *tree);
  if (!content) return content.error().Wrap("reading " + place.address);
  return std::unique_ptr<Dataset>(
      std::make_unique<ZarrDataset>(std::move(place), *std::move(content), *tree, *std::move(attributes)));
}

}  // namespace seamount::source::zarr_group
