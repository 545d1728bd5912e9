#include "source/grib/cube.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

namespace seamount::source::grib {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Grid LatLon(const std::string& id, uint64_t rows, uint64_t columns) {
  Grid grid{.id = id, .type = "regular_ll", .dimensions = {"latitude", "longitude"}, .shape = {rows, columns}};
  for (uint64_t i = 0; i < rows; ++i) grid.latitudes.push_back(90 - static_cast<double>(i));
  for (uint64_t i = 0; i < columns; ++i) grid.longitudes.push_back(static_cast<double>(i));
  return grid;
}

Field FieldAt(const std::string& name, const std::string& level_type, double level, int64_t time,
              double step_hours = 0) {
  return {.name = name,
          .units = "K",
          .level_type = level_type,
          .step_type = "instant",
          .level = level,
          .time = time,
          .step_hours = step_hours,
          .grid = "g"};
}

std::string Shape(const Variable& variable) {
  std::string text;
  for (size_t d = 0; d < variable.shape.size(); ++d) {
    text += (d > 0 ? ", " : "") + variable.dimensions[d] + " " + std::to_string(variable.shape[d]);
  }
  return text;
}

std::map<std::string, std::string> Shapes(const Cube& cube) {
  std::map<std::string, std::string> shapes;
  for (const auto& v : cube.variables) shapes[v.variable.name] = Shape(v.variable);
  return shapes;
}

const CubeVariable& Named(const Cube& cube, const std::string& name) {
  for (const auto& v : cube.variables) {
    if (v.variable.name == name) return v;
  }
  ADD_FAILURE() << "no " << name;
  return cube.variables.front();
}

template <class Number>
std::vector<Number> Values(const CubeVariable& v) {
  std::vector<Number> values(v.values.size() / sizeof(Number));
  std::memcpy(values.data(), v.values.data(), v.values.size());
  return values;
}

TEST(GribCubeTest, LevelsAndTimesAreDimensionsInOrder) {
  Index index{.grids = {LatLon("g", 3, 4)}};
  for (const int64_t time : {7200, 0}) {
    for (const double level : {500.0, 1000.0, 850.0})
      index.fields.push_back(FieldAt("t", "isobaricInhPa", level, time));
  }
  const Cube cube = MakeCube(index);
  const CubeVariable& t = Named(cube, "t");
  EXPECT_EQ(Shape(t.variable), "time 2, isobaricInhPa 3, latitude 3, longitude 4");
  EXPECT_THAT(t.variable.chunk_shape, ElementsAre(1, 1, 3, 4));
  EXPECT_THAT(t.fields, ElementsAre(4, 5, 3, 1, 2, 0));
  EXPECT_THAT(Values<double>(Named(cube, "isobaricInhPa")), ElementsAre(1000, 850, 500)) << "pressure falls";
  EXPECT_THAT(Values<int64_t>(Named(cube, "time")), ElementsAre(0, 7200));
  EXPECT_THAT(Values<int64_t>(Named(cube, "valid_time")), ElementsAre(0, 7200));
  EXPECT_EQ(*t.variable.Text("coordinates"), "step valid_time");
  EXPECT_TRUE(t.variable.remarks.empty());
}

TEST(GribCubeTest, MembersAndStepsAreDimensionsWhereThereAreSeveral) {
  Index index{.grids = {LatLon("g", 1, 1)}};
  for (const int64_t member : {0, 1}) {
    for (const double step : {0.0, 1.5, 3.0}) {
      index.fields.push_back(FieldAt("t2m", "heightAboveGround", 2, 3600, step));
      index.fields.back().member = member;
    }
  }
  const Cube cube = MakeCube(index);
  EXPECT_EQ(Shape(Named(cube, "t2m").variable), "number 2, time 1, step 3, latitude 1, longitude 1");
  EXPECT_THAT(Values<double>(Named(cube, "step")), ElementsAre(0, 1.5, 3));
  EXPECT_EQ(Shape(Named(cube, "valid_time").variable), "time 1, step 3");
  EXPECT_THAT(Values<int64_t>(Named(cube, "valid_time")), ElementsAre(3600, 9000, 14'400));
  EXPECT_EQ(Shape(Named(cube, "heightAboveGround").variable), "");
  EXPECT_EQ(*Named(cube, "t2m").variable.Text("coordinates"), "heightAboveGround valid_time");
}

TEST(GribCubeTest, NothingIsLeftOutWhereNamesMeet) {
  Index index{.grids = {LatLon("g", 2, 2), LatLon("h", 3, 2)}};
  index.fields = {FieldAt("t", "isobaricInhPa", 500, 0),
                  FieldAt("t", "isobaricInhPa", 850, 0),
                  FieldAt("t", "surface", 0, 0),
                  FieldAt("u10", "heightAboveGround", 10, 0),
                  FieldAt("t2m", "heightAboveGround", 2, 0),
                  FieldAt("z", "isobaricInhPa", 500, 0),
                  FieldAt("z", "isobaricInhPa", 100, 0),
                  FieldAt("tp", "surface", 0, 0),
                  FieldAt("tp", "surface", 0, 0),
                  FieldAt("q", "surface", 0, 0)};
  index.fields[8].step_type = "accum";
  index.fields[9].grid = "h";
  const auto shapes = Shapes(MakeCube(index));
  EXPECT_EQ(shapes.at("t_isobaricInhPa"), "time 1, isobaricInhPa 2, latitude 2, longitude 2");
  EXPECT_EQ(shapes.at("t_surface"), "time 1, latitude 2, longitude 2");
  EXPECT_EQ(shapes.at("z"), "time 1, isobaricInhPa_2 2, latitude 2, longitude 2") << "other levels than those of t";
  EXPECT_EQ(shapes.at("tp_instant"), "time 1, latitude 2, longitude 2");
  EXPECT_EQ(shapes.at("tp_accum"), "time 1, latitude 2, longitude 2");
  EXPECT_EQ(shapes.at("q"), "time 1, latitude_2 3, longitude 2");
  EXPECT_EQ(shapes.at("heightAboveGround_2"), "") << "2 m beside 10 m";
}

TEST(GribCubeTest, GapsAndRepetitionsAreSaid) {
  Index index{.grids = {LatLon("g", 1, 1)}};
  index.fields = {FieldAt("t", "isobaricInhPa", 500, 0), FieldAt("t", "isobaricInhPa", 850, 3600),
                  FieldAt("t", "isobaricInhPa", 500, 0)};
  const Cube cube = MakeCube(index);
  const CubeVariable& t = Named(cube, "t");
  EXPECT_THAT(t.fields, ElementsAre(kNoField, 2, 1, kNoField));
  ASSERT_EQ(t.variable.remarks.size(), 2u);
  EXPECT_THAT(t.variable.remarks[0], HasSubstr("1 of its fields"));
  EXPECT_THAT(t.variable.remarks[1], HasSubstr("2 of 4 combinations"));
}

TEST(GribCubeTest, FieldsThatShareNoCoordinateAreRefused) {
  Index index{.grids = {LatLon("g", 1, 1)}};
  for (int i = 0; i < 1000; ++i) index.fields.push_back(FieldAt("t", "isobaricInhPa", i, i * 3600, i));
  EXPECT_THAT(Named(MakeCube(index), "t").variable.unreadable, HasSubstr("split the file"));
}

TEST(GribCubeTest, OtherGridsHaveCoordinatesOfEachPoint) {
  Index index;
  index.grids = {Grid{.id = "p",
                      .type = "lambert",
                      .dimensions = {"y", "x"},
                      .shape = {1, 2},
                      .latitudes = {1, 2},
                      .longitudes = {3, 4}},
                 Grid{.id = "r",
                      .type = "reduced_gg",
                      .dimensions = {"values"},
                      .shape = {3},
                      .latitudes = {1, 2, 3},
                      .longitudes = {4, 5, 6}},
                 Grid{.id = "s", .type = "sh", .dimensions = {"values"}, .shape = {1}, .unreadable = "why"}};
  for (const char* grid : {"p", "r", "s"}) {
    index.fields.push_back(FieldAt(std::string("v") + grid, "surface", 0, 0));
    index.fields.back().grid = grid;
  }
  const Cube cube = MakeCube(index);
  const auto shapes = Shapes(cube);
  EXPECT_EQ(shapes.at("vp"), "time 1, y 1, x 2");
  EXPECT_EQ(shapes.at("latitude"), "y 1, x 2");
  EXPECT_EQ(shapes.at("vr"), "time 1, values 3");
  EXPECT_EQ(shapes.at("longitude_2"), "values 3");
  EXPECT_EQ(*Named(cube, "vr").variable.Text("coordinates"), "step surface valid_time latitude_2 longitude_2");
  EXPECT_EQ(Named(cube, "vs").variable.unreadable, "why");
}

}  // namespace
}  // namespace seamount::source::grib
