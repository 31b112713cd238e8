/* Number formats from C (libtern.so). C99.
 *
 *   Formats and encodes are spelled as in the IR: "<ui4, scale<f16, [1, 128]>, zero<ui4>>", "<minmax>". A tensor is f32, row-major.
 *   Its planes are plain: codes LSB first along the last axis, each row on a byte; other planes row-major, below 8 bits packed the
 *   same way. tern_format_info says which planes a tensor has and how many bytes each needs.
 *
 *   Functions return 0, or 1 with one sentence in *error (found, allowed, what to do). Strings are freed by tern_string_free. All
 *   functions may be called from several threads at once.
 */
#ifndef TERN_C_FORMATS_H
#define TERN_C_FORMATS_H
#include "tern-c/compile.h"
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* JSON: {"format": ..., "elem": ..., "bits": per element, "bytes": of all planes, "planes": [{"role", "type", "bits", "signed", "float",
 * "shape", "bytes"}]}, the codes first; shape counts entries. */
TERN_COMPILE_API int32_t tern_format_info(const char *format, const int64_t *shape, size_t rank, char **json, char **error);

/* Writes all planes of x. `encode` "<given>": only the codes are written, the other planes are read (a table plane is always read).
 * `method`: NULL, or a method of lib/Quantize ("rtn", "rtn-mse"). planes: one pointer per plane. */
TERN_COMPILE_API int32_t tern_encode(const char *format, const char *encode, const char *method, const int64_t *shape, size_t rank,
                                     const float *x, void *const *planes, char **error);

/* The values of all elements, f32 row-major. */
TERN_COMPILE_API int32_t tern_decode(const char *format, const int64_t *shape, size_t rank, const void *const *planes, float *out,
                                     char **error);

/* The values of `rows` rows of `cols` packed entries of a plane type ("ui4", "f8E8M0FNU"), and the other way (nearest, ties to even). */
TERN_COMPILE_API int32_t tern_plane_values(const char *type, int64_t rows, int64_t cols, const void *packed, float *values, char **error);
TERN_COMPILE_API int32_t tern_plane_pack(const char *type, int64_t rows, int64_t cols, const float *values, void *packed, char **error);

/* JSON: {"layout": ..., "buffers": [{"name", "type", "shape", "bytes"}]} of a foreign layout ("#tern.matmulnbits", "#tern.ggml<q4_K>"). */
TERN_COMPILE_API int32_t tern_layout_info(const char *layout, const char *format, const int64_t *shape, size_t rank, char **json,
                                          char **error);
TERN_COMPILE_API int32_t tern_layout_pack(const char *layout, const char *format, const int64_t *shape, size_t rank,
                                          const void *const *planes, void *const *buffers, char **error);
TERN_COMPILE_API int32_t tern_layout_unpack(const char *layout, const char *format, const int64_t *shape, size_t rank,
                                            const void *const *buffers, void *const *planes, char **error);

/* JSON: [{"name", "format", "encode", "layout", "bits", "kernels": {"cpu": {"x": [...], "w": [...]}}}]. */
TERN_COMPILE_API char *tern_formats(void);

#ifdef __cplusplus
}
#endif
#endif
