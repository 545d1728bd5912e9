#include "source/geotiff/geotiff_dataset.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <thread>

#include "nd/copy.h"
#include "source/child/child.h"
#include "source/child/wire.h"
#include "source/geotiff/answers.h"
#include "source/geotiff/library.h"
#include "source/geotiff/variables.h"
#include "source/local_file.h"

namespace seamount::source::geotiff {
namespace {

// Decoding is nearly all the work, so threads that ask at the same time have several to ask.
Child& Worker() {
  static std::array<Child, 4> children{Child("GDAL", Answer), Child("GDAL", Answer), Child("GDAL", Answer),
                                       Child("GDAL", Answer)};
  return children[std::hash<std::thread::id>()(std::this_thread::get_id()) % children.size()];
}

WireWriter Request(RequestKind kind, const FileIdentity& file) {
  WireWriter out;
  out.Put(static_cast<uint8_t>(kind));
  out.Text(file.path);
  out.Put(file.size_bytes);
  out.Put(file.modified_ns);
  return out;
}

class GeoTiffDataset final : public Dataset {
 public:
  GeoTiffDataset(std::shared_ptr<const File> file, const Description& description)
      : file_(std::move(file)), files_{file_->identity()}, made_(MakeVariables(description)) {
    for (const TiffVariable& v : made_.variables) variables_.push_back(v.variable);
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return made_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return attributes_; }

  Result<void> ReadBox(size_t number, const nd::Box& box, std::span<std::byte> into) const override {
    const TiffVariable& v = made_.variables[number];
    SEAMOUNT_TRY(CheckBox(v.variable, box, into.size(), files_.front().path));
    if (into.empty()) return {};
    if (!v.values.empty()) {
      nd::CopyBox(box, nd::Whole(v.variable.shape), v.values, box, into, nd::SizeOf(v.variable.type));
      return {};
    }
    if (auto read = ReadPlanes(v, box, into); !read) {
      return read.error().Wrap("reading variable '" + v.variable.name + "' of " + files_.front().path);
    }
    return {};
  }

 private:
  Result<void> ReadPlanes(const TiffVariable& v, const nd::Box& box, std::span<std::byte> into) const {
    const bool planes = box.shape.size() == 3;
    const uint64_t count = planes ? box.shape.front() : 1;
    const uint64_t first = v.first_band + (planes ? box.origin.front() : 0);
    const size_t y = planes ? 1 : 0;
    const uint64_t bytes = into.size() / count;
    for (uint64_t i = 0; i < count; ++i) {
      WireWriter out = Request(RequestKind::kRead, files_.front());
      out.Put(static_cast<uint32_t>(first + i));
      out.Put(static_cast<uint8_t>(v.variable.type));
      for (const uint64_t number : {box.origin[y + 1], box.origin[y], box.shape[y + 1], box.shape[y]}) out.Put(number);
      SEAMOUNT_TRY_ASSIGN(const auto reply, Worker().Call(out.Take(), *file_));
      if (reply.size() != bytes) return base::DataLoss("it gave another size than its shape says");
      std::copy(reply.begin(), reply.end(), into.begin() + static_cast<ptrdiff_t>(i * bytes));
    }
    // GDAL reads by the file's name: it has to be the one that was opened still.
    return source::CheckUnchanged(files_.front());
  }

  const std::shared_ptr<const File> file_;
  const std::vector<FileIdentity> files_;
  const Variables made_;
  std::vector<Variable> variables_;
  const std::vector<cf::Attribute> attributes_;
};

Result<Description> Describe(const File& file) {
  SEAMOUNT_TRY(Gdal());  // before a process is started that would have nothing
  if (!file.identity().local) {
    return base::InvalidArgument("GeoTIFF is read from local files only: copy it here first (seamount cp)");
  }
  SEAMOUNT_TRY_ASSIGN(const auto reply, Worker().Call(Request(RequestKind::kDescribe, file.identity()).Take(), file));
  return ParseDescription(reply);
}

}  // namespace

bool IsTiff(std::span<const std::byte, 4> magic) {
  using namespace std::string_view_literals;
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  return text == "II*\0"sv || text == "MM\0*"sv || text == "II+\0"sv || text == "MM\0+"sv;
}

Result<std::unique_ptr<Dataset>> OpenGeoTiff(std::shared_ptr<const File> file) {
  const auto description = Describe(*file);
  if (!description) return description.error().Wrap("reading " + file->identity().path);
  return std::unique_ptr<Dataset>(std::make_unique<GeoTiffDataset>(std::move(file), *description));
}

}  // namespace seamount::source::geotiff
