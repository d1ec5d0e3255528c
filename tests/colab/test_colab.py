"""The path through Colab: a forked and released copy, an empty folder, and packages like those Colab has.

`make test` runs one chapter to its end this way, tools/chapter/colab.py all of them.
"""

import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.conftest import once
from tools.chapter import chapters, colab, setup_cell

pytestmark = pytest.mark.slow
CHAPTER = "02_bits_per_dimension.ipynb"
names = pytest.mark.parametrize("name", [path.name for path in chapters.paths()])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(book/ of the release, git's settings), as `colab.publish` gives them."""

    def publish(folder):
        book, settings = colab.publish(folder)
        return [str(book), settings]

    book, settings = once(tmp_path_factory, "published", publish)
    return Path(book), settings


def setup(nb):
    """How a notebook's setup cell begins: all but what the notebook imports for itself."""
    source = next(cell.source for cell in nb.cells if chapters.has_tag(cell, "setup"))
    return source.partition(setup_cell.OWN)[0]


@pytest.fixture
def start(environment, published, tmp_path):
    """start(code, …) -> the outputs of the setup cell and of further code, run in `tmp_path` by a new kernel."""

    def start(*code, source=None, settings=None, **options):
        source = source or setup(chapters.read(published[0] / CHAPTER))
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (source, *code)])
        for cell in nb.cells:
            cell.metadata.tags = ["raises-exception"]
        done = colab.run(nb, tmp_path, published[1] | (settings or {}), **options)
        return [output for cell in done.cells for output in cell.outputs]

    return start


def complaint(outputs):
    """The one line that the setup cell stops with."""
    (error,) = outputs
    assert error.ename == "Stop" and "\n" not in error.evalue
    assert error.traceback == [error.evalue], "a traceback where one line would do"
    return error.evalue


def test_the_environment_is_colabs(environment):
    code = "import importlib.util, ipywidgets, torch\nprint(ipywidgets.__version__)\n"
    code += "for name in ('sphinx', 'jupyter_book', 'nbclient', 'jupytext', 'pytest', 'likelab'):\n"
    code += "    assert importlib.util.find_spec(name) is None, name"
    run = subprocess.run([environment, "-I", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.split(".")[:2]) == (0, ["7", "7"]), run.stderr


@names
def test_the_setup_cell_fetches_the_release_and_installs_nothing(environment, published, tmp_path, name):
    packages = next(colab.ENVIRONMENT.glob("lib/python*/site-packages"))
    before = sorted(packages.iterdir())
    code = f"{colab.STARTUP}{setup(chapters.read(published[0] / name))}\n"
    code += "print(os.getcwd(), likelab.__file__, likelab.__version__, sep='\\n')"
    command = [environment, "-I", "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env=os.environ | published[1], capture_output=True, text=True)
    book = tmp_path / "likelihood-book" / "book"
    assert run.stdout.splitlines() == [str(book), str(book / "likelab" / "__init__.py"), colab.RELEASE], run.stderr
    assert sorted(packages.iterdir()) == before


def test_after_a_restart_the_setup_cell_finds_the_clone_again(start):
    for settings in ({}, {"GIT_CONFIG_VALUE_0": "https://nowhere/"}):
        (printed,) = start("print(likelab.__version__)", settings=settings)
        assert printed.text.strip() == colab.RELEASE


@pytest.mark.chapter
def test_a_chapter_runs_to_its_end(environment, published, tmp_path):
    nb = chapters.read(published[0] / CHAPTER)
    done = colab.run(nb, tmp_path, published[1] | {"LIKELAB_PAIR": "standin"})
    last = chapters.code_cells(done)[-1]
    assert last.execution_count == len(chapters.code_cells(done))


def test_a_wrong_folder(start, tmp_path):
    said = complaint(start(colab=False))
    assert said.startswith(f"likelab is not beside this notebook, which runs in {tmp_path}. Clone {colab.ADDRESS} and ")
    assert said.endswith(f"in Colab: {colab.ADDRESS.replace('github.com', 'colab.research.google.com/github')}")


def test_no_network(start):
    settings = {"GIT_CONFIG_KEY_0": "http.proxy", "GIT_CONFIG_VALUE_0": "http://127.0.0.1:9"}
    assert "is there a network?" in complaint(start(settings=settings))


def test_an_older_clone_in_the_way(start, tmp_path):
    library = tmp_path / "likelihood-book" / "book" / "likelab"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text('__version__ = "0.0.1"\n')
    said = complaint(start())
    assert f"of release {colab.RELEASE}, likelab of 0.0.1" in said
    assert "deleting the folder likelihood-book and restarting" in said


def test_something_else_in_the_way(start, tmp_path):
    (tmp_path / "likelihood-book").mkdir()
    assert "delete it and run this cell again" in complaint(start())


def test_the_placeholder_address(start):
    source = setup_cell.TEMPLATE.replace("@REPOSITORY@", "https://github.com/OWNER/REPO")
    assert "does not know its address: set REPOSITORY above" in complaint(start(source=source))


def test_the_address_stands_in_one_place(published):
    """After a fork nothing but _config.yml, CITATION.cff and the setup cells names an address, old or new."""
    root, named = published[0].parent, re.compile(f"OWNER/REPO|{re.escape(colab.ADDRESS.partition('.com/')[2])}")
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_dir() or name.startswith((".git/", "tests/", "tools/")):
            continue
        text = path.read_bytes().decode(errors="ignore")
        if path.suffix == ".ipynb" and path not in chapters.paths(root / "book"):
            continue  # a copy that a person made
        if path.suffix == ".ipynb":
            nb = chapters.read(path)
            assert named.search(setup(nb)), f"{name} names no address"
            nb.cells = [cell for cell in nb.cells if not chapters.has_tag(cell, "setup")]
            text = nbformat.writes(nb)
        # `make links` leaves out the placeholder, which then names nobody.
        if lines := [line for line in text.splitlines() if named.search(line) and "linkcheck_ignore" not in line]:
            found[name] = lines
    assert list(found) == ["CITATION.cff", "_config.yml"] and len(found["_config.yml"]) == 1
    assert colab.ADDRESS in found["_config.yml"][0]
