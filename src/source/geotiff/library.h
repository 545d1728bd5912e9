// GDAL, loaded where the machine has it: the few of its functions that are used here. Building needs nothing of it.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace seamount::source::geotiff {

using DatasetHandle = void*;
using BandHandle = void*;

struct Library {
  void (*register_geotiff)() = nullptr;
  void (*set_option)(const char* key, const char* value) = nullptr;
  DatasetHandle (*open)(const char* path, unsigned flags, const char* const* drivers, const char* const* options,
                        const char* const* siblings) = nullptr;
  void (*close)(DatasetHandle) = nullptr;
  int (*width)(DatasetHandle) = nullptr;
  int (*height)(DatasetHandle) = nullptr;
  int (*band_count)(DatasetHandle) = nullptr;
  int (*transform)(DatasetHandle, double* six) = nullptr;
  const char* (*projection)(DatasetHandle) = nullptr;
  BandHandle (*band)(DatasetHandle, int number) = nullptr;
  int (*type)(BandHandle) = nullptr;
  double (*no_data)(BandHandle, int* there) = nullptr;
  double (*scale)(BandHandle, int* there) = nullptr;
  double (*offset)(BandHandle, int* there) = nullptr;
  const char* (*units)(BandHandle) = nullptr;
  const char* (*description)(void*) = nullptr;
  void (*block_size)(BandHandle, int* width, int* height) = nullptr;
  int (*read)(BandHandle, int write, int x, int y, int width, int height, void* into, int into_width, int into_height,
              int type, int pixel_bytes, int line_bytes) = nullptr;
  const char* (*last_error)() = nullptr;
  void (*reset_error)() = nullptr;
};

// InvalidArgument, with how to get it, where the machine lacks it. Loaded once; it stays.
Result<const Library*> Gdal();

}  // namespace seamount::source::geotiff
