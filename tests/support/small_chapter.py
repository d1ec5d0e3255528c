"""A small chapter that keeps all house rules, and a book to put it in: what the tests of the tools break."""

import shutil

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.chapter import chapters, setup_cell

CONFIG = 'repository: {url: "https://github.com/OWNER/REPO"}\n'
TOC = "parts:\n- chapters:\n  - file: book/notation\n"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
INTRO = "# A small chapter\n\n*You will* see a class, a figure and a claim.\n\n```\n# no heading\n```"
END = "## What the paper found, what we found\n\n## Exercises\n\n## Summary\n\n## Sources\n"
IMPORTS = "import math\n\nfrom IPython.display import display\nfrom likelab import claims"
MODEL = "class Model:\n    def log_prob(self, images):\n        return -math.log(256) * len(images)"
FIGURE = f'display({{"image/png": "{PIXEL}"}}, raw=True)'
CLAIM = '# @title Claim\nclaims.check("05.1", "SVHN needs fewer bits than CIFAR-10", {"bits": 3.95}, True)'
CLAIM_LINE = "Claim 05.1 holds: SVHN needs fewer bits than CIFAR-10 — bits 3.95\n"


def notebook():
    """The chapter as a person writes it: no outputs."""
    cells = [
        new_markdown_cell(INTRO),
        new_code_cell(metadata={"tags": ["setup"]}),
        new_code_cell(IMPORTS),
        new_code_cell(MODEL, metadata={"tags": ["export"]}),
        new_code_cell(FIGURE, metadata={"mystnb": {"image": {"alt": "A rising line."}}}),
        new_code_cell(CLAIM, metadata={"tags": ["nbval-check-output", "hide-input"]}),
        new_markdown_cell(END),
    ]
    nb = new_notebook(cells=cells, metadata=chapters.METADATA | {"likelab": {"exports": "small"}})
    setup_cell.fill(nb, setup_cell.source())
    return nb


def executed():
    """The same with outputs, as if it had run."""
    nb = notebook()
    for count, cell in enumerate(chapters.code_cells(nb), start=1):
        cell.execution_count = count
    nb.cells[4].outputs = [new_output("display_data", {"image/png": PIXEL})]
    nb.cells[5].outputs = [new_output("stream", name="stdout", text=CLAIM_LINE)]
    nb.metadata.likelab.fresh = {"data": {"real": True}}
    return nb


def book(folder):
    """A repository with a copy of likelab and no chapters. Returns its book/."""
    (folder / "_config.yml").write_text(CONFIG)
    (folder / "_toc.yml").write_text(TOC)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(chapters.BOOK / "likelab", folder / "book" / "likelab", ignore=ignored)
    for module in (folder / "book" / "likelab").rglob("*.py"):
        if module.read_text("utf-8").startswith('"""Exported from'):
            module.unlink()
    return folder / "book"


def save(nb, path):
    """Store a notebook; in a book of `book` it becomes a chapter, the last one."""
    nbformat.write(nb, path)
    toc, line = path.parents[1] / "_toc.yml", f"  - file: book/{path.stem}\n"
    if toc.exists() and line not in toc.read_text():
        toc.write_text(toc.read_text() + line)
    return path
