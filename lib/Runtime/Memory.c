/* Arena and weights: mappings at 2 MiB aligned addresses, so that the kernel can back them by huge pages. */
#include "lib/Runtime/Runtime.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static const uint64_t HUGE_PAGE = 2u << 20;
static const uint64_t CHECK_ALWAYS = 256u << 20; /* larger files cost noticeable time to hash */

/* Address space for bytes and the slack, all zeros. */
static bool reserve(tern_memory *memory, uint64_t bytes, int protection, bool align) {
  uint64_t size = bytes + TERN_SLACK + (align ? HUGE_PAGE : 0);
  if (size < bytes)
    return false;
  void *base = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return false;
  uintptr_t mask = align ? HUGE_PAGE - 1 : 0;
  *memory = (tern_memory){(uint8_t *)(((uintptr_t)base + mask) & ~mask), base, size};
  return true;
}

bool tern_memory_allocate(tern_memory *memory, uint64_t bytes, bool huge) {
  huge = huge && bytes >= HUGE_PAGE;
  if (!reserve(memory, bytes, PROT_READ | PROT_WRITE, huge))
    return false;
  if (huge)
    madvise(memory->data, bytes, MADV_HUGEPAGE);
  return true;
}

void tern_memory_free(tern_memory *memory) {
  if (memory->base)
    munmap(memory->base, memory->size);
  *memory = (tern_memory){0};
}

/* weights.bin in the folder of this library. False: its name is too long. */
static bool default_path(char path[PATH_MAX]) {
  Dl_info info;
  const char *library = dladdr(&tern_generated_program, &info) && info.dli_fname ? info.dli_fname : "";
  const char *slash = strrchr(library, '/');
  int folder = slash ? (int)(slash - library) + 1 : 0;
  return snprintf(path, PATH_MAX, "%.*sweights.bin", folder, library) < PATH_MAX;
}

/* TERN_CHECK, else by size. -1: error. */
static int wants_check(uint64_t bytes, tern_error *error) {
  const char *check = getenv("TERN_CHECK");
  if (!check || !*check)
    return bytes <= CHECK_ALWAYS;
  int64_t value = tern_parse_number(check, 1);
  if (value < 0)
    tern_fail(error, TERN_ERROR_ARGUMENT,
              "TERN_CHECK=%.40s is not known; use 1 (compare the hash of the weights) or 0 (do not)", check);
  return (int)value;
}

/* Fills memory with the open file. 0 or errno. */
static int load(tern_memory *memory, int file, uint64_t bytes, int32_t huge_pages) {
  if (huge_pages > 0) {
    if (!tern_memory_allocate(memory, bytes, true))
      return ENOMEM;
    for (uint64_t at = 0; at < bytes;) {
      ssize_t n = pread(file, memory->data + at, bytes - at, (off_t)at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return n ? errno : EIO;
      at += (uint64_t)n;
    }
    mprotect(memory->base, memory->size, PROT_READ);
    return 0;
  }
  /* The file lies over the start of a reservation: the slack behind it stays readable. */
  if (!reserve(memory, bytes, PROT_READ, true))
    return ENOMEM;
  if (mmap(memory->data, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
    return errno;
  if (huge_pages == 0)
    madvise(memory->data, bytes, MADV_HUGEPAGE);
  return 0;
}

static int map_file(tern_memory *memory, const tern_program *program, const char *path, int32_t huge_pages, int check,
                    tern_error *error) {
  const unsigned long long want = program->weights_bytes;
  const char *advice = "pass the path of the weights.bin that was written with this library";
  char byte;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), problem = 0;
  int64_t size = -1;
  if (file < 0 || pread(file, &byte, 1, 0) < 0 || (size = lseek(file, 0, SEEK_END)) < 0)
    problem = errno; /* missing, not allowed, a folder, a pipe */
  else if ((uint64_t)size == want)
    problem = load(memory, file, want, huge_pages);
  if (file >= 0)
    close(file);
  if (problem)
    return tern_fail(error, problem == ENOMEM ? TERN_ERROR_MEMORY : TERN_ERROR_WEIGHTS,
                     "cannot read weights '%.110s': %.40s; %s", path, strerror(problem), advice);
  if ((uint64_t)size != want)
    return tern_fail(error, TERN_ERROR_WEIGHTS, "weights '%.90s' have %lld bytes, model '%.20s' has %llu; %s", path,
                     (long long)size, program->name, want, advice);
  if (!check)
    return 0;
  madvise(memory->data, want, MADV_POPULATE_READ); /* faster than one page fault at a time */
  if (tern_hash(memory->data, want) == program->weights_hash)
    return 0;
  return tern_fail(error, TERN_ERROR_WEIGHTS, "weights '%.90s' are damaged or of another compilation of '%.20s'; %s",
                   path, program->name, advice);
}

int tern_map_weights(tern_memory *memory, const tern_program *program, const char *path, int32_t huge_pages,
                     tern_error *error) {
  char beside[PATH_MAX];
  *memory = (tern_memory){0};
  if (!program->weights_bytes)
    return 0;
  int check = wants_check(program->weights_bytes, error);
  if (check < 0)
    return TERN_ERROR_ARGUMENT;
  if (!path && !default_path(beside))
    return tern_fail(error, TERN_ERROR_WEIGHTS, "the path of this library is too long; pass the path of weights.bin");
  int code = map_file(memory, program, path ? path : beside, huge_pages, check, error);
  if (code)
    tern_memory_free(memory);
  return code;
}
