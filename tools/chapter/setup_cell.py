"""How the first code cell of every chapter begins, identical everywhere; after it come the chapter's own imports.

    python -m tools.chapter.setup_cell   write it into all chapters, after its text here changed

`make fork` and `make release` call it after they changed the address or the version. The address comes from
`repository: url` in _config.yml, the version from likelab. The cell is tagged `setup`; in a chapter's text form it has
only what is the chapter's own.
"""

import re

import nbformat
import yaml

from tools.chapter import chapters

TAGS = ["setup", "hide-input"]
OWN = "\n\n# What this notebook imports\n"  # the rest of the cell is the chapter's
TEMPLATE = """\
# @title Set-up: the book's library, and what this notebook imports
# Finds the library in this notebook's repository; in Colab it fetches it, once.
import os
import re
import subprocess
import sys

REPOSITORY, VERSION = "@REPOSITORY@", "@VERSION@"
WAY = "open the chapter from its folder book/"


class Stop(Exception):
    def _render_traceback_(self):
        return [str(self)]  # one line in place of a traceback


def book():
    for place in (".", "book", "../book", "likelihood-book/book"):
        if os.path.isfile(f"{place}/likelab/__init__.py"):
            return place


if not book() and "google.colab" not in sys.modules:
    vs_code = globals().get("__vsc_ipynb_file__", "")
    file = os.path.basename(os.environ.get("JPY_SESSION_NAME", vs_code))
    names = re.findall(r"\\d\\d_[a-z_]+", file)
    there = REPOSITORY.replace("github.com", "colab.research.google.com/github")
    there += "".join(f"/blob/main/book/{name}.ipynb" for name in names)
    remedy = f"Clone {REPOSITORY} and {WAY}, or run it in Colab: {there}"
    if "OWNER/REPO" in REPOSITORY:
        remedy = f"Clone the repository that it comes from, and {WAY}."
    told = f"likelab is not beside this notebook, which runs in {os.getcwd()}."
    raise Stop(f"{told} {remedy}")
if not book():
    if "OWNER/REPO" in REPOSITORY:
        raise Stop(
            "This copy does not know its address: set REPOSITORY above to the "
            "repository you opened."
        )
    there = os.path.exists("likelihood-book")
    for release in (f"v{VERSION}", "main"):
        clone = ["git", "clone", "--depth=1", f"--branch={release}", REPOSITORY]
        clone.append("likelihood-book")
        if there or subprocess.run(clone, capture_output=True).returncode == 0:
            break
    else:
        raise Stop(
            f"{REPOSITORY} could not be cloned: is the address right, and is there a "
            "network?"
        )
    if not book():
        raise Stop(
            "likelihood-book is in the way and holds no likelab: delete it and run "
            "this cell again."
        )
if place := os.environ.get("LIKELAB_DATA"):  # relative to where the kernel started
    os.environ["LIKELAB_DATA"] = os.path.abspath(os.path.expanduser(place))
os.chdir(book())
sys.path.insert(0, os.getcwd())

import likelab

if likelab.__version__ != VERSION:
    raise Stop(
        f"This notebook is of release {VERSION}, likelab of {likelab.__version__}: "
        "take both from one, in Colab by deleting the folder likelihood-book and "
        "restarting the session."
    )
"""


def write(root=chapters.ROOT):
    """Write the cell into all chapters and coursework, and what their metadata say of Python.

    Returns the paths of those that changed. Raises DataError where one cannot be read or written.
    """
    written = []
    for path in [*chapters.paths(root / "book"), *sorted((root / "book" / "coursework").glob("*.ipynb"))]:
        nb = chapters.read(path)
        before = nbformat.writes(nb)
        fill(nb, source(root, path.parent.name.replace("book", "")))
        nb.metadata.update(nbformat.from_dict(chapters.METADATA))
        if nbformat.writes(nb) != before:
            chapters.write(nb, path)
            written.append(path)
    return written


def version(root=chapters.ROOT):
    """The release that likelab says it is."""
    package = (root / "book" / "likelab" / "__init__.py").read_text("utf-8")
    return re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE).group(1)


def source(root=chapters.ROOT, folder=""):
    """Text of the cell for the repository's address and version; in a folder of book/ the library is one up."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    text = TEMPLATE.replace("@REPOSITORY@", config["repository"]["url"]).replace("@VERSION@", version(root))
    if folder:
        text = text.replace('in (".",', 'in (".", "..",')
        way = f"put this notebook into its folder book/{folder}/"
        text = text.replace("open the chapter from its folder book/", way)
    return text.rstrip()


def own(source):
    """What of the cell is the chapter's."""
    return source.partition(OWN)[2]


def fill(nb, text):
    """Put the text at the head of the notebook's cell tagged `setup`. Raises ValueError where there is not one."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and chapters.has_tag(cell, "setup")]
    if len(cells) != 1:
        raise ValueError(f"one code cell must be tagged `setup`; {len(cells)} are")
    rest = own(cells[0].source) if cells[0].source.startswith(TEMPLATE[:8]) else cells[0].source
    cells[0].source, cells[0].metadata.tags = text + (OWN + rest if rest else ""), TAGS
    chapters.fold(cells[0])


def main():
    for path in write(chapters.ROOT):
        print(f"{path.name}: setup cell written")
    print("The setup cells of all chapters are as they should be.")


if __name__ == "__main__":
    chapters.command(main)
