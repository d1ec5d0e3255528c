"""The first code cell of every chapter, identical everywhere.

    python -m tools.chapter.setup_cell   write it into all chapters, after its text here changed

`make fork` and `make release` call it after they changed the address or the version. The address comes from
`repository: url` in _config.yml, the version from likelab. The cell is tagged `setup`.
"""

import re

import nbformat
import yaml

from tools.chapter import chapters

TAGS = ["setup", "hide-input"]
FOLD = "Set-up for Colab; skip it when you read"
TEMPLATE = """\
# Beside the book's library this cell does nothing. In Colab it fetches the library, once.
import os
import subprocess
import sys

REPOSITORY, VERSION = "@REPOSITORY@", "@VERSION@"


class Stop(Exception):
    def _render_traceback_(self):
        return [str(self)]  # one line in place of a traceback


if not os.path.isdir("likelab"):
    if "google.colab" not in sys.modules:
        raise Stop("likelab is not beside this notebook: open it from the folder book/ of a clone.")
    if "OWNER/REPO" in REPOSITORY:
        raise Stop("This copy does not know its address: set REPOSITORY above to the repository you opened.")
    there = os.path.exists("likelihood-book")  # of another chapter, or from before a restart
    for release in (f"v{VERSION}", "main"):
        clone = ["git", "clone", "--depth=1", f"--branch={release}", REPOSITORY, "likelihood-book"]
        if there or subprocess.run(clone, capture_output=True).returncode == 0:
            break
    else:
        raise Stop(f"{REPOSITORY} could not be cloned: is the address right, and is there a network?")
    if not os.path.isdir("likelihood-book/book/likelab"):
        raise Stop("likelihood-book is in the way and holds no likelab: delete it and run this cell again.")
    os.chdir("likelihood-book/book")
    sys.path.insert(0, os.getcwd())

import likelab

if likelab.__version__ != VERSION:
    remedy = "take both from one, in Colab by deleting the folder likelihood-book and restarting the session."
    raise Stop(f"This chapter is of release {VERSION}, likelab of {likelab.__version__}: {remedy}")
"""


def write(root=chapters.ROOT):
    """Write the cell into all chapters that have another. Returns their paths."""
    text, written = source(root), []
    for path in chapters.paths(root / "book"):
        nb = chapters.read(path)
        before = nbformat.writes(nb)
        fill(nb, text)
        if nbformat.writes(nb) != before:
            nbformat.write(nb, path)
            written.append(path)
    return written


def version(root=chapters.ROOT):
    """The release that likelab says it is."""
    package = (root / "book" / "likelab" / "__init__.py").read_text("utf-8")
    return re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE).group(1)


def source(root=chapters.ROOT):
    """Text of the cell for the repository's address and version."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    text = TEMPLATE.replace("@REPOSITORY@", config["repository"]["url"]).replace("@VERSION@", version(root))
    return text.rstrip()


def fill(nb, text):
    """Put the text into the notebook's cell tagged `setup`. Raises ValueError where there is not one."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and chapters.has_tag(cell, "setup")]
    if len(cells) != 1:
        raise ValueError(f"one code cell must be tagged `setup`; {len(cells)} are")
    cells[0].source, cells[0].metadata.tags = text, TAGS
    cells[0].metadata.mystnb = {"code_prompt_show": FOLD, "code_prompt_hide": FOLD}


def main():
    for path in write():
        print(f"{path.name}: setup cell written")


if __name__ == "__main__":
    main()
