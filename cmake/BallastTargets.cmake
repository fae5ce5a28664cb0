# Functions that make our targets: one warning set, one sanitizer switch, one place for tests.
#
#   ballast_library(NAME SOURCES ... [LIBRARIES ...] [ALONE ...] [HOT])      one library a folder
#   ballast_program(NAME SOURCES ... [LIBRARIES ...])
#   ballast_test(NAME LABEL unit|property|sim|threads|integration|oracle|cluster|bench|gpu SOURCES ... [LIBRARIES ...]
#                [TIMEOUT seconds] [BITS] [ALONE ...])
#
# With BALLAST_UNITY, which the presets of `make test` set, sources of a target are compiled several at a time: most
# of what a compiler reads are headers. ALONE are those that use a name of another's unnamed namespace.
# HOT: optimized a little in the builds with sanitizers, whose tests would spend their time in it.
#
# `make test` compiles and runs a test once: what runs within one process in the build with sanitizers, everything
# else in the build without. BITS: its numbers depend on how code is compiled; it runs in both.
#
#   ballast_benchmark(NAME SOURCES ... [LIBRARIES ...])    Google Benchmark, with its own main
#
# Targets that gather others: `programs`, `benchmarks`, and `selected_tests` (those that `make test` runs in
# this build; their label matches BALLAST_TEST_LABELS, and others are built only by name and not run by ctest),
# `sanitized_tests` (the others of a build without sanitizers).

set(BALLAST_SANITIZER "" CACHE STRING "empty, or the value of -fsanitize= (address,undefined or thread)")
option(BALLAST_FUZZ "build the fuzz targets (clang, with BALLAST_SANITIZER=address,undefined)" OFF)
set(BALLAST_TEST_LABELS ".*" CACHE STRING "regular expression: labels of the tests to build and to run")

option(BALLAST_UNITY "compile several sources of a target at a time: a cold build takes half as long" OFF)

add_custom_target(programs)
add_custom_target(benchmarks)
add_custom_target(selected_tests)
add_custom_target(sanitized_tests)

add_library(ballast_options INTERFACE)
set(ballast_flags
  -Wall -Wextra -Wshadow -Wconversion -Werror
  -ffp-contract=off   # bits are promised: no contraction behind our back
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)   # the same bytes from every checkout
# BallastCuda.cmake hands them to nvcc.
target_compile_options(ballast_options INTERFACE "$<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:${ballast_flags}>")
target_include_directories(ballast_options INTERFACE ${CMAKE_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 sees overlaps in std::string that cannot be (gcc bug 105651).
  target_compile_options(ballast_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND BALLAST_UNITY)
  # gcc loses track of std::variant where it inlines much; the builds without keep the warning.
  target_compile_options(ballast_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(ballast_options INTERFACE -Wthread-safety)
endif()
if(BALLAST_SANITIZER)
  target_compile_options(ballast_options INTERFACE
    -fsanitize=${BALLAST_SANITIZER} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ballast_options INTERFACE -fsanitize=${BALLAST_SANITIZER})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc loses track of initialization in instrumented code; the other builds keep the warning.
    target_compile_options(ballast_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

# ballast_united(RESULT NAME SOURCES ALONE): what is compiled for these sources. Those that are made by the build
# or have COMPILE_OPTIONS by then stay alone, too. Not CMake's own UNITY_BUILD: its files
# have the checkout's path in them, so that no two checkouts could share a compiler cache.
function(ballast_united result name sources alone)
  if(NOT BALLAST_UNITY)
    set(${result} ${sources} PARENT_SCOPE)
    return()
  endif()
  set(compiled "")
  set(together "")
  foreach(source IN LISTS sources)
    get_filename_component(source ${source} ABSOLUTE)
    file(RELATIVE_PATH here ${CMAKE_CURRENT_SOURCE_DIR} ${source})
    get_source_file_property(options ${source} COMPILE_OPTIONS)
    string(FIND ${source} ${CMAKE_BINARY_DIR}/ made)
    if(options OR made EQUAL 0 OR here IN_LIST alone)
      list(APPEND compiled ${source})
    else()
      list(APPEND together ${source})
    endif()
  endforeach()
  list(LENGTH together count)
  set(first 0)
  while(first LESS count)
    list(SUBLIST together ${first} 16 batch)
    set(content "// Made by cmake/BallastTargets.cmake.\n")
    foreach(source IN LISTS batch)
      file(RELATIVE_PATH source ${CMAKE_SOURCE_DIR} ${source})
      string(APPEND content "#include \"${source}\"\n")
    endforeach()
    set(united ${CMAKE_CURRENT_BINARY_DIR}/${name}_${first}.cc)
    file(CONFIGURE OUTPUT ${united} CONTENT "${content}")
    list(APPEND compiled ${united})
    math(EXPR first "${first} + 16")
  endwhile()
  set(${result} ${compiled} PARENT_SCOPE)
endfunction()

function(ballast_library name)
  cmake_parse_arguments(ARG "HOT" "" "SOURCES;LIBRARIES;ALONE" ${ARGN})
  ballast_united(compiled ${name} "${ARG_SOURCES}" "${ARG_ALONE}")
  add_library(${name} STATIC ${compiled})
  target_link_libraries(${name} PUBLIC ${ARG_LIBRARIES} PRIVATE ballast_options)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  if(ARG_HOT AND BALLAST_SANITIZER)
    target_compile_options(${name} PRIVATE -O1)
  endif()
endfunction()

function(ballast_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ballast_options)
  add_dependencies(programs ${name})
endfunction()

function(ballast_benchmark name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ballast_options benchmark::benchmark_main)
  add_dependencies(benchmarks ${name})
endfunction()

# ballast_add_test(NAME LABELS TIMEOUT COMMAND...): a test that is any command. The first label says what it is. Those
# that may take long begin first, so that none of them is left alone at the end.
function(ballast_add_test name labels timeout)
  list(GET labels 0 label)
  if(NOT label MATCHES "${BALLAST_TEST_LABELS}")
    return()
  endif()
  set(shown ${name})
  set(cost ${timeout})
  if(BALLAST_SANITIZER)   # told apart where several builds run in one ctest
    string(REPLACE "," "+" shown "${name}:${BALLAST_SANITIZER}")
    math(EXPR timeout "${timeout} * 5")
  endif()
  add_test(NAME ${shown} COMMAND ${ARGN})
  set(environment "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=second_deadlock_stack=1:history_size=7:suppressions=${CMAKE_SOURCE_DIR}/cmake/thread_sanitizer.supp")
  if(BALLAST_SANITIZER AND label STREQUAL "sim")   # the build without runs them all
    list(APPEND environment "RC_PARAMS=max_success=4" "BALLAST_SEEDS=60")
  endif()
  set_tests_properties(${shown} PROPERTIES
    LABELS "${labels}" TIMEOUT ${timeout} COST ${cost} ENVIRONMENT "${environment}")
endfunction()

function(ballast_test name)
  cmake_parse_arguments(ARG "BITS" "LABEL;TIMEOUT" "SOURCES;LIBRARIES;ALONE" ${ARGN})
  if(NOT ARG_LABEL MATCHES "^(unit|property|sim|threads|integration|oracle|cluster|bench|gpu)$")
    message(FATAL_ERROR "${name}: LABEL is \"${ARG_LABEL}\", which no test has")
  endif()
  ballast_united(compiled ${name} "${ARG_SOURCES}" "${ARG_ALONE}")
  add_executable(${name} ${compiled})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ballast_options GTest::gtest_main)
  if(NOT ARG_LABEL MATCHES "^(sim|bench)$")
    # Tests are compiled far more often than their own code runs; what they test keeps its optimization.
    target_compile_options(${name} PRIVATE -O0)
  endif()
  if(BALLAST_SANITIZER MATCHES "undefined")
    # In the test's own sources, whose macros are large, these checks double the time of compiling and find
    # little that ASan does not; our libraries keep them.
    target_compile_options(${name} PRIVATE -fno-sanitize=null,vptr,object-size,alignment)
  endif()
  set(labels ${ARG_LABEL})
  if(ARG_LABEL MATCHES "^(unit|property|threads)$" AND NOT ARG_BITS AND NOT BALLAST_SANITIZER)
    list(APPEND labels sanitized)   # where `make test` runs it
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    add_dependencies(sanitized_tests ${name})
  elseif(ARG_LABEL MATCHES "${BALLAST_TEST_LABELS}")
    add_dependencies(selected_tests ${name})
  endif()
  if(NOT ARG_LABEL MATCHES "${BALLAST_TEST_LABELS}")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  ballast_add_test(${name} "${labels}" ${ARG_TIMEOUT} ${name})
endfunction()
