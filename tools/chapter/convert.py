"""Turn a chapter into a text file to edit, and back.

    python -m tools.chapter.convert book/05_glow.ipynb glow.py   the chapter as text (jupytext's py:percent)
    python -m tools.chapter.convert glow.py book/05_glow.ipynb   the text as chapter

The text files are not committed. On the way back the setup cell is filled in, citations are spelled out
(crossrefs.py), code is formatted by ruff, and outputs are kept under cells whose code did not change. A cell's id
follows from its text, so that differences between two versions of a chapter stay small.
"""

import hashlib
import sys
from pathlib import Path
from subprocess import PIPE, run

import jupytext
import nbformat

from tools.chapter import chapters, setup_cell
from tools.website import crossrefs

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FILTERS = {"notebook_metadata_filter": "likelab,-jupytext,-kernelspec", "cell_metadata_filter": "all"}


def to_notebook(text, old=None):
    """The chapter that the text describes, with the outputs of `old` where the code is the same."""
    nb = formatted(jupytext.reads(text, fmt="py:percent"))
    setup_cell.fill(nb, setup_cell.source())
    likelab = dict(nb.metadata.get("likelab", {}))
    known = {}
    if old is not None:
        known = {cell.source: cell for cell in old.cells if cell.cell_type == "code"}
        if fresh := old.metadata.get("likelab", {}).get("fresh"):
            likelab["fresh"] = fresh  # still the digests of what made the outputs; the tests compare them
    nb.metadata = nbformat.from_dict(METADATA | {"likelab": likelab})
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = crossrefs.spelled_out(cell.source)
        if cell.cell_type == "code" and (same := known.get(cell.source)):
            cell.outputs, cell.execution_count = same.outputs, same.execution_count
    name_cells(nb)
    return nb


def formatted(nb):
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename=book/chapter.ipynb", "-"]
    text = nbformat.writes(nb)
    done = run(command, input=text, stdout=PIPE, encoding="utf-8", cwd=chapters.ROOT, check=True)
    return nbformat.reads(done.stdout, as_version=4)


def name_cells(nb):
    """Give each cell an id made from its text; a repeated text gets the next one."""
    used = set()
    for cell in nb.cells:
        text = cell.cell_type + cell.source
        while (name := hashlib.sha256(text.encode()).hexdigest()[:8]) in used:
            text += "again"
        used.add(name)
        cell.id = name


def to_text(nb):
    """The chapter as py:percent text: sources, tags and alt texts, the module it exports to; no outputs."""
    nb.metadata.get("likelab", {}).pop("fresh", None)
    nb.metadata.jupytext = FILTERS
    for cell in nb.cells:
        if chapters.has_tag(cell, "setup"):
            cell.source = ""
    return jupytext.writes(nb, fmt="py:percent")


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    source, target = options.source, options.target
    match source.suffix, target.suffix:
        case ".ipynb", ".py":
            target.write_text(to_text(chapters.read(source)), "utf-8")
        case ".py", ".ipynb":
            old = chapters.read(target) if target.exists() else None
            nbformat.write(to_notebook(source.read_text("utf-8"), old), target)
        case _:
            parser.error("one of the two must be .py, the other .ipynb")
    print(f"{target} written")


if __name__ == "__main__":
    main()
