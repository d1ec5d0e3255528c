"""The tools on other people's machines: folders, letters, programs that are missing, what a person's shell has set."""

import os
import shutil
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.support import small_chapter
from tools.chapter import chapters, colab, execute, run_chapters
from tools.website import release

OWN_START = "import os\nos.environ['STARTED'] = 'yes'\n"
SEEN = """import os, sys, warnings
import matplotlib
try:
    assert False
except AssertionError:
    print("checks hold")
print(os.environ.get("STARTED"), sys.flags.optimize, sys.warnoptions, matplotlib.rcParams["text.usetex"])
"""


def test_a_kernel_of_the_tools_has_nothing_of_a_persons_own(tmp_path, monkeypatch):
    """Start-up files of Python and IPython, a matplotlibrc, -O, warnings as errors: outputs are of the book alone."""
    profile = tmp_path / "ipython" / "profile_default" / "startup"
    profile.mkdir(parents=True)
    (profile / "own.py").write_text(OWN_START)
    (tmp_path / "own.py").write_text(OWN_START)
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    own = {"IPYTHONDIR": "ipython", "PYTHONSTARTUP": "own.py", "MATPLOTLIBRC": "matplotlibrc"}
    for name, value in own.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    folder = tmp_path / "Übung #1 100%"
    folder.mkdir()
    nb = new_notebook(cells=[new_code_cell(SEEN)])
    execute.run(nb, folder)
    assert nb.cells[0].outputs[0].text == "checks hold\nNone 0 [] False\n"


def tool(root, name, *arguments, **environment):
    """Run a tool of a copy of the repository in a process of its own: (exit status, all that it said)."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    command = [sys.executable, "-m", f"tools.{name}", *arguments]
    done = subprocess.run(command, cwd=root, env=os.environ | environment, **streams)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the tools and a book of one chapter, in a folder whose name is no plain word, behind a link."""
    top = tmp_path_factory.mktemp("home")
    real = top / "Übung #1 100%"
    real.mkdir()
    book = small_chapter.book(real)
    shutil.copytree(chapters.ROOT / "tools", real / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    small_chapter.save(small_chapter.executed(), book / "05_small.ipynb")
    (top / "link to the book").symlink_to(real, target_is_directory=True)
    return top / "link to the book"


@pytest.mark.parametrize(
    "letters",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"LC_ALL": "no_SUCH", "LANG": "no_SUCH"},
        {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "10"},
    ],
    ids=str,
)
def test_tools_run_in_any_folder_and_locale(copy, letters):
    status, said = tool(copy, "chapter.convert", "book/05_small.ipynb", **letters)
    assert status == 0 and said.endswith("05_small.py written\n"), said
    status, said = tool(copy, "chapter.convert", "nö such … chapter.ipynb", **letters)
    assert status == 1 and said.count("\n") == 1 and "expected a notebook" in said, said


def test_a_release_without_git_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="git does not run .*install git"):
        release.git("status")


def test_a_release_without_a_repository_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SystemExit, match="git status failed: .*not a git repository"):
        release.git("status")


def test_processors_are_those_that_the_process_may_use(monkeypatch):
    """A container's share of a machine, as joblib reads it, here from a variable."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert run_chapters.cpu_count() == 1


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_what_git_says_is_read_in_any_letters(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    release.git("init", "--quiet", "--initial-branch=prüfung")
    assert release.git("symbolic-ref", "--short", "HEAD") == "prüfung"


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_a_copy_is_published_beside_the_repository_of_a_hook(tmp_path, monkeypatch):
    """`make test-all` in a hook of a person's repository: nothing is committed there."""
    own, source = tmp_path / "own", tmp_path / "copies" / "source"
    source.mkdir(parents=True)
    (source / "a file").write_text("")
    subprocess.run(["git", "init", "--quiet", own], check=True)
    before = sorted(own.joinpath(".git").rglob("*"))
    monkeypatch.setenv("GIT_DIR", str(own / ".git"))
    monkeypatch.setattr(colab, "fork", lambda target: source)
    with pytest.raises(RuntimeError, match="tools.website.release"):  # there are no tools in that copy
        colab.publish(tmp_path / "copies")
    assert (source / ".git").is_dir() and sorted(own.joinpath(".git").rglob("*")) == before
