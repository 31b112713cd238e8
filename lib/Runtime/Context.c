/* A context: the arena of one thread, and the run. */
#include "lib/Runtime/Runtime.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct tern_context {
  tern_model *model;
  tern_sizes sizes;
  tern_memory arena;
  tern_hook hook;
  void *user;
  bool pooled; /* this run has the pool of the model */
  _Atomic uint32_t running;
  void *const *current_output; /* of this run: the hook shows them */
  void **inputs, **outputs;    /* pointers that tern_run passes on */
};

tern_context *tern_context_open(tern_model *model, const int64_t *dims, size_t ndims, tern_error *error) {
  const tern_program *program = model->program;
  tern_sizes sizes;
  if (tern_sizes_open(&sizes, model, dims, ndims, error)) {
    tern_sizes_close(&sizes);
    return NULL;
  }
  tern_context *context = calloc(1, sizeof *context);
  void **pointers = calloc((size_t)program->input_count + program->output_count + 1, sizeof *pointers);
  if (!context || !pointers || !tern_memory_allocate(&context->arena, sizes.arena_bytes, model->huge_pages)) {
    free(context), free(pointers);
    tern_fail(error, TERN_ERROR_MEMORY, "out of memory: model '%.60s' needs %llu bytes for a context", program->name,
              (unsigned long long)sizes.arena_bytes);
    tern_sizes_close(&sizes);
    return NULL;
  }
  context->model = model;
  context->sizes = sizes;
  context->inputs = pointers;
  context->outputs = pointers + program->input_count;
  return context;
}

void tern_context_close(tern_context *context) {
  if (!context)
    return;
  tern_memory_free(&context->arena);
  tern_sizes_close(&context->sizes);
  free(context->inputs);
  free(context);
}

void tern_context_set_hook(tern_context *context, tern_hook hook, void *user) {
  context->hook = hook;
  context->user = user;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void loop(tern_context *context, tern_task task, void *arguments, int64_t tasks) {
  if (context->pooled && tasks > 1 && tasks <= TERN_MAX_TASKS) {
    tern_pool_run(context->model->pool, task, arguments, tasks);
    return;
  }
  for (int64_t i = 0; i < tasks; i++)
    task(arguments, i);
}

void tern_parallel_for(void *opaque, int32_t index, tern_task task, void *arguments, int64_t tasks) {
  tern_context *context = opaque;
  if (!context->hook) {
    loop(context, task, arguments, tasks);
    return;
  }
  double start = seconds();
  loop(context, task, arguments, tasks);
  double time = seconds() - start;
  const tern_step *step = context->sizes.steps + index;
  /* A step that only writes a part of a result has none to show. */
  const void *output = !step->dtype                        ? NULL
                       : step->output_index >= 0           ? context->current_output[step->output_index]
                       : step->output_offset != UINT64_MAX ? context->arena.data + step->output_offset
                                                           : NULL;
  context->hook(context->user, index, time, output);
}

int tern_run_pointers(tern_context *context, void *const *inputs, void *const *outputs) {
  tern_model *model = context->model;
  context->current_output = outputs;
  context->pooled = tern_pool_take(model->pool);
  model->run(context, inputs, outputs, context->arena.data, model->weights.data, context->sizes.numbers);
  if (context->pooled)
    tern_pool_release(model->pool);
  return 0;
}

const tern_tensor_info *tern_context_input_info(const tern_context *context, size_t index) {
  return index < context->model->program->input_count ? context->sizes.inputs + index : NULL;
}
const tern_tensor_info *tern_context_output_info(const tern_context *context, size_t index) {
  return index < context->model->program->output_count ? context->sizes.outputs + index : NULL;
}
const tern_step *tern_context_step_info(const tern_context *context, size_t index) {
  return index < context->model->program->step_count ? context->sizes.steps + index : NULL;
}
uint64_t tern_context_bytes(const tern_context *context) { return context->sizes.arena_bytes; }

static int check(const tern_context *context, const tern_tensor *inputs, size_t input_count, const tern_tensor *outputs,
                 size_t output_count, tern_error *error) {
  const tern_program *program = context->model->program;
  if (input_count != program->input_count || output_count != program->output_count)
    return tern_fail(error, TERN_ERROR_ARGUMENT,
                     "got %llu inputs and %llu outputs, model '%.60s' has %u inputs and %u outputs",
                     (unsigned long long)input_count, (unsigned long long)output_count, program->name,
                     program->input_count, program->output_count);
  int code = 0;
  for (size_t i = 0; i < input_count && !code; i++)
    code = tern_check_tensor("input", i, inputs + i, context->sizes.inputs + i, error);
  for (size_t i = 0; i < output_count && !code; i++) {
    code = tern_check_tensor("output", i, outputs + i, context->sizes.outputs + i, error);
    for (size_t j = 0; j < input_count + i && !code; j++) {
      bool input = j < input_count;
      size_t k = input ? j : j - input_count;
      if (tern_overlap(outputs + i, input ? inputs + k : outputs + k))
        code = tern_fail(error, TERN_ERROR_ARGUMENT, "output %u '%.60s' overlaps %s %u '%.60s'; give it its own memory",
                         (unsigned)i, program->outputs[i].name, input ? "input" : "output", (unsigned)k,
                         (input ? program->inputs : program->outputs)[k].name);
    }
  }
  return code;
}

int tern_run(tern_context *context, const tern_tensor *inputs, size_t input_count, const tern_tensor *outputs,
             size_t output_count, tern_error *error) {
  int code = check(context, inputs, input_count, outputs, output_count, error);
  if (code)
    return code;
  if (atomic_exchange_explicit(&context->running, 1, memory_order_acquire))
    return tern_fail(error, TERN_ERROR_BUSY, "this context is running already; open one context for each thread");
  for (size_t i = 0; i < input_count; i++)
    context->inputs[i] = inputs[i].data;
  for (size_t i = 0; i < output_count; i++)
    context->outputs[i] = outputs[i].data;
  tern_run_pointers(context, context->inputs, context->outputs);
  atomic_store_explicit(&context->running, 0, memory_order_release);
  return 0;
}

int tern_state_reset(tern_context *context) {
  (void)context; /* programs of this ABI keep no state */
  return 0;
}

int64_t tern_state_length(const tern_context *context) {
  (void)context;
  return 0;
}
