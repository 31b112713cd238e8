#include "lib/Runtime/Runtime.h"
#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <sched.h>
#include <thread>
#include <vector>

namespace {
struct PoolTest : testing::TestWithParam<int> {
  tern_pool *pool = tern_pool_open(GetParam());
  ~PoolTest() override { tern_pool_close(pool); }
};

struct Counts {
  std::unique_ptr<std::atomic<int>[]> hits;
  explicit Counts(int64_t n) : hits(new std::atomic<int>[size_t(n)]()) {}
  static void hit(void *self, int64_t task) { static_cast<Counts *>(self)->hits[size_t(task)]++; }
};

TEST_P(PoolTest, every_task_once) {
  ASSERT_EQ(tern_pool_take(pool), GetParam() > 1);
  for (int64_t tasks : {1, 2, 3, 5, 64, 1000})
    for (int round = 0; round < 50; ++round) {
      Counts counts(tasks);
      tern_pool_run(pool, Counts::hit, &counts, tasks);
      for (int64_t i = 0; i < tasks; ++i)
        ASSERT_EQ(counts.hits[size_t(i)], 1) << tasks << " tasks, task " << i;
    }
  tern_pool_release(pool);
}

// Results of one loop are plain memory that the next loop reads: no task of an old loop may run late.
TEST_P(PoolTest, many_short_loops) {
  struct State {
    std::vector<int64_t> values;
    int64_t loop, shift;
  } state{std::vector<int64_t>(16, 0), 0, 0};
  auto task = [](void *opaque, int64_t i) {
    State *s = static_cast<State *>(opaque);
    s->values[size_t((i + s->shift) % 16)] += s->loop;
  };
  int64_t want = 0;
  for (int run = 0; run < 200; ++run) {
    tern_pool_take(pool);
    for (int i = 0; i < 100; ++i) {
      state.loop = run * 100 + i;
      state.shift = i % 16;
      tern_pool_run(pool, task, &state, 16);
      want += state.loop;
    }
    tern_pool_release(pool);
    for (int64_t v : state.values)
      ASSERT_EQ(v, want);
  }
}

TEST_P(PoolTest, sleeping_workers_wake_up) {
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    tern_pool_take(pool);
    Counts counts(8);
    tern_pool_run(pool, Counts::hit, &counts, 8);
    tern_pool_release(pool);
    for (int i = 0; i < 8; ++i)
      ASSERT_EQ(counts.hits[size_t(i)], 1);
  }
}

TEST_P(PoolTest, caller_does_not_wait_for_workers_that_sleep) {
  if (GetParam() == 1)
    return;
  // No time to wake up: the caller steals what it does not find done.
  std::atomic<int> byOthers{0};
  static thread_local bool caller = false;
  caller = true;
  tern_pool_take(pool);
  tern_pool_run(
      pool, [](void *n, int64_t) { *static_cast<std::atomic<int> *>(n) += !caller; }, &byOthers, 2);
  tern_pool_release(pool);
  EXPECT_LE(byOthers, 2);
}

TEST_P(PoolTest, second_caller_is_refused) {
  if (GetParam() == 1)
    return;
  EXPECT_TRUE(tern_pool_take(pool));
  EXPECT_FALSE(tern_pool_take(pool));
  tern_pool_release(pool);
  EXPECT_TRUE(tern_pool_take(pool));
  tern_pool_release(pool);
}

INSTANTIATE_TEST_SUITE_P(threads, PoolTest, testing::Values(1, 2, 3, 4, 9));

TEST(CpusTest, allowed_cpus_follow_the_affinity) {
  tern_cpus before, now;
  int32_t count = tern_cpus_allowed(&before), first = 0;
  while (!tern_cpus_has(&before, first))
    ++first;
  tern_bind_to_cpu(0, first);
  EXPECT_EQ(tern_cpus_allowed(&now), 1);
  EXPECT_TRUE(tern_cpus_has(&now, first));
  EXPECT_EQ(tern_pick_threads(0, nullptr), 1);
  EXPECT_EQ(tern_pick_threads(7, nullptr), 7);
  tern_bind_to_cpus(0, &before);
  EXPECT_EQ(tern_cpus_allowed(&now), count);
  EXPECT_GE(tern_cpus_quota(), 1);
  tern_cpus_remove(&now, first);
  EXPECT_FALSE(tern_cpus_has(&now, first));
}

TEST(CpusTest, numbers) {
  EXPECT_EQ(tern_parse_number("0", 10), 0);
  EXPECT_EQ(tern_parse_number("10", 10), 10);
  for (const char *bad : {"", "11", "-1", "1 ", "x"})
    EXPECT_EQ(tern_parse_number(bad, 10), -1);
}
} // namespace
