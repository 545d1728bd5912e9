#include "source/netcdf/classic.h"

#include <bit>

#include "cf/attribute.h"
#include "nd/box.h"
#include "nd/byte_order.h"
#include "nd/data_type.h"
#include "source/runs.h"

namespace seamount::source::netcdf {
namespace {

class ClassicDataset final : public Dataset {
 public:
  ClassicDataset(std::shared_ptr<const File> file, ClassicHeader header)
      : file_(std::move(file)), files_{file_->identity()}, header_(std::move(header)) {
    for (const ClassicVariable& v : header_.variables) variables_.push_back(v.variable);
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return header_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return header_.attributes; }

  Result<void> ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const override {
    const Variable& variable = variables_[index];
    SEAMOUNT_TRY(CheckBox(variable, box, into.size(), files_.front().path));
    if (into.empty()) return {};
    if (auto read = ReadPlain(header_.variables[index], box, into); !read) {
      return read.error().Wrap("reading variable '" + variable.name + "' of " + files_.front().path);
    }
    if constexpr (std::endian::native == std::endian::little) nd::SwapBytes(into, nd::SizeOf(variable.type));
    return {};
  }

 private:
  Result<void> ReadPlain(const ClassicVariable& v, const nd::Box& box, std::span<std::byte> into) const {
    const nd::Index& shape = v.variable.shape;
    const size_t rank = shape.size();
    nd::Index stride(rank);
    uint64_t step = nd::SizeOf(v.variable.type);
    for (size_t d = rank; d-- > 0;) {
      stride[d] = step;
      step *= shape[d];
    }
    if (v.record) stride[0] = header_.record_bytes;
    return ReadRuns(*file_, {v.begin, shape, std::move(stride), nd::SizeOf(v.variable.type)}, box, into);
  }

  const std::shared_ptr<const File> file_;
  const std::vector<FileIdentity> files_;
  const ClassicHeader header_;
  std::vector<Variable> variables_;
};

}  // namespace

Result<std::unique_ptr<Dataset>> OpenClassic(std::shared_ptr<const File> file) {
  SEAMOUNT_TRY_ASSIGN(ClassicHeader header, ParseClassicHeader(*file, file->identity().path));
  return std::unique_ptr<Dataset>(std::make_unique<ClassicDataset>(std::move(file), std::move(header)));
}

}  // namespace seamount::source::netcdf
