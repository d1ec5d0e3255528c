"""What the tools know about chapters: which there are, how they are stored, and how their cells are told apart."""

import argparse
import ast
import io
import os
import re
import sys
from pathlib import Path

import nbformat
import yaml

from likelab import files
from likelab.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
METADATA = {  # of every chapter; what else Jupyter stores names the Python that happened to run it
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
# Of the kernels that the tools start, so that outputs and verdicts come from the book alone. Clusters and CI images set
# a backend that shows no figures; -O drops what `assert` checks; start-up files and a matplotlibrc are a person's own.
KERNEL = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": os.devnull,
    "IPYTHONDIR": str(ROOT / "_build" / "ipython"),
    "PYTHONOPTIMIZE": "",
    "PYTHONSTARTUP": "",
    "PYTHONWARNINGS": "",
}


def paths(book=BOOK):
    """The chapters, in reading order: the numbered notebooks of `_toc.yml`. A copy beside them is none."""
    toc = yaml.safe_load((book.parent / "_toc.yml").read_text("utf-8"))
    entries = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [book.parent / f"{entry}.ipynb" for entry in entries if re.match(r"\d\d_", Path(entry).name)]


def read(path):
    """A notebook. Raises DataError, in one line, where the file is missing or is none."""
    remedy = "Give the path of a notebook, or restore the file, for example by git."
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise DataError.about(path, "a notebook", error.strerror or error, remedy) from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:  # empty, cut off, markers of a merge, a list
        raise DataError.about(path, "a notebook", f"something else ({type(error).__name__})", remedy) from error


def write(nb, path):
    """Store a notebook, whole or not at all. Raises DataError where it cannot be."""
    files.write(path, nbformat.writes(nb) + "\n")


def chosen(names):
    """The chapters named on a command line ("05_glow" or its path), or all. Raises SystemExit for another name."""
    known = {path.stem: path for path in paths(BOOK)}
    wanted = [Path(name).stem for name in names]
    if unknown := sorted(set(wanted) - set(known)):
        strays = [name for name in unknown if (BOOK / f"{name}.ipynb").exists()]
        why = f" (_toc.yml does not name {', '.join(strays)})" if strays else ""
        raise SystemExit(f"No chapter {', '.join(unknown)}{why}; there are {', '.join(known)}")
    return [known[name] for name in wanted or known]


def parser(doc):
    """A command line's parser that shows the tool's docstring as it is."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def command(main, *arguments):
    """Run a tool's `main` and exit with what it returns; with one line where a file is at fault, or on Ctrl-C.

    A terminal or a log that knows fewer letters than UTF-8 shows the others by their numbers.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not so where a test or a notebook reads it
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main(*arguments))
    except DataError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; what was written before is whole")


def has_tag(cell, tag):
    return tag in cell.metadata.get("tags", [])


TITLE = re.compile(r"# @title (.+)\n")


def fold(cell):
    """Let a cell tagged `hide-input` start folded, under its title: on the page, and as a form in Colab.

    Its first line is `# @title TITLE`.
    """
    if has_tag(cell, "hide-input") and (title := TITLE.match(cell.source)):
        cell.metadata.cellView = "form"
        cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=title[1], code_prompt_hide=title[1])


def unfold(cell):
    """Take away what `fold` adds, which follows from the cell's text."""
    cell.metadata.pop("cellView", None)
    prompts = cell.metadata.get("mystnb", {})
    for name in ("code_prompt_show", "code_prompt_hide"):
        prompts.pop(name, None)
    if not prompts:
        cell.metadata.pop("mystnb", None)


def code_cells(nb):
    """The code cells that hold code."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def tree(cell):
    """The syntax tree of a code cell. Raises SyntaxError: chapters have no % and ! lines."""
    return ast.parse(cell.source)
