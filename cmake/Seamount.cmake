# How this project's targets are made: warnings, sanitizers, and one function each for a module and its tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(seamount_flags INTERFACE)
target_include_directories(seamount_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(seamount_flags INTERFACE -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers  # designated initialisers leave out what has a default
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)                   # g++ 12 warns falsely on "literal" + std::string (GCC PR 105651)
if(SEAMOUNT_SANITIZE)
  target_compile_options(seamount_flags INTERFACE -fsanitize=${SEAMOUNT_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)      # warns falsely on instrumented code, as GCC's manual says
  target_link_options(seamount_flags INTERFACE -fsanitize=${SEAMOUNT_SANITIZE})
endif()

# seamount_module(NAME SOURCES a.cc… DEPS modules… LIBS third-party…): src/NAME as the static library seamount_NAME.
function(seamount_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(seamount_${name} STATIC ${arg_SOURCES})
  target_link_libraries(seamount_${name} PUBLIC seamount_flags)
  foreach(dep ${arg_DEPS})
    target_link_libraries(seamount_${name} PUBLIC seamount_${dep})
  endforeach()
  target_link_libraries(seamount_${name} PRIVATE ${arg_LIBS})
endfunction()

# seamount_test(NAME SOURCES a_test.cc… DEPS modules… LIBS third-party…): the test program NAME, run by CTest.
function(seamount_test name)
  if(NOT SEAMOUNT_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  foreach(dep ${arg_DEPS})
    target_link_libraries(${name} PRIVATE seamount_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE seamount_flags GTest::gmock_main ${arg_LIBS})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()

# seamount_fuzz(NAME SOURCE x_fuzz.cc CORPUS dir DEPS modules…): LLVMFuzzerTestOneInput as a libFuzzer program under
# clang, and everywhere as a test that replays the committed corpus.
function(seamount_fuzz name)
  cmake_parse_arguments(arg "" "SOURCE;CORPUS" "DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCE})
  foreach(dep ${arg_DEPS})
    target_link_libraries(${name} PRIVATE seamount_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE seamount_flags)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name} COMMAND ${name} -runs=0 ${PROJECT_SOURCE_DIR}/fuzz/${arg_CORPUS})
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/fuzz/${arg_CORPUS})
  endif()
endfunction()
