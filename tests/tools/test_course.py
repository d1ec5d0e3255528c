"""Coursework: what students get, how submissions are matched with the master, and how they are marked."""

import contextlib
import copy
import csv
import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursework.a1 import variant
from likelab.errors import DataError
from tests.support import small_assignment as small
from tools.chapter import chapters, convert
from tools.course import assignment, grade, points, sandbox, students, submission
from tools.course.sandbox import Refused


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(assignment, "FOLDER", tmp_path / "masters")
    small.write(tmp_path / "masters")
    return small.load()


def marked(made, nb, folder):
    return submission.mark(made, made.world(), nb, folder, [assignment.FOLDER])


# --- What students get ---


def test_students_get_gaps_and_their_cohorts_constants(made):
    nb = made.notebook()
    text = nbformat.writes(nb)
    assert "product_of_the_solution" not in text and "upper()" not in text and "nobody_may_know" not in text
    assert text.count("raise NotImplementedError") == 2 and "# # Small" not in text and "Times **2**" in text
    assert "assert near(times(1), 2)" in text and "FACTOR" not in text
    assert "Check of times passed: 1 of 3 points." in text and "These checks are not all" in text
    assert [cell.id for cell in nb.cells] == [cell.id for cell in small.load(2027).notebook().cells]
    nbformat.validate(nb)


def test_the_solution_gets_all_and_the_untouched_copy_nothing(made):
    assert students.proved(made) == []
    made.cell("item", "shout").solution = "def shout(words):\n    return words"
    assert students.proved(made) == ["small: the solution gets 0 points for shout. one word. More words than one."]


def test_a_leak_is_found(made, tmp_path):
    page = tmp_path / "coursework" / "page.ipynb"
    small.save(made.notebook(), page)
    assert students.leaks(made, [page.parent]) == []
    small.save(made.notebook("solution"), page)
    assert any("product_of_the_solution" in finding for finding in students.leaks(made, [page.parent]))
    page.write_text(json.dumps({"source": ["for number_that_nobody_may_know in (0, -3, 17.5):\n"]}))
    assert any("nobody_may_know" in finding for finding in students.leaks(made, [page.parent]))


def test_the_notebooks_in_the_book_are_the_masters(tmp_path):
    for name in assignment.names():
        made = assignment.load(name, students.COHORT)
        fresh = convert.formatted(made.notebook())
        stored = chapters.read(students.PAGES / f"{name}.ipynb")
        assert stored == fresh, "run `make students`"
        assert students.leaks(made, [chapters.BOOK]) == []


def test_a_notebook_that_lies_elsewhere_says_where_it_belongs(made, tmp_path):
    setup = next(cell.source for cell in made.notebook().cells if cell.metadata.get("tags") == ["setup", "hide-input"])
    run = subprocess.run([sys.executable, "-c", setup], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode and "put this notebook into its folder book/coursework/" in run.stderr


def test_cohorts_in_a_row_share_no_convention():
    for cohort in range(2026, 2046):
        old, new = (variant.draw(year) for year in (cohort, cohort + 1))
        width = [(own["HIGH"] - own["LOW"]) / own["LEVELS"] for own in (old, new)]
        assert width[0] != width[1] and (old["BASE"], old["PER"]) != (new["BASE"], new["PER"])
        for convention in ("LEVELS", "AXIS", "ORDER", "READING", "TINY_SHAPE", "HOW_MANY", "IGNORANT"):
            assert old[convention] != new[convention], (cohort, convention)


# --- Cells ---


def test_cells_are_matched_however_they_were_moved(made):
    nb = small.answered(made, times=small.TIMES, shout=small.SHOUT)
    by_id = {cell.id: cell for cell in nb.cells}
    times, shout = by_id["small-item-times"], by_id["small-item-shout"]
    helper = new_code_cell("helper = 1")
    stub = copy.deepcopy(made.notebook().cells[3])
    assert stub.source.endswith("# your answer")
    stub.id = "a-copy"
    nb.cells = [shout, stub, times, helper]
    found = submission.answers(made, nb)
    assert found.cells == {"times": [small.TIMES, "helper = 1"], "shout": [small.SHOUT]}  # without the untouched copy
    assert found.answered == {"times", "shout"} and found.loose == []
    assert found.notes == [
        "cells restored that were missing: given tools, check times, check shout",
        "cells that are there twice: item times",
    ]


def test_cells_without_ids_or_tags_are_found(made):
    """Colab stores no ids; other programs drop tags."""
    nb = small.answered(made, times=small.TIMES, shout=small.SHOUT)
    for cell in nb.cells:
        cell.id = "x"
    assert submission.answers(made, nb).cells == {"times": [small.TIMES], "shout": [small.SHOUT]}
    for cell in nb.cells:
        cell.metadata = nbformat.from_dict({})
    found = submission.answers(made, nb)
    assert found.loose == [small.TIMES, small.SHOUT] and not found.cells


def test_without_any_mark_answers_count_all_the_same(made, tmp_path):
    nb = small.answered(made, times=small.TIMES, shout=small.SHOUT)
    for cell in nb.cells:
        cell.id, cell.metadata = "x", nbformat.from_dict({})
    assert marked(made, nb, tmp_path)["points"] == {"times": 3, "shout": 2}


def test_an_answer_in_two_cells_with_a_helper_in_between(made, tmp_path):
    nb = small.answered(made, times="half = 1", shout="%matplotlib inline\n" + small.SHOUT)
    second = copy.deepcopy(nb.cells[3])
    second.source = "def times(x):\n    return (half + other) * x"
    nb.cells[4:4] = [new_code_cell("other = 1"), second]
    nb.cells.append(nb.cells.pop(0))
    assert marked(made, nb, tmp_path)["points"] == {"times": 3, "shout": 2}


def test_an_answer_may_stand_in_another_cell_where_its_own_is_gone(made, tmp_path):
    nb = small.answered(made, times=small.TIMES)
    nb.cells = [cell for cell in nb.cells if not cell.id.endswith("-shout")]
    nb.cells.append(new_code_cell(small.SHOUT))
    assert marked(made, nb, tmp_path)["points"] == {"times": 3, "shout": 2}


def test_a_later_cell_takes_nothing_away(made, tmp_path):
    """Each item is marked where its check stands, before later cells use its names for something else."""
    nb = small.answered(made, times=small.TIMES, shout="times = None\n" + small.SHOUT)
    assert marked(made, nb, tmp_path)["points"] == {"times": 3, "shout": 2}


def test_another_cohorts_answers_fail(made, tmp_path):
    nb = small.answered(made, times=small.TIMES, shout=small.SHOUT)
    found = marked(small.load(2027), nb, tmp_path)
    assert found["points"] == {"times": 0, "shout": 2} and found["notes"] == ["the notebook is of cohort 2026"]


# --- Answers ---

CHEATS = {
    "a number whose difference is zero": """
class Zero(float):
    def __sub__(self, other): return 0.0
    def __abs__(self): return 0.0
    __rsub__ = __sub__
def times(x): return Zero(99)""",
    "an answer that equals everything": """
class All:
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    __rsub__ = __sub__
def times(x): return All()""",
    "builtins": "import builtins\nbuiltins.abs = lambda x: 0\ndef times(x): return 99",
    "the check": "near = lambda *a: True\ndef times(x): return 99",
    "asserts": "import sys\nsys.flags = None\n__debug__ = False\ndef times(x): return 99",
    "points": "points = {'times': 3}\nprint('{\"points\": 3}')\ndef times(x): return 99",
    "the visible value": "def times(x): return 2",
    "the line to the parent": """
import os
def times(x):
    for fd in range(3, 30):
        try: os.write(fd, b'{"value": 2, "changed": false}\\n')
        except OSError: pass
    return 99""",
    "a list in place of a number": "def times(x): return [2 * x]",
    "nothing": "def times(x): pass",
}


@pytest.mark.parametrize("what", CHEATS)
def test_tricks_give_no_points(made, tmp_path, what):
    found = marked(made, small.answered(made, times=CHEATS[what], shout=small.SHOUT), tmp_path)
    assert found["points"]["times"] <= (1 if what in ("the visible value", "the line to the parent") else 0), found
    if what != "the line to the parent":
        assert found["points"]["shout"] == 2, found


def test_answers_are_rebuilt_from_plain_parts():
    for value in (1, 2.5, "a", True, None, (1, (2, "b"))):
        assert sandbox.from_plain(json.loads(json.dumps(sandbox.to_plain(value)))) == value
    for bad in (
        {"array": "AAAA", "type": "<O8", "shape": [1]},
        {"array": "AAAA", "type": "<f8", "shape": [2]},
        {"array": "AAAA", "type": "<f8", "shape": "x"},
        {"value": 1},
    ):
        with pytest.raises((ValueError, KeyError, TypeError)):
            sandbox.from_plain(bad)


def test_hidden_checks_tell_only_the_kind_of_an_error(made, tmp_path):
    spy = "def times(x):\n    if x != 1: raise ValueError(f'{x} was asked')\n    return 2"
    (message,) = marked(made, small.answered(made, times=spy), tmp_path)["messages"]["times"]
    assert message == "Other numbers · ValueError."


def test_the_process_sees_no_masters_and_no_network_and_writes_nowhere_else(made, tmp_path):
    if not sandbox.isolation()[0]:
        pytest.skip("no name spaces here")
    masters = chapters.ROOT / "coursework"
    (tmp_path / "work").mkdir()
    session = sandbox.Session(tmp_path / "work", [masters])
    try:
        session.run(f"import os, socket\ndef look(): return os.listdir({str(masters)!r})")
        assert session.call("look", []) == ()
        session.run("open('mine', 'w').write('x')")
        for place in (tmp_path, chapters.ROOT):
            with pytest.raises(Refused, match="OSError|PermissionError"):
                session.run(f"open({str(place / 'theirs')!r}, 'w')")
        with pytest.raises(Refused, match="OSError"):
            session.run("socket.create_connection(('1.1.1.1', 53), 1)")
    finally:
        session.stop()


def test_a_check_may_run_the_notebook_once_more_after_a_cell_of_its_own(made, tmp_path):
    session = sandbox.Session(tmp_path, [assignment.FOLDER])
    try:
        for source in ("import math", "HALF_TURN = math.pi", "def times(x): return HALF_TURN * x"):
            session.run(source)
        student = submission.Student(session)
        with student.again("import math\nmath.pi = 3") as elsewhere:
            assert elsewhere.times(2) == 6 and student.times(2) > 6
        assert elsewhere._session.process is None
    finally:
        session.stop()


# --- Hostile submissions ---

HOSTILE = {  # a cell in place of the first answer -> what is said about it
    "exits": ("import os\nos._exit(0)", "it ended its process, with status 0"),
    "exits in a call": ("def times(x):\n    import os\n    os._exit(3)", "with status 3"),
    "sys.exit": ("raise SystemExit(0)", None),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", "crashed|ended its process"),
    "hangs": ("while True: pass", "it took more than 2 s"),
    "hangs in a call": ("def times(x):\n    while True: pass", "it took more than 2 s"),
    "ignores signals": (
        "import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        "more than",
    ),
    "forks": (
        "import os, time\nfor _ in range(300):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(99)",
        None,
    ),
    "prints 100 MB": ("for _ in range(1000): print('x' * 100_000)", None),
    "deletes all": ("import os, shutil\nshutil.rmtree('.', True); shutil.rmtree('/tmp', True)", None),
    "builtins": ("import builtins\nbuiltins.len = lambda x: 1\nbuiltins.isinstance = lambda *a: True", None),
    "json": ("import json\njson.dumps = lambda *a: 'x'", "tampered"),
    "memory": ("x = [bytearray(1 << 30) for _ in range(20)]", None),
    "too much": ("def times(x): return 'x' * (40 << 20)", "its answer is larger than"),
    "nested": ("def times(x):\n    y = []\n    y.append(y)\n    return y", None),
    "closes the line": ("import os\nos.closerange(3, 50)", "ended its process"),
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(sandbox, "CELL", 2)
    monkeypatch.setattr(sandbox, "CALL", 2)


@pytest.mark.slow
def test_hostile_submissions_cost_only_themselves(made, tmp_path, impatient):
    folder, out = tmp_path / "handed in", tmp_path / "out"
    for name, (source, _) in HOSTILE.items():
        small.save(small.answered(made, times=source, shout=small.SHOUT), folder / f"{name}.ipynb")
    honest = small.answered(made, times=small.TIMES, shout=small.SHOUT)
    for name in ("a first", "z last"):
        small.save(honest, folder / f"{name}.ipynb")
    strange = copy.deepcopy(honest)
    strange.metadata.kernelspec = {"name": "ruby", "display_name": "Ruby 1.8", "language": "ruby"}
    small.save(strange, folder / "unknown kernel" / "deep" / "small.ipynb")
    windows = copy.deepcopy(honest)
    windows.cells[-1].source = "größer, “smart”"
    (folder / "windows.ipynb").write_bytes(json.dumps(windows, ensure_ascii=False).encode("cp1252"))
    (folder / "utf16.ipynb").write_bytes(json.dumps(honest).encode("utf-16"))
    (folder / "zero.ipynb").write_bytes(b"")
    (folder / "prose.ipynb").write_text("Dear professor,")
    (folder / "list.ipynb").write_text("[1, 2]")
    (folder / "cells.ipynb").write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3, null]}')
    (folder / "report.pdf").write_bytes(b"%PDF")
    small.save(new_notebook(), folder / "empty.ipynb")
    (folder / "no notebook in it").mkdir()
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    (folder / "nowhere.ipynb").symlink_to("nothing")
    results = grade.grade(made, folder, out, 2)
    full = {"times": 3, "shout": 2}
    for name in ("a first.ipynb", "z last.ipynb", "unknown kernel", "windows.ipynb", "utf16.ipynb"):
        assert results[name]["points"] == full, (name, results[name])
    assert "cp1252" in results["windows.ipynb"]["notes"][0] and results["windows.ipynb"]["texts"] == {
        "why": "größer, “smart”"
    }
    failed = {name: found["failed"] for name, found in results.items() if found["failed"]}
    assert failed == {
        "zero.ipynb": "the file is empty (0 bytes)",
        "prose.ipynb": "the file is no notebook (NotJSONError)",
        "list.ipynb": failed["list.ipynb"],
        "cells.ipynb": failed["cells.ipynb"],
        "report.pdf": "a file .pdf, not a notebook",
        "empty.ipynb": "the notebook has no cells, or all are empty",
        "no notebook in it": "no notebook in it",
        "link.ipynb": "it is a link, not a file",
        "nowhere.ipynb": "it is a link, not a file",
    }
    for name, (_, said) in HOSTILE.items():
        found = results[f"{name}.ipynb"]
        assert not found["points"]["times"], (name, found)
        if said:
            assert any(part in " ".join(found["notes"]) for part in said.split("|")), (name, found)
        if name not in ("json", "builtins", "closes the line"):  # what they break is their own process
            assert found["points"]["shout"] == 2, (name, found)
    assert sorted(os.listdir(folder)) == sorted(results), "a submission was changed"
    rows = list(csv.DictReader((out / "grades.csv").open(encoding="utf-8-sig")))
    assert {row["submission"]: row["points by program"] for row in rows}["z last.ipynb"] == "5"
    pages = "".join(path.read_text("utf-8") for path in (out / "feedback").iterdir())
    assert "nobody_may_know" not in pages and "17.5" not in pages


@pytest.mark.slow
def test_without_name_spaces_it_works_as_well(made, tmp_path, impatient, monkeypatch):
    monkeypatch.setattr(sandbox, "isolation", lambda: ([], []))
    for name in ("exits", "segmentation fault", "hangs in a call", "json", "too much", "memory"):
        found = marked(made, small.answered(made, times=HOSTILE[name][0], shout=small.SHOUT), tmp_path)
        assert found["points"]["times"] == 0 and (name == "json" or found["points"]["shout"] == 2), (name, found)
    assert marked(made, small.answered(made, times=small.TIMES), tmp_path)["points"]["times"] == 3


def test_marking_goes_on_where_it_was_stopped(made, tmp_path, monkeypatch, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    small.save(small.answered(made, times=small.TIMES), folder / "a.ipynb")
    first = grade.grade(made, folder, out, 1)
    small.save(small.answered(made, shout=small.SHOUT), folder / "b.ipynb")
    asked = []
    mark = grade.mark
    monkeypatch.setattr(grade, "mark", lambda *a: asked.append(a[2].name) or mark(*a))
    both = grade.grade(made, folder, out, 1)
    assert asked == ["b.ipynb"] and both["a.ipynb"] == first["a.ipynb"]
    items = list(csv.DictReader((out / "items.csv").open(encoding="utf-8-sig")))
    assert [row["item"] for row in items] == ["times", "shout"] and items[0]["mean"] == "1.5"
    (out / "marked" / "a.ipynb.json").write_text("{broken")
    grade.grade(made, folder, out, 1)
    assert asked == ["b.ipynb", "a.ipynb"]


def test_points_that_somebody_gave_stay(made, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    small.save(small.answered(made, times=small.TIMES), folder / "a.ipynb")
    grade.grade(made, folder, out, 1)
    text = (out / "grades.csv").read_text("utf-8-sig")
    column = next(name for name in next(csv.reader(text.splitlines())) if "(by hand" in name)
    rows = list(csv.DictReader(text.splitlines()))
    rows[0][column] = "1.5"
    grade.table([rows[0].keys(), *(row.values() for row in rows)], out / "grades.csv", guard=False)
    small.save(small.answered(made, shout=small.SHOUT), folder / "b.ipynb")
    grade.grade(made, folder, out, 1)
    again = list(csv.DictReader((out / "grades.csv").open(encoding="utf-8-sig")))
    assert [(row["submission"], row[column]) for row in again] == [("a.ipynb", "1.5"), ("b.ipynb", "")]


def test_another_assignment_is_named_and_not_marked(made, tmp_path):
    nb = small.answered(made, times=small.TIMES)
    nb.metadata.likelab["assignment"] = "a3"
    small.save(nb, tmp_path / "in" / "a.ipynb")
    found = grade.mark(made, made.world(), tmp_path / "in" / "a.ipynb", [])
    assert found["failed"] == f"it is assignment a3, not {made.name}: ASSIGNMENT=a3 marks it"


def test_of_several_notebooks_the_assignments_own_is_marked(made, tmp_path):
    folder = tmp_path / "in" / "ann"
    small.save(small.answered(made, times=small.TIMES), folder / "final.ipynb")
    small.save(new_notebook(cells=[new_code_cell("1")]), folder / "draft.ipynb")
    found = grade.mark(made, made.world(), folder, [])
    assert found["points"]["times"] == 3 and found["notes"] == ["2 notebooks in the folder, of small: final.ipynb"]
    small.save(made.notebook(), folder / "old" / "small.ipynb")
    found = grade.mark(made, made.world(), folder, [])
    assert found["failed"] == "3 notebooks in the folder, of small: final.ipynb, small.ipynb"


def test_another_cohort_is_named(made, tmp_path, monkeypatch, capsys):
    small.save(small.answered(small.load(2027), times=small.TIMES), tmp_path / "in" / "a.ipynb")
    small.save(small.answered(made, times=small.TIMES), tmp_path / "in" / "b.ipynb")
    monkeypatch.setattr("sys.argv", ["grade", str(tmp_path / "in"), "--assignment", "small"])
    grade.main()
    said = capsys.readouterr().out.splitlines()
    assert "Marking 2 submissions as small of cohort 2026." in said
    assert [line for line in said if "but marked as" in line] == [
        "a.ipynb: of cohort 2027, but marked as 2026; is COHORT=2026 right?"
    ]


def test_a_text_in_another_cell_is_not_lost(made):
    nb = small.answered(made)
    nb.cells.append(new_markdown_cell("My text."))
    assert submission.answers(made, nb).texts == {"in other cells": "My text."}
    next(cell for cell in nb.cells if cell.id == "small-text-why").source = "Here."
    assert submission.answers(made, nb).texts == {"why": "Here."}


# --- Points for learning platforms ---

GRADES = [
    ["submission", "points by program", "times", "times: message", "why (by hand, of 2)", "notes"],
    ["doejane_11_900_small.ipynb", "5", "3", "", "1,5", ""],
    ["Ann Lee_222_assignsubmission_file_", "2", "2", "-", "", ""],
    ["nobody.ipynb", "1", "1", "", "", ""],
    ["late.pdf", "0", "0", "", "", "NOT MARKED: a file .pdf, not a notebook"],
]
CANVAS = [
    ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Small (47)", "Current Score"],
    ["    Points Possible", "", "", "", "", "7", "(read only)"],
    ["Doe, Jane", "11", "x11", "jd", "=A", "", "88"],
    ["Doe, Jane", "111", "", "jd2", "A", "3", ""],
]
MOODLE = [
    ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade"],
    ["Participant 222", "Ann Lee", "a@b.c", "Submitted", "", "7.00"],
    ["Participant 22", "Ann Lee", "b@b.c", "No submission", "", "7.00"],
]


def test_points_go_into_the_platforms_own_export_by_number(tmp_path, monkeypatch, capsys):
    found, missing = points.totals(GRADES)
    assert missing == [
        "why (by hand, of 2): no points yet, which counts 0, for 2: Ann Lee_222_assignsubmission_file_, nobody.ipynb",
        "not marked by the program, and left out, for 1: late.pdf",
    ]
    assert found == {
        "doejane_11_900_small.ipynb": "6.5",
        "Ann Lee_222_assignsubmission_file_": "2",
        "nobody.ipynb": "1",
    }
    rows, said = points.filled(CANVAS, found, "Small (47)")
    assert rows[2][5] == "6.5" and [row[:5] + row[6:] for row in rows] == [row[:5] + row[6:] for row in CANVAS]
    assert rows[1] == CANVAS[1] and rows[3] == CANVAS[3] and len(said) == 2
    rows, said = points.filled(MOODLE, found, "Grade")
    assert [row[4] for row in rows] == ["Grade", "2", ""] and said[-1] == "no row of the export belongs to nobody.ipynb"
    twice = found | {"doejane_11_late_small.ipynb": "4"}
    rows, said = points.filled(CANVAS, twice, "Small (47)")
    assert rows[2] == CANVAS[2] and "11 is in the names of 2 submissions" in said[0]
    with pytest.raises(DataError, match="Name a column that it has"):
        points.filled(CANVAS, found, "Grade")
    with pytest.raises(DataError, match="Name what `make grade` wrote"):
        points.totals(CANVAS)
    for name, table in (("grades", GRADES), ("export", CANVAS)):
        grade.table(table, tmp_path / f"{name}.csv", guard=False)
    arguments = [str(tmp_path / "grades.csv"), str(tmp_path / "export.csv"), "Small (47)"]
    monkeypatch.setattr("sys.argv", ["points", *arguments])
    assert points.main() and points.read(tmp_path / "export-filled.csv")[2][4:] == ["=A", "6.5", "88"]


# --- The answers of the real assignments ---


@pytest.mark.slow
@pytest.mark.parametrize("name", assignment.names())
def test_wrong_answers_lose_points_and_right_ones_do_not(name, tmp_path, monkeypatch):
    """Every wrong answer loses points of its item; every right one, however it is written, gets all of them."""
    wrong = __import__(f"coursework.{name}.wrong", fromlist=["wrong"])
    made = assignment.load(name, 2026)
    world = made.world()
    session, spare = (sandbox.Session(tmp_path, [assignment.FOLDER]) for _ in range(2))
    given = [cell.student for cell in made.cells if cell.kind == "given"] + [wrong.IMPORTS]

    @contextlib.contextmanager
    def again(session, first):
        """As Session.again, with one process for all answers: to start one for each would take a minute."""
        for source in session.ran[len(given) :] if spare.ran else [first, *session.ran]:
            spare.run(source, sandbox.START)
        yield spare

    monkeypatch.setattr(sandbox.Session, "again", again)
    try:
        for each in (session, spare):
            each.end += 600
        for source in given:
            session.run(source, sandbox.START)

        def lost(item, source):
            marking, session.ran = submission.Marking(made, world, session), list(given)
            session.run(source)
            marking.item(item)
            return made.points(item) - marking.points[item], marking.messages[item]

        right = [*wrong.RIGHT, *((item, "the answer", source) for item, source in wrong.ANSWERS.items())]
        unjust = [(item, what, lost(item, source)) for item, what, source in right if lost(item, source)[0]]
        assert unjust == []
        missed = [(item, what) for item, what, source in wrong.wrong() if not lost(item, source)[0]]
        assert missed == [] and len(list(wrong.wrong())) >= 20
    finally:
        session.stop()
        spare.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", assignment.names())
def test_last_years_answers_fail(name, tmp_path):
    """A set of answers of 2026: all points there, a year later no item in full, after two what every year has."""
    wrong = __import__(f"coursework.{name}.wrong", fromlist=["wrong"])
    for cohort in (2026, 2027, 2028):
        made = assignment.load(name, cohort)
        nb = small.answered(made, **wrong.ANSWERS)
        nb.cells.insert(2, new_code_cell(wrong.IMPORTS))
        got = marked(made, nb, tmp_path)["points"]
        if cohort == 2026:
            assert got == {item: made.points(item) for item in made.items}
        else:
            kept = [item for item in made.items if got[item] == made.points(item)]
            assert kept == [] or cohort > 2027, (cohort, kept)
            share = sum(got.values()) / sum(map(made.points, made.items))
            assert share < (0.3 if cohort == 2027 else 0.6), (cohort, got)


@pytest.mark.slow
@pytest.mark.parametrize("name", assignment.names())
def test_solutions_of_any_cohort_get_all_points(name):
    for cohort in (2026, 2027, 2031):
        assert students.proved(assignment.load(name, cohort)) == []
