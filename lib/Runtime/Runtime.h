/* Inside of the runtime: what its files share. */
#ifndef TERN_RUNTIME_RUNTIME_H
#define TERN_RUNTIME_RUNTIME_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lib/Runtime/Program.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Error.c */

/* Fills *error, if there is one, and returns code. */
int tern_fail(tern_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A decimal number from 0 to limit, nothing around it; -1: it is not. */
int64_t tern_parse_number(const char *text, int64_t limit);
/* Appends to a list such as "portable, avx2" in a buffer of size bytes. */
void tern_append(char *list, size_t size, const char *item);

/* Cpuid.c */

enum { TERN_LIST = 96 };
/* True if this machine can run `level`; else the features that it lacks as a list. */
bool tern_level_supported(int32_t level, char missing[TERN_LIST]);
extern const char *const tern_level_names[TERN_LEVELS];
/* Level to run: TERN_ISA, else `wanted`, else the best one that program and machine have. -1: error. */
int32_t tern_pick_level(const tern_program *program, int32_t wanted, tern_error *error);

/* Memory.c */

typedef struct {
  uint8_t *data;
  void *base; /* what is unmapped */
  size_t size;
} tern_memory;

/* Zeroed, 64-byte aligned, 2 MiB aligned with huge pages when large and `huge`; with TERN_SLACK after it. False: no
 * memory. */
bool tern_memory_allocate(tern_memory *memory, uint64_t bytes, bool huge);
void tern_memory_free(tern_memory *memory);
/* The weights of `program` from path (NULL: weights.bin beside this library), checked. huge_pages as in tern_options.
 * Returns 0 or error->code. */
int tern_map_weights(tern_memory *memory, const tern_program *program, const char *path, int32_t huge_pages,
                     tern_error *error);

/* Cpus.c */

enum { TERN_MAX_CPUS = 4096, TERN_MAX_THREADS = 256 };

typedef struct {
  unsigned long bits[TERN_MAX_CPUS / (8 * sizeof(long))];
} tern_cpus;

/* The cpus that the calling thread may use; their number, at least 1. */
int32_t tern_cpus_allowed(tern_cpus *cpus);
bool tern_cpus_has(const tern_cpus *cpus, int32_t cpu);
void tern_cpus_remove(tern_cpus *cpus, int32_t cpu);
/* The processor time that the container grants, in cpus, rounded up; INT32_MAX: no limit. */
int32_t tern_cpus_quota(void);
/* Binds a thread (0: the calling one) to cpus, or to the one cpu. Failure is ignored: it costs only speed. */
void tern_bind_to_cpus(int32_t thread, const tern_cpus *cpus);
void tern_bind_to_cpu(int32_t thread, int32_t cpu);

/* Pool.c */

typedef struct tern_pool tern_pool;
typedef void (*tern_task)(void *arguments, int64_t task);

/* Threads to use: TERN_THREADS, else `wanted`, else (0) the allowed cpus within the quota. -1: error. */
int32_t tern_pick_threads(int32_t wanted, tern_error *error);
/* A pool of `threads` threads with the caller of tern_pool_run as one of them. NULL: no memory. */
tern_pool *tern_pool_open(int32_t threads);
void tern_pool_close(tern_pool *pool);
int32_t tern_pool_threads(const tern_pool *pool);
/* Takes the pool for an inference: from then on its workers spin for loops. False: another thread has it. */
bool tern_pool_take(tern_pool *pool);
void tern_pool_release(tern_pool *pool);
/* task(arguments, 0 .. tasks - 1) on all threads. Only between take and release. 1 <= tasks <= TERN_MAX_TASKS. */
void tern_pool_run(tern_pool *pool, tern_task task, void *arguments, int64_t tasks);
enum { TERN_MAX_TASKS = 1 << 24 };

/* Check.c */

/* Compares a tensor of the caller with what the model has. role: "input" or "output". Returns 0 or error->code. */
int tern_check_tensor(const char *role, size_t index, const tern_tensor *tensor, const tern_tensor_info *want,
                      tern_error *error);
bool tern_overlap(const tern_tensor *a, const tern_tensor *b);

/* Bytes of an element; 0: an unknown type. */
int32_t tern_element_size(int32_t dtype);

/* Sizes.c */

typedef struct {
  const tern_tensor_info *inputs, *outputs;
  const tern_step *steps;
  const int64_t *numbers; /* of a program with open dimensions, the offsets of its buffers included */
  uint64_t arena_bytes;
  void *memory;
} tern_sizes;

/* The tensors of a model: open sizes are -1. False: no memory. */
bool tern_sizes_describe(tern_sizes *sizes, const tern_program *program);
/* All sizes for these of the open dimensions. Returns 0 or error->code. */
int tern_sizes_open(tern_sizes *sizes, const tern_model *model, const int64_t *dims, size_t count, tern_error *error);
void tern_sizes_close(tern_sizes *sizes);

/* Model.c */

struct tern_model {
  tern_sizes sizes;
  const tern_program *program;
  tern_run_function run;
  int32_t level;
  bool huge_pages;
  tern_memory weights;
  tern_pool *pool;
};

#ifdef __cplusplus
}
#endif
#endif
