# Finds the packaged LLVM/MLIR 22.1 and sets what all targets share.
# MLIR is not on CMake's search path, and its version check compares major.minor: "22" is rejected, "22.1" is right.
find_program(TERN_LLVM_CONFIG NAMES llvm-config-22 llvm-config REQUIRED)
execute_process(COMMAND ${TERN_LLVM_CONFIG} --prefix OUTPUT_VARIABLE TERN_LLVM_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE)
find_package(MLIR 22.1 REQUIRED CONFIG HINTS "${TERN_LLVM_PREFIX}/lib/cmake/mlir")

set(MLIR_LINK_MLIR_DYLIB ON)            # MLIRConfig does not export it: without this you get the static archives
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)   # AddLLVM reads these two
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(HandleLLVMOptions)              # -fno-exceptions, LLVM's warnings
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/include)
separate_arguments(defs NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${defs})
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Xclang$<SEMICOLON>-fno-pch-timestamp>)   # lets ccache cache the PCH
endif()

# The one precompiled header of all targets that use MLIR.
add_library(TernPch OBJECT ${CMAKE_SOURCE_DIR}/cmake/Pch.cpp)
llvm_update_compile_flags(TernPch)
target_precompile_headers(TernPch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/Pch.h)
