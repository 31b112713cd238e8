//===- Plugin.cpp - Tern in a stock mlir-opt --------------------------------===//
// Give the file to --load-dialect-plugin and to --load-pass-plugin: a pass plugin alone registers no dialects.
//===----------------------------------------------------------------------===//
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "tern/Register.h"

#define TERN_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))

TERN_PLUGIN_EXPORT mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Tern", TERN_VERSION,
          [](mlir::DialectRegistry *registry) { tern::registerAll(*registry); }};
}

TERN_PLUGIN_EXPORT mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Tern", TERN_VERSION, [] { tern::registerPasses(); }};
}
