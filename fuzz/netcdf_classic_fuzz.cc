// NetCDF classic headers, and reading what they describe.
#include <algorithm>

#include "nd/box.h"
#include "nd/data_type.h"
#include "source/netcdf/classic.h"
#include "source/testing/bytes_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto dataset = source::netcdf::OpenClassic(std::make_shared<source::BytesFile>(bytes, "fuzz.nc"));
  if (!dataset) return 0;
  for (size_t i = 0; i < (*dataset)->variables().size(); ++i) {
    const source::Variable& variable = (*dataset)->variables()[i];
    nd::Box box{nd::Index(variable.shape.size(), 0), variable.shape};
    for (uint64_t& extent : box.shape) extent = std::min<uint64_t>(extent, 3);
    std::vector<std::byte> into(nd::Elements(box.shape) * nd::SizeOf(variable.type));
    if (into.size() <= 1 << 20) (void)(*dataset)->ReadBox(i, box, into).has_value();
  }
  return 0;
}
