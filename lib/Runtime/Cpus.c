/* Cpus of the process. Raw system calls, because the wrappers exist in several versions, and a library that is linked
 * without a C library gets the oldest of them. */
#include "lib/Runtime/Runtime.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BITS = 8 * sizeof(long) };

bool tern_cpus_has(const tern_cpus *cpus, int32_t cpu) {
  return cpu >= 0 && cpu < TERN_MAX_CPUS && (cpus->bits[cpu / BITS] >> cpu % BITS & 1);
}

void tern_cpus_remove(tern_cpus *cpus, int32_t cpu) {
  if (cpu >= 0 && cpu < TERN_MAX_CPUS)
    cpus->bits[cpu / BITS] &= ~(1ul << cpu % BITS);
}

int32_t tern_cpus_allowed(tern_cpus *cpus) {
  int32_t count = 0;
  memset(cpus, 0, sizeof *cpus);
  syscall(SYS_sched_getaffinity, 0, sizeof *cpus, cpus);
  for (int32_t i = 0; i < TERN_MAX_CPUS; i++)
    count += tern_cpus_has(cpus, i);
  return count ? count : 1;
}

void tern_bind_to_cpus(int32_t thread, const tern_cpus *cpus) {
  syscall(SYS_sched_setaffinity, thread, sizeof *cpus, cpus);
}

void tern_bind_to_cpu(int32_t thread, int32_t cpu) {
  tern_cpus one;
  memset(&one, 0, sizeof one);
  if (cpu >= 0 && cpu < TERN_MAX_CPUS)
    one.bits[cpu / BITS] = 1ul << cpu % BITS;
  tern_bind_to_cpus(thread, &one);
}

/* Numbers at the beginning of a file, separated by one character each; how many were read. */
static int read_numbers(const char *path, int64_t *numbers, int limit) {
  char text[64];
  int file = open(path, O_RDONLY | O_CLOEXEC), count = 0;
  if (file < 0)
    return 0;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size > 0 ? size : 0] = 0;
  for (char *at = text, *end; count < limit && *at; at = end + 1) {
    end = at + strspn(at, "0123456789");
    bool last = !*end;
    *end = 0;
    numbers[count] = tern_parse_number(at, INT64_MAX / 16);
    if (numbers[count] < 0)
      return count;
    count++;
    if (last)
      return count;
  }
  return count;
}

int32_t tern_cpus_quota(void) {
  int64_t q[2]; /* microseconds of processor time; of each period */
  bool limited = read_numbers("/sys/fs/cgroup/cpu.max", q, 2) == 2 ||
                 (read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", q, 1) == 1 &&
                  read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", q + 1, 1) == 1);
  if (!limited || q[0] <= 0 || q[1] <= 0 || q[0] / q[1] >= TERN_MAX_CPUS)
    return INT32_MAX;
  return (int32_t)((q[0] + q[1] - 1) / q[1]);
}
