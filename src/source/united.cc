#include "source/united.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace seamount::source {
namespace {

constexpr std::array<const char*, 4> kReferences = {"coordinates", "bounds", "climatology", "grid_mapping"};

class UnitedDataset final : public Dataset {
 public:
  explicit UnitedDataset(std::vector<NamedDataset> sources) : sources_(std::move(sources)) {
    for (size_t s = 0; s < sources_.size(); ++s) Add(s);
    attributes_ = sources_.front().dataset->attributes();
    std::erase_if(attributes_, [&](const cf::Attribute& attribute) {
      return std::any_of(sources_.begin(), sources_.end(), [&](const NamedDataset& source) {
        const cf::Attribute* other = cf::FindAttribute(source.dataset->attributes(), attribute.name);
        return other == nullptr || !cf::SameValue(*other, attribute);
      });
    });
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return attributes_; }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override {
    const auto& [source, index] = places_[variable];
    return sources_[source].dataset->ReadBox(index, box, into);
  }
  Result<void> CheckUnchanged() const override {
    for (const NamedDataset& source : sources_) SEAMOUNT_TRY(source.dataset->CheckUnchanged());
    return {};
  }

 private:
  void Add(size_t s) {
    const std::string& name = sources_[s].name;
    const Dataset& dataset = *sources_[s].dataset;
    const auto first = static_cast<uint32_t>(files_.size());
    for (FileIdentity file : dataset.files()) {
      if (!file.join_dimension.empty()) file.join_dimension = name + "/" + file.join_dimension;
      files_.push_back(std::move(file));
    }
    for (Dimension dimension : dataset.dimensions()) {
      dimension.name = name + "/" + dimension.name;
      dimension.source = name;
      dimensions_.push_back(std::move(dimension));
    }
    for (size_t v = 0; v < dataset.variables().size(); ++v) {
      places_.emplace_back(s, v);
      variables_.push_back(Named(dataset.variables()[v], s, first));
    }
  }

  Variable Named(Variable variable, size_t s, uint32_t first_file) const {
    const std::string& name = sources_[s].name;
    const std::unique_ptr<Dataset>& dataset = sources_[s].dataset;
    variable.name = name + "/" + variable.name;
    variable.source = name;
    for (std::string& dimension : variable.dimensions) dimension = name + "/" + dimension;
    for (uint32_t& file : variable.files) file += first_file;
    for (uint32_t i = first_file; variable.files.empty() && i < files_.size(); ++i) variable.files.push_back(i);
    for (cf::Attribute& attribute : variable.attributes) {
      if (!IsReference(attribute.name)) continue;
      attribute.text = WithNames(attribute.text, [&](const std::string& word) {
        return VariableIndex(*dataset, word) ? name + "/" + word : word;
      });
    }
    return variable;
  }

  const std::vector<NamedDataset> sources_;
  std::vector<FileIdentity> files_;
  std::vector<Dimension> dimensions_;
  std::vector<Variable> variables_;
  std::vector<cf::Attribute> attributes_;
  std::vector<std::pair<size_t, size_t>> places_;  // by variable: its source, and its number there
};

}  // namespace

std::unique_ptr<Dataset> Unite(std::vector<NamedDataset> sources) {
  return std::make_unique<UnitedDataset>(std::move(sources));
}

bool IsReference(const std::string& attribute) {
  return std::find(kReferences.begin(), kReferences.end(), attribute) != kReferences.end();
}

std::string WithNames(const std::string& text, const std::function<std::string(const std::string&)>& called) {
  std::string out;
  for (const std::string& word : base::Split(text, ' ')) {
    if (word.empty()) continue;
    const bool key = word.ends_with(':');
    out += (out.empty() ? "" : " ") + called(key ? word.substr(0, word.size() - 1) : word) + (key ? ":" : "");
  }
  return out;
}

std::string ShortName(const std::string& name, const std::string& source) {
  return source.empty() ? name : name.substr(source.size() + 1);
}

}  // namespace seamount::source
