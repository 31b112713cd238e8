/* What the compiler would generate for the model of Fake.h. */
#include "test/unit/Runtime/Fake.h"

typedef struct {
  const float *x, *w;
  float *products, *y;
} arguments;

static void multiply(void *opaque, int64_t task) {
  arguments *a = opaque;
  for (int64_t i = task * FAKE_SIZE / FAKE_TASKS; i < (task + 1) * FAKE_SIZE / FAKE_TASKS; i++)
    a->products[i] = a->x[i] * a->w[i];
}

static void sum(void *opaque, int64_t task) {
  arguments *a = opaque;
  (void)task;
  a->products[FAKE_SIZE] = 0;
  for (int64_t i = 0; i < FAKE_SIZE; i++)
    a->products[FAKE_SIZE] += a->products[i];
}

static void add(void *opaque, int64_t task) {
  arguments *a = opaque;
  for (int64_t i = task * FAKE_SIZE / FAKE_TASKS; i < (task + 1) * FAKE_SIZE / FAKE_TASKS; i++)
    a->y[i] = a->products[i] + a->products[FAKE_SIZE];
}

static void run(void *context, void *const *inputs, void *const *outputs, uint8_t *arena, const uint8_t *weights,
                const int64_t *numbers) {
  (void)numbers;
  arguments a = {inputs[0], (const float *)weights, (float *)arena, outputs[0]};
  tern_parallel_for(context, 0, multiply, &a, FAKE_TASKS);
  tern_parallel_for(context, 1, sum, &a, 1);
  tern_parallel_for(context, 2, add, &a, FAKE_TASKS);
}

static const int64_t dims[2] = {2, FAKE_SIZE / 2}, one[1] = {1};
static const tern_tensor_info input = {"x", TERN_F32, 2, dims, 4 * FAKE_SIZE};
static const tern_tensor_info output = {"y", TERN_F32, 2, dims, 4 * FAKE_SIZE};
static const tern_step steps[FAKE_STEPS] = {
    {"mul", "k0_mul", "cpu.elementwise", FAKE_SIZE, 12 * FAKE_SIZE, 0, -1, TERN_F32, 2, dims, 0, 0, {0}, 0, 0},
    {"sum", "k1_sum", "cpu.reduce", 0, 4 * FAKE_SIZE, 4 * FAKE_SIZE, -1, TERN_F32, 1, one, 0, 0, {0}, 0, 0},
    {"add", "k2_add", "cpu.elementwise", 0, 8 * FAKE_SIZE, UINT64_MAX, 0, TERN_F32, 2, dims, 0, 0, {0}, 0, 0},
};

#ifndef FAKE_ABI
#define FAKE_ABI TERN_ABI
#endif
#ifndef FAKE_HASH
#define FAKE_HASH 0x30df402d4fca852bu
#endif

const tern_program tern_generated_program = {
    .abi = FAKE_ABI,
    .name = "fake",
    .input_count = 1,
    .output_count = 1,
    .step_count = FAKE_STEPS,
    .inputs = &input,
    .outputs = &output,
    .steps = steps,
    .arena_bytes = 4 * FAKE_SIZE + 64,
    .weights_bytes = 4 * FAKE_SIZE,
    .weights_hash = FAKE_HASH,
    .run = {run, NULL, run},
};
