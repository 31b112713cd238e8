/* Sizes that are chosen when a context is opened: the numbers of the program, its tensors, and the places of buffers. */
#include "lib/Runtime/Runtime.h"
#include <stdlib.h>

static int64_t resolve(const int64_t *numbers, int64_t size) { return size < 0 ? numbers[-(size + 1)] : size; }

static const char too_large[] = "with these sizes model '%.60s' needs more memory than there can be; choose smaller ones";

/* Copies infos, with every size that is a slot taken from numbers (NULL: -1). dims: where the copied sizes go. A tensor of
 * more bytes than there can be has UINT64_MAX. */
static int64_t *copy_infos(tern_tensor_info *to, const tern_tensor_info *from, uint32_t count, const int64_t *numbers,
                           int64_t *dims) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
    to[i].dims = dims;
    bool open = false, fits = true;
    uint64_t bytes = (uint64_t)tern_element_size(from[i].dtype);
    for (int32_t d = 0; d < from[i].rank; d++) {
      int64_t size = from[i].dims[d];
      open |= size < 0;
      dims[d] = numbers ? resolve(numbers, size) : size < 0 ? -1 : size;
      fits &= !dims[d] || bytes <= INT64_MAX / (uint64_t)dims[d];
      bytes *= (uint64_t)dims[d];
    }
    if (open)
      to[i].bytes = !numbers ? 0 : fits ? bytes : UINT64_MAX;
    dims += from[i].rank;
  }
  return dims;
}

static size_t all_ranks(const tern_program *program, bool steps) {
  size_t ranks = 0;
  for (uint32_t i = 0; i < program->input_count; i++)
    ranks += (size_t)program->inputs[i].rank;
  for (uint32_t i = 0; i < program->output_count; i++)
    ranks += (size_t)program->outputs[i].rank;
  for (uint32_t i = 0; steps && i < program->step_count; i++)
    ranks += (size_t)program->steps[i].rank;
  return ranks;
}

bool tern_sizes_describe(tern_sizes *sizes, const tern_program *program) {
  sizes->inputs = program->inputs;
  sizes->outputs = program->outputs;
  sizes->steps = program->steps;
  sizes->memory = NULL;
  if (!program->dim_count)
    return true;
  size_t tensors = (size_t)program->input_count + program->output_count, ranks = all_ranks(program, false);
  tern_tensor_info *infos = calloc(1, tensors * sizeof *infos + ranks * sizeof(int64_t) + 1);
  if (!infos)
    return false;
  int64_t *dims = copy_infos(infos, program->inputs, program->input_count, NULL, (int64_t *)(void *)(infos + tensors));
  copy_infos(infos + program->input_count, program->outputs, program->output_count, NULL, dims);
  sizes->inputs = infos;
  sizes->outputs = infos + program->input_count;
  sizes->memory = infos;
  return true;
}

/* Every size of the program fits; else the first one that does not is reported. */
static int check_dims(const tern_program *program, const int64_t *dims, tern_error *error) {
  for (uint32_t i = 0; i < program->dim_count; i++) {
    const tern_dim_info *dim = program->dims + i;
    if (dims[i] >= dim->low && dims[i] <= dim->high)
      continue;
    if (dim->high == INT64_MAX)
      return tern_fail(error, TERN_ERROR_ARGUMENT, "dimension '%.60s' is %lld; model '%.60s' takes %lld and more",
                       dim->name, (long long)dims[i], program->name, (long long)dim->low);
    return tern_fail(error, TERN_ERROR_ARGUMENT, "dimension '%.60s' is %lld; model '%.60s' takes %lld to %lld", dim->name,
                     (long long)dims[i], program->name, (long long)dim->low, (long long)dim->high);
  }
  return 0;
}

typedef struct {
  uint64_t size, offset;
  int32_t first, last, index;
} placed_buffer;

static int by_size(const void *a, const void *b) {
  const placed_buffer *x = a, *y = b;
  return x->size != y->size ? (x->size < y->size ? 1 : -1) : x->index - y->index;
}

static int by_offset(const void *a, const void *b) {
  const placed_buffer *const *x = a, *const *y = b;
  return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

/* Greedy best fit, largest first, as cpu-plan-memory does: the smallest gap between the buffers that live at the same
 * time. offsets: one a buffer. Returns the bytes of the arena; UINT64_MAX: no memory, or more bytes than there can be. */
static uint64_t plan(const tern_buffer *buffers, uint32_t count, const int64_t *numbers, int64_t *offsets) {
  placed_buffer *all = calloc((size_t)count + 1, sizeof *all);
  const placed_buffer **busy = calloc((size_t)count + 1, sizeof *busy);
  uint64_t total = 0;
  for (uint32_t i = 0; all && busy && i < count; i++) {
    int64_t bytes = buffers[i].first < 0 ? 0 : numbers[buffers[i].slot];
    if (bytes < 0 || bytes > INT64_MAX / 4)
      total = UINT64_MAX;
    all[i] = (placed_buffer){((uint64_t)bytes + 63) / 64 * 64 + TERN_SLACK, 0, buffers[i].first, buffers[i].last, (int32_t)i};
  }
  if (!all || !busy || total) {
    free(all), free(busy);
    return UINT64_MAX;
  }
  qsort(all, count, sizeof *all, by_size);
  for (uint32_t i = 0; i < count; i++) {
    placed_buffer *own = all + i;
    if (own->first < 0) {
      offsets[own->index] = 0;
      continue;
    }
    size_t n = 0;
    for (uint32_t j = 0; j < i; j++)
      if (all[j].first >= 0 && all[j].first <= own->last && own->first <= all[j].last)
        busy[n++] = all + j;
    qsort(busy, n, sizeof *busy, by_offset);
    uint64_t at = 0, best = UINT64_MAX, gap = 0;
    for (size_t j = 0; j < n; j++) {
      uint64_t room = busy[j]->offset > at ? busy[j]->offset - at : 0;
      if (room >= own->size && (best == UINT64_MAX || room < gap))
        best = at, gap = room;
      if (busy[j]->offset + busy[j]->size > at)
        at = busy[j]->offset + busy[j]->size;
    }
    own->offset = best != UINT64_MAX ? best : at;
    offsets[own->index] = (int64_t)own->offset;
    if (own->offset + own->size > total)
      total = own->offset + own->size;
    if (total > INT64_MAX / 2) { // so that no sum overflows
      total = UINT64_MAX;
      break;
    }
  }
  free(all), free(busy);
  return total;
}

int tern_sizes_open(tern_sizes *sizes, const tern_model *model, const int64_t *dims, size_t count, tern_error *error) {
  const tern_program *program = model->program;
  *sizes = (tern_sizes){program->inputs, program->outputs, program->steps, NULL, program->arena_bytes, NULL};
  if (count != program->dim_count)
    return program->dim_count
               ? tern_fail(error, TERN_ERROR_ARGUMENT, "%llu sizes given, model '%.60s' has %u open dimensions; pass one for each",
                           (unsigned long long)count, program->name, program->dim_count)
               : tern_fail(error, TERN_ERROR_ARGUMENT, "%llu sizes given, but all sizes of model '%.60s' are fixed; pass none",
                           (unsigned long long)count, program->name);
  if (!count)
    return 0;
  int code = check_dims(program, dims, error);
  if (code)
    return code;
  uint32_t buffers = program->buffer_counts[model->level];
  size_t tensors = (size_t)program->input_count + program->output_count, ranks = all_ranks(program, true);
  size_t number_count = (size_t)program->number_count + buffers;
  size_t bytes = program->step_count * sizeof(tern_step) + tensors * sizeof(tern_tensor_info) + (number_count + ranks) * sizeof(int64_t);
  tern_step *steps = calloc(1, bytes + 64);
  if (!steps)
    return tern_fail(error, TERN_ERROR_MEMORY, "out of memory for a context of model '%.60s'", program->name);
  tern_tensor_info *infos = (tern_tensor_info *)(void *)(steps + program->step_count);
  int64_t *numbers = (int64_t *)(void *)(infos + tensors), *shapes = numbers + number_count;
  sizes->memory = steps;
  program->numbers(dims, numbers);
  for (uint32_t i = 0; i < program->number_count; i++)
    if (numbers[i] == INT64_MAX)
      return tern_fail(error, TERN_ERROR_MEMORY, too_large, program->name);
  for (uint32_t i = 0; i < program->equal_count; i++) {
    const tern_equal *equal = program->equal + i;
    if (numbers[equal->a] != numbers[equal->b])
      return tern_fail(error, TERN_ERROR_ARGUMENT, "model '%.40s' needs %.60s = %.60s, but they are %lld and %lld", program->name,
                       equal->a_text, equal->b_text, (long long)numbers[equal->a], (long long)numbers[equal->b]);
  }
  shapes = copy_infos(infos, program->inputs, program->input_count, numbers, shapes);
  shapes = copy_infos(infos + program->input_count, program->outputs, program->output_count, numbers, shapes);
  for (size_t i = 0; i < tensors; i++)
    for (int32_t d = 0; d < infos[i].rank; d++)
      if (infos[i].dims[d] < 0)
        return tern_fail(error, TERN_ERROR_ARGUMENT, "with these sizes dimension %d of '%.60s' would be %lld", d, infos[i].name,
                         (long long)infos[i].dims[d]);
  for (size_t i = 0; i < tensors; i++)
    if (infos[i].bytes == UINT64_MAX)
      return tern_fail(error, TERN_ERROR_MEMORY, too_large, program->name);
  uint64_t arena = plan(program->buffers[model->level], buffers, numbers, numbers + program->number_count);
  if (arena == UINT64_MAX)
    return tern_fail(error, TERN_ERROR_MEMORY, too_large, program->name);
  for (uint32_t i = 0; i < program->step_count; i++) {
    steps[i] = program->steps[i];
    steps[i].dims = shapes;
    steps[i].macs = (uint64_t)resolve(numbers, (int64_t)steps[i].macs);
    if (steps[i].output_offset != UINT64_MAX)
      steps[i].output_offset = (uint64_t)numbers[(uint32_t)steps[i].output_offset] + (steps[i].output_offset >> 32);
    for (int32_t d = 0; d < steps[i].rank; d++)
      *shapes++ = resolve(numbers, program->steps[i].dims[d]);
  }
  *sizes = (tern_sizes){infos, infos + program->input_count, steps, numbers, arena, steps};
  return 0;
}

void tern_sizes_close(tern_sizes *sizes) { free(sizes->memory); }
