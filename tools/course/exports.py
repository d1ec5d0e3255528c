"""Write an assignment for otter-grader or for nbgrader, and prove it.

    python -m tools.course.exports otter a1 2027       _build/otter/2027/a1: what `otter assign` makes, with the zip
    python -m tools.course.exports nbgrader a1 2027    _build/nbgrader/2027: a course's tree, to which a1 is added

Students get the notebook of `make assignment`, and the library beside it; it needs neither tool. An item is a question
whose tests stay hidden; a free text is marked by a person. The tests call exported.py, which is in `grading/` with the
master and its checks. Before anything is written the tool itself has marked the solution, which must get all points,
and the untouched notebook, which must get none, without a network where Linux can take it away.

Each tool has an environment of its own in _build/tools, as they want another Sphinx; it sees the book's packages behind
its own.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_raw_cell

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters
from tools.course import assignment, students

TOOLS = chapters.ROOT / "_build" / "tools"
SHIPPED = ("_config.yml", "book/likelab", "tools/__init__.py", "tools/chapter", "tools/course", "tools/website")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", ".*", "wrong.py", "blind.py")
# Of requirements.txt, what a notebook and its checks import; pybtex and psutil come with tools/.
NEEDED = ("torch", "numpy", "scipy", "matplotlib", "pillow", "psutil", "pybtex")
CPU_BUILDS = "--extra-index-url https://download.pytorch.org/whl/cpu"


# --- The tools ---


def environment(tool):
    """The folder with a tool's commands; its environment is made where it is not there, or its list has changed."""
    folder = TOOLS / tool
    wanted = chapters.ROOT / f"requirements-{tool}.txt"
    lock = chapters.ROOT / "locks" / wanted.name
    stamp, made_of = folder / "made.txt", f"{sys.prefix}\n{wanted.read_text('utf-8')}{lock.read_text('utf-8')}"
    if not stamp.exists() or stamp.read_text("utf-8") != made_of:
        print(f"Installing {wanted.name} into {folder}: half a minute …", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True)
        pip = [sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}", "install", "-qq"]
        command = [*pip, "--disable-pip-version-check", f"--requirement={wanted}"]
        if subprocess.run(command, cwd=chapters.ROOT).returncode:
            raise DataError(f"{wanted.name} could not be installed, see above. Is there a network?")
        (packages,) = folder.glob("lib/python*/site-packages")
        files.write(packages / "book.pth", "\n".join(path for path in sys.path if path.endswith("site-packages")))
        files.write(stamp, made_of)
    return folder / "bin"


@functools.cache
def offline():
    """First words of a command that is to have no network but this machine's own; none where Linux refuses."""
    spaces = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    words = [*spaces, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] if shutil.which("unshare") else []
    return words if words and subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []


def run(command, folder):
    """Run a command of a tool in a folder, with nothing of a person's own settings. Raises DataError where it fails."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "JUPYTER"))}
    kept["PATH"] = f"{command[0].parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as home:
        own = dict.fromkeys(("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"), home)
        done = subprocess.run(
            [*offline(), *map(str, command)],
            cwd=folder,
            env=kept | chapters.KERNEL | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    if done.returncode:
        words = " ".join(Path(word).name for word in map(str, command))
        raise DataError(f"`{words}` failed. Its last words: {done.stdout.strip()[-2000:]}")
    return done.stdout


# --- What both get ---


def ship(made, folder):
    """Put what marks an assignment into the folder: library, tools, master and checks."""
    for name in (*SHIPPED, f"coursework/{made.name}"):
        source = assignment.FOLDER / made.name if name.startswith("coursework") else chapters.ROOT / name
        copy(source, folder / name)


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_SHIPPED, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def parts(made):
    """The cells of the student's notebook, each with its cell in the assignment."""
    nb = made.notebook()
    return nb, list(zip(nb.cells, made.cells, strict=True))


def same(made, nb):
    """Whether a notebook that a tool wrote is the one that students get, but for comments that are not shown."""

    def told(cells):
        return [
            cell.source.replace("<!-- BEGIN QUESTION -->", "").replace("<!-- END QUESTION -->", "").strip()
            for cell in cells
        ]

    return [text for text in told(nb.cells) if text] == [text for text in told(made.notebook().cells) if text]


def proved(made, points, what):
    """Raise DataError unless a tool gives all points to the solution and none to the untouched notebook."""
    best = {item: made.points(item) for item in made.items}
    for version, wanted in (("solution", best), ("student", dict.fromkeys(best, 0))):
        if points[version] != wanted:
            raise DataError(f"{what} gives the {version} of {made.name} {points[version]}, not {wanted}.")


# --- otter-grader ---

CASE = """def test_{item}_{check}(env):
    import sys
    sys.path.insert(0, "../source/files/grading")
    from tools.course import exported
    exported.otter({name!r}, {cohort}, {item!r}, {check}, env)
"""


def raw(text, **settings):
    return new_raw_cell("\n".join([f"# {text}", *(f"{key}: {json.dumps(value)}" for key, value in settings.items())]))


def with_prompt(match):
    """A solution as otter-grader marks it, with the line that students get in its place."""
    lines = ["# BEGIN SOLUTION NO PROMPT", match["text"], "# END SOLUTION"]
    lines += ['""" # BEGIN PROMPT', assignment.GAP, '""" # END PROMPT']
    return "".join(part if part == match["text"] else f"{match['indent']}{part}\n" for part in lines)


def otter_master(made):
    """The notebook that `otter assign` reads."""
    settings = {"init_cell": False, "export_cell": False, "files": ["likelab"], "autograder_files": ["grading"]}
    settings |= {"requirements": "requirements.txt", "tests": {"files": False, "ok_format": False}}
    nb, cells = parts(made)
    nb.cells = [raw("ASSIGNMENT CONFIG", **settings)]
    for cell, own in cells:
        if own.kind == "item":
            cell.source = assignment.SOLUTION.sub(with_prompt, own.master + "\n").rstrip()
            cell.source = assignment.filled_in(cell.source, made.constants, code=True)
            worth = [made.visible[own.name], *(check.points for check in made.hidden if check.item == own.name)]
            nb.cells += [raw("BEGIN QUESTION", name=own.name, points=worth, check_cell=False)]
            nb.cells += [raw("BEGIN SOLUTION"), cell, raw("END SOLUTION")]
        elif own.kind == "check":  # the tests run after the last cell of a question, as the visible check does
            nb.cells += [cell, raw("BEGIN TESTS")]
            for check in range(len(worth)):
                test = CASE.format(item=own.name, check=check, name=made.name, cohort=made.cohort)
                nb.cells.append(new_code_cell(f"# HIDDEN\n{test}"))
            nb.cells += [raw("END TESTS"), raw("END QUESTION")]
        elif own.kind == "text" and own.name in made.texts:
            nb.cells += [raw("BEGIN QUESTION", name=own.name, points=made.texts[own.name], manual=True)]
            nb.cells += [raw("BEGIN PROMPT"), cell, raw("END PROMPT"), raw("END QUESTION")]
        else:
            nb.cells.append(cell)
    return nb


def otter(made, out):
    """Write the folders that `otter assign` makes, student and autograder. Raises DataError where the proof fails."""
    command = environment("otter") / "otter"
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        ship(made, folder / "grading")
        copy(chapters.BOOK / "likelab", folder / "likelab")
        lines = (chapters.ROOT / "locks" / "requirements-dev.txt").read_text("utf-8").splitlines()
        pins = [line for line in lines if line.split("==")[0] in NEEDED]
        files.write(folder / "requirements.txt", "\n".join([CPU_BUILDS, *pins]) + "\n")
        chapters.write(otter_master(made), folder / f"{made.name}.ipynb")
        run([command, "assign", "--no-run-tests", f"{made.name}.ipynb", "dist"], folder)
        (archive,) = (folder / "dist" / "autograder").glob("*.zip")
        archive = archive.rename(archive.with_name(f"{made.name}-autograder.zip"))  # its name had the time in it
        found = {}
        for version, made_by in (("solution", "autograder"), ("student", "student")):
            notebook = folder / "dist" / made_by / f"{made.name}.ipynb"
            if version == "student" and not same(made, nbformat.read(notebook, 4)):
                raise DataError(f"otter assign changed the notebook of {made.name}: see {made.name} in otter_master.")
            found[version] = otter_points(command, archive, notebook, folder)
        proved(made, found, "otter-grader")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder / "dist", out)


def otter_points(command, archive, notebook, folder):
    """{item: points} that `otter run` gives a notebook."""
    run([command, "run", "--no-logo", "-a", archive, "-o", folder, notebook], folder)
    results = json.loads((folder / "results.json").read_text("utf-8"))
    return {test["name"]: test["score"] for test in results["tests"] if "score" in test}


# --- nbgrader ---

SETTINGS = """from nbgrader.preprocessors import (
    CheckCellMetadata, ClearOutput, DeduplicateIds, OverwriteCells, OverwriteKernelspec
)


class Deduplicated(DeduplicateIds):  # which leaves the copy of a cell in a state that stops the whole class
    def preprocess_cell(self, *arguments):
        cell, resources = super().preprocess_cell(*arguments)
        if cell.metadata.get("nbgrader") == {{}}:
            del cell.metadata["nbgrader"]
        return cell, resources


c = get_config()
c.CourseDirectory.course_id = {course!r}
c.ClearSolutions.code_stub = {{"python": {gap!r}}}
c.ClearSolutions.text_stub = {text!r}
c.Autograde.sanitize_preprocessors = [
    ClearOutput, Deduplicated, OverwriteKernelspec, OverwriteCells, CheckCellMetadata
]
c.OverwriteCells.add_missing_cells = True  # a check that was deleted comes back
c.Execute.timeout = 60  # seconds of a cell
"""
# In place of a notebook's own names, which may be anything; grading/ lies above the folder that marks a submission.
HIDDEN = """### BEGIN HIDDEN TESTS
import pathlib as _pathlib, sys as _sys
_sys.path.insert(0, next(str(_up / "grading") for _up in _pathlib.Path.cwd().parents if (_up / "grading").is_dir()))
from tools.course import exported as _exported
_exported.nbgrader({name!r}, {cohort}, {item!r}, {best}, globals())
### END HIDDEN TESTS
"""


def nbgrader_source(made):
    """The notebook that `nbgrader generate_assignment` reads."""
    nb, cells = parts(made)
    for cell, own in cells:
        best = (
            made.texts.get(own.name) if own.kind == "text" else made.points(own.name) if own.kind == "check" else None
        )
        if own.kind == "words" or own.kind == "text" and best is None:
            continue
        if own.kind == "item":
            cell.source = assignment.filled_in(own.master, made.constants, code=True)
        if own.kind == "check":
            hidden = HIDDEN.format(name=made.name, cohort=made.cohort, item=own.name, best=best)
            cell.source = f"{hidden}{cell.source}"
        about = {"grade_id": own.id, "cell_type": cell.cell_type, "schema_version": 3, "task": False}
        about |= {"grade": best is not None, "solution": own.kind in ("item", "text")}
        about |= {"locked": not about["solution"]} | ({"points": best} if best is not None else {})
        cell.metadata.nbgrader = about
    return nb


def nbgrader(made, out):
    """Add an assignment to the course's tree in a folder. Raises DataError where the proof fails."""
    command = environment("nbgrader") / "nbgrader"
    text = next((cell.student for cell in made.cells if cell.name in made.texts), "")
    with tempfile.TemporaryDirectory() as top:
        folder, source = Path(top), Path(top, "source", made.name)
        source.mkdir(parents=True)
        settings = SETTINGS.format(course=f"cohort-{made.cohort}", gap=assignment.GAP, text=text)
        files.write(folder / "nbgrader_config.py", settings)
        ship(made, folder / "grading")
        copy(chapters.BOOK / "likelab", source / "likelab")
        chapters.write(nbgrader_source(made), source / f"{made.name}.ipynb")
        shutil.copytree(folder, folder / "tree")
        run([command, "generate_assignment", made.name, "--create"], folder)
        release = nbformat.read(folder / "release" / made.name / f"{made.name}.ipynb", 4)
        if not same(made, release):
            raise DataError(f"nbgrader changed the notebook of {made.name}: see nbgrader_source.")
        answers = {cell.id: cell.source for cell in made.notebook("solution").cells}
        for version in ("student", "solution"):
            for cell in release.cells:
                if version == "solution" and cell.metadata.get("nbgrader", {}).get("solution"):
                    cell.source = answers[cell.id]
            place = folder / "submitted" / version / made.name
            place.mkdir(parents=True)
            chapters.write(release, place / f"{made.name}.ipynb")
        proved(made, nbgrader_points(command, made, folder), "nbgrader")
        shutil.copytree(folder / "tree", out, dirs_exist_ok=True)


SCORES = """import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    grades = {each.student.id: [grade for nb in each.notebooks for grade in nb.grades]
              for each in book.assignment_submissions(sys.argv[1])}
    print(json.dumps({name: {grade.name: grade.auto_score for grade in some} for name, some in grades.items()}))
"""


def nbgrader_points(command, made, folder):
    """{submission: {item: points}} that `nbgrader autograde` gives what is in `submitted`."""
    run([command, "autograde", made.name], folder)
    told = json.loads(run([command.with_name("python"), "-c", SCORES, made.name], folder))
    ids = {made.cell("check", item).id: item for item in made.items}
    return {name: {ids[id]: score for id, score in some.items() if id in ids} for name, some in told.items()}


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("tool", choices=("otter", "nbgrader"))
    parser.add_argument("assignment", choices=assignment.names())
    parser.add_argument("cohort", type=int, nargs="?", default=students.COHORT)
    options = parser.parse_args()
    made = assignment.load(options.assignment, options.cohort)
    out = chapters.ROOT / "_build" / options.tool / str(made.cohort)
    if options.tool == "otter":
        otter(made, out / made.name)
    else:
        nbgrader(made, out)
    total, texts = sum(map(made.points, made.items)), sum(made.texts.values())
    alone = "" if offline() else " (with a network: Linux did not take it away)"
    print(
        f"{options.tool} gives the solution of {made.name} {total} of {total} points, the untouched notebook 0{alone}."
    )
    print(f"By hand: {texts} points. Written: {out}")


if __name__ == "__main__":
    chapters.command(main)
