# Every third-party library, by Debian's package (tools/packages.txt), as an imported target.
option(SEAMOUNT_STATIC "Link third-party libraries statically where they are there so: for wheels (tools/wheel.sh)" OFF)
if(SEAMOUNT_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
if(SEAMOUNT_STATIC)
  find_library(BZIP2_LIBRARY_RELEASE NAMES libbz2.so REQUIRED)  # the static one cannot go into a shared object
endif()
find_package(BZip2 REQUIRED)    # Zarr's codec bz2
find_package(LibLZMA REQUIRED)  # and lzma
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(pugixml REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Beast and Asio
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
if(SEAMOUNT_STATIC)
  find_library(pkgcfg_lib_BLOSC_blosc NAMES libblosc.so REQUIRED)  # the static one cannot go into a shared object
endif()
pkg_check_modules(BLOSC REQUIRED IMPORTED_TARGET blosc)
pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5)
# libaec, which has no pkg-config file in Debian: HDF5's filter szip. Only programs link it, so it may be static.
find_library(SZIP_LIBRARY NAMES sz REQUIRED)
find_library(AEC_LIBRARY NAMES aec REQUIRED)
find_path(SZIP_INCLUDE szlib.h REQUIRED)
add_library(SZIP::SZIP INTERFACE IMPORTED)
target_link_libraries(SZIP::SZIP INTERFACE ${SZIP_LIBRARY} ${AEC_LIBRARY})
target_include_directories(SZIP::SZIP INTERFACE ${SZIP_INCLUDE})
pkg_check_modules(MUPARSER REQUIRED IMPORTED_TARGET muparser)
pkg_check_modules(FUSE REQUIRED fuse3)

# libfuse is linked statically, so that nothing needs to be installed on the user's machine.
find_library(FUSE_STATIC NAMES libfuse3.a REQUIRED)
add_library(fuse3_static INTERFACE)
target_include_directories(fuse3_static SYSTEM INTERFACE ${FUSE_INCLUDE_DIRS})
target_link_libraries(fuse3_static INTERFACE ${FUSE_STATIC} Threads::Threads dl)

if(SEAMOUNT_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SEAMOUNT_STATIC)
  include(StaticLibraries)
endif()
