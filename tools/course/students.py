"""Write the student notebooks of all assignments, and prove that they give nothing away.

    python -m tools.course.students         those of the book, book/coursework/NAME.ipynb
    python -m tools.course.students 2027    those of a class, _build/coursework/2027/NAME.ipynb, to hand out

A cohort has conventions and constants of its own, so that another year's answers fail. The solution must get all points
and the untouched notebook none; no line of a solution or of a hidden check may be in the book or in the site that was
built.
"""

import sys
import tempfile
from pathlib import Path

from tools.chapter import chapters, convert
from tools.course import assignment, submission

COHORT = 2026  # of the notebooks in the book
PAGES = chapters.BOOK / "coursework"
TEXT = {".html", ".ipynb", ".js", ".json", ".md", ".py", ".txt", ".xml"}


def proved(made):
    """What is wrong with an assignment, in sentences: its solution and its untouched copy are marked."""
    findings, world = [], made.world()
    for version, share in (("solution", 1), ("student", 0)):
        nb = made.notebook(version)
        if version == "student":  # so that its answers count as answers, and run
            for cell in nb.cells:
                cell.source += "\n# touched" if cell.cell_type == "code" else ""
        with tempfile.TemporaryDirectory() as folder:
            marked = submission.mark(made, world, nb, folder)
        for item in made.items:
            if marked["points"][item] != share * made.points(item):
                why = " ".join(marked["messages"][item])
                findings.append(f"{made.name}: the {version} gets {marked['points'][item]} points for {item}. {why}")
    return findings


def leaks(made, folders):
    """Files of the book or of its site that hold a line of a solution or of a hidden check."""
    secret, findings = assignment.solution_lines(made), []
    for folder in folders:
        for path in sorted(path for path in Path(folder).rglob("*") if path.suffix in TEXT and path.is_file()):
            least = 25 if "coursework" in path.parts else 40  # chapters say short things of their own
            text = " ".join(path.read_text("utf-8", errors="replace").replace("\\n", " ").replace('\\"', '"').split())
            findings += [f"{path} holds {line!r}" for line in sorted(secret) if len(line) >= least and line in text]
    return findings


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("cohort", type=int, nargs="?", help="a year, or any whole number; without it the book's own")
    cohort = parser.parse_args().cohort
    out = PAGES if cohort is None else chapters.ROOT / "_build" / "coursework" / str(cohort)
    out.mkdir(parents=True, exist_ok=True)
    site, findings = chapters.ROOT / "_build" / "html", []
    for name in assignment.names():
        made = assignment.load(name, COHORT if cohort is None else cohort)
        findings += proved(made)
        chapters.write(convert.formatted(made.notebook()), out / f"{name}.ipynb")
        print(f"{out / name}.ipynb written: {len(made.items)} items, {sum(map(made.points, made.items))} points")
        findings += leaks(made, [chapters.BOOK, *([site] if site.exists() else [])])
    print(*findings, sep="\n", end="", file=sys.stderr)
    return bool(findings)


if __name__ == "__main__":
    chapters.command(main)
