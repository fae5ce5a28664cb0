# The CUDA half, where BALLAST_CUDA asks for it; nothing of it is configured otherwise. Its toolkit has nvcc, the
# runtime, cuBLASLt, cuDNN and cuDNN's frontend: BALLAST_CUDA_ROOT, else what scripts/install_cuda.sh has made of Python
# wheels, else what the machine has. Makes CUDA::cudart, CUDA::cublasLt, CUDNN::cudnn and CUDNN::frontend.
option(BALLAST_CUDA "build the CUDA half of the engine, and workers that use it" OFF)
if(NOT BALLAST_CUDA)
  return()
endif()

set(cache $ENV{BALLAST_CACHE})
if(NOT cache)
  set(cache $ENV{HOME}/.cache/ballast)
endif()
set(BALLAST_CUDA_ROOT "" CACHE PATH "a CUDA toolkit's folder; empty: looked for")
set(cuda_roots ${BALLAST_CUDA_ROOT} ${cache}/cuda-13.0 /usr/local/cuda-13.0 /usr/local/cuda)
find_program(BALLAST_NVCC nvcc PATHS ${cuda_roots} PATH_SUFFIXES bin NO_DEFAULT_PATH)
find_program(BALLAST_NVCC nvcc)
if(NOT BALLAST_NVCC)
  message(FATAL_ERROR "BALLAST_CUDA: no nvcc in ${cuda_roots} or the path. scripts/install_cuda.sh makes a toolkit.")
endif()
set(CMAKE_CUDA_COMPILER ${BALLAST_NVCC})
set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)   # one runtime in a process: cuBLASLt's, cuDNN's and ours
set(CMAKE_CUDA_ARCHITECTURES 90a-real CACHE STRING "GPUs to compile for; 90a-real is H100, H200")
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)   # CMake 3.25.1 believes that nvcc ends with C++17
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0)
  message(FATAL_ERROR "BALLAST_CUDA: ${BALLAST_NVCC} is ${CMAKE_CUDA_COMPILER_VERSION}, expected 13.0 or later")
endif()

get_filename_component(cuda_root ${BALLAST_NVCC} REALPATH)
get_filename_component(cuda_root ${cuda_root}/../.. ABSOLUTE)
# cuda_library(TARGET LIBRARY HEADER): of the toolkit, or where the machine has it.
function(cuda_library target library header)
  find_path(BALLAST_CUDA_${library}_INCLUDE ${header} HINTS ${cuda_root}/include REQUIRED)
  find_library(BALLAST_CUDA_${library} ${library} HINTS ${cuda_root}/lib64 ${cuda_root}/lib REQUIRED)
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${BALLAST_CUDA_${library}}
    INTERFACE_INCLUDE_DIRECTORIES ${BALLAST_CUDA_${library}_INCLUDE})
endfunction()
cuda_library(CUDA::cudart cudart cuda_runtime.h)
cuda_library(CUDA::cublasLt cublasLt cublasLt.h)
cuda_library(CUDNN::cudnn cudnn cudnn.h)
find_path(BALLAST_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h HINTS ${cuda_root}/include REQUIRED)
add_library(CUDNN::frontend INTERFACE IMPORTED GLOBAL)
set_target_properties(CUDNN::frontend PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES ${BALLAST_CUDNN_FRONTEND_INCLUDE}
  INTERFACE_COMPILE_DEFINITIONS CUDNN_FRONTEND_SKIP_JSON_LIB   # it writes graphs as JSON only for people
  INTERFACE_LINK_LIBRARIES CUDNN::cudnn)

# Our flags go to the host's compiler behind nvcc. -lineinfo: for profilers and compute-sanitizer.
list(JOIN ballast_flags "," host_flags)
target_compile_options(ballast_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_flags};-lineinfo;-Werror=all-warnings>")
