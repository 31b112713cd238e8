/* The C interface of a compiled model (libmodel.so). C99, needs no other header of Tern.
 *
 * A tern_model is shared by threads; a tern_context is used by one thread at a time. Functions that can fail return
 * NULL or a nonzero code and fill *error (which may be NULL) with one sentence: what was found, what is allowed, what
 * to do.
 *
 *   tern_error error;
 *   tern_model *model = tern_model_open(NULL, NULL, &error);
 *   tern_context *context = tern_context_open(model, NULL, 0, &error);
 *   tern_tensor in = {TERN_F32, 4, (const int64_t[]){1, 3, 224, 224}, pixels, sizeof pixels}, out = {...};
 *   if (tern_run(context, &in, 1, &out, 1, &error)) fprintf(stderr, "%s\n", error.text);
 */
#ifndef TERN_C_ARTIFACT_H
#define TERN_C_ARTIFACT_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TERN_API __attribute__((visibility("default")))
#else
#define TERN_API
#endif

/* Version of this interface and of the descriptor of generated code. */
#define TERN_ABI 2

typedef struct tern_model tern_model;
typedef struct tern_context tern_context;

/* Element types: the numbers of ONNX TensorProto. */
enum {
  TERN_F32 = 1,
  TERN_U8 = 2,
  TERN_I8 = 3,
  TERN_U16 = 4,
  TERN_I16 = 5,
  TERN_I32 = 6,
  TERN_I64 = 7,
  TERN_BOOL = 9,
  TERN_F16 = 10,
  TERN_F64 = 11,
  TERN_U32 = 12,
  TERN_U64 = 13,
  TERN_BF16 = 16,
  /* One byte an element: the code of a float, or an integer extended by its sign. */
  TERN_F8E4M3FN = 17,
  TERN_F8E4M3FNUZ = 18,
  TERN_F8E5M2 = 19,
  TERN_F8E5M2FNUZ = 20,
  TERN_U4 = 21,
  TERN_I4 = 22,
  TERN_F4E2M1 = 23,
  TERN_F8E8M0 = 24,
  TERN_U2 = 25,
  TERN_I2 = 26
};

/* Levels of instruction sets, in rising order. */
enum { TERN_ISA_AUTO = -1, TERN_ISA_PORTABLE = 0, TERN_ISA_AVX2 = 1, TERN_ISA_AVX512VNNI = 2 };

/* Codes of tern_error. */
enum {
  TERN_OK = 0,
  TERN_ERROR_ARGUMENT = 1, /* a tensor, size or option that does not fit the model */
  TERN_ERROR_WEIGHTS = 2,  /* the weights file is missing, unreadable, short, or not the one of this library */
  TERN_ERROR_MACHINE = 3,  /* the machine lacks the instruction set that was asked for */
  TERN_ERROR_MEMORY = 4,   /* out of memory */
  TERN_ERROR_ABI = 5,      /* generated code and runtime, or caller and runtime, are of different versions */
  TERN_ERROR_BUSY = 6      /* the context is running in another thread */
};

typedef struct {
  int code;
  char text[252];
} tern_error;

/* Start from TERN_OPTIONS_DEFAULT. The environment wins: TERN_THREADS=n, TERN_ISA=portable|avx2|avx512vnni, and
 * TERN_CHECK=1 (0) to compare the hash of the weights file always (never); without it files of up to 256 MiB are
 * compared. */
typedef struct {
  uint32_t size;      /* sizeof(tern_options) */
  int32_t threads;    /* threads that compute, the caller included; 0: one for each cpu that the process may use */
  int32_t huge_pages; /* 0: ask for them (weights stay mapped from the file), 1: copy the weights into them, -1: no */
  int32_t level;      /* TERN_ISA_*; TERN_ISA_AUTO takes the best one */
} tern_options;
#define TERN_OPTIONS_DEFAULT                                                                                           \
  { sizeof(tern_options), 0, 0, TERN_ISA_AUTO }

typedef struct {
  const char *name;
  int32_t dtype; /* TERN_F32, ... */
  int32_t rank;
  const int64_t *dims; /* rank sizes, outermost first; dense row-major */
  uint64_t bytes;
} tern_tensor_info;

typedef struct {
  int32_t dtype, rank;
  const int64_t *dims;
  void *data; /* aligned to its elements; no slack needed */
  size_t bytes;
} tern_tensor;

/* A dimension that is chosen when a context is opened. */
typedef struct {
  const char *name;  /* of the model: "batch", or "image.2" for dimension 2 of an input without a name for it */
  int64_t low, high; /* what it may be, both included; INT64_MAX: no limit */
} tern_dim_info;

enum { TERN_LAYOUT_PLAIN = 0, TERN_LAYOUT_NHWC = 1 };

/* One kernel call of the run function, in order. */
typedef struct {
  const char *name;       /* of the op it computes: the key in plan.json */
  const char *kernel;     /* kernel symbol, "k12_conv_u8s8" */
  const char *row;        /* row of the kernel table, "cpu.conv.u8s8" */
  uint64_t macs, bytes;   /* multiply-adds; memory traffic */
  uint64_t output_offset; /* of the buffer (halo included) of its first result in the arena; UINT64_MAX: none, or a
                             model output */
  int32_t output_index;   /* the model output it writes; -1: none */
  int32_t dtype, rank;
  const int64_t *dims;    /* logical shape of its first result, in ONNX order */
  int32_t layout;         /* TERN_LAYOUT_* */
  int64_t channel_stride; /* NHWC: elements from one pixel to the next */
  int64_t halo[4];        /* NHWC: pixels around the image: top, left, bottom, right */
  float scale;            /* value = scale * (code - zero); 0: not quantized */
  int32_t zero;
} tern_step;

/* Called after each step on the thread that runs. seconds: the time of the step. output: its first result as laid out
 * by the step, valid during the call; NULL: it has none. */
typedef void (*tern_hook)(void *user, int32_t step, double seconds, const void *output);

TERN_API uint32_t tern_abi(void);

/* Maps the weights, picks the instruction set, starts the threads.
 * weights_path: NULL for weights.bin beside this library. options: NULL for the defaults. */
TERN_API tern_model *tern_model_open(const char *weights_path, const tern_options *options, tern_error *error);
/* All its contexts must be closed before. NULL is allowed. */
TERN_API void tern_model_close(tern_model *model);
TERN_API const char *tern_model_name(const tern_model *model);
TERN_API const char *tern_model_isa(const tern_model *model); /* "portable", "avx2", "avx512vnni" */
TERN_API int32_t tern_model_threads(const tern_model *model);

TERN_API size_t tern_input_count(const tern_model *model);
TERN_API size_t tern_output_count(const tern_model *model);
TERN_API size_t tern_step_count(const tern_model *model);
/* Open dimensions, in the order of the sizes of tern_context_open. */
TERN_API size_t tern_dim_count(const tern_model *model);
TERN_API const tern_dim_info *tern_dim(const tern_model *model, size_t index);
/* NULL if there is no such one. A size that depends on open dimensions is -1, and then bytes is 0; of a step it has no
 * meaning. */
TERN_API const tern_tensor_info *tern_input_info(const tern_model *model, size_t index);
TERN_API const tern_tensor_info *tern_output_info(const tern_model *model, size_t index);
TERN_API const tern_step *tern_step_info(const tern_model *model, size_t index);

/* Allocates all memory that runs need. dims: sizes of the open dimensions; ndims must be their number. */
TERN_API tern_context *tern_context_open(tern_model *model, const int64_t *dims, size_t ndims, tern_error *error);
TERN_API void tern_context_close(tern_context *context);
/* As those of the model, with all sizes. */
TERN_API const tern_tensor_info *tern_context_input_info(const tern_context *context, size_t index);
TERN_API const tern_tensor_info *tern_context_output_info(const tern_context *context, size_t index);
TERN_API const tern_step *tern_context_step_info(const tern_context *context, size_t index);
/* Memory between the steps of a run. */
TERN_API uint64_t tern_context_bytes(const tern_context *context);
/* hook NULL: none. The hook must not run or close this context. */
TERN_API void tern_context_set_hook(tern_context *context, tern_hook hook, void *user);

/* Computes the outputs, which must not overlap the inputs. Allocates nothing. The threads of a model serve one run at a
 * time: a run that finds them taken by another context computes on its own thread alone. Returns 0 or error->code. */
TERN_API int tern_run(tern_context *context, const tern_tensor *inputs, size_t input_count, const tern_tensor *outputs,
                      size_t output_count, tern_error *error);
/* The same without any check: data pointers in the order of the model's inputs and outputs. Returns 0. */
TERN_API int tern_run_pointers(tern_context *context, void *const *inputs, void *const *outputs);

/* Model state that lives from run to run (caches). A model without state: nothing to reset, length 0. */
TERN_API int tern_state_reset(tern_context *context);
TERN_API int64_t tern_state_length(const tern_context *context);

#ifdef __cplusplus
}
#endif
#endif
