"""Turn a chapter into a text file to edit, and back.

    python -m tools.chapter.convert book/05_glow.ipynb        the chapter as text: _build/text/05_glow.py
    python -m tools.chapter.convert _build/text/05_glow.py    the text as chapter: book/05_glow.ipynb

The text is jupytext's py:percent. A second path names another place to write to; one below _build is best, as git, ruff
and the site look at nothing there. Text that was edited since is not overwritten. On the way back the setup cell is
completed, citations are spelled out (tools/website/crossrefs.py), code is formatted by ruff, and outputs are kept under
cells whose code did not change. A cell's id follows from its text, so that differences between two versions of a
chapter stay small.
"""

import hashlib
import re
import sys
from pathlib import Path
from subprocess import run

import jupytext
import nbformat

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters, setup_cell
from tools.website import crossrefs

FILTERS = {"notebook_metadata_filter": "likelab,-jupytext,-kernelspec", "cell_metadata_filter": "all"}


def to_notebook(text, old=None):
    """The chapter that the text describes, with the outputs of `old` where the code is the same.

    Raises ValueError where the text describes none.
    """
    nb = jupytext.reads(text, fmt="py:percent")
    if nb.cells and nb.cells[0].cell_type == "raw":
        raise ValueError("its first lines, between two lines of dashes, are no YAML")
    nb = formatted(nb)
    setup_cell.fill(nb, setup_cell.source(chapters.ROOT))
    likelab = dict(nb.metadata.get("likelab", {}))
    known = {}
    if old is not None:
        known = {code_of(cell): cell for cell in old.cells if cell.cell_type == "code"}
        if fresh := old.metadata.get("likelab", {}).get("fresh"):
            likelab["fresh"] = fresh  # still the digests of what made the outputs; the tests compare them
    nb.metadata = nbformat.from_dict(chapters.METADATA | {"likelab": likelab})
    for cell in nb.cells:
        chapters.fold(cell)
        if cell.cell_type == "markdown":
            try:
                cell.source = crossrefs.spelled_out(cell.source)
            except KeyError as error:
                raise ValueError(f"references.bib has no entry {error}") from error
        if cell.cell_type == "code" and (same := known.get(code_of(cell))):
            cell.outputs, cell.execution_count = same.outputs, same.execution_count
    name_cells(nb)
    return nb


def code_of(cell):
    """What a cell's outputs depend on; those of the setup cell on what is the chapter's own in it."""
    return setup_cell.own(cell.source) if chapters.has_tag(cell, "setup") else cell.source


def formatted(nb):
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename=book/chapter.ipynb", "-"]
    text = nbformat.writes(nb)
    done = run(command, input=text, capture_output=True, encoding="utf-8", cwd=chapters.ROOT)
    if done.returncode:
        told = re.search(r"ipynb:(\d+):(\d+):\d+: (.*)", done.stderr)
        where = f"cell {told[1]}, line {told[2]}: {told[3]}" if told else done.stderr.strip()
        raise ValueError(f"its code is no Python ({where})")
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
        chapters.unfold(cell)
        if chapters.has_tag(cell, "setup"):
            cell.source = setup_cell.own(cell.source)
    return jupytext.writes(nb, fmt="py:percent")


def other(source, parser):
    """Where the other form of a chapter or of its text is, unless the command line says so."""
    if source.suffix == ".ipynb":
        folder = chapters.ROOT / "_build" / "text"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{source.stem}.py"
    target = chapters.BOOK / f"{source.stem}.ipynb"
    if source.suffix == ".py" and not target.exists() and not re.match(r"\d\d_", source.name):
        parser.error(f"no chapter is called {source.stem}: name the one to write, as book/05_glow.ipynb")
    return target


def edited_since(target, text, source):
    """Whether the text at `target` is another than `text`, and newer than the chapter that `text` is of."""
    if not target.exists() or target.stat().st_mtime <= source.stat().st_mtime:
        return False
    return target.read_text("utf-8") != text


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, nargs="?")
    options = parser.parse_args()
    source = options.source
    target = options.target or other(source, parser)
    match source.suffix, target.suffix:
        case ".ipynb", ".py":
            text = to_text(chapters.read(source))
            if edited_since(target, text, source):
                raise DataError(f"{target} was edited after {source}: convert it back first, or delete it.")
            files.write(target, text)
        case ".py", ".ipynb":
            old = chapters.read(target) if target.exists() else None
            try:
                chapters.write(to_notebook(source.read_text("utf-8"), old), target)
            except OSError as error:
                raise DataError(f"{source}: {error.strerror}. Give the path of a text form of a chapter.") from error
            except ValueError as error:
                raise DataError(f"{source} is no chapter: {error}") from error
        case _:
            parser.error("one of the two must end in .py, the other in .ipynb")
    print(f"{target} written")


if __name__ == "__main__":
    chapters.command(main)
