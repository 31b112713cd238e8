/* The C interface of the reference (libtern.so): the slow evaluation of an ONNX model that says what its numbers are. C99.
 *
 *   char *error = NULL;
 *   tern_evaluator *e = tern_evaluator_open("{\"model\": \"resnet18.onnx\", \"dims\": [\"batch=1\"]}", &error);
 *   tern_value x = {"input", TERN_F32, 4, dims, pixels, sizeof pixels};
 *   if (!e || tern_evaluator_run(e, &x, 1, &error)) { fprintf(stderr, "%s\n", error); tern_string_free(error); }
 *   const tern_value *y = tern_evaluator_output(e, 0);
 */
#ifndef TERN_C_EVALUATE_H
#define TERN_C_EVALUATE_H
#include "tern-c/compile.h"
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor. dtype: the number of ONNX TensorProto, any type but strings and complex numbers. Elements below 8 bits lie one in a byte:
 * integers with their sign, floats as their code. */
typedef struct {
  const char *name;
  int32_t dtype, rank;
  const int64_t *dims; /* -1: not known before the run */
  const void *data;    /* row-major */
  size_t bytes;
} tern_value;

typedef struct tern_evaluator tern_evaluator;

/* Reads a model. options: a JSON object with the fields of CompileOptions model, dims, inputs, outputs; and shapes, an object of lists by
 * input name, which binds open dimensions. NULL after a failure; *error (error may be NULL) is then freed by tern_string_free. */
TERN_COMPILE_API tern_evaluator *tern_evaluator_open(const char *options, char **error);
TERN_COMPILE_API void tern_evaluator_close(tern_evaluator *evaluator);

TERN_COMPILE_API size_t tern_evaluator_input_count(const tern_evaluator *evaluator);
TERN_COMPILE_API size_t tern_evaluator_output_count(const tern_evaluator *evaluator);
/* data is NULL. The result lives as long as the evaluator. */
TERN_COMPILE_API const tern_value *tern_evaluator_input(const tern_evaluator *evaluator, size_t index);
/* After a run: its results, until the next run. Before: as input. */
TERN_COMPILE_API const tern_value *tern_evaluator_output(const tern_evaluator *evaluator, size_t index);

/* The ops that the importer has kept because it does not know them, "TYPE: REASON" a line; "" when there are none. They cannot be
 * evaluated. */
TERN_COMPILE_API const char *tern_evaluator_kept(const tern_evaluator *evaluator);
/* The module as text; freed by tern_string_free. */
TERN_COMPILE_API char *tern_evaluator_ir(const tern_evaluator *evaluator);

/* Evaluates on inputs in the order of the model. 0, or a code of tern_compile. */
TERN_COMPILE_API int32_t tern_evaluator_run(tern_evaluator *evaluator, const tern_value *inputs, size_t count, char **error);

#ifdef __cplusplus
}
#endif
#endif
