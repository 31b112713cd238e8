/* Which levels of instruction sets the machine and the operating system have, and which one to run. */
#include "lib/Runtime/Runtime.h"
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

const char *const tern_level_names[TERN_LEVELS] = {"portable", "avx2", "avx512vnni"};

#if defined(__x86_64__)
typedef struct {
  const char *name;
  int32_t level; /* the first level that needs it */
  uint32_t leaf; /* subleaf 0 */
  enum { EBX, ECX } word;
  uint32_t bit;
} feature;

static const feature features[] = {
    {"fma", 1, 1, ECX, 12},      {"f16c", 1, 1, ECX, 29},       {"avx2", 1, 7, EBX, 5},
    {"avx512f", 2, 7, EBX, 16},  {"avx512dq", 2, 7, EBX, 17},   {"avx512bw", 2, 7, EBX, 30},
    {"avx512vl", 2, 7, EBX, 31}, {"avx512_vbmi", 2, 7, ECX, 1}, {"avx512_vnni", 2, 7, ECX, 11},
};

/* The vector state that the operating system saves: XCR0. 0: it saves none. */
static uint64_t saved_state(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) /* OSXSAVE */
    return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (uint64_t)d << 32 | a;
}

bool tern_level_supported(int32_t level, char missing[TERN_LIST]) {
  const uint64_t ymm = 0x6, zmm = 0xe6; /* xmm and ymm; also opmask, zmm 0-15, zmm 16-31 */
  missing[0] = 0;
  if (level == TERN_ISA_PORTABLE)
    return true;
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
    const feature *f = features + i;
    uint32_t a, word[2], d;
    bool has = __get_cpuid_count(f->leaf, 0, &a, &word[EBX], &word[ECX], &d) && word[f->word] >> f->bit & 1;
    if (f->level <= level && !has)
      tern_append(missing, TERN_LIST, f->name);
  }
  uint64_t need = level >= TERN_ISA_AVX512VNNI ? zmm : ymm;
  if (!missing[0] && (saved_state() & need) != need)
    tern_append(missing, TERN_LIST, "vector registers saved by the operating system");
  return !missing[0];
}
#else
bool tern_level_supported(int32_t level, char missing[TERN_LIST]) {
  missing[0] = 0;
  if (level != TERN_ISA_PORTABLE)
    tern_append(missing, TERN_LIST, "x86-64");
  return level == TERN_ISA_PORTABLE;
}
#endif

static int32_t level_of(const char *name) {
  for (int32_t i = 0; i < TERN_LEVELS; i++)
    if (!strcmp(name, tern_level_names[i]))
      return i;
  return -1;
}

int32_t tern_pick_level(const tern_program *program, int32_t wanted, tern_error *error) {
  char missing[TERN_LIST], machine[TERN_LIST] = "", file[TERN_LIST] = "";
  const char *variable = getenv("TERN_ISA"), *source = "options.level";
  int32_t best = -1;
  for (int32_t i = 0; i < TERN_LEVELS; i++) {
    bool here = tern_level_supported(i, missing);
    if (here)
      tern_append(machine, sizeof machine, tern_level_names[i]);
    if (program->run[i])
      tern_append(file, sizeof file, tern_level_names[i]);
    if (here && program->run[i])
      best = i;
  }
  if (variable && *variable) {
    source = "TERN_ISA";
    wanted = level_of(variable);
    if (wanted < 0) {
      tern_fail(error, TERN_ERROR_ARGUMENT, "TERN_ISA=%.40s is not known; choose one of portable, avx2, avx512vnni",
                variable);
      return -1;
    }
  }
  if (wanted == TERN_ISA_AUTO) {
    if (best < 0)
      tern_fail(error, TERN_ERROR_MACHINE,
                "model '%.60s' has code for %s, this machine has %s; compile the model for this machine", program->name,
                file[0] ? file : "no level", machine);
    return best;
  }
  if (wanted < 0 || wanted >= TERN_LEVELS)
    tern_fail(error, TERN_ERROR_ARGUMENT,
              "options.level is %d; use -1 (the best one), 0 (portable), 1 (avx2) or 2 (avx512vnni)", wanted);
  else if (!program->run[wanted])
    tern_fail(error, TERN_ERROR_ARGUMENT, "%s asks for %s, but model '%.60s' has code for %s; choose one of these",
              source, tern_level_names[wanted], program->name, file[0] ? file : "no level");
  else if (!tern_level_supported(wanted, missing))
    tern_fail(error, TERN_ERROR_MACHINE, "%s asks for %s, but this machine lacks %s; it has %s: choose one of these",
              source, tern_level_names[wanted], missing, machine);
  else
    return wanted;
  return -1;
}
