#include "source/hdf5/far_file.h"

#include <hdf5.h>

namespace seamount::source::hdf5 {
namespace {

struct Next {
  const Fetch* fetch = nullptr;
  uint64_t size_bytes = 0;
};
Next next;  // what the next file to be opened is

struct FarFile {
  H5FD_t base;  // libhdf5's own part, which must stand first
  const Fetch* fetch;
  haddr_t size_bytes;
  haddr_t end_of_addresses;
};

FarFile* Of(H5FD_t* file) { return reinterpret_cast<FarFile*>(file); }
const FarFile* Of(const H5FD_t* file) { return reinterpret_cast<const FarFile*>(file); }

H5FD_t* Open(const char* /*name*/, unsigned flags, hid_t /*access*/, haddr_t /*most*/) {
  if ((flags & H5F_ACC_RDWR) != 0 || next.fetch == nullptr) return nullptr;
  return &(new FarFile{{}, next.fetch, next.size_bytes, 0})->base;
}

herr_t Close(H5FD_t* file) {
  delete Of(file);
  return 0;
}

herr_t Query(const H5FD_t* /*file*/, unsigned long* flags) {  // NOLINT(google-runtime-int)
  // Small reads of metadata and data are gathered into larger ones.
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE;
  return 0;
}

haddr_t EndOfAddresses(const H5FD_t* file, H5FD_mem_t /*kind*/) { return Of(file)->end_of_addresses; }

herr_t SetEndOfAddresses(H5FD_t* file, H5FD_mem_t /*kind*/, haddr_t at) {
  Of(file)->end_of_addresses = at;
  return 0;
}

haddr_t EndOfFile(const H5FD_t* file, H5FD_mem_t /*kind*/) { return Of(file)->size_bytes; }

herr_t Read(H5FD_t* file, H5FD_mem_t /*kind*/, hid_t /*transfer*/, haddr_t at, size_t size, void* into) {
  const FarFile* far = Of(file);
  if (at > far->size_bytes || size > far->size_bytes - at) return -1;
  return (*far->fetch)(at, {static_cast<std::byte*>(into), size}) ? 0 : -1;
}

// libhdf5 asks for one; files are opened for reading alone.
herr_t Write(H5FD_t* /*file*/, H5FD_mem_t /*kind*/, hid_t /*transfer*/, haddr_t /*at*/, size_t /*size*/,
             const void* /*from*/) {
  return -1;
}

H5FD_class_t MakeDriver() {
  H5FD_class_t driver = {};
  driver.name = "seamount";
  driver.maxaddr = ~haddr_t{0} >> 1;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.open = Open;
  driver.close = Close;
  driver.query = Query;
  driver.get_eoa = EndOfAddresses;
  driver.set_eoa = SetEndOfAddresses;
  driver.get_eof = EndOfFile;
  driver.read = Read;
  driver.write = Write;
  // All kinds of data lie in one list of free space, as nothing is written.
  for (H5FD_mem_t& kind : driver.fl_map) kind = H5FD_MEM_SUPER;
  return driver;
}

}  // namespace

bool ReadThrough(int64_t access, const Fetch& fetch, uint64_t size_bytes) {
  static const H5FD_class_t driver = MakeDriver();
  static const hid_t id = H5FDregister(&driver);
  next = {&fetch, size_bytes};
  return id >= 0 && H5Pset_driver(access, id, nullptr) >= 0;
}

}  // namespace seamount::source::hdf5
