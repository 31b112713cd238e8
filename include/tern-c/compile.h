/* The C interface of the compiler (libtern.so). C99. Programs that it writes are loaded by artifact.h.
 *
 *   char *error = NULL;
 *   int code = tern_compile("{\"model\": \"resnet18.onnx\", \"calibration\": [\"images.npz\"]}", NULL, NULL, NULL, &error);
 *   if (code) fprintf(stderr, "%s\n", error);
 *   tern_string_free(error);
 */
#ifndef TERN_C_COMPILE_H
#define TERN_C_COMPILE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TERN_COMPILE_API __attribute__((visibility("default")))
#else
#define TERN_COMPILE_API
#endif

/* Version of this interface. */
#define TERN_COMPILE_VERSION 1

/* Codes of tern_compile: those of quant-compile. */
enum {
  TERN_COMPILE_DONE = 0,
  TERN_COMPILE_BAD_INPUT = 1,       /* model, data, options, or the output folder */
  TERN_COMPILE_LIMITS = 2,          /* no plan within the limits */
  TERN_COMPILE_KERNELS_MISSING = 3, /* requireKernels */
  TERN_COMPILE_INTERNAL = 4         /* a mistake of the compiler */
};

/* Kinds of tern_compile_line. */
enum {
  TERN_LINE_STAGE = 0,   /* a stage has ended: "plan       w8a8 for ..." */
  TERN_LINE_NOTE = 1,    /* something the user should know */
  TERN_LINE_PROGRESS = 2 /* "calibrate 0.25": the part of a stage that is done; often */
};
/* Called on the thread that compiles. text is valid during the call. */
typedef void (*tern_compile_line)(void *user, int32_t kind, const char *text);

TERN_COMPILE_API uint32_t tern_compile_version(void);

/* Compiles a model. options: a JSON object with the fields of CompileOptions (include/tern/Compile.h): model, out, target, scheme,
 * calibration, ranges, equalize, samples, dims, inputs, outputs, overrides, excludes, plan, planOnly, emit, requireKernels, jobs, seed,
 * dumpIr, force, measure. line may be NULL. out and error may be NULL; *out becomes the path of what was written, *error one or more lines
 * after a failure, else NULL: both are freed by tern_string_free. After a failure nothing has been written. Several threads may
 * compile at once. */
TERN_COMPILE_API int32_t tern_compile(const char *options, tern_compile_line line, void *user, char **out, char **error);

/* The options with their defaults, as JSON; freed by tern_string_free. */
TERN_COMPILE_API char *tern_compile_defaults(void);

/* NULL is allowed. */
TERN_COMPILE_API void tern_string_free(char *string);

#ifdef __cplusplus
}
#endif
#endif
