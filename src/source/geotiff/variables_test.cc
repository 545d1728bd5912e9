#include "source/geotiff/variables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "source/geotiff/geotiff_dataset.h"
#include "source/testing/bytes_file.h"

namespace seamount::source::geotiff {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Description Example(size_t bands) {
  Description d{.width = 3, .height = 2, .block_width = 256, .block_height = 1, .crs_wkt = "GEOGCRS[\"WGS 84\"]"};
  d.transform = {10, 0.5, 0, 50, 0, -2};
  for (size_t i = 0; i < bands; ++i) d.bands.push_back({.type = nd::DataType::kInt16, .no_data = std::nan("")});
  return d;
}

std::string Names(const Variables& made) {
  std::string text;
  for (const TiffVariable& v : made.variables) text += (text.empty() ? "" : " ") + v.variable.name;
  return text;
}

const TiffVariable& Named(const Variables& made, const std::string& name) {
  for (const TiffVariable& v : made.variables) {
    if (v.variable.name == name) return v;
  }
  ADD_FAILURE() << "no " << name << " in " << Names(made);
  return made.variables.front();
}

std::vector<double> Values(const TiffVariable& v) {
  std::vector<double> values(v.values.size() / sizeof(double));
  std::memcpy(values.data(), v.values.data(), v.values.size());
  return values;
}

TEST(GeoTiffVariablesTest, BandsThatAreAlikeAreADimension) {
  const Variables made = MakeVariables(Example(4));
  const Variable& data = Named(made, "band_data").variable;
  EXPECT_THAT(data.dimensions, ElementsAre("band", "y", "x"));
  EXPECT_THAT(data.shape, ElementsAre(4, 2, 3));
  EXPECT_THAT(data.chunk_shape, ElementsAre(1, 1, 3)) << "no larger than the image";
  EXPECT_EQ(*data.Text("grid_mapping"), "spatial_ref");
  EXPECT_THAT(Values(Named(made, "x")), ElementsAre(10.25, 10.75, 11.25)) << "the centres";
  EXPECT_THAT(Values(Named(made, "y")), ElementsAre(49, 47));
  EXPECT_EQ(*Named(made, "y").variable.Text("units"), "degrees_north");
  EXPECT_EQ(*Named(made, "spatial_ref").variable.Text("crs_wkt"), "GEOGCRS[\"WGS 84\"]");
  EXPECT_EQ(*Named(made, "spatial_ref").variable.Text("GeoTransform"), "10 0.5 0 50 0 -2");
}

TEST(GeoTiffVariablesTest, BandsThatHaveNamesOrDifferAreVariables) {
  Description d = Example(2);
  d.bands[0].description = "red";
  d.bands[1].description = "blue";
  EXPECT_EQ(Names(MakeVariables(d)), "y x spatial_ref red blue");
  EXPECT_EQ(Named(MakeVariables(d), "blue").first_band, 1u);
  d.bands[1].description = "red";
  EXPECT_EQ(Names(MakeVariables(d)), "y x spatial_ref band band_data") << "one name for both says nothing";
  d.bands[1].description = "x";
  EXPECT_EQ(Names(MakeVariables(d)), "y x spatial_ref band band_data") << "taken";
  d.bands[1].scale = 0.1;
  EXPECT_EQ(Names(MakeVariables(d)), "y x spatial_ref band_1 band_2");
  EXPECT_EQ(*Named(MakeVariables(d), "band_2").variable.Number("scale_factor"), 0.1);
  d.bands[1].type = nd::DataType::kOther;
  EXPECT_THAT(Named(MakeVariables(d), "band_2").variable.unreadable, HasSubstr("complex"));
}

TEST(GeoTiffVariablesTest, AnImageThatIsTurnedOrNowhereHasNoAxes) {
  Description d = Example(1);
  (*d.transform)[2] = 0.1;
  Variables made = MakeVariables(d);
  EXPECT_EQ(Names(made), "spatial_ref band band_data");
  EXPECT_THAT(Named(made, "band_data").variable.remarks, ElementsAre(HasSubstr("turned")));
  d.transform.reset();
  made = MakeVariables(d);
  EXPECT_EQ(Names(made), "spatial_ref band band_data");
  EXPECT_THAT(Named(made, "band_data").variable.remarks, ElementsAre(HasSubstr("no coordinates")));
}

TEST(GeoTiffFileTest, OneThatIsNotLocalIsRefusedWithTheRemedy) {
  const auto opened = OpenGeoTiff(std::make_shared<BytesFile>("II*", "gs://lab/x.tif"));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("gs://lab/x.tif"));
  EXPECT_THAT(opened.error().message(), HasSubstr("copy it here first"));
}

}  // namespace
}  // namespace seamount::source::geotiff
