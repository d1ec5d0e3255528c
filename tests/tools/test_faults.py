"""What a user of the tools meets when something is wrong: one line that names the file, and a remedy that is there."""

import ast
import errno
import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest

from likelab import files
from tests.support import small_chapter
from tools.chapter import chapters, convert, execute, export, setup_cell
from tools.website import fork, release, reproducibility

TEXT = "_build/text/05_small.py"
FULL = "No space left on device"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one chapter, which is the one that the tools work on."""
    book = small_chapter.book(tmp_path)
    small_chapter.save(small_chapter.executed(), book / "05_small.ipynb")
    (book / "_static").mkdir()
    (book / "_static" / "svhn-anomaly.png").write_bytes(b"the old picture")
    (book / "reproducibility.md").write_text("the old page")
    shutil.copy(chapters.ROOT / "pyproject.toml", book.parent)
    monkeypatch.setattr(chapters, "ROOT", book.parent)
    monkeypatch.setattr(chapters, "BOOK", book)
    return book


def run(monkeypatch, main, *arguments):
    """What a tool's command line ends with: an exit status, or the text that goes to the terminal."""
    monkeypatch.setattr(sys, "argv", ["tool", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        chapters.command(main)
    return stopped.value.code


def line(said):
    assert isinstance(said, str) and "\n" not in said and said.strip()
    return said


@pytest.fixture
def full(monkeypatch):
    """full(): from now on the disk is full."""

    def fill():
        def refuse(*_):
            raise OSError(errno.ENOSPC, FULL)

        monkeypatch.setattr(files.os, "fsync", refuse)

    return fill


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


# --- A full disk ---


def landing(nb, folder):
    """In place of execution: the chapter as if it had run, with another picture for the first page."""
    done = small_chapter.executed()
    done.cells[0].source += " More."
    done.cells[4].metadata.tags = ["landing"]
    nb.update(done)


STORES = {
    "chapter to text": lambda book: (convert.main, [book / "05_small.ipynb"]),
    "text to chapter": lambda book: (convert.main, [book.parent / TEXT]),
    "export": lambda book: (export.main, []),
    "setup cell": lambda book: (setup_cell.main, []),
    "address": lambda book: (lambda: fork.main("https://github.com/you/book"), []),
    "release": lambda book: (lambda: release.main("9.9.9"), []),
    "reproducibility": lambda book: (reproducibility.main, []),
}


@pytest.fixture
def changed(book, monkeypatch):
    """The book, where every tool has something to write."""
    text = convert.to_text(chapters.read(book / "05_small.ipynb")).replace("A small chapter", "A changed chapter")
    (book.parent / TEXT).parent.mkdir(parents=True)
    (book.parent / TEXT).write_text(text)
    os.utime(book.parent / TEXT, (0, 0))  # older than the chapter, so that it may be written anew
    nb = small_chapter.executed()
    nb.cells[1].source = "old"
    small_chapter.save(nb, book / "05_small.ipynb")
    monkeypatch.setattr(release, "refusal", lambda version: None)
    monkeypatch.setattr(reproducibility, "page", lambda: "a page")
    return book


@pytest.mark.parametrize("tool", STORES.values(), ids=STORES)
def test_a_full_disk_is_one_line_and_loses_nothing(changed, monkeypatch, full, tool):
    before = content(changed.parent)
    main, arguments = tool(changed)
    full()
    assert FULL in line(run(monkeypatch, main, *arguments))
    assert content(changed.parent) == before


@pytest.mark.parametrize("tool", STORES.values(), ids=STORES)
def test_with_room_each_of_them_writes(changed, monkeypatch, tool):
    """Otherwise the test above would be passed by a tool that writes nothing."""
    before = content(changed.parent)
    monkeypatch.setattr(release, "git", lambda *arguments: "")
    main, arguments = tool(changed)
    assert not run(monkeypatch, main, *arguments)
    assert content(changed.parent) != before


def test_a_full_disk_leaves_an_executed_chapter_and_the_picture(book, monkeypatch, full, capsys):
    monkeypatch.setattr(execute, "run", landing)
    monkeypatch.setattr(execute, "real_pair", lambda: {"real": True})
    before = content(book)
    full()
    assert run(monkeypatch, execute.main) == 1
    assert FULL in line(capsys.readouterr().out.splitlines()[-1])
    assert content(book) == before
    monkeypatch.undo()
    monkeypatch.setattr(execute, "run", landing)
    execute.execute(book / "05_small.ipynb", {"real": True})
    changed = {path.name for path, data in content(book).items() if before.get(path) != data}
    assert changed == {"05_small.ipynb", "svhn-anomaly.png"}


def test_a_release_that_failed_can_be_taken_back_as_it_says(book, monkeypatch, full):
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=book.parent, check=True, capture_output=True, text=True).stdout

    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@b.c")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message=as it is")
    with monkeypatch.context() as patch:
        patch.setattr(chapters, "write", lambda nb, path: files.write(path / "no such folder", ""))
        said = line(run(patch, lambda: release.main("9.9.9")))
    assert git("status", "--porcelain")  # the number is in likelab, not yet in the chapter
    git(*re.search(r"git (checkout \.)$", said).group(1).split())
    assert git("status", "--porcelain") == ""
    assert not run(monkeypatch, lambda: release.main("9.9.9"))
    assert git("tag") == "v9.9.9\n"


# What may be written at once: logs, what Sphinx makes of pages, an environment that is made anew unless whole.
WRITTEN_AT_ONCE = {
    "book/likelab/claims.py",  # a line for the process that waits for it
    "book/likelab/download.py",  # writes beside and renames, as a download may go on where it was
    "book/likelab/files.py",
    "tools/chapter/colab.py",
    "tools/chapter/peak.py",  # a number, for the process that waits for it
    "tools/runs/bank.py",
    "tools/environment.py",
    "tools/website/extension.py",
}


def writes(tree):
    """The calls of a module that write a file where it is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if node.args and ast.unparse(node.args[0]) == "os.devnull":
            continue
        modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
        mode = "".join(str(part.value) for part in modes if isinstance(part, ast.Constant))
        if called.endswith((".write_text", ".write_bytes")) or called == "nbformat.write":
            yield called
        if (called == "open" or called.endswith(".open")) and re.search("[wax+]", mode):
            yield called


def test_nothing_else_is_written_where_it_is():
    sources = [path for folder in ("tools", "book/likelab") for path in sorted((chapters.ROOT / folder).rglob("*.py"))]
    found = {
        path.relative_to(chapters.ROOT).as_posix(): [*writes(ast.parse(path.read_text("utf-8")))] for path in sources
    }
    assert {name: calls for name, calls in found.items() if calls and name not in WRITTEN_AT_ONCE} == {}
    assert [*writes(ast.parse("p.write_text('')\nopen(p, 'wb')\nopen(p)\nnbformat.write(nb, p)"))] == [
        "p.write_text",
        "open",
        "nbformat.write",
    ]


# --- Files that are missing, or are something else ---


@pytest.mark.parametrize("damage", ["", "{", "[]", "<<<<<<< ours\n{}\n=======\n", '{"cells": 1}', b"\xff\xfe"])
def test_what_is_no_notebook_is_said_in_one_line(book, monkeypatch, damage):
    path = book / "05_small.ipynb"
    path.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    for main, arguments in ((convert.main, [path]), (export.main, []), (setup_cell.main, [])):
        said = line(run(monkeypatch, main, *arguments))
        assert "05_small.ipynb: expected a notebook; found something else" in said and "restore" in said


def test_a_chapter_of_the_contents_that_is_not_there(book, monkeypatch):
    (book / "05_small.ipynb").unlink()
    assert "05_small.ipynb: expected a notebook; found No such file" in line(run(monkeypatch, export.main))


GOOD = f'# %% tags=["setup"]\n\n# %%\n{small_chapter.IMPORTS}\n'
BROKEN = {
    "code": (GOOD + "x = (1\n", "its code is no Python (cell 2, line "),
    "header": ("# ---\n# jupyter: {\n# ---\n" + GOOD, "its first lines, between two lines of dashes, are no YAML"),
    "no setup cell": ("# %%\nx = 1\n", "one code cell must be tagged `setup`; 0 are"),
    "citation": (GOOD + "\n# %% [markdown]\n# {cite:t}`nobody1900`\n", "references.bib has no entry 'nobody1900'"),
    "encoding": (b"# %%\nx = '\xff'\n", "is no chapter"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_text_that_is_no_chapter_is_said_in_one_line(book, monkeypatch, text, why):
    before = content(book)
    source = book.parent / "05_small.py"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = line(run(monkeypatch, convert.main, source))
    assert said.startswith(f"{source} is no chapter: ") and why in said
    assert content(book) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["05_nothing.ipynb"], "05_nothing.ipynb: expected a notebook; found No such file or directory"),
        (["05_nothing.py"], "05_nothing.py: No such file or directory. Give the path of a text form"),
    ],
)
def test_convert_of_a_file_that_is_not_there(book, monkeypatch, arguments, said):
    assert said in line(run(monkeypatch, convert.main, *arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["05_small.txt"], "one of the two must end in .py, the other in .ipynb"),
        (["05_small.ipynb", "glow.txt"], "one of the two must end in .py, the other in .ipynb"),
        (["a.py", "b.py"], "one of the two must end in .py, the other in .ipynb"),
        (["glow.py"], "no chapter is called glow: name the one to write"),
    ],
)
def test_convert_of_names_that_do_not_go_together(book, monkeypatch, capsys, arguments, said):
    assert run(monkeypatch, convert.main, *arguments) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_convert_there_and_back_by_one_name_each(book, monkeypatch, capsys):
    chapter, text = book / "05_small.ipynb", book.parent / TEXT
    assert not run(monkeypatch, convert.main, chapter)
    assert capsys.readouterr().out == f"{text} written\n"
    text.write_text(text.read_text().replace("A small chapter", "A large chapter"))
    assert not run(monkeypatch, convert.main, text)
    assert chapters.read(chapter).cells[0].source.startswith("# A large chapter")
    assert chapters.read(chapter).cells[5].outputs[0].text == small_chapter.CLAIM_LINE


def test_an_edited_text_is_not_overwritten(book, monkeypatch):
    chapter, text = book / "05_small.ipynb", book.parent / TEXT
    assert not run(monkeypatch, convert.main, chapter)
    assert not run(monkeypatch, convert.main, chapter)  # as nothing in it would be lost
    edited = text.read_text().replace("A small chapter", "A large chapter")
    text.write_text(edited)
    os.utime(text, (2e9, 2e9))
    assert "convert it back first, or delete it" in line(run(monkeypatch, convert.main, chapter))
    assert text.read_text() == edited
    assert not run(monkeypatch, convert.main, text)
    os.utime(chapter, (3e9, 3e9))
    assert not run(monkeypatch, convert.main, chapter)  # what was edited is in the chapter now


# --- What a person puts beside the chapters ---


@pytest.fixture
def strays(book):
    """JupyterLab's copy of a chapter, a notebook and a script of one's own: none of them keeps a house rule."""
    for name in ("05_small-Copy1.ipynb", "Untitled.ipynb"):
        (book / name).write_text('{"cells": [')
    for folder in (book, book.parent):
        (folder / "glow.py").write_text("%magic\nimport  os")
    return content(book)


def test_strays_are_left_alone(book, strays, monkeypatch):
    assert [path.name for path in chapters.paths(book)] == ["05_small.ipynb"]
    assert not run(monkeypatch, export.main)
    assert not run(monkeypatch, setup_cell.main)
    after = content(book)
    assert {path for path in after if after[path] != strays.get(path)} == {book / "likelab" / "models" / "small.py"}
    with pytest.raises(SystemExit, match=r"No chapter 05_small-Copy1 \(_toc.yml does not name 05_small-Copy1\)"):
        chapters.chosen(["book/05_small-Copy1.ipynb"])


def test_ruff_reads_what_belongs_to_the_book(book, strays):
    ours = {"tools/tool.py", "tests/tools/test_tool.py", f"book/{REAL[0]}"}
    for name in ours:
        (book.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (book.parent / name).write_text("{}")
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    listed = subprocess.run(command, cwd=book.parent, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {os.path.relpath(path, book.parent).replace(os.sep, "/") for path in listed}
    assert {name for name in found if not name.startswith("book/likelab/")} == ours
    assert "book/likelab/bits.py" in found


REAL = [path.name for path in chapters.paths()]


def test_ruff_reads_every_chapter():
    listed = re.findall(r'"book/(.+\.ipynb)"', (chapters.ROOT / "pyproject.toml").read_text("utf-8"))
    assert listed == REAL, "pyproject.toml lists other chapters under [tool.ruff] include than _toc.yml"


# --- Remedies ---

PROSE = {"a", "it", "no", "room", "the"}  # "make room": no command


def texts(path):
    """The strings of a module that a user may be shown: all but docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [*ast.walk(tree)]
    with_body = [node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docstrings = {node.body[0].value for node in with_body if ast.get_docstring(node) is not None}
    strings = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node.value for node in strings if node not in docstrings]


def test_every_command_that_a_message_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (chapters.ROOT / "Makefile").read_text("utf-8"), re.M))
    named, wrong = set(), []
    for folder in ("tools", "book/likelab"):
        sources = sorted((chapters.ROOT / folder).rglob("*.py"))
        for path in [path for path in sources if path.name != "environment.py"]:
            for text in texts(path):
                made = set(re.findall(r"\bmake ([a-z][a-z-]*)", text)) - PROSE
                modules = set(re.findall(r"\bpython3? -m ([a-z_.]+[a-z_])", text))
                wrong += [f"{path.name}: make {target}" for target in made - targets]
                wrong += [f"{path.name}: {module}" for module in modules if importlib.util.find_spec(module) is None]
                named |= made | modules
    assert wrong == []
    assert named >= {"execute", "export", "bank", "tools.chapter.setup_cell"}  # the remedies are seen at all
