/* Checks of the tensors of tern_run. */
#include "lib/Runtime/Runtime.h"
#include <stdio.h>

typedef struct {
  char text[80];
} shape_text;

static const struct {
  const char *name;
  int32_t size;
} types[] = {[TERN_F32] = {"f32", 4},  [TERN_U8] = {"u8", 1},   [TERN_I8] = {"i8", 1},   [TERN_U16] = {"u16", 2},
             [TERN_I16] = {"i16", 2},  [TERN_I32] = {"i32", 4}, [TERN_I64] = {"i64", 8}, [TERN_BOOL] = {"bool", 1},
             [TERN_F16] = {"f16", 2},  [TERN_F64] = {"f64", 8}, [TERN_U32] = {"u32", 4}, [TERN_U64] = {"u64", 8},
             [TERN_BF16] = {"bf16", 2},        [TERN_F8E4M3FN] = {"f8e4m3fn", 1},
             [TERN_F8E4M3FNUZ] = {"f8e4m3fnuz", 1}, [TERN_F8E5M2] = {"f8e5m2", 1},
             [TERN_F8E5M2FNUZ] = {"f8e5m2fnuz", 1}, [TERN_U4] = {"u4", 1}, [TERN_I4] = {"i4", 1},
             [TERN_F4E2M1] = {"f4e2m1", 1},    [TERN_F8E8M0] = {"f8e8m0", 1}, [TERN_U2] = {"u2", 1}, [TERN_I2] = {"i2", 1}};

static bool known_type(int32_t dtype) {
  return dtype > 0 && dtype < (int32_t)(sizeof types / sizeof *types) && types[dtype].name;
}

int32_t tern_element_size(int32_t dtype) { return known_type(dtype) ? types[dtype].size : 0; }

/* "f32[1,3,224,224]" */
static shape_text print_shape(int32_t dtype, int32_t rank, const int64_t *dims) {
  shape_text s;
  const size_t size = sizeof s.text;
  size_t at = (size_t)(known_type(dtype) ? snprintf(s.text, size, "%s[", types[dtype].name)
                                         : snprintf(s.text, size, "dtype %d[", dtype));
  for (int32_t i = 0; i < rank && at < size; i++)
    at += (size_t)snprintf(s.text + at, size - at, i ? ",%lld" : "%lld", (long long)dims[i]);
  if (at < size)
    at += (size_t)snprintf(s.text + at, size - at, "]");
  if (at >= size)
    memcpy(s.text + size - 5, "...]", 5);
  return s;
}

int tern_check_tensor(const char *role, size_t index, const tern_tensor *tensor, const tern_tensor_info *want,
                      tern_error *error) {
  const unsigned i = (unsigned)index;
  if (tensor->rank < 0 || (tensor->rank && !tensor->dims))
    return tern_fail(error, TERN_ERROR_ARGUMENT, "%s %u '%.60s': rank is %d and dims is %s; describe a dense tensor",
                     role, i, want->name, tensor->rank, tensor->dims ? "given" : "NULL");
  if (tensor->dtype != want->dtype || tensor->rank != want->rank ||
      (want->rank && memcmp(tensor->dims, want->dims, (size_t)want->rank * sizeof *want->dims)))
    return tern_fail(error, TERN_ERROR_ARGUMENT, "%s %u '%.60s': got %s, the model has %s", role, i, want->name,
                     print_shape(tensor->dtype, tensor->rank, tensor->dims).text,
                     print_shape(want->dtype, want->rank, want->dims).text);
  if (tensor->bytes != want->bytes)
    return tern_fail(error, TERN_ERROR_ARGUMENT, "%s %u '%.60s': got %llu bytes, %s has %llu", role, i, want->name,
                     (unsigned long long)tensor->bytes, print_shape(want->dtype, want->rank, want->dims).text,
                     (unsigned long long)want->bytes);
  if (!tensor->data && want->bytes)
    return tern_fail(error, TERN_ERROR_ARGUMENT, "%s %u '%.60s': data is NULL", role, i, want->name);
  if (known_type(want->dtype) && (uintptr_t)tensor->data % (uintptr_t)types[want->dtype].size)
    return tern_fail(error, TERN_ERROR_ARGUMENT, "%s %u '%.60s': data is at %p; align it to %d bytes", role, i,
                     want->name, tensor->data, types[want->dtype].size);
  return 0;
}

bool tern_overlap(const tern_tensor *a, const tern_tensor *b) {
  uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
  return a->bytes && b->bytes && x < y + b->bytes && y < x + a->bytes;
}
