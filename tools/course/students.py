"""Write the student notebooks that the book shows, and prove that they give nothing away.

    python -m tools.course.students

For each assignment book/coursework/NAME.ipynb is derived from its master. The solution must get all points and the
untouched notebook none; no line of a solution or of a hidden check may be in the book or in the site that was built.
"""

import sys
import tempfile
from pathlib import Path

from tools.chapter import chapters
from tools.course import assignment, submission

COHORT = 2026  # of the notebooks in the book; a class gets its own from `make assignment`
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
            marked = submission.mark(made, world, nb, open_to_all(folder))
        for item in made.items:
            if marked["points"][item] != share * made.points(item):
                why = " ".join(marked["messages"][item])
                findings.append(f"{made.name}: the {version} gets {marked['points'][item]} points for {item}. {why}")
    return findings


def open_to_all(folder):
    """The folder, with the right to write for whoever the submission runs as."""
    Path(folder).chmod(0o777)
    return folder


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
    PAGES.mkdir(exist_ok=True)
    findings = []
    for name in assignment.names():
        made = assignment.load(name, COHORT)
        findings += proved(made)
        chapters.write(assignment.readable(made.notebook()), PAGES / f"{name}.ipynb")
        print(f"{PAGES / name}.ipynb written: {len(made.items)} items, {sum(map(made.points, made.items))} points")
        site = chapters.ROOT / "_build" / "html"
        findings += leaks(made, [chapters.BOOK, *([site] if site.exists() else [])])
    for finding in findings:
        print(finding, file=sys.stderr)
    return bool(findings)


if __name__ == "__main__":
    chapters.command(main)
