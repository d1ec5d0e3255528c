"""The process that has the master of an exported assignment, and says what an item is worth.

    python -m tools.course.judge NAME COHORT

Started by exported.py. A line of JSON asks for an item, or one check of it; the requests to the student's functions go
out, their answers come in, and then the points, a line each.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import replace

from tools.course import assignment, sandbox, submission


class Session(sandbox.Session):
    """The line to the student's process, which is there already."""

    def __init__(self, requests, answers):
        self.requests, self.answers = requests, answers
        self.folder, self.hide = tempfile.gettempdir(), []  # of the other process, where a check wants one
        self.end = time.monotonic() + sandbox.SUBMISSION

    @property
    def ran(self):
        """The cells that the notebook has run, for such a process."""
        return self.ask({"cells": True}, sandbox.CALL)["value"]

    def ask(self, request, seconds):
        """Send a request and wait for its answer; the other end keeps the time. Raises Died."""
        tell(self.requests, request)
        try:
            told = json.loads(self.answers.readline())
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise sandbox.Died("it tampered with its answers")
        return told


def tell(line, message):
    line.write(json.dumps(message) + "\n")
    line.flush()


def narrowed(made, item, check):
    """The assignment with one check of an item alone, counted as the item's visible one and then its hidden ones."""
    if check is None:
        return made
    hidden = [each for each in made.hidden if each.item == item][check - 1 : check] if check else []
    return replace(made, visible=made.visible | ({item: 0} if check else {}), hidden=hidden)


def marked(made, world, item, check, requests, answers):
    """What an item, or a check of it, is worth: {"points", "messages"}. The rest is as in exported.points."""
    marking = submission.Marking(narrowed(made, item, check), world, Session(requests, answers))
    marking.item(item)
    return {"points": marking.points[item], "messages": marking.messages[item]}


def main():
    line, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115 (what a check prints is no message)
    made = assignment.load(sys.argv[1], int(sys.argv[2]))
    world = made.world()
    for asked in iter(sys.stdin.readline, ""):
        asked = json.loads(asked)
        tell(line, marked(made, world, asked["item"], asked["check"], line, sys.stdin))


if __name__ == "__main__":
    main()
