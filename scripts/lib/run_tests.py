#!/usr/bin/env python3
"""Runs the test groups of a built tree and sums what all runners counted.

    run_tests.py [GROUP ...]        unit, lit, backend, e2e; default all

A group that runs past its time limit, or dies, counts as one more failure: a test that did not run is never a pass.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
ENV = {**os.environ, "TERN_BUILD": str(BUILD), "PYTHONPATH": str(TOP / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
JOBS = os.cpu_count() or 1


class Count:
    def __init__(self, passed=0, failed=0, skipped=0, notes=()):
        self.passed, self.failed, self.skipped, self.notes = passed, failed, skipped, list(notes)

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
                     self.notes + other.notes)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def tail(text, lines=25):
    return "\n".join(text.strip().splitlines()[-lines:])


def gtest(program, shard, limit):
    """One of JOBS shards of a GoogleTest program, counted from its own JSON report."""
    env = {**ENV, "GTEST_TOTAL_SHARDS": str(JOBS), "GTEST_SHARD_INDEX": str(shard)}
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [*program, "--gtest_brief=1", f"--gtest_output=json:{report.name}"]
        name = pathlib.Path(program[0]).name
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit, env=env, cwd=BUILD)
        except subprocess.TimeoutExpired:
            return Count(failed=1, notes=[f"{name}: ran longer than {limit:.0f} s"])
        try:
            suites = json.load(report)["testsuites"]
        except ValueError:
            return Count(failed=1, notes=[f"{name}: exit code {run.returncode} without a report\n{tail(run.stdout + run.stderr)}"])
    count = Count()
    for test in (t for s in suites for t in s["testsuite"]):
        failed, skipped = bool(test.get("failures")), test.get("result") == "SKIPPED"
        count += Count(not failed and not skipped, failed, skipped and not failed)
        if failed:
            count.notes.append(f"{name} {test['classname']}.{test['name']}\n{test['failures'][0]['failure']}")
    if run.returncode and not count.failed:
        count += Count(failed=1, notes=[f"{name}: exit code {run.returncode}\n{tail(run.stdout + run.stderr)}"])
    return count


def unit(limit):
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD, capture_output=True, text=True)
    programs = [t["command"] for t in json.loads(listing.stdout)["tests"]]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        shards = [(program, shard) for program in programs for shard in range(JOBS)]
        return sum(pool.map(lambda s: gtest(*s, limit), shards), Count())


def lit(limit):
    cache = dict(line.split(":", 1) for line in (BUILD / "CMakeCache.txt").read_text().splitlines() if ":" in line[1:])
    program = cache["TERN_LIT"].split("=", 1)[1]
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, program, "-sv", "-j", str(JOBS), "-o", report.name, str(BUILD / "test" / "lit")]
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit, env=ENV)
        except subprocess.TimeoutExpired:
            return Count(failed=1, notes=[f"lit: ran longer than {limit:.0f} s"])
        try:
            tests = json.load(report)["tests"]
        except ValueError:
            return Count(failed=1, notes=[f"lit: no report\n{tail(run.stdout + run.stderr)}"])
    count = Count()
    for test in tests:
        skipped = test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED")
        passed = test["code"] in ("PASS", "XFAIL", "FLAKYPASS")
        count += Count(passed, not passed and not skipped, skipped)
        if not passed and not skipped:
            count.notes.append(f"{test['code']}: {test['name']}\n{tail(test['output'], 40)}")
    return count


def python(folder, limit):
    """unittest in a process of its own. When it dies the running test has failed, and a new process does the rest."""
    results = BUILD / "test" / f"{folder}.jsonl"
    results.parent.mkdir(exist_ok=True)
    results.unlink(missing_ok=True)
    stop, last, why = time.monotonic() + limit, -1, None
    while why is None:
        command = [sys.executable, str(TOP / "scripts/lib/python_tests.py"), str(TOP / "test" / folder), str(results)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", env=ENV,
                                 timeout=max(1, stop - time.monotonic()))
        except subprocess.TimeoutExpired:
            why = f"{folder}: ran longer than {limit:.0f} s"
            break
        if run.returncode == 0:
            break
        seen = len(results.read_text().splitlines()) if results.is_file() else 0
        if seen == last or not results.is_file():
            why = f"{folder}: exit code {run.returncode}\n{tail(run.stdout + run.stderr)}"
        else:
            with results.open("a") as f:             # the last started test has no end: it took the process with it
                f.write(json.dumps({"end": None, "result": "failed", "note": tail(run.stdout + run.stderr)}) + "\n")
        last = seen + 1
    count, running = Count(), None
    for line in results.read_text().splitlines() if results.is_file() else []:
        event = json.loads(line)
        if "start" in event:
            running = event["start"]
            continue
        result, name = event["result"], event["end"] or running
        count += Count(result == "passed", result == "failed", result == "skipped")
        if result == "failed":
            count.notes.append(f"{folder} {name}\n{event['note']}")
    if why:
        count += Count(failed=1, notes=[f"{why}{f', in {running}' if running and 'longer' in why else ''}"])
    return count


def e2e(limit):
    """The real models are downloaded first: the network is no part of the limit. Tests say what is missing."""
    cache = os.environ.get("TERN_MODELS") or str(BUILD / "models")
    subprocess.run([sys.executable, str(TOP / "models" / "fetch.py"), cache], capture_output=True)
    return python("e2e", limit)


# name: (what runs it, limit in seconds). A quiet machine needs a third of that; the limits end what hangs.
GROUPS = {
    "unit": (unit, 400),
    "lit": (lit, 400),
    "backend": (lambda limit: python("backend", limit), 900),
    "e2e": (e2e, 900),
}


def main():
    unknown = sorted(set(sys.argv[1:]) - set(GROUPS))
    if unknown:
        sys.exit(f"unknown test group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    total = Count()
    for name in sys.argv[1:] or GROUPS:
        runner, limit = GROUPS[name]
        start = time.monotonic()
        count = runner(limit)
        if not count.passed + count.failed + count.skipped:
            count = Count(failed=1, notes=[f"{name}: no test was found"])
        print(f"{name:8} {count}   {time.monotonic() - start:.0f} s", flush=True)
        total += count
    for note in total.notes:
        print(f"\nFAILED {note}")
    print(f"\n{total}" if total.notes else total)
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
