/* The whole runtime as one translation unit: what libmodel.so contains. */
#include "lib/Runtime/Check.c"
#include "lib/Runtime/Context.c"
#include "lib/Runtime/Cpuid.c"
#include "lib/Runtime/Cpus.c"
#include "lib/Runtime/Error.c"
#include "lib/Runtime/Memory.c"
#include "lib/Runtime/Model.c"
#include "lib/Runtime/Pool.c"
