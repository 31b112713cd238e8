#include "lib/Runtime/RuntimeObject.h"

// TERN_RUNTIME_OBJECT: path of the object, from CMake.
__asm__(".pushsection .rodata.tern_runtime_object,\"a\",@progbits\n"
        ".balign 16\n"
        ".globl tern_runtime_object\n"
        "tern_runtime_object:\n"
        ".incbin \"" TERN_RUNTIME_OBJECT "\"\n"
        "tern_runtime_object_end:\n"
        ".balign 8\n"
        ".globl tern_runtime_object_size\n"
        "tern_runtime_object_size:\n"
        ".quad tern_runtime_object_end - tern_runtime_object\n"
        ".popsection\n");
