# What static libraries ask for themselves; shared ones know it. Debian has fmt, spdlog and muParser as shared libraries
# only, and a c-blosc that cannot be linked into a shared object: these are bundled with the wheel.
foreach(library sz aec yaml-cpp pugixml)
  string(MAKE_C_IDENTIFIER ${library} id)
  find_library(SEAMOUNT_STATIC_${id} NAMES lib${library}.a REQUIRED)
endforeach()
target_link_libraries(PkgConfig::HDF5 INTERFACE ${SEAMOUNT_STATIC_sz} ${SEAMOUNT_STATIC_aec} ZLIB::ZLIB CURL::libcurl
  OpenSSL::Crypto ${CMAKE_DL_LIBS} m)
target_link_libraries(SQLite::SQLite3 INTERFACE ${CMAKE_DL_LIBS} m)
set_target_properties(yaml-cpp PROPERTIES IMPORTED_LOCATION_NONE ${SEAMOUNT_STATIC_yaml_cpp})
set_target_properties(pugixml::shared PROPERTIES IMPORTED_LOCATION_NONE ${SEAMOUNT_STATIC_pugixml})

# Their symbols stay inside: another copy in the same process, as Python's own OpenSSL, is not to be mixed with them.
add_link_options(-Wl,--exclude-libs,ALL -Wl,-s)
