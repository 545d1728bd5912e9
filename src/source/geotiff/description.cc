#include "source/geotiff/description.h"

#include "source/child/wire.h"

namespace seamount::source::geotiff {
namespace {

void Put(WireWriter& out, const Band& band) {
  out.Put(static_cast<uint8_t>(band.type));
  out.Text(band.description);
  out.Text(band.units);
  out.Put<uint8_t>(band.no_data.has_value());
  out.Put(band.no_data.value_or(0));
  out.Put(band.scale);
  out.Put(band.offset);
}

Band GetBand(WireReader& in) {
  Band band;
  band.type = in.GetEnum(nd::DataType::kOther);
  band.description = in.Text();
  band.units = in.Text();
  const bool has_no_data = in.GetBool();
  const auto no_data = in.Get<double>();
  if (has_no_data) band.no_data = no_data;
  band.scale = in.Get<double>();
  band.offset = in.Get<double>();
  return band;
}

bool Sound(const Description& d) {
  constexpr uint64_t kMost = uint64_t{1} << 31;  // GDAL counts in int
  const auto size = [](uint64_t n) { return n > 0 && n < kMost; };
  return size(d.width) && size(d.height) && size(d.block_width) && size(d.block_height) && !d.bands.empty();
}

}  // namespace

std::vector<std::byte> Serialize(const Description& description) {
  WireWriter out;
  for (const uint64_t size :
       {description.width, description.height, description.block_width, description.block_height}) {
    out.Put(size);
  }
  out.Put<uint8_t>(description.transform.has_value());
  for (const double number : description.transform.value_or(std::array<double, 6>{})) out.Put(number);
  out.Text(description.crs_wkt);
  out.List(description.bands, [&](const Band& band) { Put(out, band); });
  return out.Take();
}

Result<Description> ParseDescription(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  Description d;
  for (uint64_t* size : {&d.width, &d.height, &d.block_width, &d.block_height}) *size = in.Get<uint64_t>();
  const bool has_transform = in.GetBool();
  std::array<double, 6> transform{};
  for (double& number : transform) number = in.Get<double>();
  if (has_transform) d.transform = transform;
  d.crs_wkt = in.Text();
  in.List(d.bands, [&] { return GetBand(in); });
  if (!in.whole() || !Sound(d)) return base::DataLoss("its description makes no sense");
  return d;
}

}  // namespace seamount::source::geotiff
