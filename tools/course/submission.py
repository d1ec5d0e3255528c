"""Read a submission, whatever state it is in, and mark it against the master."""

import contextlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace

import nbformat

from tools.course import assignment
from tools.course.sandbox import START, Died, Refused, Session

LARGEST = 20 << 20  # bytes of a notebook


class Unreadable(Exception):
    """A file that is no notebook; the text says what it is."""


@dataclass
class Answers:
    """What the student wrote, by the cells of the master."""

    cells: dict = field(default_factory=lambda: defaultdict(list))  # {item: sources, cells of their own among them}
    answered: set = field(default_factory=set)  # items; those too whose cells are gone, as others may hold the answer
    texts: dict = field(default_factory=dict)  # {free text: what was written}
    loose: list = field(default_factory=list)  # cells of their own that belong to no item, to be run first
    notes: list = field(default_factory=list)  # what was unusual, in words


def read(path):
    """A notebook and what was unusual about its file: (notebook, notes). Raises Unreadable."""
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("the file is empty (0 bytes)")
    if size > LARGEST:
        raise Unreadable(f"the file has {size >> 20} MiB, more than {LARGEST >> 20}")
    content, notes = path.read_bytes(), []
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeError:
        encoding = "cp1252"
        text = content.decode(encoding, errors="replace")
    if not encoding.startswith("utf-8"):
        notes.append(f"the file is encoded as {encoding}; read as such")
    try:
        nb = nbformat.reads(text, as_version=4)
        for cell in nb.cells:
            cell.source, cell.cell_type, cell.metadata.get("tags", [])
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"the file is no notebook ({type(error).__name__})") from error
    if not any(cell.source.strip() for cell in nb.cells):
        raise Unreadable("the notebook has no cells, or all are empty")
    return nb, notes


def origin(nb):
    """Which assignment and which cohort a notebook says it is of, or None: (name, cohort)."""
    own = nb.metadata.get("likelab")
    name, cohort = (own.get(key) if isinstance(own, dict) else None for key in ("assignment", "cohort"))
    is_name = isinstance(name, str) and name.isidentifier()
    return name if is_name else None, cohort if isinstance(cohort, int) else None


def answers(made, nb):
    """Match the cells of a notebook with the master's: by tag, else by id, else by text."""
    known = {}
    for cell in made.cells:
        known[f"{cell.kind}:{cell.name}".rstrip(":")] = known[cell.id] = cell
    by_text = {squeezed(cell.student): cell for cell in made.cells}
    found, seen, waiting, near, other = Answers(), defaultdict(int), [], None, []
    for cell in nb.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if isinstance(tag, str) and tag in known]
        master = known[tags[0]] if tags else known.get(cell.get("id")) or by_text.get(squeezed(cell.source))
        if master is None:
            if cell.cell_type == "code":
                (found.cells[near] if near else waiting).append(cell.source)
            else:
                other.append(cell.source)
            continue
        seen[master.id] += 1
        changed, near = squeezed(cell.source) != squeezed(master.student), None
        if master.kind == "item":
            near = master.name
            found.cells[near] += [*waiting, *([cell.source] if changed else [])]
            found.answered |= {near} if changed else set()
            waiting = []
        elif master.kind == "text" and changed:
            found.texts[master.name] = f"{found.texts.get(master.name, '')}\n\n{cell.source}".strip()
    missing = [cell for cell in made.cells if cell.kind in ("item", "given", "check") and not seen[cell.id]]
    twice = [cell for cell in made.cells if cell.kind in ("item", "check") and seen[cell.id] > 1]
    for cells, what in ((missing, "restored that were missing"), (twice, "that are there twice")):
        if cells:
            found.notes.append(f"cells {what}: {', '.join(f'{cell.kind} {cell.name}' for cell in cells)}")
    if gone := {cell.name for cell in missing if cell.kind == "item"}:
        found.answered |= gone
        found.loose = waiting
    if other and made.texts.keys() - found.texts:
        found.texts["in other cells"] = "\n\n".join(other)
    return found


def squeezed(source):
    return re.sub(r"\s+", " ", source).strip()


class Student:
    """The submission's functions, as attributes: each call goes to its process."""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return lambda *arguments: self._session.call(name, arguments)

    @contextlib.contextmanager
    def again(self, first):
        """The functions of another process, in which a cell of the check's own ran before those of the notebook."""
        with self._session.again(first) as session:
            yield Student(session)


class Marking:
    """One submission on its way through the master, cell by cell."""

    def __init__(self, made, world, session):
        self.made, self.world, self.session = made, world, session
        self.points = dict.fromkeys(made.items, 0)
        self.messages = {item: [] for item in made.items}
        self.notes = []

    def all(self, found):
        """Run the cells in the master's order, and mark each item where its check stands."""
        for source in found.loose:
            self.quietly(source, "a cell of their own")
        for cell in self.made.cells:
            name = cell.name
            if cell.kind == "given" and (error := self.quietly(cell.student, f"the cell {name}", START)):
                self.notes.append(f"the cell {name} stops: {error}")
            elif cell.kind == "item":
                errors = [self.quietly(source, f"the cell {name}") for source in found.cells[name]]
                self.messages[name] += [f"The cell stops: {error}." for error in errors if error is not None]
            elif cell.kind == "check" and name in found.answered:
                self.item(name)
                if self.points[name] == self.made.points(name):  # what stopped was no part of the answer
                    self.messages[name] = []
            elif cell.kind == "check":
                self.messages[name] = ["Not answered."]

    def quietly(self, source, what, seconds=None):
        """Run a cell; returns its error, if there is one."""
        try:
            return self.session.run(source, seconds)
        except Refused as error:
            return str(error)
        except Died as error:
            self.notes.append(f"{what}: {error}")
            return str(error)

    def item(self, name):
        """Mark an item, as it stands in the process now."""
        student, master = Student(self.session), SimpleNamespace(**self.world)
        calls = {each: getattr(student, each) for each in assignment.functions(self.made.cell("item", name))}
        visible = compile(self.made.cell("check", name).solution, f"<check of {name}>", "exec")
        tests = [(lambda: exec(visible, self.world | calls), self.made.visible[name], "")]
        hidden = [check for check in self.made.hidden if check.item == name]
        tests += [(lambda check=check: check(student, master), check.points, check.says) for check in hidden]
        for run, points, says in tests:
            try:
                run()
                self.points[name] += points
            except Died as error:
                self.notes.append(f"{name}: {error}")
                self.messages[name].append(f"Stopped: {error}.")
                return
            except Refused as error:
                kind = str(error) if not says else str(error).split(":")[0]
                self.say(name, says, kind)
            except AssertionError as error:
                self.say(name, says or str(error))
            except Exception:  # the answer is of a form that the check cannot read
                self.say(name, says, "the answer is not of the form that was asked for")

    def say(self, name, *parts):
        text = " · ".join(part.strip().rstrip(".") for part in parts if part)
        text = text if text.endswith(("?", "!")) else f"{text}."
        if text not in self.messages[name]:
            self.messages[name].append(text)


def mark(made, world, nb, folder, hide=()):
    """Mark a notebook in a folder of its own. Returns {"points", "messages", "notes", "texts", "cohort"}, all plain."""
    found = answers(made, nb)
    session = Session(folder, hide)
    marking = Marking(made, world, session)
    try:
        marking.all(found)
    finally:
        session.stop()
    _, cohort = origin(nb)
    if cohort not in (None, made.cohort):
        found.notes.append(f"the notebook is of cohort {cohort}")
    told = {"points": marking.points, "messages": marking.messages, "texts": found.texts, "cohort": cohort}
    return told | {"notes": found.notes + marking.notes}
