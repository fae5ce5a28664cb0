# Functions that make our targets: one warning set, one sanitizer switch, one place for tests.
#
#   ballast_library(NAME SOURCES ... [LIBRARIES ...])      one library a folder
#   ballast_program(NAME SOURCES ... [LIBRARIES ...])
#   ballast_test(NAME LABEL unit|property|sim|integration|oracle|cluster|bench SOURCES ... [LIBRARIES ...])

set(BALLAST_SANITIZER "" CACHE STRING "empty, or the value of -fsanitize= (address,undefined or thread)")

add_library(ballast_options INTERFACE)
target_compile_options(ballast_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Werror
  -ffp-contract=off)   # bits are promised: no contraction behind our back
target_include_directories(ballast_options INTERFACE ${CMAKE_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 sees overlaps in std::string that cannot be (gcc bug 105651).
  target_compile_options(ballast_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(ballast_options INTERFACE -Wthread-safety)
endif()
if(BALLAST_SANITIZER)
  target_compile_options(ballast_options INTERFACE
    -fsanitize=${BALLAST_SANITIZER} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ballast_options INTERFACE -fsanitize=${BALLAST_SANITIZER})
endif()

function(ballast_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LIBRARIES} PRIVATE ballast_options)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

function(ballast_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ballast_options)
endfunction()

function(ballast_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ballast_options GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
