/* What generated code and the runtime agree on. C99; included by the runtime and by the compiler. */
#ifndef TERN_RUNTIME_PROGRAM_H
#define TERN_RUNTIME_PROGRAM_H
#include "tern-c/artifact.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TERN_LEVELS = 3 };

/* Bytes after the end of the arena and of the weights that a kernel may read. Inputs and outputs have no such slack. */
enum { TERN_SLACK = 128 };

/* The whole model. inputs, outputs: data pointers in signature order. arena: arena_bytes, 64-byte aligned, zero before
 * the first run and kept from run to run. weights: weights.bin, 64-byte aligned at least. */
typedef void (*tern_run_function)(void *context, void *const *inputs, void *const *outputs, uint8_t *arena,
                                  const uint8_t *weights, const int64_t *numbers);

/* A program with open dimensions works with numbers: sizes of kernels and tensors, bytes of buffers, counts of tasks.
 * `numbers` of the program computes them from the dimensions when a context is opened (INT64_MAX: more than 64 bits hold);
 * behind them lie the offsets of the
 * buffers in the arena, which the runtime chooses. In the descriptor a size below 0 in `dims` of a tensor or a step is
 * -(slot + 1), slot being the index of a number, and so are the macs of a step; its output_offset is a slot, with bytes to add
 * in the upper half. */
typedef struct {
  int32_t slot;        /* of the bytes */
  int32_t first, last; /* ops of the run function that use it; first < 0: none */
} tern_buffer;

typedef struct {
  int32_t a, b; /* slots of numbers that have to agree */
  const char *a_text, *b_text;
} tern_equal;

typedef struct {
  uint32_t abi; /* TERN_ABI */
  const char *name;
  uint32_t input_count, output_count, step_count;
  const tern_tensor_info *inputs, *outputs;
  const tern_step *steps;
  uint64_t arena_bytes;
  uint64_t weights_bytes;             /* size of weights.bin; 0: the model has none */
  uint64_t weights_hash;              /* tern_hash of weights.bin */
  tern_run_function run[TERN_LEVELS]; /* by TERN_ISA_*; NULL: not in this file */
  uint32_t dim_count, number_count, equal_count, buffer_counts[TERN_LEVELS];
  const tern_dim_info *dims;
  const tern_equal *equal;
  void (*numbers)(const int64_t *dims, int64_t *numbers);
  const tern_buffer *buffers[TERN_LEVELS];
} tern_program;

/* Defined by the generated object. */
extern
#if defined(__GNUC__)
    __attribute__((visibility("hidden")))
#endif
    const tern_program tern_generated_program;

/* Generated code calls this once for each step, in order: fn(arguments, 0 .. tasks - 1), on any thread, in any order.
 * tasks >= 1; one task, or more than 2^24, run on the calling thread. context is the one that `run` was given. */
void tern_parallel_for(void *context, int32_t step, void (*fn)(void *arguments, int64_t task), void *arguments,
                       int64_t tasks);

/* Hash of weights.bin: FNV-1a on 64-bit words in eight interleaved lanes (memory speed), the rest bytewise. */
#define TERN_HASH_BASIS 0xcbf29ce484222325u
#define TERN_HASH_PRIME 0x100000001b3u
static inline void tern_hash_begin(uint64_t lane[8]) {
  for (int i = 0; i < 8; i++)
    lane[i] = TERN_HASH_BASIS + (uint64_t)i;
}
/* Pieces of a multiple of 64 bytes, in order. */
static inline void tern_hash_add(uint64_t lane[8], const void *data, uint64_t size) {
  const unsigned char *p = (const unsigned char *)data;
  uint64_t word;
  for (uint64_t at = 0; at + 64 <= size; at += 64)
    for (int i = 0; i < 8; i++) {
      memcpy(&word, p + at + 8 * i, 8);
      lane[i] = (lane[i] ^ word) * TERN_HASH_PRIME;
      lane[i] ^= lane[i] >> 32; /* a product moves bits upwards only */
    }
}
/* `tail`: the size % 64 bytes behind the pieces. */
static inline uint64_t tern_hash_end(uint64_t lane[8], const unsigned char *tail, uint64_t size) {
  const uint64_t prime = TERN_HASH_PRIME;
  uint64_t hash = TERN_HASH_BASIS ^ size, rest = size & 63;
  for (int i = 0; i < 8; i++) {
    hash = (hash ^ lane[i]) * prime;
    hash ^= hash >> 32;
  }
  for (uint64_t i = 0; i < rest; i++)
    hash = (hash ^ tail[i]) * prime;
  return hash;
}
static inline uint64_t tern_hash(const void *data, uint64_t size) {
  uint64_t lane[8];
  tern_hash_begin(lane);
  tern_hash_add(lane, data, size);
  return tern_hash_end(lane, (const unsigned char *)data + (size & ~(uint64_t)63), size);
}

/* The compiler writes these structs as constants: their layout is part of the ABI. */
#ifdef __cplusplus
#define TERN_CHECK_LAYOUT(what, text) static_assert(what, text)
#else
#define TERN_CHECK_LAYOUT(what, text) _Static_assert(what, text)
#endif
TERN_CHECK_LAYOUT(sizeof(tern_tensor_info) == 32, "name 0, dtype 8, rank 12, dims 16, bytes 24");
TERN_CHECK_LAYOUT(sizeof(tern_step) == 128 && offsetof(tern_step, output_offset) == 40 &&
                      offsetof(tern_step, dims) == 64 && offsetof(tern_step, channel_stride) == 80 &&
                      offsetof(tern_step, scale) == 120,
                  "natural alignment, no other padding");
TERN_CHECK_LAYOUT(sizeof(tern_program) == 176 && offsetof(tern_program, inputs) == 32 &&
                      offsetof(tern_program, run) == 80 && offsetof(tern_program, dims) == 128,
                  "natural alignment, no other padding");
#undef TERN_CHECK_LAYOUT

#ifdef __cplusplus
}
#endif
#endif
