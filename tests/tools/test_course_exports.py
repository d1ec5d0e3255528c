"""Coursework for otter-grader and nbgrader: what is written for them, and what their checks give."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from likelab.errors import DataError
from tests.support import small_assignment as small
from tools.course import assignment, exported, exports, judge

SECRETS = ("product_of_the_solution", "upper()", "nobody_may_know")


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(assignment, "FOLDER", tmp_path / "masters")
    small.write(tmp_path / "masters")
    return small.load()


class Notebook:
    """The student's end of the line to the judge, without a process: answers what is asked of a namespace."""

    def __init__(self, source):
        self.namespace = {}
        exec(source, self.namespace)

    def write(self, line):
        self.told = json.dumps(exported.answer(json.loads(line), self.namespace))

    def flush(self):
        pass

    def readline(self):
        return self.told


def points(made, item, source):
    """Points of an item, and of each of its checks."""
    notebook, world = Notebook(source), made.world()
    checks = [None, *range(1 + sum(check.item == item for check in made.hidden))]
    return [judge.marked(made, world, item, check, notebook, notebook)["points"] for check in checks]


def test_each_check_is_worth_its_points(made):
    assert points(made, "times", "def times(x):\n    return 2 * x") == [3, 1, 2]
    assert points(made, "times", "def times(x):\n    return 2") == [1, 1, 0], "it knows the visible check by heart"
    assert points(made, "times", "def times(x):\n    return 2 * x + (x == 1)") == [2, 0, 2], "and misses it"
    assert points(made, "times", "def times(x):\n    raise SystemExit") == points(made, "times", "") == [0, 0, 0]


def test_an_answer_is_plain_quiet_and_in_time(capsys, monkeypatch):
    monkeypatch.setattr(exported, "CALL", 0.1)
    notebook = Notebook(
        "import sys\n"
        "class Same(float):\n    __sub__ = __rsub__ = lambda *_: 0.0\n    __eq__ = lambda *_: True\n"
        "def same():\n    return Same(17.0)\n"
        "def loud():\n    print('x')\n    print('y', file=sys.stderr)\n    return 1\n"
        "def endless():\n    while True:\n        pass\n"
    )
    told = {}
    for name in ("same", "loud", "endless"):
        notebook.write(json.dumps({"call": name, "arguments": []}))
        told[name] = json.loads(notebook.readline())
    assert told["same"]["value"] == 17.0 and told["loud"]["value"] == 1
    assert told["endless"]["error"] == "TimeoutError"
    assert capsys.readouterr() == ("", "")


def test_a_check_may_run_the_notebook_again_in_another_process():
    notebook = Notebook("In = ['', 'x = 1', '### BEGIN HIDDEN TESTS', 'def f():\\n    return x + y']")
    with judge.Session(notebook, notebook).again("y = 2") as elsewhere:
        assert elsewhere.call("f", []) == 3


def test_what_is_sent_out_of_form_is_no_answer(made):
    class Silent(Notebook):
        def readline(self):
            return ""

    told = judge.marked(made, made.world(), "times", None, *[Silent("")] * 2)
    assert told == {"points": 0, "messages": ["Stopped: it tampered with its answers."]}


def test_otter_reads_a_question_for_each_item_with_its_tests_hidden(made):
    nb = exports.otter_master(made)
    nbformat.validate(nb)
    raw = [cell.source for cell in nb.cells if cell.cell_type == "raw"]
    assert '# BEGIN QUESTION\nname: "times"\npoints: [1, 2]\ncheck_cell: false' in raw
    assert '# BEGIN QUESTION\nname: "why"\npoints: 2\nmanual: true' in raw
    tests = [cell.source for cell in nb.cells if cell.cell_type == "code" and "def test_" in cell.source]
    assert len(tests) == 4 and all(test.startswith("# HIDDEN\n") for test in tests)
    assert not any(secret in test for secret in SECRETS for test in tests)


def test_nbgrader_reads_a_graded_cell_for_each_item_and_text(made):
    nb = exports.nbgrader_source(made)
    nbformat.validate(nb)
    about = {cell.id: cell.metadata.nbgrader for cell in nb.cells if "nbgrader" in cell.metadata}
    graded = {name: each["points"] for name, each in about.items() if each["grade"]}
    assert graded == {"small-check-times": 3, "small-check-shout": 2, "small-text-why": 2}
    assert {name for name, each in about.items() if not each["locked"]} == {
        "small-item-times",
        "small-item-shout",
        "small-text-why",
    }
    (check,) = (cell.source for cell in nb.cells if cell.id == "small-check-times")
    assert check.index("END HIDDEN") < check.index("assert near"), (
        "an error of the visible check comes after the points"
    )
    assert not any(secret in check for secret in SECRETS)


def test_an_export_that_marks_wrongly_is_refused(made):
    full, none = {"times": 3, "shout": 2}, {"times": 0, "shout": 0}
    exports.proved(made, {"solution": full, "student": none}, "a tool")
    for solution, student in ((full, full), (none, none), ({}, none)):
        given = {"solution": solution, "student": student}
        with pytest.raises(DataError, match="a tool gives the (solution|student) of small"):
            exports.proved(made, given, "a tool")


HOSTILE = """
import sys
sys.path.insert(0, sys.argv[1])
from tools.course import exported
for source in {sources!r}:
    namespace = {{}}
    exec(source, namespace)
    print(exported.points("small", 2026, "times", None, namespace)[0])
"""
WRONG = "def times(x):\n    return 17.0\n"


@pytest.mark.slow
def test_what_a_notebook_redefines_takes_no_part_in_the_comparison(made, tmp_path):
    exports.ship(made, tmp_path / "grading")
    sources = [
        "import builtins, math\nbuiltins.abs = lambda x: 0.0\nmath.isclose = lambda *a, **k: True\n" + WRONG,
        "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n" + WRONG,
        "def near(*_):\n    return True\n" + WRONG,
        "import sys\nsys.modules['tools.course.judge'] = None\n" + WRONG,
        "def times(x):\n    return 2 * x",
    ]
    command = [sys.executable, "-c", HOSTILE.format(sources=sources), str(tmp_path / "grading")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0", "0", "0", "3"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["otter", "nbgrader"])
def test_the_tool_itself_gives_the_solution_all_points_and_the_untouched_copy_none(made, tmp_path, tool):
    if not os.environ.get("CI") and not (exports.TOOLS / tool / "made.txt").exists():
        pytest.skip(f"{tool} is not installed: `make {tool} ASSIGNMENT=a1` installs it")
    getattr(exports, tool)(made, tmp_path / "out")
    handed_out = tmp_path / "out" / ("student" if tool == "otter" else "source/small") / "small.ipynb"
    text = handed_out.read_text("utf-8")
    assert tool == "nbgrader" or not any(secret in text for secret in SECRETS)
    assert (handed_out.parent / "likelab" / "__init__.py").exists()
