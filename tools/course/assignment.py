"""An assignment as the tools see it: the master in coursework/, what students get of it, what is hidden from them.

A master is a notebook as text (py:percent). The first tag of a cell says what it is:

    setup         the cell that finds likelab; filled in
    given:NAME    code that students get as it is
    item:NAME     an answer: what stands between `# BEGIN SOLUTION` and `# END SOLUTION` is what students have to write
    check:NAME    the visible check of an item
    text:NAME     a free text of the student's, marked by a person

Beside it `checks.py` has the points and the hidden checks, and `variant.py` the constants of a cohort: in the student's
notebook their values stand in place of their names, in text as @NAME@. A cell's id follows from its tag, and stays.
"""

import ast
import os
import re
import runpy
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import nbformat

from likelab.errors import DataError
from tools.chapter import chapters, setup_cell

# A private copy may lie elsewhere.
FOLDER = Path(os.environ.get("COURSEWORK") or chapters.ROOT / "coursework").resolve()
SOLUTION = re.compile(r"^(?P<indent> *)# BEGIN SOLUTION\n(?P<text>.*?)^ *# END SOLUTION\n?", re.M | re.S)
GAP = "raise NotImplementedError  # your answer"
NOT_ALL = """\
print("Check of {name} passed: {visible} of {all} points.")
print("These checks are not all: hidden ones try other inputs, for {hidden} more.")
"""


class Code(str):
    """A constant of a cohort that stands in a cell as code, not as a text."""

    __repr__ = str.__str__


@dataclass
class Cell:
    """A cell of a master: its kind and name by its tag, its text there, for students, and with the solution."""

    kind: str  # the first word of its tag, or "words"
    name: str
    id: str
    master: str
    student: str
    solution: str


@dataclass
class Assignment:
    """A master with the constants of a cohort."""

    name: str
    cohort: int
    cells: list[Cell]
    visible: dict  # {item: points of its visible check}
    hidden: list  # the hidden checks, functions with the attributes item, points and says
    texts: dict  # {free text: points that a person may give}
    constants: dict = field(repr=False)

    @property
    def items(self):
        return list(self.visible)

    def points(self, item):
        """All points of an item."""
        return self.visible[item] + sum(check.points for check in self.hidden if check.item == item)

    def cell(self, kind, name):
        return next(cell for cell in self.cells if (cell.kind, cell.name) == (kind, name))

    def notebook(self, version="student"):
        """The notebook that students get, or ("solution") the same with the answers in place."""
        nb = nbformat.v4.new_notebook(metadata=chapters.METADATA)
        nb.metadata.likelab = {"assignment": self.name, "cohort": self.cohort}
        for cell in self.cells:
            code = cell.kind not in ("text", "words")
            new = nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell
            made = new(getattr(cell, version), id=cell.id)
            if cell.kind != "words":
                made.metadata.tags = [cell.kind if cell.kind == "setup" else f"{cell.kind}:{cell.name}"]
            nb.cells.append(made)
        setup_cell.fill(nb, setup_cell.source(chapters.ROOT, "coursework"))
        return nb

    def world(self):
        """What the master's code defines, solutions included: what the parent compares with. {name: value}"""
        found = {"__name__": "master"} | self.constants
        for cell in self.cells:
            if cell.kind in ("given", "item"):
                exec(compile(cell.master, f"<{cell.id}>", "exec"), found)
        return found


def hidden(item, points, says):
    """Mark a function of checks.py as a hidden check.

    It gets the student's functions and the master's, as attributes of two objects, and asserts. says: what students
    read where it fails: what to look at, not what was tried.
    """

    def marked(function):
        function.item, function.points, function.says = item, points, says
        return function

    return marked


def names():
    """The assignments that there are."""
    return sorted(path.parent.name for path in FOLDER.glob("*/master.py"))


def load(name, cohort):
    """Read an assignment. Raises DataError where there is none of that name, or where master and checks differ."""
    if name not in names():
        raise DataError.about(FOLDER / name, "an assignment", "none", f"There are {', '.join(names())}.")
    constants = runpy.run_path(str(FOLDER / name / "variant.py"))["draw"](cohort)
    checks = runpy.run_path(str(FOLDER / name / "checks.py"))
    found = [value for value in checks.values() if hasattr(value, "says")]
    nb = jupytext.reads((FOLDER / name / "master.py").read_text("utf-8"), fmt="py:percent")
    made = Assignment(name, cohort, [], checks["VISIBLE"], found, checks.get("TEXTS", {}), constants)
    counts = {}
    for cell in nb.cells:
        kind, _, own = (cell.metadata.get("tags") or ["words"])[0].partition(":")
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "setup":
            cell.source = setup_cell.source(chapters.ROOT, "coursework")
        id = f"{name}-{kind}-{own or counts[kind]}"
        made.cells.append(Cell(kind, own, id, cell.source, *versions(made, kind, own, cell, constants)))
    told = {kind: [cell.name for cell in made.cells if cell.kind == kind] for kind in ("item", "check")}
    if not told["item"] == told["check"] == made.items or {check.item for check in found} - set(made.items):
        raise DataError.about(
            FOLDER / name, "an answer and a check for each item", told, "Mend master.py or checks.py."
        )
    return made


def versions(made, kind, name, cell, constants):
    """A cell's text for students, and with the solution."""
    student = SOLUTION.sub(rf"\g<indent>{GAP}\n", cell.source + "\n")
    solution = SOLUTION.sub(r"\g<text>", cell.source + "\n")
    if kind == "check":
        counts = {"visible": made.visible[name], "all": made.points(name)}
        student += NOT_ALL.format(name=name, hidden=counts["all"] - counts["visible"], **counts)
    return (filled_in(text, constants, cell.cell_type == "code").rstrip() for text in (student, solution))


def filled_in(text, constants, code):
    """The text with a cohort's values in place of their names."""
    words = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in constants.items()}
    text = re.sub(r"@([A-Z_]+)@", lambda match: words[match[1]], text)
    if code and constants:
        text = re.sub(rf"\b({'|'.join(constants)})\b", lambda match: repr(constants[match[1]]), text)
    return text


def functions(cell):
    """Names of the functions that an item's cell defines: what the checks may call."""
    return [node.name for node in ast.parse(cell.master).body if isinstance(node, ast.FunctionDef)]


def solution_lines(made):
    """Lines of solutions and of hidden checks that no student may see; short ones are no one's own."""
    texts = [match["text"] for cell in made.cells for match in SOLUTION.finditer(cell.master + "\n")]
    texts.append((FOLDER / made.name / "checks.py").read_text("utf-8"))
    lines = {" ".join(line.split()) for text in texts for line in text.splitlines()}
    return {line for line in lines if len(line) >= 25 and not line.startswith(("#", "import ", "from "))}
