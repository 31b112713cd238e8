#!/usr/bin/env python3
"""Runs the unittest modules of one folder and appends one JSON line when a test starts and one when it ends.

    python_tests.py FOLDER RESULTS

Tests that RESULTS already has an end for are left out, so that a run can go on after a test took the process down.
"""
import json
import pathlib
import sys
import unittest


class Results(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def write(self, **event):
        self.stream.write(json.dumps(event) + "\n")
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.note = "passed", ""
        self.write(start=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.write(end=test.id(), result=self.outcome, note=self.note)

    def fail(self, test, err):
        text = self._exc_info_to_string(err, test)
        if not hasattr(test, "_testMethodName"):         # setUpClass and setUpModule have no start of their own
            self.write(end=test.id(), result="failed", note=text)
            return
        self.outcome = "failed"
        self.note += text

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.outcome = "failed"
            self.note += f"{subtest}\n{self._exc_info_to_string(err, test)}"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome, self.note = "skipped", reason


def tests_of(suite):
    for item in suite:
        yield from tests_of(item) if isinstance(item, unittest.TestSuite) else [item]


def finished(path):
    """Ids with an end; a test that took the process with it is the last one that started."""
    done, running = set(), None
    for line in path.read_text().splitlines() if path.is_file() else []:
        event = json.loads(line)
        running = event.get("start", running)
        if "end" in event:
            done.add(event["end"] or running)
    return done


def main(folder, results):
    done = finished(results)
    sys.path.insert(0, str(folder.parent / "support"))
    found = unittest.TestLoader().discover(str(folder), pattern="test_*.py", top_level_dir=str(folder))
    rest = unittest.TestSuite(t for t in tests_of(found) if t.id() not in done)
    with results.open("a") as stream:
        if rest.countTestCases():
            rest.run(Results(stream))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
