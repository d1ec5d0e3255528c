"""`make release` and `make fork`: what they write, and what they refuse in one line."""

import io
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import date
from types import SimpleNamespace

import pytest
import yaml

from tests.conftest import ROOT
from tests.support import small_chapter
from tools.chapter import chapters, rules, setup_cell
from tools.website import fork, release

PLACEHOLDER = "https://github.com/OWNER/REPO"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A committed book of one chapter, with the tools beside it. Its likelab is of release 0.1.0."""
    for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(key, "a@b.c")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "")
    book = small_chapter.book(tmp_path)
    (book / "likelab" / "__init__.py").write_text('"""A library."""\n\n__version__ = "0.1.0"\n')
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(chapters.ROOT / "tools", tmp_path / "tools", ignore=ignored)
    nb = small_chapter.executed()
    nb.cells[1].source = setup_cell.source(tmp_path)
    small_chapter.save(nb, book / "05_small.ipynb")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=as it is")
    return tmp_path


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def tool(root, name, *arguments):
    """Run a tool on a repository, in this process: (exit status, what it prints, its last words)."""
    main, printed = {"release": release, "fork": fork}[name].main, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), pytest.raises(SystemExit) as stopped:
        patch.setattr(chapters, "ROOT", root)
        patch.setattr(chapters, "BOOK", root / "book")
        chapters.command(main, *arguments)
    words = stopped.value.code or ""
    return SimpleNamespace(returncode=int(bool(words)), stdout=printed.getvalue(), stderr=words)


def state(root):
    return git(root, "log", "--oneline"), git(root, "tag"), git(root, "status", "--porcelain")


def refused(root, name, *arguments):
    """The one line of a refusal, after which nothing has changed."""
    before = state(root)
    run = tool(root, name, *arguments)
    assert run.returncode == 1 and run.stdout == ""
    assert state(root) == before
    (line,) = run.stderr.splitlines()
    return line


def test_a_release_is_one_commit_and_one_tag(repository):
    command = [sys.executable, "-m", "tools.website.release", "0.2.0"]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "git push origin main v0.2.0" in run.stdout
    assert setup_cell.version(repository) == "0.2.0"
    assert '"""A library."""' in (repository / "book/likelab/__init__.py").read_text()
    nb = chapters.read(repository / "book" / "05_small.ipynb")
    assert rules.setup_first(nb, setup_cell.source(repository)) == [] and '"0.2.0"' in nb.cells[1].source
    assert rules.for_outputs(nb) == []  # the stored outputs stay
    log, tags, changes = state(repository)
    assert len(log.splitlines()) == 2 and tags == "v0.2.0\n" and changes == ""
    assert git(repository, "rev-parse", "v0.2.0^{commit}") == git(repository, "rev-parse", "HEAD")


def test_the_first_release_has_its_number_already(repository):
    assert tool(repository, "release", "0.1.0").returncode == 0
    assert len(state(repository)[0].splitlines()) == 1 and state(repository)[1] == "v0.1.0\n"
    assert "The tag v0.1.0 is there already" in refused(repository, "release", "0.1.0")


CITATION = """cff-version: 1.2.0
title: A book
version: 0.1.0
date-released: "2020-01-31"
preferred-citation:
  version: of the paper
"""


def test_a_release_dates_the_citation(repository):
    (repository / "CITATION.cff").write_text(CITATION)
    git(repository, "add", "CITATION.cff")
    git(repository, "commit", "--quiet", "--message=how to cite it")
    before = date.today()
    run = tool(repository, "release", "0.2.0")
    assert run.returncode == 0, run.stderr
    told = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert told == yaml.safe_load(CITATION) | {"version": "0.2.0", "date-released": told["date-released"]}
    assert before <= told["date-released"] <= date.today()
    assert state(repository)[2] == ""


def test_a_citation_without_a_line_for_the_number_is_named(repository):
    (repository / "CITATION.cff").write_text(CITATION.replace("\nversion: 0.1.0", ""))
    git(repository, "add", "CITATION.cff")
    git(repository, "commit", "--quiet", "--message=how to cite it")
    run = tool(repository, "release", "0.2.0")
    (line,) = run.stderr.splitlines()
    assert run.returncode == 1 and "CITATION.cff: expected one line that begins with `version:`; found 0" in line
    git(repository, *re.search("git (checkout .*)$", line).group(1).split())
    assert state(repository)[1:] == ("", "") and setup_cell.version(repository) == "0.1.0"


@pytest.mark.parametrize("version", ["", "1", "0.2", "v0.2.0", "0.2.0.dev1", "00.2.0", "0.2.0\n"])
def test_a_malformed_number_is_refused(repository, version):
    assert "is no release number" in refused(repository, "release", version)


def test_a_number_that_lies_behind_is_refused(repository):
    assert "0.0.9 lies behind 0.1.0" in refused(repository, "release", "0.0.9")


@pytest.mark.parametrize("name", ["_config.yml", "new.txt"])
def test_a_dirty_tree_is_refused(repository, name):
    with (repository / name).open("a") as file:
        file.write("# more\n")
    line = refused(repository, "release", "0.2.0")
    assert name in line and "commit them first" in line


def test_a_fork_has_its_own_address(repository):
    config = small_chapter.CONFIG + "title: a book\n"
    (repository / "_config.yml").write_text(config)
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    (repository / "CITATION.cff").write_text(citation)
    assert tool(repository, "fork", "https://github.com/you/your-book.git").returncode == 0
    address = "https://github.com/you/your-book"
    assert (repository / "_config.yml").read_text() == config.replace(PLACEHOLDER, address)
    cited = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert cited == yaml.safe_load(citation) | {"repository-code": address}
    nb = chapters.read(repository / "book" / "05_small.ipynb")
    assert f'REPOSITORY, VERSION = "{address}", "0.1.0"' in nb.cells[1].source


def test_a_fork_without_a_citation(repository):
    (repository / "_config.yml").write_text(small_chapter.CONFIG)
    assert tool(repository, "fork", "https://github.com/you/your-book").returncode == 0
    assert not (repository / "CITATION.cff").exists()


@pytest.mark.parametrize("address", ["", "you/your-book", "https://github.com/you", 'https://github.com/a/b"'])
def test_a_malformed_address_is_refused(repository, address):
    assert "is no repository" in refused(repository, "fork", address)


def test_a_config_without_the_line_is_refused(repository):
    (repository / "_config.yml").write_text("repository:\n  url: https://github.com/OWNER/REPO\n")
    assert "write the address there yourself" in refused(repository, "fork", "https://github.com/you/your-book")
