#include "lib/Runtime/RuntimeObject.h"

#define EMBED(name, path)                                                                                                                  \
  __asm__(".pushsection .rodata." name ",\"a\",@progbits\n"                                                                               \
          ".balign 16\n"                                                                                                                   \
          ".globl " name "\n" name ":\n"                                                                                                   \
          ".incbin \"" path "\"\n" name "_end:\n"                                                                                          \
          ".balign 8\n"                                                                                                                    \
          ".globl " name "_size\n" name "_size:\n"                                                                                         \
          ".quad " name "_end - " name "\n"                                                                                                \
          ".popsection\n")

// The paths are from CMake.
EMBED("tern_runtime_object", TERN_RUNTIME_OBJECT);
EMBED("tern_artifact_header", TERN_ARTIFACT_HEADER);
