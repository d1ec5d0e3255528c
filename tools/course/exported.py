"""What the checks of the exports run in the student's process, where otter-grader and nbgrader have theirs.

That process is not asked whether an answer is right. `points` starts another one (judge.py), which has the master and
the checks; it asks for what the student's functions give, gets plain numbers, and compares them, as `make grade` does.
So nothing that a notebook redefines takes part in the comparison. But the verdict comes back through the student's
process, and both belong to one user: who looks for this file can read the solution, or lie.
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tools.course import child

ROOT = Path(__file__).resolve().parents[2]
CALL = 5  # seconds of a call, as in sandbox.py, but of computing: Gradescope gives half a processor


@functools.cache
def judge(name, cohort):
    """The process that has the master of an assignment."""
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "LANG", "HOME") if key in os.environ}
    settings = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'book'}", "COURSEWORK": str(ROOT / "coursework")}
    return subprocess.Popen(
        [sys.executable, "-B", "-m", "tools.course.judge", name, str(cohort)],
        env=kept | settings | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # so that an interrupted cell does not end it
    )


def points(name, cohort, item, check, namespace):
    """Points for an item of a notebook, or for one of its checks, and why not more: (points, sentences).

    check: 0 for the visible one, 1 and up for the hidden ones, None for all. namespace: the notebook's.
    """
    process, told = judge(name, cohort), {"item": item, "check": check}
    while True:
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        told = json.loads(process.stdout.readline())
        if "points" in told:
            return told["points"], told["messages"]
        told = answer(told, namespace)


def answer(request, namespace):
    """What the student's process answers, in time, and quietly: nbgrader takes text on stderr for a failure."""

    def too_late(*_):
        raise TimeoutError(f"it computes for more than {CALL} s")

    if "cells" in request:
        return {"value": [cell for cell in namespace.get("In", []) if "BEGIN HIDDEN TESTS" not in cell]}
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        if not hasattr(signal, "SIGPROF"):  # Windows
            return child.answer(request, namespace)
        before = signal.signal(signal.SIGPROF, too_late)
        signal.setitimer(signal.ITIMER_PROF, CALL)
        try:
            return child.answer(request, namespace)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)


def otter(name, cohort, item, check, namespace):
    """A test case of otter-grader. Raises AssertionError with what the student is told where there are no points."""
    got, why = points(name, cohort, item, check, namespace)
    assert got > 0, " ".join(why)


def nbgrader(name, cohort, item, best, namespace):
    """A test cell of nbgrader: shows the points, which nbgrader reads, and fails where they are not the best."""
    got, why = points(name, cohort, item, None, namespace)
    sys.displayhook(got)
    assert got >= best, " ".join(why)
