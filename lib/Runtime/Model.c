/* A model: program, weights, level, threads. */
#include "lib/Runtime/Runtime.h"
#include <stdlib.h>

uint32_t tern_abi(void) { return TERN_ABI; }

static int check_options(const tern_options *options, tern_error *error) {
  if (options->size < sizeof *options)
    return tern_fail(error, TERN_ERROR_ABI, "options.size is %u, expected %u; start from TERN_OPTIONS_DEFAULT",
                     options->size, (unsigned)sizeof *options);
  if (options->huge_pages < -1 || options->huge_pages > 1)
    return tern_fail(error, TERN_ERROR_ARGUMENT,
                     "options.huge_pages is %d; use 0 (ask for them), 1 (copy the weights into them) or -1 (no)",
                     options->huge_pages);
  return 0;
}

/* Fills a zeroed model. Returns 0 or error->code. */
static int open_model(tern_model *model, const char *weights_path, const tern_options *options, tern_error *error) {
  const tern_program *program = &tern_generated_program;
  /* The descriptor may come from another compiler: what the optimizer knows about the constant is not to be trusted. */
  __asm__("" : "+r"(program));
  if (program->abi != TERN_ABI)
    return tern_fail(error, TERN_ERROR_ABI, "generated code has ABI %u, its runtime %u; compile the model again",
                     program->abi, TERN_ABI);
  int code = check_options(options, error);
  if (code)
    return code;
  tern_error local; /* gives the code when the caller wants no error */
  error = error ? error : &local;
  if ((model->level = tern_pick_level(program, options->level, error)) < 0)
    return error->code;
  int32_t threads = tern_pick_threads(options->threads, error);
  if (threads < 0)
    return error->code;
  model->program = program;
  if (!tern_sizes_describe(&model->sizes, program))
    return tern_fail(error, TERN_ERROR_MEMORY, "out of memory for the model");
  model->run = program->run[model->level];
  model->huge_pages = options->huge_pages >= 0;
  code = tern_map_weights(&model->weights, program, weights_path, options->huge_pages, error);
  if (code)
    return code;
  model->pool = tern_pool_open(threads);
  return model->pool ? 0 : tern_fail(error, TERN_ERROR_MEMORY, "out of memory for %d threads", threads);
}

tern_model *tern_model_open(const char *weights_path, const tern_options *options, tern_error *error) {
  const tern_options defaults = TERN_OPTIONS_DEFAULT;
  tern_model *model = calloc(1, sizeof *model);
  if (!model) {
    tern_fail(error, TERN_ERROR_MEMORY, "out of memory for the model");
    return NULL;
  }
  if (open_model(model, weights_path, options ? options : &defaults, error)) {
    tern_model_close(model);
    return NULL;
  }
  return model;
}

void tern_model_close(tern_model *model) {
  if (!model)
    return;
  tern_pool_close(model->pool);
  tern_memory_free(&model->weights);
  tern_sizes_close(&model->sizes);
  free(model);
}

const char *tern_model_name(const tern_model *model) { return model->program->name; }
const char *tern_model_isa(const tern_model *model) { return tern_level_names[model->level]; }
int32_t tern_model_threads(const tern_model *model) { return tern_pool_threads(model->pool); }

size_t tern_input_count(const tern_model *model) { return model->program->input_count; }
size_t tern_output_count(const tern_model *model) { return model->program->output_count; }
size_t tern_step_count(const tern_model *model) { return model->program->step_count; }
size_t tern_dim_count(const tern_model *model) { return model->program->dim_count; }
const tern_dim_info *tern_dim(const tern_model *model, size_t index) {
  return index < model->program->dim_count ? model->program->dims + index : NULL;
}

const tern_tensor_info *tern_input_info(const tern_model *model, size_t index) {
  return index < model->program->input_count ? model->sizes.inputs + index : NULL;
}
const tern_tensor_info *tern_output_info(const tern_model *model, size_t index) {
  return index < model->program->output_count ? model->sizes.outputs + index : NULL;
}
const tern_step *tern_step_info(const tern_model *model, size_t index) {
  return index < model->program->step_count ? model->program->steps + index : NULL;
}
