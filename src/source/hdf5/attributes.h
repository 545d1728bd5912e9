// Attributes of HDF5 objects. Identifiers are hid_t.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cf/attribute.h"
#include "nd/data_type.h"
#include "source/dataset.h"

namespace seamount::source::hdf5 {

// The type as stored; kOther for what is not a plain number. Sets *swap when the byte order is not this machine's.
nd::DataType TypeOf(int64_t type, bool* swap);
int64_t NativeType(nd::DataType type);

std::optional<cf::Attribute> ReadAttribute(int64_t object, const std::string& name);
// Every attribute but those by which NetCDF-4 marks dimensions.
std::vector<cf::Attribute> ReadAttributes(int64_t object);
// The paths of the first dimension scale of each dimension (DIMENSION_LIST); empty strings where there is none.
std::vector<std::string> ReadDimensionList(int64_t dataset, size_t rank);
std::string PathOf(int64_t object);

}  // namespace seamount::source::hdf5
