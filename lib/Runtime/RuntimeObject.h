// The runtime as a relocatable ELF object, to be linked with generated code into libmodel.so:
//   ld.lld -shared -Bsymbolic -soname libmodel.so generated.o runtime.o -o libmodel.so
// -Bsymbolic: two models in one process export the same names, each must call its own. For the same reason the typed
// <name>_open is a function of the generated object that calls tern_model_open; an inline one in model.h would reach
// whichever library was loaded first. All other functions act on handles and may come from either. No -z nodelete: it
// would keep an old library in the process after the model is compiled again.
#ifndef TERN_RUNTIME_RUNTIMEOBJECT_H
#define TERN_RUNTIME_RUNTIMEOBJECT_H
#include <cstddef>

/// x86-64 ELF; needs a C library and `tern_generated_program` (Program.h) only. Exports what artifact.h declares.
extern "C" const unsigned char tern_runtime_object[];
extern "C" const size_t tern_runtime_object_size;

/// The text of include/tern-c/artifact.h, which every model.h begins with.
extern "C" const char tern_artifact_header[];
extern "C" const size_t tern_artifact_header_size;

#endif
