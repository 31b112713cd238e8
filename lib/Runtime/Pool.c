/* A pool of threads for loops of a few microseconds. The caller works too and never waits for a worker that sleeps.
 *
 * A loop is cut into one contiguous part for each thread. A thread takes the tasks of its own part, the same ones in
 * every run, so that it finds its rows in its own cache; then it steals from the parts of others. A task is claimed by
 * compare-and-swap on the part's word: generation of the loop << 24 | tasks already claimed. A word of an older
 * generation means that nothing is claimed, so the caller opens a loop by writing one cache line and no part.
 *
 * Why a late worker can do no harm: it reads the description of generation g and then sees that g is still open, thus
 * description and g belong together. Once g is over, every part that had tasks carries generation g, all of it claimed,
 * or a later one: the compare-and-swap fails or is not tried. Between two loops the generation is odd (closed).
 */
#include "lib/Runtime/Runtime.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  LINE = 64,
  INDEX_BITS = 24,
  LINGER = 2000, /* pauses (some 50 us) that a worker stays awake after a run: runs may follow each other closely */
  PATIENCE = 1 << 16, /* pauses of a spinning thread before it offers its cpu to others */
};

typedef struct {
  _Alignas(LINE) _Atomic uint64_t claim;
} part;

typedef struct {
  tern_pool *pool;
  pthread_t thread;
  int32_t self; /* number of its part, 1 .. threads - 1 */
  int32_t cpu;  /* it is pinned there; -1: not to a single one */
  _Atomic int32_t id;
} worker;

struct tern_pool {
  /* The loop: written by the caller, read by the workers. */
  _Alignas(LINE) _Atomic uint64_t generation; /* odd: closed; its low half is the futex of sleeping workers */
  _Atomic(tern_task) task;
  _Atomic(void *) arguments;
  _Atomic int64_t tasks;
  _Alignas(LINE) _Atomic int64_t done;    /* tasks that workers finished */
  _Alignas(LINE) _Atomic uint32_t asleep; /* some worker may sleep */
  _Alignas(LINE) _Atomic uint32_t taken;  /* an inference runs */
  _Atomic uint32_t stop;
  int32_t threads, started;
  int32_t home; /* the cpu without a pinned worker; -1: workers are not pinned to single cpus */
  int32_t patience, linger;
  pid_t process;
  tern_cpus others; /* where workers may run when they are not pinned to single cpus */
  worker *workers;
  part *parts;
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static uint32_t *futex_word(tern_pool *pool) { return (uint32_t *)&pool->generation; /* little endian */ }

static long futex(tern_pool *pool, int operation, uint32_t value) {
  return syscall(SYS_futex, futex_word(pool), operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Claims and runs tasks of one part until it is empty; how many. */
static int64_t drain(part *p, uint64_t generation, tern_task task, void *arguments, int64_t begin, int64_t end) {
  const uint64_t index_mask = (1u << INDEX_BITS) - 1, tag = generation << INDEX_BITS;
  int64_t count = 0;
  uint64_t claim = atomic_load_explicit(&p->claim, memory_order_relaxed);
  for (;;) {
    int64_t age = (int64_t)(tag - (claim & ~index_mask));
    int64_t next = age ? 0 : (int64_t)(claim & index_mask);
    if (age < 0 || begin + next >= end)
      return count;
    if (!atomic_compare_exchange_weak_explicit(&p->claim, &claim, tag | (uint64_t)(next + 1), memory_order_relaxed,
                                               memory_order_relaxed))
      continue;
    task(arguments, begin + next);
    count++;
    claim = tag | (uint64_t)(next + 1); /* right unless somebody stole: then the next exchange tells */
  }
}

/* Works on the loop `generation`: own part first, then those of others. Tasks done; those of workers are also counted
 * in pool->done, part by part. */
static int64_t work(tern_pool *pool, int32_t self, uint64_t generation) {
  tern_task task = atomic_load_explicit(&pool->task, memory_order_acquire);
  void *arguments = atomic_load_explicit(&pool->arguments, memory_order_acquire);
  int64_t tasks = atomic_load_explicit(&pool->tasks, memory_order_acquire), total = 0;
  int32_t parts = tasks < pool->threads ? (int32_t)tasks : pool->threads;
  for (int32_t i = 0; i < pool->threads; i++) {
    /* Also the check that the four loads belong together. */
    if (atomic_load_explicit(&pool->generation, memory_order_relaxed) != generation)
      break;
    int32_t p = self + i < pool->threads ? self + i : self + i - pool->threads;
    if (p >= parts)
      continue;
    int64_t count = drain(pool->parts + p, generation, task, arguments, tasks * p / parts, tasks * (p + 1) / parts);
    if (count && self)
      atomic_fetch_add_explicit(&pool->done, count, memory_order_release);
    total += count;
  }
  return total;
}

static void *worker_main(void *argument) {
  worker *w = argument;
  tern_pool *pool = w->pool;
  prctl(PR_SET_NAME, "tern", 0, 0, 0);
  if (w->cpu >= 0)
    tern_bind_to_cpu(0, w->cpu);
  else if (pool->patience == PATIENCE)
    tern_bind_to_cpus(0, &pool->others);
  atomic_store_explicit(&w->id, (int32_t)syscall(SYS_gettid), memory_order_release);
  uint64_t seen = 0;
  for (int32_t idle = 0;;) {
    uint64_t now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (!(now & 1) && now != seen) {
      seen = now;
      work(pool, w->self, now);
      idle = 0;
      continue;
    }
    if (atomic_load_explicit(&pool->stop, memory_order_relaxed))
      return NULL;
    if (idle < pool->linger || atomic_load_explicit(&pool->taken, memory_order_relaxed)) {
      if (idle < pool->patience)
        idle++, relax();
      else
        sched_yield();
      continue;
    }
    /* The caller changes the generation and then looks at `asleep`: one of the two sees the other. */
    atomic_store_explicit(&pool->asleep, 1, memory_order_seq_cst);
    if (futex(pool, FUTEX_WAIT, (uint32_t)now) == 0)
      futex(pool, FUTEX_WAKE, 2); /* the waking spreads like a tree: the caller pays for two threads only */
  }
}

void tern_pool_run(tern_pool *pool, tern_task task, void *arguments, int64_t tasks) {
  uint64_t closed = atomic_load_explicit(&pool->generation, memory_order_relaxed) + 1;
  atomic_store_explicit(&pool->generation, closed, memory_order_relaxed);
  /* release: whoever sees a new field also sees that the old generation is closed */
  atomic_store_explicit(&pool->done, 0, memory_order_release);
  atomic_store_explicit(&pool->task, task, memory_order_release);
  atomic_store_explicit(&pool->arguments, arguments, memory_order_release);
  atomic_store_explicit(&pool->tasks, tasks, memory_order_release);
  atomic_store_explicit(&pool->generation, closed + 1, memory_order_seq_cst);
  if (atomic_load_explicit(&pool->asleep, memory_order_seq_cst) &&
      atomic_exchange_explicit(&pool->asleep, 0, memory_order_seq_cst))
    futex(pool, FUTEX_WAKE, 2);
  int64_t rest = tasks - work(pool, 0, closed + 1);
  for (int32_t i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) != rest; i++)
    if (i < pool->patience)
      relax();
    else
      sched_yield();
}

/* A caller that moved to the cpu of a worker would compete with it: give that worker the cpu that was left. */
static void follow_caller(tern_pool *pool) {
  int32_t cpu = sched_getcpu();
  if (pool->home < 0 || cpu == pool->home)
    return;
  for (int32_t i = 0; i < pool->threads - 1; i++) {
    worker *w = pool->workers + i;
    int32_t id = atomic_load_explicit(&w->id, memory_order_acquire);
    if (w->cpu != cpu || !id)
      continue;
    tern_bind_to_cpu(id, pool->home);
    w->cpu = pool->home;
    pool->home = cpu;
    return;
  }
}

bool tern_pool_take(tern_pool *pool) {
  uint32_t free = 0;
  if (pool->threads == 1 ||
      !atomic_compare_exchange_strong_explicit(&pool->taken, &free, 1, memory_order_acquire, memory_order_relaxed))
    return false;
  follow_caller(pool);
  return true;
}

void tern_pool_release(tern_pool *pool) { atomic_store_explicit(&pool->taken, 0, memory_order_release); }

int32_t tern_pool_threads(const tern_pool *pool) { return pool->threads; }

int32_t tern_pick_threads(int32_t wanted, tern_error *error) {
  const char *variable = getenv("TERN_THREADS");
  tern_cpus cpus;
  if (variable && *variable) {
    int64_t count = tern_parse_number(variable, TERN_MAX_THREADS);
    if (count < 0) {
      tern_fail(error, TERN_ERROR_ARGUMENT,
                "TERN_THREADS=%.40s is not a number from 1 to %d, or 0 for one thread on each allowed cpu", variable,
                TERN_MAX_THREADS);
      return -1;
    }
    wanted = (int32_t)count;
  }
  if (wanted < 0 || wanted > TERN_MAX_THREADS) {
    tern_fail(error, TERN_ERROR_ARGUMENT, "options.threads is %d; use 1 to %d, or 0 for one on each allowed cpu",
              wanted, TERN_MAX_THREADS);
    return -1;
  }
  if (wanted)
    return wanted;
  int32_t count = tern_cpus_allowed(&cpus), quota = tern_cpus_quota();
  count = count < quota ? count : quota;
  return count < TERN_MAX_THREADS ? count : TERN_MAX_THREADS;
}

/* As many threads as cpus: one cpu each. Fewer: anywhere but on the caller's cpu, since another process may have made
 * the same choice of cpus. More: nothing is pinned, and nobody spins for long. */
static void place_workers(tern_pool *pool) {
  int32_t allowed = tern_cpus_allowed(&pool->others), here = sched_getcpu();
  bool crowded = pool->threads > allowed;
  pool->patience = crowded ? 64 : PATIENCE;
  pool->linger = crowded ? 0 : LINGER;
  tern_cpus_remove(&pool->others, here);
  pool->home = pool->threads == allowed ? here : -1;
  for (int32_t i = 0, cpu = -1; i < pool->threads - 1; i++) {
    if (pool->home >= 0)
      do
        cpu++;
      while (!tern_cpus_has(&pool->others, cpu) && cpu < TERN_MAX_CPUS);
    pool->workers[i].cpu = cpu;
  }
}

tern_pool *tern_pool_open(int32_t threads) {
  tern_pool *pool = aligned_alloc(LINE, sizeof *pool);
  worker *workers = calloc((size_t)threads, sizeof *workers);
  part *parts = aligned_alloc(LINE, (size_t)threads * sizeof *parts);
  if (!pool || !workers || !parts) {
    free(pool), free(workers), free(parts);
    return NULL;
  }
  memset(pool, 0, sizeof *pool);
  memset(parts, 0, (size_t)threads * sizeof *parts);
  pool->threads = threads;
  pool->workers = workers;
  pool->parts = parts;
  pool->process = getpid();
  if (threads == 1)
    return pool;
  place_workers(pool);
  sigset_t all, before; /* signals are for the threads of the application */
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  for (int32_t i = 0; i < threads - 1; i++) {
    workers[i].pool = pool;
    workers[i].self = i + 1;
    if (pthread_create(&workers[i].thread, NULL, worker_main, workers + i))
      break; /* fewer threads: their parts are stolen */
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool;
}

void tern_pool_close(tern_pool *pool) {
  if (!pool)
    return;
  if (pool->process == getpid()) { /* threads do not survive a fork */
    atomic_store_explicit(&pool->stop, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_seq_cst);
    futex(pool, FUTEX_WAKE, INT32_MAX);
    for (int32_t i = 0; i < pool->started; i++)
      pthread_join(pool->workers[i].thread, NULL);
  }
  free(pool->workers);
  free(pool->parts);
  free(pool);
}
