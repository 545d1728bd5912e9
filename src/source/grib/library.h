// ecCodes, loaded where the machine has it: the few of its functions that are used here. Building needs nothing of it.
#pragma once

#include <cstddef>

#include "base/result.h"

// ecCodes' own types, of which only pointers are used.
struct grib_handle;
struct grib_context;

namespace seamount::source::grib {

struct Library {
  grib_handle* (*from_message)(grib_context*, const void* data, size_t bytes) = nullptr;
  grib_handle* (*from_multi_message)(grib_context*, void** data, size_t* bytes, int* error) = nullptr;
  void (*multi_support_on)(grib_context*) = nullptr;
  int (*free_handle)(grib_handle*) = nullptr;
  int (*get_long)(const grib_handle*, const char* key, long* value) = nullptr;
  int (*get_double)(const grib_handle*, const char* key, double* value) = nullptr;
  int (*get_string)(const grib_handle*, const char* key, char* text, size_t* bytes) = nullptr;
  int (*get_size)(const grib_handle*, const char* key, size_t* count) = nullptr;
  int (*get_doubles)(const grib_handle*, const char* key, double* values, size_t* count) = nullptr;
  int (*set_double)(grib_handle*, const char* key, double value) = nullptr;
  const char* (*error_message)(int code) = nullptr;
};

// InvalidArgument, with how to get it, where the machine lacks it. Loaded once; it stays.
Result<const Library*> EcCodes();

}  // namespace seamount::source::grib
