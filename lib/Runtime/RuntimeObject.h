// The runtime as a relocatable ELF object, to be linked with generated code into libmodel.so.
#ifndef TERN_RUNTIME_RUNTIMEOBJECT_H
#define TERN_RUNTIME_RUNTIMEOBJECT_H
#include <cstddef>

/// x86-64 ELF; needs nothing but a C library and `tern_generated_program` (Program.h). Exports what artifact.h
/// declares.
extern "C" const unsigned char tern_runtime_object[];
extern "C" const size_t tern_runtime_object_size;

#endif
