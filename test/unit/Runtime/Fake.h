/* A model written by hand: y = x * w + sum(x * w), on 1024 floats, in three steps. */
#ifndef TERN_TEST_UNIT_RUNTIME_FAKE_H
#define TERN_TEST_UNIT_RUNTIME_FAKE_H
#include "lib/Runtime/Program.h"
enum { FAKE_SIZE = 1024, FAKE_TASKS = 16, FAKE_STEPS = 3 };

/* Deterministic weights; integers, so that sums are exact in any order. */
static inline void fake_weights(float w[FAKE_SIZE]) {
  for (int i = 0; i < FAKE_SIZE; i++)
    w[i] = (float)(i * 7 % 13 - 6);
}
#endif
