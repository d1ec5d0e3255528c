"""What the tools know about chapters: where they are, and how their cells are told apart."""

import argparse
import ast
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


def paths(book=BOOK):
    """The chapters, in reading order."""
    return sorted(book.glob("[0-9][0-9]_*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def chosen(names):
    """The chapters named on a command line ("05_glow" or its path), or all. Raises SystemExit for another name."""
    known = {path.stem: path for path in paths()}
    wanted = [Path(name).stem for name in names]
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"No chapter {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in wanted or known]


def parser(doc):
    """A command line's parser that shows the tool's docstring as it is."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def has_tag(cell, tag):
    return tag in cell.metadata.get("tags", [])


def code_cells(nb):
    """The code cells that hold code."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def tree(cell):
    """The syntax tree of a code cell. Raises SyntaxError: chapters have no % and ! lines."""
    return ast.parse(cell.source)
