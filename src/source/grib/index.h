// What a GRIB file holds, found by one pass over its headers: which fields, where, and on which grids.
//
// The index is kept on disk (index_file.h) and comes from the process that has ecCodes (answers.h), so it is parsed
// like any input from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "nd/box.h"

namespace seamount::source::grib {

// One field: what ecCodes says of it, under the names of its keys where nothing else is said.
struct Field {
  uint64_t offset = 0;             // of its message in the file
  uint64_t bytes = 0;              // of the message
  uint32_t number_in_message = 0;  // from 1 on; 0: it is the only one
  std::string name;                // cfVarName, as xarray names the variable; else shortName
  std::string short_name;          // shortName
  std::string long_name;           // name
  std::string standard_name;       // cfName; empty: unknown
  std::string units;
  std::string level_type;  // typeOfLevel
  std::string step_type;   // stepType
  std::string centre;
  int64_t edition = 0;
  int64_t param_id = 0;
  double level = 0;
  int64_t member = -1;    // number; -1: of no ensemble
  int64_t time = 0;       // dataDate and dataTime, in seconds since 1970
  double step_hours = 0;  // endStep
  std::string grid;       // which of the grids
};

struct Grid {
  std::string id;    // md5GridSection
  std::string type;  // gridType
  // latitude and longitude; y and x; or values.
  std::vector<std::string> dimensions;
  nd::Index shape;
  bool columns_first = false;  // values lie column after column
  // One for each row and column of a grid of latitude and longitude; else one for each point, or none where ecCodes
  // does not know them. Degrees.
  std::vector<double> latitudes;
  std::vector<double> longitudes;
  std::string unreadable;  // why its values cannot be given
};

struct Index {
  std::vector<Field> fields;  // in the order of the file
  std::vector<Grid> grids;
};

const Grid* FindGrid(const Index& index, const std::string& id);

std::vector<std::byte> Serialize(const Index& index);
std::vector<std::byte> Serialize(const std::vector<Field>& fields);
std::vector<std::byte> Serialize(const Grid& grid);
// DataLoss when the bytes are none, or say what cannot be. Any bytes are safe input.
Result<Index> ParseIndex(std::span<const std::byte> bytes);
Result<std::vector<Field>> ParseFields(std::span<const std::byte> bytes);
Result<Grid> ParseGrid(std::span<const std::byte> bytes);

}  // namespace seamount::source::grib
